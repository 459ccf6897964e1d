"""Exceptions of botocore, aiobotocore, aiohttp and httpx2 become ours; none of theirs escapes.

Pure: an exception in, an exception out, to be raised `from` the first. Cancellation is no `Exception` and never comes
here.
"""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError
from botocore import exceptions as botocore_errors

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ChatError,
    ConfigurationError,
    StreamInterruptedError,
    StreamTimeoutError,
    TransportError,
)
from chatport_bedrock._error_text import one_line
from chatport_bedrock._remedies import login_command

if TYPE_CHECKING:
    from types import ModuleType

    from chatport.backend import Phase
    from chatport.backend.http import Exchange

BACKEND: Final = "bedrock"


def credential_failure(error: Exception, *, profile: str | None) -> ChatError:
    """Return the error for a look-up of credentials that failed.

    Args:
        error: What was raised; a chain of credentials runs programs, reads files and asks services, so it may be
            anything.
        profile: The profile that was asked for, for hints.
    """
    unusable = (botocore_errors.ProfileNotFound, botocore_errors.ConfigParseError, botocore_errors.InvalidConfigError)
    if isinstance(error, unusable):
        return configuration_failure(error)
    reason = _reason(error)
    if isinstance(error, (botocore_errors.HTTPClientError, botocore_errors.ConnectionError)):
        # The service that gives the keys is out of reach; the keys themselves may be good.
        return TransportError(f"the AWS credentials cannot be fetched: {reason}", backend=BACKEND, phase="connect")
    where = f"profile {profile!r}" if profile else "the default chain"
    if isinstance(error, _LOGINS):
        advice = f"log in with {login_command(profile)}"
    elif isinstance(error, botocore_errors.BotoCoreError) and type(error).__name__.startswith("Login"):
        # By name: the oldest botocore that is supported has no such logins yet.
        advice = f"log in with {login_command(profile, tool='login')} (or {login_command(profile)})"
    else:
        advice = f"renew them, for example with {login_command(profile)}"
    message = f"no usable AWS credentials ({where}): {reason}; {advice}"
    return AuthenticationError(message, backend=BACKEND, phase="connect")


_LOGINS = (
    botocore_errors.SSOError,
    botocore_errors.TokenRetrievalError,
)


def callable_failure(error: Exception) -> AuthenticationError:
    """Return the error for a program's own source of credentials that failed.

    What the program raised is the cause; its words are not repeated, as nobody knows what is in them.
    """
    message = f"the callable given as `credentials` failed with {type(error).__name__}"
    return AuthenticationError(message, backend=BACKEND, phase="connect")


def configuration_failure(error: Exception) -> ConfigurationError:
    """Return the error for an AWS configuration that cannot be used."""
    if isinstance(error, botocore_errors.ProfileNotFound):
        return ConfigurationError(f"{_reason(error)}; `aws configure list-profiles` shows those there are")
    return ConfigurationError(f"the AWS configuration cannot be used: {_reason(error)}")


def request_failure(error: Exception, exchange: Exchange) -> BackendError:
    """Return the error for a request that was not answered.

    Args:
        error: What `send` of aiobotocore's HTTP sessions raised: a wrapper around what aiohttp or httpx2 raised.
        exchange: What is known of the exchange.
    """
    cause = _cause(error)
    reason = _reason(error)
    # Where TLS fails late, aiobotocore's session for httpx2 fails to make the exception that it wants to raise.
    late = error.__context__ if isinstance(error.__context__, ssl.SSLError) else None
    if late is not None or isinstance(error, botocore_errors.SSLError):
        # A certificate that is not trusted will not be trusted the next time.
        message = f"TLS failed: {reason if isinstance(error, botocore_errors.SSLError) else late}"
        return TransportError(message, **exchange.facts("connect", retryable=False))
    if isinstance(error, botocore_errors.ReadTimeoutError) or _is_write_timeout(cause):
        return StreamTimeoutError(f"no answer came in time: {reason}", **exchange.facts("request"))
    if _never_connected(error, cause):
        hint = " (is there a network, and are region and endpoint right?)"
        is_endpoint = isinstance(error, botocore_errors.EndpointConnectionError)
        return TransportError(f"{reason}{hint if is_endpoint else ''}", **exchange.facts("connect"))
    if isinstance(cause, aiohttp.ClientResponseError) and not _is_other_protocol(cause):
        # aiohttp cannot read what came, and throws away all that came before it in the same packet: the head, good
        # frames. The service has answered and may have done its work, so nothing is sent again.
        message = f"an answer came, but it is no good HTTP: {one_line(cause.message)}"
        return TransportError(message, **exchange.facts("request", retryable=False))
    if isinstance(cause, Exception):
        reason = _reason(cause)
    return TransportError(f"the connection broke before an answer came: {reason}", **exchange.facts("request"))


def body_failure(error: Exception, exchange: Exchange, phase: Phase) -> BackendError:
    """Return the error for an answer that broke off.

    Args:
        error: What aiohttp or httpx2 raised.
        exchange: What is known of the exchange.
        phase: `"stream"` for a stream, `"request"` for an answer that is read as a whole.
    """
    reason = _reason(error)
    facts = exchange.facts(phase)
    if _is_timeout(error):
        return StreamTimeoutError(f"the service fell silent in the middle of its answer: {reason}", **facts)
    if phase == "stream":
        return StreamInterruptedError(f"the connection broke in the middle of the stream: {reason}", **facts)
    return TransportError(f"the connection broke before the answer was complete: {reason}", **facts)


def forget_headers(error: BaseException) -> None:
    """Take the headers of the request out of an exception of aiohttp; some show them in their `repr`."""
    if not isinstance(error, aiohttp.ClientResponseError):
        return
    asked = error.request_info
    none = asked.headers.copy()
    none.clear()
    error.request_info = aiohttp.RequestInfo(asked.url, asked.method, type(asked.headers)(none), asked.real_url)
    error.history = ()
    error.args = (error.request_info, error.history)


def is_transport_error(error: Exception) -> bool:
    """Whether the error is one that a body raises when its connection fails."""
    httpx = _httpx()
    if httpx is not None and isinstance(error, (httpx.HTTPError, httpx.StreamError)):
        return True
    return isinstance(error, (aiohttp.ClientError, HttpProcessingError, OSError))


def is_connect_timeout(error: Exception) -> bool:
    """Whether `send` of aiobotocore's HTTP sessions gave up on a new connection.

    The operating system may give up earlier than any limit of ours; such an error has a number.
    """
    cause = _cause(error)
    has_number = isinstance(cause, OSError) and cause.errno is not None
    return isinstance(error, botocore_errors.ConnectTimeoutError) and not has_number


def _reason(error: BaseException) -> str:
    return one_line(str(error)) or type(error).__name__


def _cause(error: Exception) -> object:
    """What an exception of botocore was made from."""
    kwargs = getattr(error, "kwargs", {})
    return kwargs.get("error") if isinstance(kwargs, dict) else None


def _is_other_protocol(error: BaseException | None) -> bool:
    """Whether what came does not even begin like HTTP, so that nothing was an answer."""
    while error is not None and not isinstance(error, BadStatusLine):
        error = error.__cause__
    return error is not None


def _never_connected(error: Exception, cause: object) -> bool:
    if isinstance(error, (botocore_errors.ConnectTimeoutError, botocore_errors.ProxyConnectionError)):
        return True
    # aiobotocore gives the same name to a connection that broke after the request was sent on it.
    broke = isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, aiohttp.ClientConnectorError)
    return isinstance(error, botocore_errors.EndpointConnectionError) and not broke


# The limits of ours say themselves which they are; the operating system has some, too.
def _is_write_timeout(cause: object) -> bool:
    httpx = _httpx()
    return httpx is not None and isinstance(cause, httpx.WriteTimeout)


def _is_timeout(error: Exception) -> bool:
    httpx = _httpx()
    return isinstance(error, TimeoutError) or (httpx is not None and isinstance(error, httpx.TimeoutException))


def _httpx() -> ModuleType | None:
    """httpx2; None where it is not loaded, so that nothing can have come from it."""
    return sys.modules.get("httpx2")
