"""Each limit of `Timeouts` goes off under its own name and in time, and what it ends is closed and whole again."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from bedrock_support.answers import MODEL, START, STREAM_HEAD, chunked, frames, stream, text, unary
from bedrock_support.http_bytes import LAST_CHUNK, chunk, head
from bedrock_support.timing import LATE, SECONDS, ask_by, open_bedrock, pause, times_out, warm

from chatport import Session, StreamTimeoutError, Timeouts
from chatport_bedrock import Load

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_connect(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """A server that takes the connection and does not speak TLS is waited for that long, and asked again."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with open_bedrock({**options, "endpoint_url": endpoint}) as backend:
            session = Session(backend, MODEL, retry=None, timeouts=Timeouts(connect=SECONDS))
            with pytest.raises(StreamTimeoutError):
                await ask_by(session, way)  # loads certificates
            with times_out("connect") as caught:
                await ask_by(session, way)
            assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.retryable) == ("connect", True)
    assert "no connection came about within 0.2 seconds" in str(caught.value)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_acquire(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """The error says how many connections there are, how long it waited, and what to change; the one inside goes on."""
    hold = server.hold()
    server.answer(STREAM_HEAD, chunk(START), chunk(text("Hel")), hold, chunked(frames("lo")[1:]), LAST_CHUNK)
    async with open_bedrock(options, max_connections=1) as backend:
        async with Session(backend, MODEL).stream("hi") as reading:
            await hold.until_reached()
            assert backend.load() == Load(1, 0, 1)
            with times_out("acquire") as caught:
                await ask_by(Session(backend, MODEL, retry=None, timeouts=Timeouts(acquire=SECONDS)), way)
            assert backend.load() == Load(1, 0, 1)
            hold.release()
            assert (await reading.finish()).text == "Hello"
        assert backend.load() == Load(0, 0, 1)
        server.answer(unary("Free."))
        assert (await Session(backend, MODEL).ask("hi")).text == "Free."
    assert (caught.value.phase, caught.value.retryable) == ("connect", True)
    for words in ("pool of 1 exhausted", "0.2 seconds", "max_connections", "Timeouts(acquire=…)"):
        assert words in str(caught.value)
    assert len(server.requests) == 2


_BEFORE_THE_FIRST_EVENT: dict[str, Callable[[], tuple[bytes, ...]]] = {
    "nothing": lambda: (),
    "head": lambda: (STREAM_HEAD,),
    "half-a-frame": lambda: (STREAM_HEAD, chunk(START[:20])),
}


@pytest.mark.parametrize("what", list(_BEFORE_THE_FIRST_EVENT))
async def test_first_event_of_a_stream(what: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """Head and bytes are no event: until one is whole, `first_event` counts, and `idle` does not."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(*_BEFORE_THE_FIRST_EVENT[what](), server.hold())
        limits = Timeouts(first_event=SECONDS, idle=0.01)
        with times_out("first_event") as caught:
            await ask_by(Session(backend, MODEL, retry=None, timeouts=limits), "stream")
        await server.connections[-1].until_closed()
        assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.retryable) == ("request", True)
    assert "within 0.2 seconds (Timeouts.first_event)" in str(caught.value)


async def test_bytes_that_drip_are_no_event(server: LoopbackServer, options: dict[str, Any]) -> None:
    """A frame that comes byte by byte does not put off the limit."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        drops = [step for byte in START[:-1] for step in (chunk(bytes([byte])), pause(0.05))]
        assert len(drops) // 2 * 0.05 > SECONDS + LATE
        server.answer(STREAM_HEAD, *drops, server.hold())
        with times_out("first_event") as caught:
            await ask_by(Session(backend, MODEL, retry=None, timeouts=Timeouts(first_event=SECONDS)), "stream")
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", 200, True)


async def test_first_event_covers_the_whole_of_an_answer_that_comes_whole(
    server: LoopbackServer, options: dict[str, Any]
) -> None:
    """Its beginning does not put it off, and `idle` is no matter."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(head(headers={"Content-Length": "99"}), b"{", pause(0.1), b'"', server.hold())
        with times_out("first_event") as caught:
            await Session(backend, MODEL, retry=None).ask("hi", timeouts=Timeouts(first_event=SECONDS, idle=0.01))
        await server.connections[-1].until_closed()
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", 200, True)


async def test_a_server_that_does_not_read(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Sending counts too: nobody waits for ever to get rid of a request."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.reads_bodies = False
        server.answer(server.hold())
        words = "x" * 20_000_000
        session = Session(backend, MODEL, retry=None, timeouts=Timeouts(first_event=1))
        with times_out("first_event", seconds=1) as caught:
            await session.ask(words)
        assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", None, True)


async def test_idle(server: LoopbackServer, options: dict[str, Any]) -> None:
    """What had come is in `partial`; it is not asked again, since a reader has seen it."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        hold = server.hold()
        server.answer(STREAM_HEAD, chunked([START, text("Hello")]), hold)
        session = Session(backend, MODEL, timeouts=Timeouts(idle=SECONDS))
        async with session.stream("hi") as reading:
            texts = reading.text
            assert await anext(texts) == "Hello"
            with times_out("idle") as caught:
                await anext(texts)
        await server.connections[-1].until_closed()
        assert backend.load() == Load(0, 0, 1000)
        server.answer(stream("Again."))
        assert (await ask_by(session, "stream")).text == "Again."
    assert (caught.value.phase, caught.value.retryable, caught.value.status) == ("stream", False, 200)
    assert caught.value.partial is not None
    assert caught.value.partial.messages[-1].text == "Hello"
    assert session.messages[-1].text == "Again."


async def test_each_silence_counts_for_itself(server: LoopbackServer, options: dict[str, Any]) -> None:
    """An answer that takes longer than `idle`, with no silence that long, is no failure; the last one is."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        pieces = [step for _ in range(8) for step in (chunk(text("x")), pause(0.08))]
        server.answer(STREAM_HEAD, chunk(START), *pieces, server.hold())
        session = Session(backend, MODEL, timeouts=Timeouts(idle=0.4))
        with times_out("idle", seconds=8 * 0.08 + 0.32) as caught:
            await ask_by(session, "stream")
    assert caught.value.partial is not None
    assert caught.value.partial.messages[-1].text == "x" * 8


@pytest.mark.parametrize("amount", ["little", "much"])
async def test_a_reader_that_takes_its_time_is_no_silence(
    amount: str, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """Only waiting for the service counts: not while a reader is busy, whether the server could write all or not."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        words = ["x" * (10 if amount == "little" else 50_000)] * 40
        hold = server.hold()
        server.answer(
            STREAM_HEAD, chunked([START, *map(text, words[:20])]), hold, chunked(frames(*words)[21:]), LAST_CHUNK
        )
        session = Session(backend, MODEL, timeouts=Timeouts(idle=0.15))
        async with session.stream("hi") as reading:
            texts = reading.text
            assert await anext(texts) == words[0]
            await anyio.sleep(0.4)  # the reader's own time, that is what is tested
            assert await anext(texts) == words[1]
            hold.release()
            await anyio.sleep(0.4)
            assert len((await reading.finish()).text) == len("".join(words))


async def test_a_blocked_event_loop_is_no_silence(server: LoopbackServer, options: dict[str, Any]) -> None:
    """What came while nobody could look at it came in time."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        hold = server.hold()
        server.answer(STREAM_HEAD, chunked([START, text("Hel")]), hold, chunked(frames("lo")[1:]), LAST_CHUNK)
        texts: list[str] = []

        async def read(task_status: Any) -> None:
            async with Session(backend, MODEL, timeouts=Timeouts(idle=0.4)).stream("hi") as reading:
                async for piece in reading.text:
                    texts.append(piece)
                    if piece == "Hel":
                        task_status.started()

        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: read(task_status))
            await anyio.wait_all_tasks_blocked()
            hold.release()
            pause(0.6)()  # blocking is what is tested
        assert "".join(texts) == "Hello"


@pytest.mark.parametrize(
    ("way", "steps", "phase"),
    [
        ("ask", (), "request"),
        ("stream", (STREAM_HEAD,), "request"),
        ("stream", (STREAM_HEAD, chunked([START, text("Hello")])), "stream"),
    ],
    ids=["ask", "before", "within"],
)
async def test_total(
    way: str, steps: tuple[bytes, ...], phase: str, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """It ends a request wherever that is, and nothing is asked again: there is no time left."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(*steps, server.hold())
        with times_out("total") as caught:
            await ask_by(Session(backend, MODEL), way, timeouts=Timeouts(total=SECONDS))
        await server.connections[-1].until_closed()
        assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.retryable) == (phase, False)
    assert "within 0.2 seconds (Timeouts.total)" in str(caught.value)
    assert len(server.requests) == 2


async def test_total_ends_a_stream_that_never_falls_silent(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Also where there is always something to read."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        pieces = [step for _ in range(40) for step in (chunk(text("x")), pause(0.02))]
        server.answer(STREAM_HEAD, chunk(START), *pieces, server.hold())
        with times_out("total") as caught:
            await ask_by(Session(backend, MODEL, timeouts=Timeouts(total=SECONDS)), "stream")
    assert caught.value.phase == "stream"
    assert caught.value.partial is not None
    assert set(caught.value.partial.messages[-1].text) == {"x"}


async def test_total_counts_what_a_reader_takes(server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is for the request, not for the service: what is left is not handed out any more."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(STREAM_HEAD, chunked([START, text("Hello")]), server.hold())
        async with Session(backend, MODEL, timeouts=Timeouts(total=SECONDS)).stream("hi") as reading:
            assert await anext(reading.text) == "Hello"
            await anyio.sleep(0.3)  # the reader's own time, that is what is tested
            with pytest.raises(StreamTimeoutError) as caught:
                await anext(reading.text)
    assert caught.value.timeout == "total"


async def test_total_counts_the_wait_for_a_place(server: LoopbackServer, options: dict[str, Any]) -> None:
    """The nearest limit names itself."""
    hold = server.hold()
    server.answer(STREAM_HEAD, chunk(START), chunk(text("x")), hold)
    async with open_bedrock(options, max_connections=1) as backend, Session(backend, MODEL).stream("hi"):
        with times_out("total") as caught:
            await Session(backend, MODEL).ask("hi", timeouts=Timeouts(total=SECONDS))
    assert caught.value.phase == "connect"
