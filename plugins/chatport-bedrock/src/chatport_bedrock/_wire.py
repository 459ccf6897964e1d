"""Bytes to Amazon Bedrock and back: signed requests over aiobotocore's HTTP sessions.

aiobotocore finds the credentials, botocore signs, and the HTTP session of aiobotocore carries the bytes: aiohttp on
asyncio, httpx2 on trio. The service model's serializer, parser and retries are left out on purpose: they drop what
they do not know, and cost more than everything else together.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

import aiohttp
import anyio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from chatport.backend import ProtocolError
from chatport_bedrock._errors import error_from_response
from chatport_bedrock._failures import mapped
from chatport_bedrock._identity import Identity
from chatport_bedrock._pool import ConnectionPool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from chatport_bedrock._options import ConnectionOptions

Operation = Literal["converse", "converse-stream"]

_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_LAST_BYTES_SECONDS = 1.0
_FIRST_ERROR_STATUS = 300
_ACCEPT = {"converse": "application/json", "converse-stream": "application/vnd.amazon.eventstream"}


class Wire:
    """Sends requests; one for each backend."""

    def __init__(self, options: ConnectionOptions) -> None:
        """Open nothing yet."""
        self._identity = Identity(options)
        self._pool = ConnectionPool(max_connections=options.max_connections)
        self._user_agent = (
            f"chatport-bedrock/{version('chatport-bedrock')} aiobotocore/{version('aiobotocore')} "
            f"python/{platform.python_version()}"
        )

    async def send(self, operation: Operation, model: str, body: bytes) -> WireResponse:
        """Send one request and return its answer, whose body is still to be read and which must be closed.

        Raises:
            ConfigurationError: No region, or a configuration that cannot be used; nothing was sent.
            AuthenticationError: No credentials; nothing was sent.
            BackendError: The service could not be reached, or answered with an error.
        """
        profile = self._identity.describe_profile()
        with mapped(model=model, phase="connect", profile=profile):
            request = await self._signed(operation, model, body)
            session = await self._pool.session(await self._identity.endpoint(model))
        with mapped(model=model, phase="request"):
            answer = await session.send(request.prepare())
        response = WireResponse(answer, model)
        if response.status >= _FIRST_ERROR_STATUS:
            async with response:
                content = await response.read_all(limit=_MAX_ERROR_BYTES)
            raise error_from_response(response.status, response.headers, content, model=model)
        return response

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._pool.aclose()

    async def _signed(self, operation: Operation, model: str, body: bytes) -> AWSRequest:
        endpoint = await self._identity.endpoint(model)
        # Ids are ARNs too: every character but the unreserved ones is encoded, as botocore does for a path label.
        url = f"{endpoint.url}/model/{quote(model, safe='-._~')}/{operation}"
        headers = {
            "Content-Type": "application/json",
            "Accept": _ACCEPT[operation],
            "User-Agent": self._user_agent,
        }
        request = AWSRequest(method="POST", url=url, data=body, headers=headers, stream_output=True)
        token = await self._identity.bearer_token()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            SigV4Auth(await self._identity.credentials(), "bedrock", endpoint.region).add_auth(request)
        return request


class _Body(Protocol):
    """What is left of an answer, whichever library reads it."""

    async def read(self) -> bytes:
        """Return the next bytes, or none at the end."""
        ...

    async def close(self) -> None:
        """Let the connection go: back to the pool when all was read, else closed."""
        ...


class WireResponse:
    """An answer whose body is still on the wire. Use it in `async with`: leaving closes it."""

    def __init__(self, answer: Any, model: str) -> None:  # noqa: ANN401 - aiobotocore's two response classes
        """Take over an answer of aiobotocore's HTTP session."""
        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self.request_id: str | None = self.headers.get("x-amzn-requestid")
        self._model = model
        raw = answer.raw
        self._body: _Body = _AiohttpBody(raw) if isinstance(raw, aiohttp.ClientResponse) else _HttpxBody(raw)

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
        with mapped(model=self._model, phase="stream", request_id=self.request_id):
            return await self._body.read()

    async def read_all(self, *, limit: int = _MAX_BODY_BYTES) -> bytes:
        """Return the whole body.

        Args:
            limit: The most bytes to take.

        Raises:
            ProtocolError: There are more.
            TransportError: The connection broke.
        """
        pieces: list[bytes] = []
        size = 0
        with mapped(model=self._model, phase="request", request_id=self.request_id):
            while piece := await self._body.read():
                size += len(piece)
                if size > limit:
                    message = f"the answer is longer than {limit} bytes"
                    raise ProtocolError(
                        message, backend="bedrock", model=self._model, request_id=self.request_id, phase="request"
                    )
                pieces.append(piece)
        return b"".join(pieces)

    async def read_end(self) -> bytes:
        """Return what follows the last event, so that the connection can be used again; give up after a second."""
        rest = b""
        with anyio.move_on_after(_LAST_BYTES_SECONDS):
            rest = await self.read()
        return rest


class _AiohttpBody:
    """A body read by aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._failure: Exception | None = None

    async def read(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            # When data and the end of a connection arrive together, aiohttp raises before it hands the data out.
            # Good frames come first, so what is buffered is returned and the error kept for the next call.
            buffered = self._response.content._read_nowait(-1)  # noqa: SLF001 - there is no public way to it
            if not buffered:
                raise
            self._failure = error
            return buffered

    async def close(self) -> None:
        # Synchronous, so a cancelled task closes as well; a body read to its end has given its connection back.
        self._response.close()


class _HttpxBody:
    """A body read by httpx2."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 - httpx2 is optional
        self._response = response
        self._chunks: AsyncGenerator[bytes, None] = response.aiter_raw()

    async def read(self) -> bytes:
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            return b""

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._chunks.aclose()
            await self._response.aclose()
