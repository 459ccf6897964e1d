"""A raw HTTP server on loopback that does exactly what a test tells it, faults included.

It is no HTTP library: a test gives the bytes of an answer one write at a time, and says where the connection is held,
ended or torn down. Each connection has a thread with blocking sockets, so that no event loop of the code under test is
involved, and what the server sees is noted with its own clock.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, Self, TypeAlias

import anyio
import anyio.to_thread

from bedrock_support.http_bytes import head, whole

_LINGER_ZERO = struct.pack("ii", 1, 0)
# A server that waits longer than this waits for something that will not come (seconds).
PATIENCE = 20.0
# The first byte of a client that speaks TLS. A server without answers as to anybody whose request it cannot read.
_TLS_HANDSHAKE = 0x16


class End(Enum):
    """How the server ends a connection."""

    FIN = auto()  # in order: what was written arrives, then the end
    RST = auto()  # torn down; what was written before is on the client's side already
    DRAIN = auto()  # by the client: the server reads until then


class Hold:
    """A place in an answer where the server stops until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._reader, self._writer = socket.socketpair()

    def release(self) -> None:
        """Let the server go on; for every connection that waits here, and for those to come."""
        self._writer.shutdown(socket.SHUT_WR)

    async def until_reached(self) -> None:
        """Wait until the server has come here: everything before is written."""
        assert await _wait(self.reached), "the server did not come to the hold"

    def fileno(self) -> int:
        """Readable once released."""
        return self._reader.fileno()

    def close(self) -> None:
        """Let go of what it is made of."""
        self._reader.close()
        self._writer.close()


Step: TypeAlias = bytes | Hold | End | Callable[[], Any]
"""Bytes are one write; a function is called, for what has to happen between two writes."""


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire.

    Attributes:
        method: The verb.
        target: What stands after it, undecoded.
        header_lines: Every header, with the case and the order of the wire.
        body: The body.
        connection: The connection that it came over.
    """

    method: str
    target: str
    header_lines: tuple[tuple[str, str], ...]
    body: bytes
    connection: Connection

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; a test that sends one twice is told so."""
        found: dict[str, str] = {}
        for name, value in self.header_lines:
            assert name.lower() not in found, f"the header {name} came twice"
            found[name.lower()] = value
        return found


@dataclass
class Connection:
    """One accepted connection.

    Attributes:
        opened: When it was accepted, by `time.monotonic()`.
        closed: Set once the server knows that the client has gone, or has ended the connection itself.
        closed_at: When that was.
        closed_by_client: Whether the client was first.
        drained: How many bytes `End.DRAIN` read.
    """

    opened: float = field(default_factory=time.monotonic)
    closed: threading.Event = field(default_factory=threading.Event)
    closed_at: float = 0.0
    closed_by_client: bool = False
    drained: int = 0

    def close(self, *, by_client: bool) -> None:
        """Note the end, once."""
        if not self.closed.is_set():
            self.closed_at, self.closed_by_client = time.monotonic(), by_client
            self.closed.set()

    async def until_closed(self) -> float:
        """Wait for the end and return when it was."""
        assert await _wait(self.closed), "the connection stays open"
        return self.closed_at


class _ClientGoneError(Exception):
    """The client has ended the connection."""


class LoopbackServer:
    """Serves scripted answers on 127.0.0.1; use it in `with`.

    Attributes:
        tls: How it speaks TLS, if it does.
        reads_bodies: Whether it reads a request's body before it answers. One that does not is left at the end.
        tunnels: Set to a list, it is a proxy: each client first asks for a tunnel, and whereto is noted.
        requests: What was received, in order.
        connections: What was accepted, in order.
        failures: What went wrong in the server itself; the fixture fails the test with it.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self.failures: list[BaseException] = []
        self.reads_bodies = True
        self.tunnels: list[str] | None = None
        self.tls = tls
        self._host = host
        self._answers: deque[tuple[Step, ...]] = deque()
        self._default: tuple[Step, ...] | None = None
        self._holds: list[Hold] = []
        self._arrived = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def __enter__(self) -> Self:
        """Begin to listen."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection and wait for every thread."""
        self._stopping = True
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for hold in self._holds:
            with contextlib.suppress(OSError):
                hold.release()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread of the server hangs"
        self._listener.close()
        for hold in self._holds:
            hold.close()

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def hold(self) -> Hold:
        """Make a place to stop at."""
        hold = Hold()
        self._holds.append(hold)
        return hold

    def answer(self, *steps: Step) -> None:
        """Say what the next request without an answer gets."""
        self._answers.append(steps)

    def answer_always(self, *steps: Step) -> None:
        """Say what a request gets for which nothing else is said."""
        self._default = steps

    def take_back(self) -> None:
        """Take back what was said with `answer` and no request has got yet."""
        self._answers.clear()

    async def until_requests(self, count: int) -> None:
        """Wait until so many requests have come."""
        assert await anyio.to_thread.run_sync(self._has_requests, count), f"only {len(self.requests)} requests came"

    def forget(self) -> None:
        """Let go of what is over, in the middle of a long test: requests, closed connections, holds, threads."""
        self.requests.clear()
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self.connections[:] = self.open_connections
        if not self.connections:
            while self._holds:
                self._holds.pop().close()

    @property
    def open_connections(self) -> list[Connection]:
        """The connections of which the server has not seen the end."""
        return [each for each in self.connections if not each.closed.is_set()]

    @property
    def running_connections(self) -> int:
        """How many connections a thread still serves."""
        return sum(thread.is_alive() for thread in self._threads[1:])

    # --- threads ---

    def _has_requests(self, count: int) -> bool:
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.requests) >= count, PATIENCE)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(run,), name="loopback", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - shown by the fixture
            self.failures.append(error)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection()
            self.connections.append(connection)
            self._sockets.add(accepted)
            self._start(partial(self._serve, accepted, connection))

    def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        peer = accepted
        try:
            if self.tunnels is not None:
                self.tunnels.append(_open_tunnel(accepted))
            if self.tls is not None:
                # Python 3.11 leaves a socket unclosed that was reset before it could be wrapped.
                accepted.recv(1, socket.MSG_PEEK)
                peer = self.tls.wrap_socket(accepted, server_side=True)
                self._sockets.discard(accepted)
                self._sockets.add(peer)
            buffered = b""
            while not connection.closed.is_set():
                request, buffered = _read_request(peer, buffered, connection, with_body=self.reads_bodies)
                with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                self._play(peer, connection)
        except (_ClientGoneError, OSError):  # TLS errors are OSErrors too
            connection.close(by_client=True)
        finally:
            peer.close()
            self._sockets.discard(peer)

    def _play(self, peer: socket.socket, connection: Connection) -> None:
        steps: tuple[Step, ...] | None
        try:
            steps = self._answers.popleft()
        except IndexError:
            steps = self._default
        assert steps is not None, "a request came for which the test has no answer"
        for step in steps:
            if isinstance(step, bytes):
                peer.sendall(step)
            elif isinstance(step, Hold):
                step.reached.set()
                _wait_for_release(peer, step, watch=self.reads_bodies)
            elif isinstance(step, End):
                _end(peer, connection, step)
                return
            else:
                step()


def _end(peer: socket.socket, connection: Connection, how: End) -> None:
    if how is End.DRAIN:
        peer.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            while received := peer.recv(1 << 20):
                connection.drained += len(received)
    if how is End.FIN:
        # Before it is noted: who waits for the note may count on the end being on its way.
        peer.shutdown(socket.SHUT_WR)
    connection.close(by_client=how is End.DRAIN)
    if how is End.RST:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    if how is End.FIN:
        _wait_for_end(peer)


def _wait_for_release(peer: socket.socket, hold: Hold, *, watch: bool) -> None:
    watched: list[socket.socket | Hold] = [peer, hold] if watch else [hold]
    readable, _, _ = select.select(watched, [], [], PATIENCE)
    assert readable, "nobody released the server"
    if peer in readable:
        if peer.recv(1):
            message = "the client wrote while it was to wait for an answer"
            raise AssertionError(message)
        raise _ClientGoneError


def _wait_for_end(peer: socket.socket) -> None:
    """Wait for the end of the client's side, or data on its way would be lost in a reset."""
    peer.settimeout(PATIENCE)
    with contextlib.suppress(OSError):
        while peer.recv(65536):
            pass


def _open_tunnel(peer: socket.socket) -> str:
    head_of_request = b""
    while b"\r\n\r\n" not in head_of_request:
        head_of_request += _receive(peer)
    method, target, _ = head_of_request.decode("latin-1").split(" ", 2)
    assert method == "CONNECT", f"a proxy for TLS got a {method}"
    peer.sendall(head("200 Connection established"))
    return target


def _read_request(
    peer: socket.socket, buffered: bytes, connection: Connection, *, with_body: bool
) -> tuple[Received, bytes]:
    while b"\r\n\r\n" not in buffered:
        buffered += _receive(peer)
        if buffered[0] == _TLS_HANDSHAKE:
            peer.sendall(whole(b"", status="400 Bad Request"))
            raise _ClientGoneError
    head, _, rest = buffered.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    if not with_body:
        return Received(method, target, headers, b"", connection), rest
    while len(rest) < length:
        rest += _receive(peer)
    return Received(method, target, headers, rest[:length], connection), rest[length:]


def _receive(peer: socket.socket) -> bytes:
    received = peer.recv(1 << 20)
    if not received:
        raise _ClientGoneError
    return received


async def _wait(event: threading.Event) -> bool:
    return await anyio.to_thread.run_sync(event.wait, PATIENCE)
