"""Streamed bodies that httpx2 carries, read from the connection below it: what comes out, what is left to httpx2."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from bedrock_support.http_bytes import LAST_CHUNK, chunk, head
from bedrock_support.httpx_bodies import HEAD, HELLO, ask, open_session, pieces_of, read_all
from bedrock_support.loopback import End, LoopbackServer
from httpcore2 import AsyncNetworkStream

from chatport.backend.http import TimedOutError
from chatport_bedrock._httpx_connections import _ERRORS, _as_httpx2
from chatport_bedrock._httpx_network import DirectStream

if TYPE_CHECKING:
    from chatport_bedrock._httpx_session import OriginFormSession

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session() -> AsyncIterator[OriginFormSession]:
    """A session as the pool makes it on trio; it works on asyncio as well."""
    async with open_session() as opened:
        yield opened


async def test_what_is_there_comes_at_once(session: OriginFormSession, server: LoopbackServer) -> None:
    """The private names of httpx2 and httpcore2 hold: chunks that came together are one piece, not one each.

    The end is httpx2's, which so knows that the connection is free for the next request.
    """
    for _ in range(3):
        assert await read_all(await ask(session, server, HEAD + HELLO + LAST_CHUNK)) == [b"Hello"]
    assert len(server.connections) == 1


async def test_over_tls(session: OriginFormSession) -> None:
    """The same where the connection is encrypted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "bedrock_support" / "localhost.pem")
    with LoopbackServer(tls=context) as server:
        for _ in range(2):
            assert await read_all(await ask(session, server, HEAD + HELLO + LAST_CHUNK)) == [b"Hello"]
        assert len(server.connections) == 1
        await session.close()
    assert not server.failures


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 50, 200])
async def test_written_in_pieces(size: int, session: OriginFormSession, server: LoopbackServer) -> None:
    """Head and chunks may be cut anywhere, the end of the head included."""
    answer = HEAD + HELLO + LAST_CHUNK
    steps = [answer[start : start + size] for start in range(0, len(answer), size)]
    for _ in range(2):
        assert b"".join(await read_all(await ask(session, server, *steps))) == b"Hello"
    assert len(server.connections) == 1


@pytest.mark.parametrize("together", [True, False])
async def test_after_early_hints(together: bool, session: OriginFormSession, server: LoopbackServer) -> None:
    """An answer that others precede begins behind the last head."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </chunked>\r\n\r\n"
    answer = (hints, hints, HEAD, HELLO + LAST_CHUNK)
    assert await read_all(await ask(session, server, *([b"".join(answer)] if together else answer))) == [b"Hello"]


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
        assert b"".join(await read_all(await ask(session, server, answer))) == b"Hello"
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (b"3\r\nlo!!\r\n" + LAST_CHUNK, "malformed chunk"),
        (b"x\r\nlo\r\n" + LAST_CHUNK, "illegal chunk header"),
    ],
)
async def test_malformed(rest: bytes, message: str, session: OriginFormSession, server: LoopbackServer) -> None:
    """What is good comes first, then the error, and the connection is not used again."""
    body = await ask(session, server, HEAD + chunk(b"Hel") + rest)
    assert (await body.read()).startswith(b"Hel")
    with pytest.raises(httpx2.RemoteProtocolError, match=message):
        await body.read()
    await body.close()
    await server.connections[0].until_closed()


@pytest.mark.parametrize("rest", [b"", b"5\r\nHel", b"5\r\nHello", b"5\r\nHello\r\n", b"5\r\nHello\r\n5"])
async def test_cut_off(rest: bytes, session: OriginFormSession, server: LoopbackServer) -> None:
    """A connection that ends before the body does is an error, wherever it ends."""
    body = await ask(session, server, HEAD + rest, End.FIN)
    with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
        await pieces_of(body)
    await body.close()


async def test_torn_down(session: OriginFormSession, server: LoopbackServer) -> None:
    """A connection that is reset while the body is waited for is an error of httpx2's."""
    gate = server.hold()
    body = await ask(session, server, HEAD + HELLO, gate, End.RST)
    assert await body.read() == b"Hello"
    gate.release()
    with pytest.raises(httpx2.ReadError), anyio.fail_after(5):
        await body.read()
    await body.close()


@pytest.mark.parametrize("rest", [b"", b"5", b"5\r", b"5\r\n", b"0\r\n", b"5;name"])
async def test_silence(rest: bytes, session: OriginFormSession, server: LoopbackServer) -> None:
    """The time to wait holds wherever the server falls silent, and leaving closes the connection at once."""
    gate = server.hold()
    body = await ask(session, server, HEAD + HELLO + rest, gate)
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
    monkeypatch.setattr("chatport_bedrock._httpx_network.monotonic", lambda: dripping.now)
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
    body = await ask(session, server, answer, gate)
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
    body = await ask(session, server, HEAD + HELLO, gate)
    await body.close()
    gate.release()
    await server.connections[0].until_closed()
    assert server.connections[0].closed_by_client


def test_every_error_has_a_namesake() -> None:
    """What httpcore2 raises can be said in the words of httpx2, which the rest of the wire knows."""
    left = list(_ERRORS)
    for kind in left:
        left += [other for other in kind.__subclasses__() if other.__module__.startswith("httpcore2")]
        made = _as_httpx2(kind("why"))
        assert isinstance(made, httpx2.HTTPError | httpx2.StreamError)
        assert (type(made).__name__, str(made)) == (kind.__name__, "why")
    assert len(left) > 10


_WHOLE = head("200 OK", {"Content-Length": "5"}) + b"Hello"
_FORGED = head("200 OK", {"Content-Length": "6"}) + b"FORGED"


@pytest.mark.parametrize(
    "answer",
    [
        _WHOLE,
        head("204 No Content", {"Transfer-Encoding": "chunked"}),
        HEAD + HELLO + LAST_CHUNK,
        HEAD + HELLO + b"0\r\nx-trailer: 1\r\n\r\n",
    ],
    ids=["length", "without", "chunked", "trailer"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_bytes_behind_the_end(tls: bool, answer: bytes, session: OriginFormSession) -> None:
    """They are no answer to what is asked next: the connection ends, and another one is opened."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(__file__).parent / "bedrock_support" / "localhost.pem")
    with LoopbackServer(tls=context) as server:
        await read_all(await ask(session, server, answer + _FORGED))
        assert b"".join(await read_all(await ask(session, server, _WHOLE))) == b"Hello"
        assert len(server.connections) == 2
        await server.connections[0].until_closed()
        assert b"".join(await read_all(await ask(session, server, _WHOLE))) == b"Hello"
        assert len(server.connections) == 2
        await session.close()


class _Encrypted(AsyncNetworkStream):
    """A connection of TLS between the two ends of a test, in memory."""

    def __init__(self) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(Path(__file__).parent / "bedrock_support" / "localhost.pem")
        self._to_client, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = trusting.wrap_bio(self._to_client, self._to_server)
        self.server = serving.wrap_bio(self._to_server, self._to_client, server_side=True)
        waiting = [self.client, self.server]
        while waiting:
            end = waiting.pop(0)
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waiting.append(end)

    def break_off(self) -> None:
        """Write what is no record."""
        self._to_client.write(b"HTTP/1.1 200 OK\r\n\r\n")

    def get_extra_info(self, info: str) -> Any:
        return self.client if info == "ssl_object" else None


async def test_bytes_that_are_not_decrypted_yet() -> None:
    """What the server wrote behind an answer may have been read from the connection with it, as a record of its own.

    Records of TLS itself, such as tickets, are nothing of the kind.
    """
    encrypted = _Encrypted()
    stream = DirectStream(encrypted)
    encrypted.server.write(b"answer")
    assert encrypted.client.read(100) == b"answer"
    assert not stream.has_more()
    encrypted.server.write(b"answer")
    encrypted.server.write(b"forged")
    assert encrypted.client.read(100) == b"answer"
    assert stream.has_more()


@pytest.mark.parametrize("how", ["ended", "broken"])
async def test_a_connection_of_tls_that_is_over(how: str) -> None:
    """One whose end has come behind an answer, or what is no TLS, is not used again either."""
    encrypted = _Encrypted()
    encrypted.server.write(b"answer")
    if how == "ended":
        with pytest.raises(ssl.SSLWantReadError):
            encrypted.server.unwrap()
    else:
        encrypted.break_off()
    assert encrypted.client.read(100) == b"answer"
    assert DirectStream(encrypted).has_more()
