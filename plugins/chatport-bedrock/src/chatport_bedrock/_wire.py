"""Bytes to Amazon Bedrock and back: signed requests over aiobotocore's HTTP sessions.

The HTTP session of aiobotocore carries the bytes: aiohttp on asyncio, httpx2 on trio. The service model's serializer,
parser and retries are left out on purpose: they drop what they do not know, and cost more than everything else
together.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
from aiobotocore import __version__ as aiobotocore_version
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError

from chatport.backend import AuthenticationError, ProtocolError
from chatport_bedrock._bodies import body_of
from chatport_bedrock._errors import error_from_other_answer, error_from_response, is_other_type
from chatport_bedrock._failures import (
    Exchange,
    body_failure,
    configuration_failure,
    is_transport_error,
    request_failure,
    without_frames,
)
from chatport_bedrock._identity import Identity
from chatport_bedrock._pool import ConnectionPool
from chatport_bedrock._signature import Keys, sign

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from chatport.backend import BackendError
    from chatport_bedrock._calls import Call
    from chatport_bedrock._endpoints import Endpoint
    from chatport_bedrock._options import ConnectionOptions

MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
LAST_BYTES_SECONDS = 1.0
# The status says what has failed; its words are worth a moment, not the ten minutes that a model may think.
ERROR_BODY_SECONDS = 5.0
_FIRST_ERROR_STATUS: Final = 300
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_USER_AGENT: Final = (
    f"chatport-bedrock/{version('chatport-bedrock')} aiobotocore/{aiobotocore_version} "
    f"python/{platform.python_version()}"
)


class Wire:
    """Sends requests; one for each backend."""

    def __init__(self, options: ConnectionOptions) -> None:
        """Open nothing yet.

        Raises:
            ConfigurationError: `session` is not a session of aiobotocore.
        """
        self._identity = Identity(options)
        self._pool = ConnectionPool(max_connections=options.max_connections)

    @property
    def identity(self) -> Identity:
        """Where it sends to, and as whom."""
        return self._identity

    async def send(self, call: Call) -> WireResponse:
        """Send one request and return its answer, whose body is still to be read and which must be closed.

        Raises:
            ConfigurationError: No region, or a configuration that cannot be used; nothing was sent.
            AuthenticationError: No credentials; nothing was sent.
            BackendError: The service could not be reached, or answered with an error.
        """
        endpoint = await self._identity.endpoint(call.model, service=call.service)
        url = f"{endpoint.url}{call.path}"
        headers, keys = await self._headers(call, endpoint, url)
        try:
            session = await self._pool.session(endpoint)
        except BotoCoreError as error:
            raise configuration_failure(error) from error
        try:
            answer = await session.send(AWSPreparedRequest(call.method, url, headers, call.body, stream_output=True))
        except Exception as error:  # noqa: BLE001 - raised again as ours
            raise request_failure(error, Exchange(call.model)) from without_frames(error)
        response = WireResponse(answer, call.model)
        if response.status < _FIRST_ERROR_STATUS:
            if is_other_type(response.headers.get("content-type", ""), call.accept):
                raise await _other_answer(response, call.accept)
            if keys is not None:
                self._identity.accepted(keys)
            return response
        async with response:
            content = await response.read_error()
        raise self._failure(response, content, endpoint.region, keys)

    def _failure(self, response: WireResponse, content: bytes, region: str, keys: Keys | None) -> BackendError:
        failure = error_from_response(
            response.status,
            response.headers,
            content,
            model=response.model,
            region=region,
            remedy="" if keys is None else self._identity.remedy(),
        )
        if keys is not None and isinstance(failure, AuthenticationError):
            self._identity.refused(keys, failure)
        elif keys is not None:
            self._identity.accepted(keys)
        return failure

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._pool.aclose()

    async def _headers(self, call: Call, endpoint: Endpoint, url: str) -> tuple[dict[str, str], Keys | None]:
        signed = {"Host": _host(url)}
        if call.method == "POST":
            signed["Content-Type"] = "application/json"
        unsigned = {
            "Accept": call.accept,
            "Accept-Encoding": "identity",  # httpx2 asks for gzip unless told otherwise, and hands it out as it comes
            "User-Agent": _USER_AGENT,
        }
        token = self._identity.bearer_token()
        if token is not None:
            return _Headers({**signed, **unsigned, "Authorization": f"Bearer {token}"}), None
        keys = await self._identity.keys()
        added = sign(
            url,
            signed,
            call.body,
            keys=keys,
            region=endpoint.region,
            now=datetime.now(UTC),
            method=call.method,
        )
        return _Headers({**signed, **unsigned, **added}), keys


async def _other_answer(response: WireResponse, asked: str) -> ProtocolError:
    """Read an answer of another type, and return the error that says what it is."""
    async with response:
        content = await response.read_error()
    return error_from_other_answer(response.status, response.headers, content, asked=asked, model=response.model)


class _Headers(dict[str, str]):
    """Headers that do not show what they hold: tools that report errors print the local variables of every frame."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.lower()
    default = f":{_DEFAULT_PORTS[parts.scheme]}"
    return host.removesuffix(default) if parts.port is not None else host


class WireResponse:
    """An answer whose body is still on the wire. Use it in `async with`: leaving closes it."""

    def __init__(self, answer: Any, model: str | None) -> None:
        """Take over an answer of aiobotocore's HTTP session."""
        self.model = model
        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self.request_id: str | None = self.headers.get("x-amzn-requestid")
        self._exchange = Exchange(model, self.status, self.request_id)
        self._body = body_of(answer.raw)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the body, also in a cancelled task."""
        await self._body.close()

    async def read(self) -> bytes:
        """Return the next bytes of a stream, or none at its end.

        Raises:
            StreamInterruptedError: The connection broke.
            StreamTimeoutError: Nothing came for too long.
        """
        try:
            return await self._body.read()
        except Exception as error:
            if not is_transport_error(error):
                raise
            raise body_failure(error, self._exchange, "stream") from error

    async def read_all(self) -> bytes:
        """Return the whole body.

        Raises:
            ProtocolError: It is longer than anything that Bedrock answers.
            TransportError: The connection broke.
            StreamTimeoutError: Nothing came for too long.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await self._body.read():
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    break
                pieces.append(piece)
        except Exception as error:
            if not is_transport_error(error):
                raise
            raise body_failure(error, self._exchange, "request") from error
        if size > MAX_BODY_BYTES:
            message = f"the answer is longer than {MAX_BODY_BYTES} bytes"
            raise ProtocolError(message, **self._exchange.facts("request"))
        return b"".join(pieces)

    async def read_error(self) -> bytes:
        """Return what there is of an error's body: its status says enough where more is too long, late or missing."""
        pieces: list[bytes] = []
        size = 0
        with anyio.move_on_after(ERROR_BODY_SECONDS):
            try:
                while size < _MAX_ERROR_BYTES and (piece := await self._body.read()):
                    pieces.append(piece)
                    size += len(piece)
            except Exception as error:
                if not is_transport_error(error):
                    raise
        return b"".join(pieces)

    async def read_end(self) -> bytes:
        """Return what follows the last event, so that the connection can be used again.

        That is nothing but the end of the body. It gives up after a second, or where the connection breaks: the
        message is complete, and all that is lost is a connection.
        """
        pieces: list[bytes] = []
        with anyio.move_on_after(LAST_BYTES_SECONDS):
            try:
                while piece := await self._body.read():
                    pieces.append(piece)
            except Exception as error:
                if not is_transport_error(error):
                    raise
        return b"".join(pieces)
