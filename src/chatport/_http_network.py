"""Connections for httpcore2 whose streamed bodies can be read without it. The library is an extra, loaded at first use.

httpcore2 hands out one chunk of a body at a time, through generators and a parser in Python, which takes longer than
everything that is done with the event in it. So the bytes of a chunked body are taken from the connection as they come.
Heads, other bodies, and the end of each body are httpcore2's, which therefore knows when a connection is free again.
"""

from __future__ import annotations

import os
import re
import select
import socket
import ssl
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import httpcore2
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from chatport._http_chunks import ChunkReader
from chatport._http_failures import ConnectionFailedError, TimedOutError

if TYPE_CHECKING:
    from anyio.abc import ByteStream

_READ_BYTES: Final = 64 * 1024
_SEND_BYTES: Final = 16 * 1024
# Where h11 sees the end of a head.
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_INFORMATIONAL: Final = re.compile(rb"HTTP/1\.[0-9] 1")
_LAST_CHUNK: Final = b"0\r\n\r\n"
_BROKEN: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)  # TLS errors are OSErrors, too
# A model may think for minutes while nothing comes; whoever stands on the way forgets connections that are silent.
_PROBE_SECONDS: Final = 60
_PROBES: Final = 5


class NothingSentError(httpcore2.WriteError):
    """The connection was broken before a byte of the request had left: nobody can have seen it."""


class Network(httpcore2.AsyncNetworkBackend):
    """What makes one connection.

    Attributes:
        stream: The connection, once there is one.
    """

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self.stream: DirectStream | None = None
        self._end = inf

    async def connect_tcp(  # noqa: PLR0917 - httpcore2's arguments
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's name
        local_address: str | None = None,
        socket_options: object = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect; `timeout` holds for TLS, too."""
        del local_address, socket_options  # nobody gives them
        self._end = inf if timeout is None else anyio.current_time() + timeout
        with anyio.CancelScope(deadline=self._end):
            try:
                stream = await anyio.connect_tcp(host, port)
            except OSError as error:
                raise httpcore2.ConnectError(_why(error)) from error
            _prepare(stream.extra(SocketAttribute.raw_socket))
            self.stream = DirectStream(stream, self)
            return self.stream
        raise httpcore2.ConnectTimeout

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        """Refuse: nobody asks for it."""
        raise httpcore2.UnsupportedProtocol("unix sockets are not used here")

    async def secure(
        self, stream: ByteStream, context: ssl.SSLContext, host: str | None
    ) -> httpcore2.AsyncNetworkStream:
        """Speak TLS over a connection, in the time that is left for connecting."""
        try:
            with anyio.CancelScope(deadline=self._end):
                tls = await TLSStream.wrap(
                    stream, server_side=False, hostname=host, ssl_context=context, standard_compatible=False
                )
                self.stream = DirectStream(tls, self)
                return self.stream
        except (*_BROKEN, anyio.EndOfStream) as error:
            await _close(stream)
            reason = str(error) if isinstance(error, ssl.SSLError) else "the other side ended the TLS handshake"
            raise httpcore2.ConnectError(reason) from error
        except BaseException:
            # httpcore2 forgets about a connection that is left in the middle of this.
            await _close(stream)
            raise
        await _close(stream)
        raise httpcore2.ConnectTimeout

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await anyio.sleep(seconds)


class DirectStream(httpcore2.AsyncNetworkStream):
    """A connection. It gives out the head of an answer by itself, so that who reads the body may begin at its start."""

    def __init__(self, stream: ByteStream, network: Network) -> None:
        """Take over a connection."""
        self._stream = stream
        self._network = network
        self._head: bytearray | None = bytearray()  # of an answer that is awaited
        self._behind = b""  # has come, and was not given out
        self._unsent = bytearray()
        self._has_sent = False
        self._unsendable: NothingSentError | None = None
        self._chunks = ChunkReader()
        self._left: float = 0  # how much of a body with a length is still to come
        self._tail: bytearray | None = None  # what was given out behind the chunks
        # anyio looks for the running loop whenever it is asked for a scope or for the time. A connection has one loop:
        # it asks for the loop's own class once, and for the time once an answer. Live streams read once per event.
        self._scope = type(anyio.CancelScope())
        self._clock_lead = 0.0  # of the loop's clock over that of the system

    # --- for httpcore2 ---

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send bytes, small ones together: head and body come one by one, then nothing as a sign of the end."""
        del timeout  # whoever sends has a limit on all of it
        if self._head is None:
            self._head = bytearray()
            self._has_sent = False
        unsent = self._unsent
        if buffer and len(unsent) + len(buffer) <= _SEND_BYTES:
            unsent += buffer
            return
        await self._flush()
        if buffer:
            await self._send(buffer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Return bytes of a head, or of a body that is not read directly."""
        del max_bytes, timeout
        if self._unsendable is not None:
            # httpcore2 goes on to read where writing failed, as there may be an answer all the same; here none can be.
            raise self._unsendable
        if self._unsent:
            await self._flush()
        data, self._behind = self._behind, b""
        if not data:
            data = await self._receive()
        if self._head is not None:
            return self._cut_head(self._head, data)
        if self._tail is not None:
            if len(self._tail) <= len(_LAST_CHUNK):  # one more would be one too many
                self._tail += data[: len(_LAST_CHUNK) + 1]
            return data
        if len(data) > self._left:
            self._behind = data[int(self._left) :]
            data = data[: int(self._left)]
        self._left -= len(data)
        return data

    async def aclose(self) -> None:
        """Close the connection."""
        await _close(self._stream)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        """Return the connection with TLS on it."""
        del timeout  # it counts since the connection was begun
        if self._behind:
            await self.aclose()
            raise httpcore2.ConnectError("the proxy sent more than its answer")
        return await self._network.secure(self._stream, ssl_context, server_hostname)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore2 wants to know of a connection."""
        if info == "ssl_object":
            return self._stream.extra(TLSAttribute.ssl_object, None)
        if info == "is_readable":
            return _is_readable(self._stream.extra(SocketAttribute.raw_socket, None))
        return None

    # --- for who reads a body ---

    def expect_chunks(self) -> None:
        """Note that the body of the answer, whose head was just given out, comes in chunks."""
        self._chunks = ChunkReader()
        self._tail = bytearray()
        now = monotonic()
        self._clock_lead = anyio.current_time() - now  # in this order, so that no limit is over too early

    def expect_bytes(self, length: float) -> None:
        """Note how long the body is; infinite for one that ends with the connection."""
        self._left = length
        self._tail = None

    async def read_chunks(self, seconds: float) -> bytes:
        """Return the data of all chunks that are there, or of the next; none where httpcore2 has to read on.

        Args:
            seconds: How long to wait for data; sizes that come byte by byte are none.

        Raises:
            TimedOutError: It did not come in time.
            ConnectionFailedError: The connection was closed by its owner.
            httpcore2.ReadError: The connection broke.
            httpcore2.RemoteProtocolError: A chunk has another length than it says.
        """
        chunks = self._chunks
        end = monotonic() + self._clock_lead + seconds
        while chunks.rest is None:
            if chunks.is_broken:
                raise httpcore2.RemoteProtocolError("malformed chunk: it is longer than its size")
            data, self._behind = self._behind, b""
            if not data:
                data = await self._receive_until(end)
                if not data:
                    break
            if piece := chunks.feed(data):
                return piece
        self._behind, chunks.rest = chunks.rest or b"", b""
        return b""

    def is_whole(self) -> bool:
        """Whether the last answer was read to its end, and nothing has come behind it.

        What comes later is seen when a connection is taken: an idle one with something to read has expired.
        """
        if self._behind or self._head is not None:
            return False
        if self._left if self._tail is None else bytes(self._tail) != _LAST_CHUNK:
            return False
        tls: ssl.SSLObject | None = self._stream.extra(TLSAttribute.ssl_object, None)
        if tls is None:
            return True
        try:
            tls.read(1)  # from memory: it never waits
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLError:  # its end, or no TLS
            return False
        return False

    def _cut_head(self, head: bytearray, data: bytes) -> bytes:
        """Return what belongs to the head of an answer, and keep what follows."""
        searched = max(0, len(head) - 2)
        head += data
        found = _HEAD_END.search(head, searched)
        if found is None:
            return data
        behind = len(head) - found.end()
        self._head = bytearray() if _INFORMATIONAL.match(head) else None
        if behind:
            self._behind = data[len(data) - behind :]
            return data[: len(data) - behind]
        return data

    async def _flush(self) -> None:
        if self._unsent:
            data = bytes(self._unsent)
            self._unsent.clear()
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send(data)
        except _BROKEN as error:
            if self._has_sent:
                raise httpcore2.WriteError(_why(error)) from error
            self._unsendable = NothingSentError(_why(error))
            raise self._unsendable from error
        self._has_sent = True

    async def _receive_until(self, end: float) -> bytes:
        if end == inf:
            return await self._receive()
        with self._scope(deadline=end):
            return await self._receive()
        raise TimedOutError

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive(_READ_BYTES)
        except anyio.EndOfStream:
            return b""
        except anyio.ClosedResourceError as error:
            raise ConnectionFailedError("closed", "its owner closed it") from error
        except _BROKEN as error:
            raise httpcore2.ReadError(_why(error)) from error


async def _close(stream: ByteStream) -> None:
    with anyio.CancelScope(shield=True):
        await stream.aclose()


def _prepare(raw: socket.socket) -> None:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _PROBE_SECONDS),
        ("TCP_KEEPALIVE", _PROBE_SECONDS),
        ("TCP_KEEPINTVL", _PROBE_SECONDS),
        ("TCP_KEEPCNT", _PROBES),
    ):
        if (option := getattr(socket, name, None)) is not None:  # not on every system
            raw.setsockopt(socket.IPPROTO_TCP, option, value)


def _is_readable(raw: socket.socket | None) -> bool:
    """Whether something has come, or the end; one that is closed already is at its end."""
    if raw is None or raw.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        readable, _, _ = select.select([raw], [], [], 0)
        return bool(readable)
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _why(error: BaseException) -> str:
    """Return the reason that the operating system gives, which anyio may hide behind words of its own."""
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[-1]
        causes.append(cause)
    for each in reversed(causes):
        if isinstance(each, OSError) and each.errno is not None and not isinstance(each, ssl.SSLError):
            return (each.strerror if isinstance(each, socket.gaierror) else os.strerror(each.errno)) or str(each)
    return str(causes[-1]) or type(error).__name__
