"""Streamed bodies that httpx2 carries, read from the connection below it: what comes out, what is left to httpx2."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from math import inf
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from bedrock_support.loopback import LAST_CHUNK, End, LoopbackServer, Step, chunk, head
from botocore.awsrequest import AWSPreparedRequest
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

from chatport_bedrock._bodies import body_of
from chatport_bedrock._httpx_body import DirectBackend, DirectStream, HttpxBody
from chatport_bedrock._httpx_session import OriginFormSession
from chatport_bedrock._patience import TimedOutError

pytestmark = pytest.mark.anyio

HEAD = head("200 OK", {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
HELLO = chunk(b"Hel") + chunk(b"lo")


@pytest.fixture
async def session() -> AsyncIterator[OriginFormSession]:
    """A session as the pool makes it on trio; it works on asyncio as well."""
    options: dict[str, Any] = {"timeout": (None, None)}  # as the pool says it; aiobotocore's annotation is narrower
    async with OriginFormSession(verify=False, max_pool_connections=4, **options) as opened:
        yield opened


async def _ask(session: OriginFormSession, server: LoopbackServer, *steps: Step) -> httpx2.Response:
    """Let the server answer, and return the answer, its body still on the wire."""
    server.answer(*steps)
    request = AWSPreparedRequest("POST", f"{server.url}/path", {}, b"{}", stream_output=True)
    answer = await session.send(request)
    raw: httpx2.Response = answer.raw
    return raw


def _body(raw: httpx2.Response) -> HttpxBody:
    body = body_of(raw)
    assert isinstance(body, HttpxBody)
    return body


async def _pieces(body: HttpxBody) -> list[bytes]:
    pieces: list[bytes] = []
    with anyio.fail_after(5):
        while piece := await body.read(5):
            pieces.append(piece)
    return pieces


async def test_what_is_there_comes_at_once(session: OriginFormSession, server: LoopbackServer) -> None:
    """The private names of httpx2 and httpcore2 hold: chunks that came together are one piece, not one each.

    The end is httpx2's, which so knows that the connection is free for the next request.
    """
    for _ in range(3):
        raw = await _ask(session, server, HEAD + HELLO + LAST_CHUNK)
        assert isinstance(raw.extensions["network_stream"], DirectStream)
        body = _body(raw)
        assert await _pieces(body) == [b"Hello"]
        assert raw.is_closed
        await body.close()
    assert len(server.connections) == 1


async def test_over_tls(session: OriginFormSession) -> None:
    """The same where the connection is encrypted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "bedrock_support" / "localhost.pem")
    with LoopbackServer(tls=context) as server:
        for _ in range(2):
            raw = await _ask(session, server, HEAD + HELLO + LAST_CHUNK)
            assert await _pieces(_body(raw)) == [b"Hello"]
        assert len(server.connections) == 1
        await session.close()
    assert not server.failures


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 50, 200])
async def test_written_in_pieces(size: int, session: OriginFormSession, server: LoopbackServer) -> None:
    """Head and chunks may be cut anywhere, the end of the head included."""
    answer = HEAD + HELLO + LAST_CHUNK
    steps = [answer[start : start + size] for start in range(0, len(answer), size)]
    for _ in range(2):
        assert b"".join(await _pieces(_body(await _ask(session, server, *steps)))) == b"Hello"
    assert len(server.connections) == 1


@pytest.mark.parametrize("together", [True, False])
async def test_after_early_hints(together: bool, session: OriginFormSession, server: LoopbackServer) -> None:
    """An answer that others precede begins behind the last head."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </chunked>\r\n\r\n"
    answer = (hints, hints, HEAD, HELLO + LAST_CHUNK)
    raw = await _ask(session, server, *([b"".join(answer)] if together else answer))
    assert await _pieces(_body(raw)) == [b"Hello"]


@pytest.mark.parametrize(
    "answer",
    [
        head("200 OK", {"Content-Length": "5"}) + b"Hello",
        head("200 OK", {"Content-Length": "5", "X-Note": "not chunked"}) + b"Hello",
        head("500 Oops", {"Transfer-Encoding": "chunked"}) + HELLO + LAST_CHUNK,
        HEAD + b"5;name=value\r\nHello\r\n" + LAST_CHUNK,
        HEAD + HELLO + b"0\r\nx-trailer: 1\r\n\r\n",
    ],
)
async def test_what_httpx2_reads(answer: bytes, session: OriginFormSession, server: LoopbackServer) -> None:
    """Bodies that are no stream of Bedrock's, and chunks as nobody writes them."""
    for _ in range(2):
        assert b"".join(await _pieces(_body(await _ask(session, server, answer)))) == b"Hello"
    assert len(server.connections) == 1


async def test_a_body_that_httpx2_has_begun(session: OriginFormSession, server: LoopbackServer) -> None:
    """Where its start is gone, it is left to httpx2."""
    raw = await _ask(session, server, HEAD + HELLO + LAST_CHUNK)
    stream = raw.extensions["network_stream"]
    assert await stream.read(65536) == HELLO + LAST_CHUNK
    assert not stream.take_body()
    await raw.aclose()


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (b"3\r\nlo!!\r\n" + LAST_CHUNK, "malformed chunk"),
        (b"x\r\nlo\r\n" + LAST_CHUNK, "illegal chunk header"),
    ],
)
async def test_malformed(rest: bytes, message: str, session: OriginFormSession, server: LoopbackServer) -> None:
    """What is good comes first, then the error, and the connection is not used again."""
    body = _body(await _ask(session, server, HEAD + chunk(b"Hel") + rest))
    assert (await body.read()).startswith(b"Hel")
    with pytest.raises(httpx2.RemoteProtocolError, match=message):
        await body.read()
    await body.close()
    await server.connections[0].until_closed()


@pytest.mark.parametrize("rest", [b"", b"5\r\nHel", b"5\r\nHello", b"5\r\nHello\r\n", b"5\r\nHello\r\n5"])
async def test_cut_off(rest: bytes, session: OriginFormSession, server: LoopbackServer) -> None:
    """A connection that ends before the body does is an error, wherever it ends."""
    body = _body(await _ask(session, server, HEAD + rest, End.FIN))
    with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
        await _pieces(body)
    await body.close()


async def test_torn_down(session: OriginFormSession, server: LoopbackServer) -> None:
    """A connection that is reset while the body is waited for is an error of httpx2's."""
    gate = server.hold()
    body = _body(await _ask(session, server, HEAD + HELLO, gate, End.RST))
    assert await body.read() == b"Hello"
    gate.release()
    with pytest.raises(httpx2.ReadError), anyio.fail_after(5):
        await body.read()
    await body.close()


@pytest.mark.parametrize("rest", [b"", b"5", b"5\r", b"5\r\n", b"0\r\n", b"5;name"])
async def test_silence(rest: bytes, session: OriginFormSession, server: LoopbackServer) -> None:
    """The time to wait holds wherever the server falls silent, and leaving closes the connection at once."""
    gate = server.hold()
    body = _body(await _ask(session, server, HEAD + HELLO + rest, gate))
    assert await body.read() == b"Hello"
    for seconds in (0.02, 0, -1):
        with pytest.raises(TimedOutError), anyio.fail_after(5):
            await body.read(seconds)
    await body.close()
    await body.close()
    gate.release()
    await server.connections[0].until_closed()
    assert server.connections[0].closed_by_client


class _Dripping(AsyncNetworkStream):
    """A connection that gives one byte a second, by a clock of its own, and notes how long it was waited for."""

    def __init__(self, data: bytes) -> None:
        self._left = iter([data[place : place + 1] for place in range(len(data))])
        self.now = 0.0
        self.waits: list[float | None] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - its names
        self.now += 1
        self.waits.append(timeout)
        return next(self._left)


async def test_bytes_without_data_are_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to wait is for data: it does not begin again with each digit of a size, and does not get negative."""
    dripping = _Dripping(HEAD + b"00000005\r\nHello")
    monkeypatch.setattr("chatport_bedrock._httpx_body.monotonic", lambda: dripping.now)
    stream = DirectStream(dripping)
    while not stream.take_body():
        await stream.read(65536)
    dripping.waits.clear()
    assert await stream.read_chunks(8.5) == b"H"
    assert dripping.waits == [8.5, 7.5, 6.5, 5.5, 4.5, 3.5, 2.5, 1.5, 0.5, 0.0, 0.0]
    assert await stream.read_chunks(inf) == b"e"
    assert dripping.waits[-1] is None


@pytest.mark.parametrize("answer", [HEAD + HELLO, head("200 OK", {"Content-Length": "9"}) + b"Hello"])
async def test_left_in_the_middle(answer: bytes, session: OriginFormSession, server: LoopbackServer) -> None:
    """Cancelled while it waits, it is closed, though the task is cancelled."""
    gate = server.hold()
    body = _body(await _ask(session, server, answer, gate))
    assert await body.read() == b"Hello"
    with anyio.move_on_after(0.02) as scope:
        try:
            await body.read(inf)
        finally:
            await body.close()
    assert scope.cancelled_caught
    gate.release()
    await server.connections[0].until_closed()
    assert server.connections[0].closed_by_client


async def test_left_before_it_is_read(session: OriginFormSession, server: LoopbackServer) -> None:
    """A body that nobody has begun to read is closed."""
    gate = server.hold()
    await _body(await _ask(session, server, HEAD + HELLO, gate)).close()
    gate.release()
    await server.connections[0].until_closed()
    assert server.connections[0].closed_by_client


class _Made(AsyncNetworkStream):
    """A connection that does nothing."""


class _Maker(AsyncNetworkBackend):
    """Notes what is asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def connect_tcp(self, host: str, port: int, *arguments: Any, **options: Any) -> AsyncNetworkStream:
        self.asked.append((host, port, arguments, options))
        return _Made()

    async def connect_unix_socket(self, path: str, *arguments: Any, **options: Any) -> AsyncNetworkStream:
        self.asked.append((path, arguments, options))
        return _Made()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)


async def test_connections_are_made_as_ever() -> None:
    """Whatever httpcore2 asks of what makes connections is passed on as it is."""
    maker = _Maker()
    backend = DirectBackend(maker)
    made = [
        await backend.connect_tcp("localhost", 80, timeout=1.0, local_address=None),
        await backend.connect_unix_socket("path", timeout=2.0),
    ]
    await backend.sleep(3.0)
    assert [type(stream) for stream in made] == [DirectStream, DirectStream]
    tcp = ("localhost", 80, (), {"timeout": 1.0, "local_address": None})
    assert maker.asked == [tcp, ("path", (), {"timeout": 2.0}), 3.0]
