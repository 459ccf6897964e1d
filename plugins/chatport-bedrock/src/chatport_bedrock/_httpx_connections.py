"""Requests over the connections of httpcore2, without the client and the pool of httpx2 around them.

That pool looks at every connection and every request whenever one of them begins or ends, and asks the system for the
state of each idle one: opening a thousand streams takes seconds. Here the connection that was used last is taken, and
how many there may be is not looked at: whoever sends has one of the pool's places already.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import anyio
import httpcore2
import httpx2

from chatport.backend.http import TimedOutError
from chatport_bedrock._connect_limit import CONNECT_SECONDS
from chatport_bedrock._httpx_body import PiecewiseBody
from chatport_bedrock._httpx_network import DirectBackend, DirectStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

    from httpcore2 import AsyncHTTPConnection, AsyncNetworkBackend

    from chatport_bedrock._bodies import Body
    from chatport_bedrock._calls import HttpRequest

_OK: Final = 200  # some others have no body, whatever their headers say
# Each has a namesake in httpx2, as have all that are derived from it.
_ERRORS: Final = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)


class HttpxAnswer:
    """An answer, as far as those of aiobotocore are used; `raw` is its body."""

    __slots__ = ("headers", "raw", "status_code")

    def __init__(self, status_code: int, headers: Mapping[str, str], raw: Body) -> None:
        self.status_code = status_code
        self.headers = headers
        self.raw = raw


class DirectConnections:
    """The connections to one host."""

    def __init__(
        self, *, ssl_context: ssl.SSLContext, keepalive_seconds: float, network: AsyncNetworkBackend | None = None
    ) -> None:
        """Open nothing yet.

        Args:
            ssl_context: How certificates are checked.
            keepalive_seconds: How long an idle connection is used again.
            network: What makes connections.
        """
        self._ssl_context = ssl_context
        self._keepalive_seconds = keepalive_seconds
        self._network = DirectBackend(network)
        self._open: set[AsyncHTTPConnection] = set()
        self._idle: deque[AsyncHTTPConnection] = deque()  # the one that was used last is the last one

    async def send(self, request: HttpRequest) -> HttpxAnswer:
        """Send a request and return its answer once the head of it is there.

        Raises:
            httpx2.HTTPError: The connection did not come about, or broke, or took too long.
        """
        url = _url(request.url)
        connection = await self._take(url.origin)
        try:
            answer = await connection.handle_async_request(_request(request, url))
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self.give_back(connection)
            if isinstance(error, _ERRORS):
                raise _as_httpx2(error) from error
            raise
        headers = httpx2.Headers(answer.headers)
        return HttpxAnswer(answer.status, headers, _DirectBody(answer, headers, connection, self))

    async def aclose(self) -> None:
        """Close all connections."""
        self._idle.clear()
        while self._open:
            await self._open.pop().aclose()

    async def _take(self, origin: httpcore2.Origin) -> AsyncHTTPConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.can_handle_request(origin) and not connection.has_expired():
                return connection
            await self._drop(connection)
        connection = httpcore2.AsyncHTTPConnection(
            origin=origin,
            ssl_context=self._ssl_context,
            keepalive_expiry=self._keepalive_seconds,
            network_backend=self._network,
        )
        self._open.add(connection)
        return connection

    async def give_back(self, connection: AsyncHTTPConnection) -> None:
        """Keep a connection for the next request, if it can have one."""
        if connection not in self._open or not connection.is_available() or _has_more(connection):
            await self._drop(connection)
            return
        self._idle.append(connection)
        # Those that nobody takes any more end one by one.
        if len(self._idle) > 1 and self._idle[0].has_expired():
            await self._drop(self._idle.popleft())

    async def _drop(self, connection: AsyncHTTPConnection) -> None:
        self._open.discard(connection)
        with anyio.CancelScope(shield=True):
            await connection.aclose()


class _DirectBody(PiecewiseBody):
    """A body read by httpcore2; or, where it comes in chunks, from the connection below, and its end by httpcore2."""

    def __init__(
        self,
        answer: httpcore2.Response,
        headers: Mapping[str, str],
        connection: AsyncHTTPConnection,
        connections: DirectConnections,
    ) -> None:
        super().__init__(self._read_answer, self._close_answer, (*_ERRORS, OSError))
        self._answer = answer
        self._connection: AsyncHTTPConnection | None = connection
        self._connections = connections
        self._stream: DirectStream | None = None
        stream = answer.extensions.get("network_stream")
        # h11, which reads the end, takes a body for chunked where this header is there, and refuses every other value.
        if isinstance(stream, DirectStream) and answer.status == _OK and "transfer-encoding" in headers:
            self._stream = stream if stream.take_body() else None

    async def read(self, seconds: float = inf) -> bytes:
        if seconds <= 0:
            raise TimedOutError
        try:
            if self._stream is not None:
                end = monotonic() + seconds
                if data := await self._stream.read_chunks(seconds):
                    return data
                self._stream = None
                seconds = end - monotonic()
            return await super().read(seconds)
        except httpcore2.ReadTimeout:
            raise TimedOutError from None
        except _ERRORS as error:
            raise _as_httpx2(error) from error

    def _read_answer(self) -> AsyncGenerator[bytes, None]:
        return cast("AsyncGenerator[bytes, None]", aiter(cast("Any", self._answer.stream)))

    async def _close_answer(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await self._answer.aclose()
            finally:
                await self._connections.give_back(connection)


def _has_more(connection: AsyncHTTPConnection) -> bool:
    """Whether bytes have come behind the end of the answer, which would be taken for the answer to the next request.

    What comes later is seen when a connection is taken: an idle one with something to read has expired.
    """
    http: Any = connection._connection  # noqa: SLF001 - there is no public way to it
    stream: DirectStream = http._network_stream  # noqa: SLF001 - as above
    return bool(http._h11_state.trailing_data[0]) or stream.has_more()  # noqa: SLF001 - as above


@lru_cache(maxsize=256)
def _url(url: str) -> httpcore2.URL:
    # The host is for httpx2 to read, as it may have letters of any script; the path is sent as it was signed.
    parsed, parts = httpx2.URL(url), urlsplit(url.encode())
    target = parts.path + (b"?" + parts.query if parts.query else b"")
    return httpcore2.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=target)


def _request(request: HttpRequest, url: httpcore2.URL) -> httpcore2.Request:
    pieces: tuple[bytes, ...] = request.body if isinstance(request.body, tuple) else (request.body,)
    size = sum(map(len, pieces))
    length = [("Content-Length", str(size))] if size else []
    return httpcore2.Request(
        request.method,
        url,
        headers=[*request.headers.items(), *length],
        content=_Content(pieces),
        extensions={"timeout": {"connect": CONNECT_SECONDS.get()}},
    )


class _Content:
    """What is sent, piece by piece."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece


def _as_httpx2(error: Exception) -> Exception:
    made: Exception = getattr(httpx2, type(error).__name__)(str(error))
    return made
