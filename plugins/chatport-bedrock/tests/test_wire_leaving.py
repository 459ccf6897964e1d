"""However a stream is left, its connection is closed at once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import (
    MODEL,
    REQUEST_ID,
    START,
    STREAM_HEAD,
    chunked,
    converse,
    frames,
    stream,
    text,
    unary,
)
from bedrock_support.http_bytes import LAST_CHUNK, chunk, head
from bedrock_support.leaving import BEFORE, WAYS, by_break

import chatport
from chatport import ChatRequest, Message, Session, Text
from chatport_bedrock.backend import BedrockBackend

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer, Step

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_collecting")]

# The promise: from leaving to the moment when the server knows (seconds). A busy machine is late now and then; what
# does not close at once is late each time, so the promise is measured again where a first time was too long.
PROMISE = 0.1
TRIES = 3
# Where it is measured once: a machine may be late, and what waits for the server waits for seconds.
AT_ONCE = 1.0
_BEGUN = (STREAM_HEAD, chunked([START, text("Hel"), text("lo")]))


@pytest.fixture(autouse=True)
async def _clean(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail where something was left behind: warnings are errors, asyncio's complaints are records."""
    yield
    gc.collect()
    await anyio.lowlevel.checkpoint()
    gc.collect()
    complaints = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not complaints


# --- ways to leave: each reads a little, leaves, and returns when that was --------------------------------------------


@pytest.fixture
async def session(options: dict[str, Any]) -> AsyncIterator[Session]:
    """A session with a history."""
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options, messages=BEFORE) as opened:
        yield opened


@pytest.mark.parametrize("leave", WAYS, ids=lambda leave: leave.__name__.strip("_").replace("_", "-"))
async def test_the_server_sees_it_at_once(
    leave: Callable[[Session], Awaitable[float]], server: LoopbackServer, session: Session
) -> None:
    """The server, silent in the middle of its answer, sees the connection close; the history is as before."""
    took: list[float] = []
    while min(took, default=PROMISE) >= PROMISE and len(took) < TRIES:
        server.answer(*_BEGUN, server.hold())
        left = await leave(session)
        took.append(await _until_closed(server) - left)
    assert min(took) < PROMISE, f"the server learned of it after {took} seconds"
    assert session.messages == BEFORE
    server.answer(stream("Good."))
    with anyio.fail_after(5):
        async with session.stream("and now?") as reading:
            assert (await reading.finish()).text == "Good."
    assert len(server.connections) == len(took) + 1


async def _until_closed(server: LoopbackServer) -> float:
    connection = server.connections[-1]
    closed = await connection.until_closed()
    assert connection.closed_by_client
    return closed


async def _assert_closed(server: LoopbackServer, left: float) -> None:
    took = await _until_closed(server) - left
    assert took <= AT_ONCE, f"the server learned of it after {took:.2f} seconds"


_HALF_ANSWER = head(headers={"Content-Length": "999", "x-amzn-RequestId": REQUEST_ID}) + converse()[:20]


@pytest.mark.parametrize(
    ("way", "steps"),
    [
        ("ask", ()),
        ("ask", (b"HTTP/1.1 200 OK\r\n",)),
        ("ask", (_HALF_ANSWER,)),
        ("stream", ()),
        ("stream", (STREAM_HEAD[:40],)),
        ("stream", (STREAM_HEAD,)),
        ("stream", (STREAM_HEAD, chunk(START[:20]))),
    ],
    ids=[
        *("ask-before-an-answer", "ask-in-the-headers", "ask-in-the-body", "stream-before-an-answer"),
        *("stream-in-the-headers", "stream-after-the-headers", "stream-in-the-first-frame"),
    ],
)
async def test_a_request_is_cancelled(
    way: str, steps: tuple[Step, ...], server: LoopbackServer, session: Session
) -> None:
    """The same while nothing, or not enough, has come for anything to be read."""
    hold = server.hold()
    server.answer(*steps, hold)
    went_on = False
    left = 0.0
    scope = anyio.CancelScope()

    async def ask() -> None:
        nonlocal went_on
        with scope:
            await (session.ask("hi") if way == "ask" else session.stream("hi").__aenter__())
            went_on = True

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await hold.until_reached()
        await anyio.wait_all_tasks_blocked()
        left = time.monotonic()
        scope.cancel()
    assert scope.cancelled_caught
    assert not went_on
    await _assert_closed(server, left)
    assert session.messages == BEFORE
    assert not server.open_connections


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_of_asyncio_is_cancelled(server: LoopbackServer, session: Session) -> None:
    """`task.cancel()`, which knows no scopes, and comes through as `CancelledError`."""
    hold = server.hold()
    server.answer(*_BEGUN, hold)

    async def read() -> None:
        async with session.stream("hi") as reading:
            await reading.finish()

    task = asyncio.get_running_loop().create_task(read())
    await hold.until_reached()
    await anyio.wait_all_tasks_blocked()
    left = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _assert_closed(server, left)


async def test_leaving_a_long_burst(server: LoopbackServer, session: Session) -> None:
    """What has come already is not read to its end: the server is in the middle of writing."""
    writes = [chunk(text("x" * 1000) * 30)] * 400
    server.answer(STREAM_HEAD, chunk(START), *writes, LAST_CHUNK)
    left = await by_break(session)
    await _assert_closed(server, left)


async def test_abandoned_streams_do_not_use_up_the_pool(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Thirty streams left in the middle, over two connections, and the next call gets one at once."""
    for _ in range(30):
        server.answer(*_BEGUN, server.hold())
    server.answer(unary("Still here."))
    options = {**options, "max_connections": 2}
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        with anyio.fail_after(10):
            for _ in range(30):
                await by_break(session)
            assert (await session.ask("hi")).text == "Still here."
    assert len(server.requests) == 31
    for connection in server.connections:
        await connection.until_closed()


async def test_more_streams_than_connections_wait_for_their_turn(
    server: LoopbackServer, options: dict[str, Any]
) -> None:
    """The limit holds, and whoever waits is served when a connection is free again; one that is cancelled is not."""
    holds = [server.hold() for _ in range(2)]
    for hold in holds:
        server.answer(STREAM_HEAD, chunk(START), hold, chunked(frames("Hello")[1:]), LAST_CHUNK)
    server.answer(stream("Third."))
    async with chatport.open_backend("bedrock", **{**options, "max_connections": 2}) as backend:
        texts: list[str] = []

        async def ask(words: str) -> None:
            async with Session(backend, MODEL) as session, session.stream(words) as reading:
                texts.append((await reading.finish()).text)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(ask, "first")
                group.start_soon(ask, "second")
                for hold in holds:
                    await hold.until_reached()
                with anyio.move_on_after(0.05) as scope:
                    await ask("cancelled while it waits")
                assert scope.cancelled_caught
                group.start_soon(ask, "third")
                await anyio.wait_all_tasks_blocked()
                assert len(server.connections) == 2
                for hold in holds:
                    hold.release()
        assert sorted(texts) == ["Hello", "Hello", "Third."]
    assert (len(server.requests), len(server.connections)) == (3, 2)


@pytest.mark.parametrize("way", ["ask", "stream", "both"])
async def test_a_connection_is_used_again(way: str, server: LoopbackServer, session: Session) -> None:
    """Five turns over one connection, whichever operation, whatever follows the last event."""
    for turn in range(5):
        if way == "ask" or (way == "both" and turn % 2):
            server.answer(unary("Hello"))
            assert (await session.ask("hi")).text == "Hello"
        else:
            # The end of the body comes with the last event, or in a packet of its own.
            last = (LAST_CHUNK,) if turn % 2 else ()
            whole = stream("Hel", "lo")
            server.answer(*((whole.removesuffix(LAST_CHUNK), *last) if last else (whole,)))
            async with session.stream("hi") as reading:
                assert (await reading.finish()).text == "Hello"
    assert (len(server.requests), len(server.connections)) == (5, 1)
    assert len(server.open_connections) == 1


async def test_a_closed_backend_has_no_connections(server: LoopbackServer, options: dict[str, Any]) -> None:
    """What was kept to be used again is closed with the backend."""
    server.answer_always(unary())
    async with chatport.open_backend("bedrock", **options) as backend:
        async with Session(backend, MODEL) as session:
            await session.ask("hi")
        assert len(server.open_connections) == 1
        left = time.monotonic()
    await _assert_closed(server, left)


# --- without a session ------------------------------------------------------------------------------------------------


_REQUEST = ChatRequest(MODEL, (Message("user", (Text("hi"),)),), streaming=True)


async def test_a_closed_generator(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Whoever uses the backend itself closes what it opens; that is enough."""
    server.answer(*_BEGUN, server.hold())
    backend = BedrockBackend(**options)
    async with aclosing(backend.stream(_REQUEST)) as events:
        await anext(events)
        left = time.monotonic()
    await _assert_closed(server, left)
    await backend.aclose()


async def test_a_dropped_generator(server: LoopbackServer, options: dict[str, Any], anyio_backend: str) -> None:
    """Misuse: there is a warning, and on asyncio the connection is closed within a second all the same."""
    server.answer(*_BEGUN, server.hold())
    backend = BedrockBackend(**options)
    with pytest.warns(ResourceWarning, match="aclosing"):
        events = backend.stream(_REQUEST)
        await anext(events)
        del events
        gc.collect()
        left = time.monotonic()  # collecting takes as long as there is rubbish of other tests
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
    if anyio_backend == "asyncio":
        assert await server.connections[0].until_closed() - left <= 1
    await backend.aclose()
    await server.connections[0].until_closed()


async def test_a_generator_that_was_never_started(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Nothing was opened, so there is nothing to complain about."""
    backend = BedrockBackend(**options)
    backend.stream(_REQUEST)
    gc.collect()
    await backend.aclose()
    assert not server.connections
