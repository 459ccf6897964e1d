"""Every exception of the libraries below becomes one of ours: walked through, so that new ones are seen."""

from __future__ import annotations

import inspect
import socket
import ssl
from string import Formatter
from typing import Any

import aiohttp
import httpx2
import pytest
from aiohttp import http_exceptions
from botocore import exceptions as botocore_errors
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from chatport import (
    AuthenticationError,
    BackendError,
    ChatError,
    ConfigurationError,
    StreamInterruptedError,
    StreamTimeoutError,
    TransportError,
)
from chatport.backend.http import Exchange
from chatport_bedrock._failures import (
    BACKEND,
    body_failure,
    configuration_failure,
    credential_failure,
    is_transport_error,
    request_failure,
)

_EXCHANGE = Exchange(BACKEND, "a.model:0", 200, "id")


def _all_of(module: Any, base: type[Exception] = Exception) -> list[type[Exception]]:
    return [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, base)]


def _botocore(kind: Any) -> Exception:
    """An exception of botocore, with something in each place of its message."""
    made: Exception
    if issubclass(kind, botocore_errors.BotoCoreError):
        names = [name for _, name, _, _ in Formatter().parse(kind.fmt) if name]
        made = kind(**{name.split(".")[0]: f"<{name}>" for name in names})
    elif issubclass(kind, botocore_errors.ClientError):
        made = kind({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
    else:
        made = kind("reason")
    return made


_BOTOCORE = [
    kind
    for kind in _all_of(botocore_errors)
    # These are made with arguments of their own, and by nothing that finds credentials or sends.
    if kind.__module__ == "botocore.exceptions" and kind.__name__ not in {"MissingServiceIdError", "WaiterError"}
]
_TRANSPORT = [
    kind for kind in _BOTOCORE if issubclass(kind, (botocore_errors.HTTPClientError, botocore_errors.ConnectionError))
]


@pytest.mark.parametrize("kind", _BOTOCORE, ids=lambda kind: kind.__name__)
def test_credentials_that_cannot_be_had(kind: type[Exception]) -> None:
    """A chain of credentials may raise anything of botocore: out comes one of three classes, with the reason in it."""
    error = credential_failure(_botocore(kind), profile="work")
    assert type(error) in {AuthenticationError, ConfigurationError, TransportError}
    assert (type(error) is TransportError) is (kind in _TRANSPORT)
    if type(error) is AuthenticationError:
        assert "aws sso login --profile work" in str(error)
    if isinstance(error, BackendError):
        assert (error.phase, error.backend) == ("connect", "bedrock")
    assert len(str(error)) > 30


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("no program"), ValueError("no JSON"), RuntimeError("still expired"), KeyError("Version")],
)
def test_other_reasons_for_missing_credentials(error: Exception) -> None:
    """Programs that are not there, output that cannot be read, a refresh that gives expired keys: all of it."""
    ours = credential_failure(error, profile=None)
    assert type(ours) is AuthenticationError
    assert str(error) in str(ours)
    assert "default chain" in str(ours)


@pytest.mark.parametrize("kind", _BOTOCORE, ids=lambda kind: kind.__name__)
def test_requests_that_are_not_answered(kind: type[Exception]) -> None:
    """`send` of aiobotocore's sessions raises botocore's classes: out comes a transport error, in one of two phases."""
    error = request_failure(_botocore(kind), Exchange(BACKEND, "a.model:0"))
    assert type(error) in {TransportError, StreamTimeoutError}
    assert error.phase in {"connect", "request"}
    assert (error.backend, error.model, error.status) == ("bedrock", "a.model:0", None)
    assert error.retryable is not issubclass(kind, botocore_errors.SSLError)


def _endpoint_error(cause: Exception) -> Exception:
    error: Exception = botocore_errors.EndpointConnectionError(endpoint_url="http://host", error=cause)
    return error


_KEY: Any = None
_CAUSES: list[tuple[str, Exception, type[BackendError], str, bool]] = [
    ("aiohttp: refused", _endpoint_error(aiohttp.ClientConnectorError(_KEY, OSError(111, "refused"))), TransportError,
     "connect", True),
    ("aiohttp: no such host", _endpoint_error(aiohttp.ClientConnectorDNSError(_KEY, OSError(-2, "unknown"))),
     TransportError, "connect", True),
    ("a host that is unknown", _endpoint_error(socket.gaierror(-2, "unknown")), TransportError, "connect", True),
    ("aiohttp: reset", _endpoint_error(aiohttp.ClientOSError(104, "reset")), TransportError, "request", True),
    ("httpx2: refused", _endpoint_error(httpx2.ConnectError("refused")), TransportError, "connect", True),
    ("httpx2: no free connection",
     botocore_errors.ConnectTimeoutError(endpoint_url="http://host", error=httpx2.PoolTimeout("full")), TransportError,
     "connect", True),
    ("httpx2: writing takes too long",
     botocore_errors.ConnectTimeoutError(endpoint_url="http://host", error=httpx2.WriteTimeout("slow")),
     StreamTimeoutError, "request", True),
    ("reading takes too long", botocore_errors.ReadTimeoutError(endpoint_url="http://host", error="slow"),
     StreamTimeoutError, "request", True),
    ("a certificate", botocore_errors.SSLError(endpoint_url="http://host", error="untrusted"), TransportError,
     "connect", False),
    ("anything else", botocore_errors.HTTPClientError(error=httpx2.ReadError("reset")), TransportError, "request",
     True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "kind", "phase", "retryable"), [row[1:] for row in _CAUSES], ids=[row[0] for row in _CAUSES]
)
def test_phases_of_a_request(error: Exception, kind: type[BackendError], phase: str, retryable: bool) -> None:
    """Before a connection stood nothing can have been worked on; afterwards it may have."""
    ours = request_failure(error, _EXCHANGE)
    assert (type(ours), ours.phase, ours.retryable) == (kind, phase, retryable)


def test_an_answer_that_aiohttp_cannot_read() -> None:
    """There may have been a whole answer before it: it is not asked for twice, and shows no status that none gave."""
    asked = aiohttp.RequestInfo(URL("http://host"), "POST", CIMultiDictProxy(CIMultiDict()), URL("http://host"))
    cause = aiohttp.ClientResponseError(asked, (), status=400, message="Expected LF after chunk data:\n\n  b'ab'")
    ours = request_failure(botocore_errors.HTTPClientError(error=cause), Exchange(BACKEND, "a.model:0"))
    assert (type(ours), ours.phase, ours.retryable, ours.status) == (TransportError, "request", False, None)
    assert "no good HTTP: Expected LF after chunk data: b'ab'" in str(ours)
    assert "400" not in str(ours)


def _fail_as_aiobotocore_does(error: ssl.SSLError) -> None:
    try:
        raise error
    except ssl.SSLError:
        raise botocore_errors.SSLError  # noqa: B904 - not `from` the first


def test_tls_that_fails_late() -> None:
    """There aiobotocore 3.10 makes botocore's class without the arguments that it needs, which is a `KeyError`."""
    with pytest.raises(KeyError) as caught:
        _fail_as_aiobotocore_does(ssl.SSLError(1, "bad record"))
    ours = request_failure(caught.value, _EXCHANGE)
    assert (type(ours), ours.phase, ours.retryable) == (TransportError, "connect", False)
    assert "bad record" in str(ours)


_BODY_ERRORS = [
    *_all_of(aiohttp.client_exceptions, aiohttp.ClientError),
    *_all_of(http_exceptions, http_exceptions.HttpProcessingError),
    *_all_of(httpx2, httpx2.HTTPError),
    *_all_of(httpx2, httpx2.StreamError),
    *(ConnectionResetError, BrokenPipeError, TimeoutError, ssl.SSLError, OSError),
]


@pytest.mark.parametrize("phase", ["stream", "request"])
@pytest.mark.parametrize("kind", _BODY_ERRORS, ids=lambda kind: f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
def test_answers_that_break_off(kind: type[Exception], phase: Any) -> None:
    """Every error of the two libraries is known for what it is, and keeps the facts of the exchange."""
    # Their constructors want all kinds of things, which do not matter here.
    error = type(kind.__name__, (kind,), {"__init__": lambda _: None, "__str__": lambda _: "reason"})()
    assert is_transport_error(error)
    ours = body_failure(error, _EXCHANGE, phase)
    is_timeout = issubclass(kind, TimeoutError | httpx2.TimeoutException)
    expected = StreamTimeoutError if is_timeout else StreamInterruptedError if phase == "stream" else TransportError
    assert type(ours) is expected
    assert (ours.status, ours.request_id, ours.phase, ours.model) == (200, "id", phase, "a.model:0")
    assert ours.retryable
    assert "reason" in str(ours)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a bug"), RuntimeError("a bug")])
def test_our_own_mistakes_are_not_blamed_on_the_network(error: Exception) -> None:
    """What no transport raises stays what it is."""
    assert not is_transport_error(error)


def test_a_configuration_that_cannot_be_used() -> None:
    """The reason is in the message; a profile that is missing gets a hint."""
    broken: ChatError = configuration_failure(botocore_errors.ConfigParseError(path="~/.aws/config"))
    assert "~/.aws/config" in str(broken)
    missing = configuration_failure(botocore_errors.ProfileNotFound(profile="work"))
    assert "`aws configure list-profiles`" in str(missing)
