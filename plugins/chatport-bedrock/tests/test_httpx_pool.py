"""The connections below httpx2: which are used again, which are closed, and what is made of new ones."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.http_bytes import LAST_CHUNK
from bedrock_support.httpx_bodies import HEAD, HELLO, ask, open_session, read_all
from bedrock_support.loopback import End, LoopbackServer
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

from chatport_bedrock._calls import HttpRequest
from chatport_bedrock._httpx_network import DirectBackend, DirectStream

if TYPE_CHECKING:
    from chatport_bedrock._httpx_session import OriginFormSession

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session() -> AsyncIterator[OriginFormSession]:
    """A session as the pool makes it on trio; it works on asyncio as well."""
    async with open_session() as opened:
        yield opened


async def test_the_connection_that_was_used_last_is_used_next(
    session: OriginFormSession, server: LoopbackServer
) -> None:
    """Requests at once have a connection each; what follows goes over the one that was free last."""
    bodies = [await ask(session, server, HEAD + HELLO + LAST_CHUNK) for _ in range(3)]
    for body in bodies:
        await read_all(body)
    await read_all(await ask(session, server, HEAD + HELLO + LAST_CHUNK))
    assert len(server.connections) == 3
    assert server.requests[-1].connection is server.requests[2].connection


async def test_old_connections_are_closed(server: LoopbackServer) -> None:
    """One that has been idle for too long is not used again; others that nobody takes any more end one by one."""
    async with open_session(keepalive_seconds=0.0) as session:
        bodies = [await ask(session, server, HEAD + HELLO + LAST_CHUNK) for _ in range(3)]
        for body in bodies:
            await read_all(body)
        for connection in server.connections[:2]:
            await connection.until_closed()
        assert server.open_connections == server.connections[2:]
        await read_all(await ask(session, server, HEAD + HELLO + LAST_CHUNK))
        await server.connections[2].until_closed()
        assert len(server.connections) == 4
    await server.connections[3].until_closed()
    assert all(connection.closed_by_client for connection in server.connections)


async def test_a_connection_that_the_server_has_closed(session: OriginFormSession, server: LoopbackServer) -> None:
    """Where an idle connection has ended, a request takes a new one."""
    await read_all(await ask(session, server, HEAD + HELLO + LAST_CHUNK, End.FIN))
    await server.connections[0].until_closed()
    assert await read_all(await ask(session, server, HEAD + HELLO + LAST_CHUNK)) == [b"Hello"]
    assert len(server.connections) == 2


async def test_another_host(session: OriginFormSession, server: LoopbackServer) -> None:
    """A connection is used for its own host only."""
    with LoopbackServer() as other:
        for each in (server, other, server):
            assert await read_all(await ask(session, each, HEAD + HELLO + LAST_CHUNK)) == [b"Hello"]
        await session.close()
    assert (len(server.connections), len(other.connections)) == (2, 1)


async def test_closed_while_a_body_is_read(session: OriginFormSession, server: LoopbackServer) -> None:
    """The end of a session is the end of all its connections; bodies can still be closed, and tell nobody."""
    gate = server.hold()
    body = await ask(session, server, HEAD + HELLO, gate)
    idle = await ask(session, server, HEAD + HELLO + LAST_CHUNK)
    await read_all(idle)
    await session.close()
    await body.close()
    await idle.close()
    gate.release()
    for connection in server.connections:
        await connection.until_closed()
        assert connection.closed_by_client


async def test_what_is_sent(session: OriginFormSession, server: LoopbackServer) -> None:
    """The path stands alone in the first line, the headers are the given ones, a body has its length."""
    await read_all(await ask(session, server, HEAD + LAST_CHUNK))
    server.answer(HEAD + LAST_CHUNK)
    url = f"{server.url}/a%3Ab%2Fc"
    answer = await session.send(HttpRequest("GET", url, {"Host": "localhost", "X-One": "1"}, b""))
    await answer.raw.close()
    assert answer.headers["CONTENT-type"] == "text/plain"
    server.answer(HEAD + LAST_CHUNK)
    pieces = (b"a" * 2**17, b"b" * 10, b"", b"c" * 2**17)
    answer = await session.send(HttpRequest("POST", url, {"Host": "localhost"}, pieces))
    await answer.raw.close()
    post, get, large = server.requests
    assert (large.body, large.headers["content-length"]) == (b"".join(pieces), str(2**18 + 10))
    assert (post.method, post.target, post.body) == ("POST", "/path?query", b"{}")
    assert post.header_lines == (("Host", "localhost"), ("Content-Length", "2"))
    assert (get.method, get.target, get.body) == ("GET", "/a%3Ab%2Fc", b"")
    assert get.header_lines == (("Host", "localhost"), ("X-One", "1"))


class _Made(AsyncNetworkStream):
    """A connection that notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its name
        self.done.append((bytes(buffer), timeout))

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - its name
        self.done.append((max_bytes, timeout))
        return b"HTTP/1.1 200 OK"

    async def start_tls(self, *_: Any, **__: Any) -> AsyncNetworkStream:
        await anyio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.done.append("closed")


async def test_what_is_small_is_sent_together() -> None:
    """Head and body go out at the end of a request, or before an answer is read; what is large is not copied."""
    made = _Made()
    stream = DirectStream(made)
    await stream.write(b"head, ")
    await stream.write(b"body", 1.0)
    assert made.done == []
    await stream.write(b"", 2.0)
    assert made.done == [(b"head, body", 2.0), (b"", 2.0)]
    made.done.clear()
    large = b"x" * 2**20
    await stream.write(b"head")
    await stream.write(large, 3.0)
    assert made.done == [(b"head", 3.0), (large, 3.0)]
    made.done.clear()
    await stream.write(b"all")
    await stream.read(5, 4.0)
    assert made.done == [(b"all", 4.0), (5, 4.0)]


async def test_left_in_the_middle_of_a_handshake() -> None:
    """A connection that is to become one of TLS is closed, though the task is cancelled: nobody else knows of it."""
    made = _Made()
    with anyio.move_on_after(0.02) as scope:
        await DirectStream(made).start_tls(ssl.create_default_context())
    assert scope.cancelled_caught
    assert made.done == ["closed"]


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
