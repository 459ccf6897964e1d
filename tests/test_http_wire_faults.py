"""What goes wrong on the way, and what callers are told: whose fault, in which phase, and whether to ask again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from tests.http_exchanges import a_request, a_wire, whole
from tests.http_faults import CHUNKED, LENGTH, raw, told

from chatport.backend import BackendError, Load, StreamInterruptedError, Timeouts, TransportError
from chatport.testing import HttpReply, HttpService, HttpStep

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("step", [HttpStep.CLOSE, HttpStep.RESET])
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_a_connection_that_breaks_before_the_answer(step: HttpStep, head: bytes) -> None:
    """Nothing or half a head: it may be asked again, which is for the caller to say; it was sent once."""
    with HttpService() as service:
        service.reply(raw(*([head] if head else []), step))
        wire = a_wire()
        with pytest.raises(TransportError, match="broke before an answer came") as caught:
            await whole(wire, a_request(service))
        assert told(caught.value) == (TransportError, "request", True)
        assert len(service.requests) == 1
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


@pytest.mark.parametrize("step", [HttpStep.CLOSE, HttpStep.RESET])
@pytest.mark.parametrize(
    "sent",
    [
        (CHUNKED,),
        (CHUNKED, b"5\r\nda"),
        (CHUNKED, b"5\r\ndata:\r"),
        (CHUNKED, b"5\r\ndata:\r\n"),
        (CHUNKED, b"5\r\ndata:\r\n", b"0\r\n"),
        (LENGTH,),
        (LENGTH, b"data:"),
    ],
    ids=["head", "in a chunk", "behind a chunk", "between chunks", "in the end", "head with length", "in a length"],
)
@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_body_that_is_cut(sent: tuple[bytes, ...], step: HttpStep, has_begun: bool) -> None:
    """A cut is never taken for an end, wherever it is; what it is called depends on whether an event was read."""
    with HttpService() as service:
        service.reply(raw(*sent, step))
        wire = a_wire()
        with pytest.raises(BackendError, match="connection broke") as caught:
            async with await wire.send(a_request(service), model="a-model") as response:
                while await response.read(has_begun=has_begun):
                    pass
        expected = (StreamInterruptedError, "stream", True) if has_begun else (TransportError, "request", True)
        assert told(caught.value) == expected
        assert caught.value.status == 200
        assert caught.value.request_id == ("r-1" if sent[0] == CHUNKED else None)
        assert wire.load() == Load(0, 0, 1000)
        # The pool is whole again.
        service.reply(HttpReply(body=b"next"))
        assert await whole(wire, a_request(service)) == b"next"
        await wire.aclose()


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50\r\n\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"\x00" * 200_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    ],
)
async def test_a_head_that_is_no_http(garbage: bytes) -> None:
    """Something answered: it is not asked again, and what it said is bounded."""
    with HttpService() as service:
        service.reply(raw(garbage, HttpStep.HOLD))
        wire = a_wire()
        with pytest.raises(TransportError, match="no good HTTP") as caught:
            await whole(wire, a_request(service))
        assert told(caught.value) == (TransportError, "request", False)
        assert len(str(caught.value)) < 500
        assert not (await service.until_left() and service.open_connections)
        await wire.aclose()


@pytest.mark.parametrize("body", [b"5\r\ndata:XX", b"zz\r\n", b"\r\n", b"5" * 100 + b"\r\n", b"5\r\ndata:\r\n-1\r\n"])
async def test_chunks_that_are_none(body: bytes) -> None:
    """A chunk that is longer than its size, or whose size is none, breaks the stream off."""
    with HttpService() as service:
        service.reply(raw(CHUNKED, body, HttpStep.HOLD))
        wire = a_wire(timeouts=Timeouts(idle=5))
        with pytest.raises(StreamInterruptedError) as caught:
            async with await wire.send(a_request(service), model="a-model") as response:
                while await response.read(has_begun=True):
                    pass
        assert told(caught.value)[:2] == (StreamInterruptedError, "stream")
        await service.until_left()
        await wire.aclose()


async def test_nobody_listens() -> None:
    """A port that refuses: the reason is the operating system's, and trying again may help."""
    with HttpService() as service:
        request = a_request(service)
    wire = a_wire()
    with pytest.raises(TransportError, match=r"no connection came about: .*[Rr]efused") as caught:
        await whole(wire, request)
    assert told(caught.value) == (TransportError, "connect", True)
    assert wire.load() == Load(0, 0, 1000)
    await wire.aclose()


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that finds nothing is a connection that did not come about."""

    async def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(anyio, "connect_tcp", look_up)
    with HttpService() as service:
        request = a_request(service)
    request = type(request)("POST", "http://nobody.invalid/x", request.headers, request.body)
    wire = a_wire()
    with pytest.raises(TransportError, match="no connection came about: Name or service not known") as caught:
        await whole(wire, request)
    assert told(caught.value) == (TransportError, "connect", True)
    await wire.aclose()


async def test_an_answer_before_the_request_is_read() -> None:
    """A service that answers before it has read a large request is heard all the same, or the break is told."""
    with HttpService() as service:
        listener = socket.create_server(("127.0.0.1", 0))
        request = a_request(service, body=b"a" * 50_000_000)
        request = type(request)("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", request.headers, request.body)
        with _refusing(listener):
            wire = a_wire()
            outcome: int | tuple[Any, ...] = 0
            try:
                async with await wire.send(request, model="a-model") as response:
                    outcome = response.status
            except TransportError as error:
                outcome = told(error)
            assert outcome in {413, (TransportError, "request", True)}
            assert wire.load() == Load(0, 0, 1000)
            await wire.aclose()


@contextmanager
def _refusing(listener: socket.socket) -> Generator[None]:
    def serve() -> None:
        peer, _ = listener.accept()
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join(10)
    listener.close()


class _BrokenOnce:
    """A connection whose first send fails, as that of a service that went away while nobody looked."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def send(self, _: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")


async def test_a_kept_connection_that_cannot_be_written_to() -> None:
    """Nothing was sent on it, so another is taken; a new one that cannot be written to is an error."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        assert await whole(wire, a_request(service)) == b"a"
        (connections,) = _connections_of(wire)
        for large in (False, True):
            stream = connections._idle[-1].network.stream
            stream._stream = _BrokenOnce(stream._stream)
            assert await whole(wire, a_request(service, body=b"b" * (100_000 if large else 10))) == b"a"
        assert (len(service.connections), len(service.requests)) == (3, 3)
        connections._new = _first_broken(connections._new)
        await connections.aclose()
        with pytest.raises(TransportError, match="Broken pipe") as caught:
            await whole(wire, a_request(service))
        assert told(caught.value) == (TransportError, "request", True)
        await wire.aclose()


def _connections_of(wire: Any) -> list[Any]:
    return [connections for connections, _ in wire._pool._current.get()._by_origin.values()]


def _first_broken(new: Any) -> Any:
    def make() -> Any:
        connection = new()
        connect = connection.network.connect_tcp

        async def connect_tcp(*arguments: Any, **options: Any) -> Any:
            stream = await connect(*arguments, **options)
            stream._stream = _BrokenOnce(stream._stream)
            return stream

        connection.network.connect_tcp = connect_tcp
        return connection

    return make


async def test_what_breaks_while_nobody_reads() -> None:
    """Errors of bodies that are read for their words only, or for their end, are not raised."""
    with HttpService() as service:
        service.reply(raw(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nwords", HttpStep.RESET))
        service.reply(raw(CHUNKED, b"5\r\ndata:\r\n", HttpStep.CLOSE))
        wire = a_wire()
        async with await wire.send(a_request(service)) as response:
            assert await response.read_error() in {b"words", b""}  # a reset may overtake what was written before it
        async with await wire.send(a_request(service)) as response:
            assert await response.read(has_begun=True) == b"data:"
            assert await response.read_end() == b""
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


async def test_pieces_before_a_break_are_handed_out() -> None:
    """What came before the break is not lost with it."""
    with HttpService() as service:
        service.reply(raw(CHUNKED, b"3\r\none\r\n3\r\ntw", HttpStep.CLOSE))
        wire = a_wire()
        found = b""
        with pytest.raises(StreamInterruptedError):
            async with await wire.send(a_request(service), model="a-model") as response:
                while piece := await response.read(has_begun=True):
                    found += piece
        assert found == b"onetw"
        await wire.aclose()
