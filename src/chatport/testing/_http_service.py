"""An HTTP service on loopback that does exactly what a test tells it, faults included.

Each connection has a thread with blocking sockets, so that no event loop of the code under test is involved, and what
the service sees is noted with its own clock. It is no HTTP library: it reads requests as HTTP clients write them.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from chatport.testing._http_replies import HttpReply, HttpStep, ServedConnection, ServedRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from chatport.testing._http_replies import ReplySource

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
# A service that waits longer than this, in seconds, waits for something that will not come.
_PATIENCE: Final = 20.0
_TUNNEL_OPENED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class HttpService:
    """An HTTP service on 127.0.0.1, for tests of backends that speak HTTP; use it in `with`.

    It serves asyncio, trio and synchronous code. Leaving the `with` ends every connection, waits for every thread, and
    fails the test if a request came that nobody had said an answer for.

    Attributes:
        requests: What was asked, in order.
        connections: What was accepted, in order.
        tunnels: Where clients wanted to get through it, where it is a proxy.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, is_proxy: bool = False, host: str = "127.0.0.1") -> None:
        """Prepare; nothing is opened before the `with`.

        Args:
            tls: How it speaks TLS, if it does.
            is_proxy: Whether clients first ask for a tunnel. What they want to reach is noted, and answered by itself.
            host: The address to listen at.
        """
        self.requests: list[ServedRequest] = []
        self.connections: list[ServedConnection] = []
        self.tunnels: list[str] = []
        self._tls = tls
        self._is_proxy = is_proxy
        self._host = host
        self._port = 0
        self._replies: deque[ReplySource] = deque()
        self._default: ReplySource | None = None
        self._failures: list[BaseException] = []
        self._changed = threading.Condition()  # held for the counts below and for `requests`
        self._held = 0
        self._left_at: list[float] = []
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._is_stopping = False

    def __enter__(self) -> Self:
        """Begin to listen."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._released, self._release = socket.socketpair()
        self._listener = socket.create_server((self._host, 0), family=family, backlog=1024)
        self._port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every connection and wait for every thread.

        Raises:
            AssertionError: A request came that it had no answer for, or a thread of its own failed.
        """
        self._is_stopping = True
        self.release()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE)
        hanging = [thread for thread in self._threads if thread.is_alive()]
        for each in (self._listener, self._released, self._release):
            each.close()
        if error is None and self._failures:
            raise AssertionError(f"the service failed: {self._failures[0]!r}") from self._failures[0]
        if error is None and hanging:
            raise AssertionError(f"{len(hanging)} threads of the service do not end")

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return self._port

    def reply(self, *replies: ReplySource) -> None:
        """Say what the next requests get, in this order."""
        self._replies.extend(replies)

    def reply_always(self, reply: ReplySource) -> None:
        """Say what a request gets for which nothing else is said."""
        self._default = reply

    def release(self) -> None:
        """Let every reply go on that is held, now or later."""
        with contextlib.suppress(OSError):
            self._release.shutdown(socket.SHUT_WR)

    @property
    def open_connections(self) -> list[ServedConnection]:
        """The connections of which the service has not seen the end."""
        return [each for each in self.connections if not each.ended.is_set()]

    async def until_requests(self, count: int = 1) -> None:
        """Wait until so many requests have come, counted from the beginning."""
        await self._until(lambda: len(self.requests) >= count, f"{count} requests")

    async def until_held(self, count: int = 1) -> None:
        """Wait until so many replies have come to `HttpStep.HOLD`, counted from the beginning."""
        await self._until(lambda: self._held >= count, f"{count} replies that are held")

    async def until_left(self, count: int = 1) -> float:
        """Wait until so many clients have left before the end of their reply, counted from the beginning.

        Returns:
            When the last of them left, by `time.monotonic()`, in seconds.
        """
        await self._until(lambda: len(self._left_at) >= count, f"{count} clients that left")
        return self._left_at[count - 1]

    async def until_closed(self, connection: ServedConnection) -> float:
        """Wait for the end of a connection and return when it was, by `time.monotonic()`, in seconds."""
        await anyio.to_thread.run_sync(connection.ended.wait, _PATIENCE)
        if connection.closed_at is None:
            raise AssertionError("the connection stays open")
        return connection.closed_at

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        def wait() -> bool:
            with self._changed:
                # What failed here will not bring about what is waited for.
                self._changed.wait_for(lambda: condition() or self._failures, _PATIENCE)
                return condition()

        if await anyio.to_thread.run_sync(wait):
            return
        if self._failures:
            raise AssertionError(f"no use to wait for {what}: {self._failures[0]!r}") from self._failures[0]
        raise AssertionError(f"the service waited {_PATIENCE:g} seconds in vain for {what}")

    # --- threads ---

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(run,), name="HttpService", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised when the service ends
            self._note_failure(error)

    def _note_failure(self, error: BaseException) -> None:
        with self._changed:
            self._failures.append(error)
            self._changed.notify_all()

    def _accept(self) -> None:
        while not self._is_stopping:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = ServedConnection()
            self.connections.append(connection)
            self._sockets.add(accepted)
            self._start(partial(self._serve, accepted, connection))

    def _serve(self, accepted: socket.socket, connection: ServedConnection) -> None:
        peer = accepted
        try:
            if self._is_proxy:
                self.tunnels.append(_open_tunnel(peer))
            if self._tls is not None:
                peer.recv(1, socket.MSG_PEEK)  # a socket that is reset before it is wrapped would stay open
                peer = self._tls.wrap_socket(peer, server_side=True)
                self._sockets.add(peer)
            rest = b""
            while not connection.ended.is_set():
                request, rest = _read_request(peer, rest, connection)
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                self._answer(peer, request)
        except (_ClientGoneError, OSError):  # TLS errors are OSErrors, too
            connection.note_end(by_client=not self._is_stopping)
        finally:
            connection.note_end(by_client=False)
            self._sockets.discard(accepted)
            self._sockets.discard(peer)
            peer.close()

    def _answer(self, peer: socket.socket, request: ServedRequest) -> None:
        source = self._replies.popleft() if self._replies else self._default
        if source is None:
            self._note_failure(AssertionError(f"{request.method} {request.target} came, and no reply was said for it"))
            source = HttpReply(status=501, body=b"the test has said no reply for this request")
        try:
            reply = source if isinstance(source, HttpReply) else source(request)
        except Exception as error:  # noqa: BLE001 - raised when the service ends
            self._note_failure(error)
            reply = HttpReply(status=501, body=b"what was to make the reply has failed; the service says how")
        try:
            for step in reply.steps():
                if isinstance(step, bytes):
                    _write(peer, step, reply.write_size)
                elif step is HttpStep.HOLD:
                    self._hold(peer)
                else:
                    _end(peer, request.connection, step)
                    return
        except (_ClientGoneError, OSError):
            request.connection.note_end(by_client=not self._is_stopping)
            with self._changed:
                self._left_at.append(time.monotonic())
                self._changed.notify_all()
            raise

    def _hold(self, peer: socket.socket) -> None:
        with self._changed:
            self._held += 1
            self._changed.notify_all()
        readable, _, _ = select.select([peer, self._released], [], [], _PATIENCE)
        if self._released in readable:
            return
        if peer not in readable:
            raise AssertionError("nobody released the service")
        if peer.recv(1):
            raise AssertionError("the client wrote while it was to wait for an answer")
        raise _ClientGoneError


class _ClientGoneError(Exception):
    """The client has ended the connection."""


def _write(peer: socket.socket, data: bytes, size: int | None) -> None:
    for start in range(0, len(data), size or max(len(data), 1)):
        piece = data[start : start + size] if size else data
        readable, _, _ = select.select([peer], [], [], 0)
        if readable and not peer.recv(1, socket.MSG_PEEK if type(peer) is socket.socket else 0):
            raise _ClientGoneError
        peer.sendall(piece)


def _end(peer: socket.socket, connection: ServedConnection, how: HttpStep) -> None:
    if how is HttpStep.RESET:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        connection.note_end(by_client=False)
        return
    # Before it is noted: who waits for the note may count on the end being on its way.
    peer.shutdown(socket.SHUT_WR)
    connection.note_end(by_client=False)
    # Closed with something unread, it would be reset, and what is on its way would be lost.
    peer.settimeout(_PATIENCE)
    with contextlib.suppress(OSError):
        while peer.recv(65536):
            pass


def _open_tunnel(peer: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        head += _receive(peer)
    method, target, _ = head.decode("latin-1").split(" ", 2)
    if method != "CONNECT":
        raise AssertionError(f"a proxy for TLS got a {method}")
    peer.sendall(_TUNNEL_OPENED)
    return target


def _read_request(peer: socket.socket, data: bytes, connection: ServedConnection) -> tuple[ServedRequest, bytes]:
    while b"\r\n\r\n" not in data:
        data += _receive(peer)
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    pieces, size = [rest], len(rest)
    while size < length:
        pieces.append(_receive(peer))
        size += len(pieces[-1])
    rest = b"".join(pieces)
    return ServedRequest(method, target, headers, rest[:length], connection), rest[length:]


def _receive(peer: socket.socket) -> bytes:
    received = peer.recv(1 << 20)
    if not received:
        raise _ClientGoneError
    return received
