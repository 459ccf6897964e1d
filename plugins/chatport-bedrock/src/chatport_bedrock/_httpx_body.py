"""The body of an answer that httpx2 carries; a module of its own, because httpx2 is optional.

httpx2 hands out one chunk of a body at a time, through six generators and a parser in Python, which takes longer than
everything that is done with the frame in it. So the bytes of a chunked body are taken from the connection as they come.
Heads, other bodies, and the end of each body are httpx2's, which therefore knows when a connection is free again.
"""

from __future__ import annotations

import re
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpcore2
import httpx2
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

from chatport_bedrock._chunks import ChunkReader
from chatport_bedrock._failures import is_transport_error
from chatport_bedrock._patience import TimedOutError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

_READ_BYTES: Final = 64 * 1024
_OK: Final = 200  # some others have no body, whatever their headers say
# Where h11 sees the end of a head.
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_INFORMATIONAL: Final = re.compile(rb"HTTP/1\.[0-9] 1")


class DirectBackend(AsyncNetworkBackend):
    """What makes the connections."""

    def __init__(self, backend: AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> AsyncNetworkStream:
        return DirectStream(await self._backend.connect_tcp(host, port, *arguments, **options))

    async def connect_unix_socket(self, path: str, *arguments: Any, **options: Any) -> AsyncNetworkStream:
        return DirectStream(await self._backend.connect_unix_socket(path, *arguments, **options))

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class DirectStream(AsyncNetworkStream):
    """A connection. It gives out the head of an answer by itself, so that who reads the body may begin at its start."""

    def __init__(self, stream: AsyncNetworkStream) -> None:
        self._stream = stream
        self._head: bytearray | None = bytearray()  # of an answer that is awaited
        self._behind_head: bytes | None = None
        self._chunks = ChunkReader()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if self._head is None:
            self._head = bytearray()
        await self._stream.write(buffer, timeout)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data, self._behind_head = self._behind_head, None
        if data:
            return data
        data = await self._stream.read(max_bytes, timeout)
        return data if self._head is None else self._cut(self._head, data)

    def _cut(self, head: bytearray, data: bytes) -> bytes:
        """Return what belongs to the head of a chunked answer, and keep what follows."""
        searched = max(0, len(head) - 2)
        head += data
        while (found := _HEAD_END.search(head, searched)) is not None:
            if _INFORMATIONAL.match(head):
                del head[: found.end()]
                searched = 0
                continue
            behind = len(head) - found.end()
            self._head = None
            if b"chunked" in head[: found.end()].lower():
                self._behind_head = data[len(data) - behind :]
                return data[: len(data) - behind]
            break
        return data

    def take_body(self) -> bool:
        """Prepare to read the body of an answer, which is known to come in chunks; False where it has begun."""
        if self._behind_head is None:
            return False
        self._chunks = ChunkReader()
        return True

    async def read_chunks(self, seconds: float) -> bytes:
        """Return the data of all chunks that are there, or of the next; none where httpx2 has to read on.

        Args:
            seconds: How long to wait for it.

        Raises:
            httpcore2.ReadTimeout: It did not come in time.
            httpcore2.ReadError: The connection broke.
            httpcore2.RemoteProtocolError: A chunk has another length than it says.
        """
        chunks = self._chunks
        end = monotonic() + seconds
        while chunks.rest is None:
            if chunks.is_broken:
                raise httpcore2.RemoteProtocolError("malformed chunk: it is longer than its size")
            data, self._behind_head = self._behind_head, None
            if not data:
                data = await self._stream.read(_READ_BYTES, None if seconds == inf else seconds)
                if not data:
                    break
            if piece := chunks.feed(data):
                return piece
            seconds = max(0.0, end - monotonic())
        self._behind_head, chunks.rest = chunks.rest, b""
        return b""

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncNetworkStream:
        return DirectStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class HttpxBody:
    """A body read by httpx2; or, where it comes in chunks, from the connection below it, and its end by httpx2."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces: AsyncGenerator[bytes, None] | None = None
        self._stream: DirectStream | None = None
        stream = response.extensions.get("network_stream")
        if isinstance(stream, DirectStream) and response.status_code == _OK and _is_chunked(response):
            self._stream = stream if stream.take_body() else None

    async def read(self, seconds: float = inf) -> bytes:
        if seconds <= 0:
            raise TimedOutError
        if self._stream is not None:
            end = monotonic() + seconds
            if data := await self._read_chunks(self._stream, seconds):
                return data
            self._stream = None
            seconds = end - monotonic()
        return await self._read_piece(seconds)

    async def _read_chunks(self, stream: DirectStream, seconds: float) -> bytes:
        try:
            return await stream.read_chunks(seconds)
        except httpcore2.ReadTimeout:
            raise TimedOutError from None
        except httpcore2.NetworkError as error:
            raise httpx2.ReadError(str(error)) from error
        except httpcore2.ProtocolError as error:
            raise httpx2.RemoteProtocolError(str(error)) from error

    async def _read_piece(self, seconds: float) -> bytes:
        if self._pieces is None:
            self._pieces = self._response.aiter_raw()
        # httpx2 has a timer for each read, too, but the same for all of them from the first one on.
        with anyio.move_on_after(seconds):
            try:
                return await self._pieces.__anext__()
            except StopAsyncIteration:
                return b""
        raise TimedOutError

    async def close(self) -> None:
        if self._pieces is not None:
            await self._unwind(self._pieces)
        with anyio.CancelScope(shield=True):
            await self._response.aclose()

    async def _unwind(self, pieces: AsyncGenerator[bytes, None]) -> None:
        # Closed where they yield, the generators inside httpx2 leave those inside httpcore2 suspended, to be collected
        # some time, with a warning. Cancelled where they wait for bytes, all of them unwind and close the connection.
        with anyio.CancelScope(shield=True) as scope:
            scope.cancel()
            try:
                async for _ in pieces:
                    pass
            except Exception as error:
                if not is_transport_error(error):
                    raise


def _is_chunked(response: httpx2.Response) -> bool:
    # h11, which reads the end, takes a body for chunked where this header is there, and refuses every other value.
    return "transfer-encoding" in response.headers
