"""Connections of httpcore2 whose streamed bodies can be read without it; modules of their own, as httpx2 is optional.

httpcore2 hands out one chunk of a body at a time, through generators and a parser in Python, which takes longer than
everything that is done with the frame in it. So the bytes of a chunked body are taken from the connection as they come.
Heads, other bodies, and the end of each body are httpcore2's, which therefore knows when a connection is free again.
"""

from __future__ import annotations

import re
import ssl
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpcore2
from httpcore2 import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, TrioBackend
from trio.lowlevel import in_trio_run

from chatport.backend.http import ChunkReader
from chatport_bedrock._trio_watch import Watch

if TYPE_CHECKING:
    from chatport_bedrock._trio_watch import WatchedStream

_READ_BYTES: Final = 64 * 1024
_SEND_BYTES: Final = 16 * 1024
# Where h11 sees the end of a head.
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_INFORMATIONAL: Final = re.compile(rb"HTTP/1\.[0-9] 1")


class DirectBackend(AsyncNetworkBackend):
    """What makes the connections.

    Args:
        backend: What really makes them; on its own it is that of the running event loop.
    """

    def __init__(self, backend: AsyncNetworkBackend | None = None) -> None:
        self._watch: Watch | None = None
        if backend is None and in_trio_run():
            self._watch = Watch()
            backend = TrioBackend()
        self._backend = AnyIOBackend() if backend is None else backend

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> AsyncNetworkStream:
        return DirectStream(await self._backend.connect_tcp(host, port, *arguments, **options), self._watch)

    async def connect_unix_socket(self, path: str, *arguments: Any, **options: Any) -> AsyncNetworkStream:
        return DirectStream(await self._backend.connect_unix_socket(path, *arguments, **options), self._watch)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class DirectStream(AsyncNetworkStream):
    """A connection. It gives out the head of an answer by itself, so that who reads the body may begin at its start."""

    def __init__(self, stream: AsyncNetworkStream, watch: Watch | None = None) -> None:
        self._stream = stream
        self._watch = watch
        self._watched: WatchedStream | None = None
        self._head: bytearray | None = bytearray()  # of an answer that is awaited
        self._behind_head: bytes | None = None
        self._unsent = bytearray()
        self._chunks = ChunkReader()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send bytes, small ones together: head and body come one by one, then nothing as a sign of the end."""
        if self._head is None:
            self._head = bytearray()
        unsent = self._unsent
        if buffer and len(unsent) + len(buffer) <= _SEND_BYTES:
            unsent += buffer
            return
        await self._flush(timeout)
        await self._stream.write(buffer, timeout)

    async def _flush(self, timeout: float | None) -> None:  # noqa: ASYNC109
        if self._unsent:
            data = bytes(self._unsent)
            self._unsent.clear()
            await self._stream.write(data, timeout)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data, self._behind_head = self._behind_head, None
        if data:
            return data
        await self._flush(timeout)
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
        if self._watch is not None:
            self._watched = self._watch.watched(self._stream)
        return True

    async def read_chunks(self, seconds: float) -> bytes:
        """Return the data of all chunks that are there, or of the next; none where httpcore2 has to read on.

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
                data = await self._receive(seconds)
                if not data:
                    break
            if piece := chunks.feed(data):
                return piece
            seconds = max(0.0, end - monotonic())
        self._behind_head, chunks.rest = chunks.rest, b""
        self._forget()
        return b""

    def has_more(self) -> bool:
        """Whether bytes are here that nobody has asked for, those that are still to be decrypted among them."""
        if self._behind_head:
            return True
        tls: ssl.SSLObject | None = self._stream.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            tls.read(1)  # from memory: it never waits
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:  # its end, or no TLS
            return True
        return True

    def _forget(self) -> None:
        if self._watched is not None:
            self._watched.forget()
            self._watched = None

    async def _receive(self, seconds: float) -> bytes:
        if self._watched is not None:
            return await self._watched.read(_READ_BYTES, seconds)
        return await self._stream.read(_READ_BYTES, None if seconds == inf else seconds)

    async def aclose(self) -> None:
        self._forget()
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncNetworkStream:
        try:
            return DirectStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._watch)
        except BaseException:
            # httpcore2 forgets about a connection that is left in the middle of this.
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
