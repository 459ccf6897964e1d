"""Each limit of `Timeouts` goes off under its own name and in time, and what it ends is closed and whole again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL, START, STREAM_HEAD, chunked, frames, stream, text, unary
from bedrock_support.loopback import LAST_CHUNK, LoopbackServer, chunk, head, whole

import chatport
from chatport import ConfigurationError, Retry, RetryStart, Session, StreamTimeoutError, Timeouts
from chatport_bedrock import Load
from chatport_bedrock._options import check_options

if TYPE_CHECKING:
    from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.anyio

_SECONDS = 0.2
# A machine that does something else at the same time is late; where a limit does not hold, nothing else ends the wait.
_LATE = 3.0


def _open(options: dict[str, Any], **more: Any) -> AbstractAsyncContextManager[BedrockBackend]:
    opened: Any = chatport.open_backend("bedrock", **{**options, **more})
    return opened  # type: ignore[no-any-return] # by its name it could be any backend


def _pause(seconds: float) -> Callable[[], bool]:
    """A step of the server that takes its time."""
    return partial(threading.Event().wait, seconds)


async def _until_waiting(backend: BedrockBackend, count: int) -> None:
    while backend.load().waiting != count:
        await anyio.lowlevel.checkpoint()


async def _warm(server: LoopbackServer, backend: BedrockBackend) -> None:
    """Load what is loaded once, whatever the backend's limits."""
    server.answer(unary())
    await Session(backend, MODEL).ask("hi", timeouts=Timeouts(first_event=20, idle=20, total=20))


@contextmanager
def _times_out(name: str, *, seconds: float = _SECONDS) -> Generator[Any]:
    started = time.monotonic()
    with pytest.raises(StreamTimeoutError) as caught:
        yield caught
    elapsed = time.monotonic() - started
    assert caught.value.timeout == name
    assert seconds - 0.02 <= elapsed < seconds + _LATE


async def _ask(session: Session, way: str, **options: Any) -> Any:
    if way == "ask":
        return await session.ask("hi", **options)
    async with session.stream("hi", **options) as reading:
        return await reading.finish()


# --- each of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_connect(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """A server that takes the connection and does not speak TLS is waited for that long, and asked again."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with _open({**options, "endpoint_url": endpoint}) as backend:
            session = Session(backend, MODEL, retry=None, timeouts=Timeouts(connect=_SECONDS))
            with pytest.raises(StreamTimeoutError):
                await _ask(session, way)  # loads certificates
            with _times_out("connect") as caught:
                await _ask(session, way)
            assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.retryable) == ("connect", True)
    assert "no connection came about within 0.2 seconds" in str(caught.value)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_acquire(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """The error says how many connections there are, how long it waited, and what to change; the one inside goes on."""
    hold = server.hold()
    server.answer(STREAM_HEAD, chunk(START), chunk(text("Hel")), hold, chunked(frames("lo")[1:]), LAST_CHUNK)
    async with _open(options, max_connections=1) as backend:
        async with Session(backend, MODEL).stream("hi") as reading:
            await hold.until_reached()
            assert backend.load() == Load(1, 0, 1)
            with _times_out("acquire") as caught:
                await _ask(Session(backend, MODEL, retry=None, timeouts=Timeouts(acquire=_SECONDS)), way)
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
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(*_BEFORE_THE_FIRST_EVENT[what](), server.hold())
        limits = Timeouts(first_event=_SECONDS, idle=0.01)
        with _times_out("first_event") as caught:
            await _ask(Session(backend, MODEL, retry=None, timeouts=limits), "stream")
        await server.connections[-1].until_closed()
        assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.retryable) == ("request", True)
    assert "within 0.2 seconds (Timeouts.first_event)" in str(caught.value)


async def test_bytes_that_drip_are_no_event(server: LoopbackServer, options: dict[str, Any]) -> None:
    """A frame that comes byte by byte does not put off the limit."""
    async with _open(options) as backend:
        await _warm(server, backend)
        drops = [step for byte in START[:-1] for step in (chunk(bytes([byte])), _pause(0.05))]
        assert len(drops) // 2 * 0.05 > _SECONDS + _LATE
        server.answer(STREAM_HEAD, *drops, server.hold())
        with _times_out("first_event") as caught:
            await _ask(Session(backend, MODEL, retry=None, timeouts=Timeouts(first_event=_SECONDS)), "stream")
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", 200, True)


async def test_first_event_covers_the_whole_of_an_answer_that_comes_whole(
    server: LoopbackServer, options: dict[str, Any]
) -> None:
    """Its beginning does not put it off, and `idle` is no matter."""
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(head(headers={"Content-Length": "99"}), b"{", _pause(0.1), b'"', server.hold())
        with _times_out("first_event") as caught:
            await Session(backend, MODEL, retry=None).ask("hi", timeouts=Timeouts(first_event=_SECONDS, idle=0.01))
        await server.connections[-1].until_closed()
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", 200, True)


async def test_a_server_that_does_not_read(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Sending counts too: nobody waits for ever to get rid of a request."""
    async with _open(options) as backend:
        await _warm(server, backend)
        server.reads_bodies = False
        server.answer(server.hold())
        words = "x" * 20_000_000
        session = Session(backend, MODEL, retry=None, timeouts=Timeouts(first_event=1))
        with _times_out("first_event", seconds=1) as caught:
            await session.ask(words)
        assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", None, True)


async def test_idle(server: LoopbackServer, options: dict[str, Any]) -> None:
    """What had come is in `partial`; it is not asked again, since a reader has seen it."""
    async with _open(options) as backend:
        await _warm(server, backend)
        hold = server.hold()
        server.answer(STREAM_HEAD, chunked([START, text("Hello")]), hold)
        session = Session(backend, MODEL, timeouts=Timeouts(idle=_SECONDS))
        async with session.stream("hi") as reading:
            texts = reading.text
            assert await anext(texts) == "Hello"
            with _times_out("idle") as caught:
                await anext(texts)
        await server.connections[-1].until_closed()
        assert backend.load() == Load(0, 0, 1000)
        server.answer(stream("Again."))
        assert (await _ask(session, "stream")).text == "Again."
    assert (caught.value.phase, caught.value.retryable, caught.value.status) == ("stream", False, 200)
    assert caught.value.partial is not None
    assert caught.value.partial.messages[-1].text == "Hello"
    assert session.messages[-1].text == "Again."


async def test_each_silence_counts_for_itself(server: LoopbackServer, options: dict[str, Any]) -> None:
    """An answer that takes longer than `idle`, with no silence that long, is no failure; the last one is."""
    async with _open(options) as backend:
        await _warm(server, backend)
        pieces = [step for _ in range(8) for step in (chunk(text("x")), _pause(0.08))]
        server.answer(STREAM_HEAD, chunk(START), *pieces, server.hold())
        session = Session(backend, MODEL, timeouts=Timeouts(idle=0.4))
        with _times_out("idle", seconds=8 * 0.08 + 0.32) as caught:
            await _ask(session, "stream")
    assert caught.value.partial is not None
    assert caught.value.partial.messages[-1].text == "x" * 8


@pytest.mark.parametrize("amount", ["little", "much"])
async def test_a_reader_that_takes_its_time_is_no_silence(
    amount: str, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """Only waiting for the service counts: not while a reader is busy, whether the server could write all or not."""
    async with _open(options) as backend:
        await _warm(server, backend)
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
    async with _open(options) as backend:
        await _warm(server, backend)
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
            _pause(0.6)()  # blocking is what is tested
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
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(*steps, server.hold())
        with _times_out("total") as caught:
            await _ask(Session(backend, MODEL), way, timeouts=Timeouts(total=_SECONDS))
        await server.connections[-1].until_closed()
        assert backend.load() == Load(0, 0, 1000)
    assert (caught.value.phase, caught.value.retryable) == (phase, False)
    assert "within 0.2 seconds (Timeouts.total)" in str(caught.value)
    assert len(server.requests) == 2


async def test_total_ends_a_stream_that_never_falls_silent(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Also where there is always something to read."""
    async with _open(options) as backend:
        await _warm(server, backend)
        pieces = [step for _ in range(40) for step in (chunk(text("x")), _pause(0.02))]
        server.answer(STREAM_HEAD, chunk(START), *pieces, server.hold())
        with _times_out("total") as caught:
            await _ask(Session(backend, MODEL, timeouts=Timeouts(total=_SECONDS)), "stream")
    assert caught.value.phase == "stream"
    assert caught.value.partial is not None
    assert set(caught.value.partial.messages[-1].text) == {"x"}


async def test_total_counts_what_a_reader_takes(server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is for the request, not for the service: what is left is not handed out any more."""
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(STREAM_HEAD, chunked([START, text("Hello")]), server.hold())
        async with Session(backend, MODEL, timeouts=Timeouts(total=_SECONDS)).stream("hi") as reading:
            assert await anext(reading.text) == "Hello"
            await anyio.sleep(0.3)  # the reader's own time, that is what is tested
            with pytest.raises(StreamTimeoutError) as caught:
                await anext(reading.text)
    assert caught.value.timeout == "total"


async def test_total_counts_the_wait_for_a_place(server: LoopbackServer, options: dict[str, Any]) -> None:
    """The nearest limit names itself."""
    hold = server.hold()
    server.answer(STREAM_HEAD, chunk(START), chunk(text("x")), hold)
    async with _open(options, max_connections=1) as backend, Session(backend, MODEL).stream("hi"):
        with _times_out("total") as caught:
            await Session(backend, MODEL).ask("hi", timeouts=Timeouts(total=_SECONDS))
    assert caught.value.phase == "connect"


# --- where they come from --------------------------------------------------------------------------------------------


async def test_a_turn_beats_a_session_beats_a_backend(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Limit by limit; what nobody says is the backend's."""
    async with _open(options, timeouts=Timeouts(first_event=_SECONDS, idle=_SECONDS)) as backend:
        await _warm(server, backend)
        server.answer_always(server.hold())
        with _times_out("first_event") as backends:
            await Session(backend, MODEL, retry=None, timeouts=Timeouts(connect=5)).ask("hi")
        session = Session(backend, MODEL, retry=None, timeouts=Timeouts(first_event=0.4))
        with _times_out("first_event", seconds=0.4) as sessions:
            await session.ask("hi")
        with _times_out("first_event", seconds=0.3) as turns:
            await session.ask("hi", timeouts=Timeouts(first_event=0.3))
    for caught, seconds in ((backends, 0.2), (sessions, 0.4), (turns, 0.3)):
        assert f"within {seconds} seconds (Timeouts.first_event)" in str(caught.value)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_none_is_no_limit(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """A turn may lift what the backend limits."""
    async with _open(options, timeouts=Timeouts(first_event=_SECONDS, idle=_SECONDS, total=_SECONDS)) as backend:
        await _warm(server, backend)
        silence = _pause(0.4)
        if way == "ask":
            server.answer(silence, unary("Late."))
        else:
            server.answer(
                STREAM_HEAD, silence, chunked([START, text("La")]), silence, chunked(frames("te.")[1:]), LAST_CHUNK
            )
        limits = Timeouts(connect=None, acquire=None, first_event=None, idle=None, total=None)
        assert (await _ask(Session(backend, MODEL), way, timeouts=limits)).text == "Late."


async def test_counting_tokens_has_the_limits_of_its_request(server: LoopbackServer, options: dict[str, Any]) -> None:
    """As every other request."""
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(server.hold())
        request = Session(backend, MODEL, timeouts=Timeouts(first_event=_SECONDS)).request("hi")
        with _times_out("first_event") as caught:
            await backend.count_tokens(request)
        assert backend.load() == Load(0, 0, 1000)
    assert server.requests[-1].target.endswith("/count-tokens")
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", None, True)


async def test_an_error_whose_body_stays_out(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Its status says enough."""
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(head("403 Forbidden", {"Content-Length": "99"}), b"{", server.hold())
        with pytest.raises(chatport.PermissionDeniedError):
            await Session(backend, MODEL, retry=None).ask("hi", timeouts=Timeouts(first_event=_SECONDS))
        assert backend.load().in_flight == 0


@pytest.mark.parametrize("timeouts", [None, 3, {"idle": 3}], ids=repr)
def test_the_option_is_limits(timeouts: Any) -> None:
    """A number could be any of them."""
    with pytest.raises(ConfigurationError, match="timeouts must be a Timeouts"):
        check_options({"timeouts": timeouts})


# --- together with repeating, and the places -------------------------------------------------------------------------


async def test_silence_before_the_answer_is_repeated(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Each attempt has the limits anew, and the time that it lost counts for `Retry.max_elapsed`."""
    async with _open(options) as backend:
        await _warm(server, backend)
        server.answer(server.hold())
        server.answer(stream("Second."))
        session = Session(backend, MODEL, retry=Retry(base_delay=0), timeouts=Timeouts(first_event=_SECONDS))
        async with session.stream("hi") as reading:
            again = await anext(reading)
            assert isinstance(again, RetryStart)
            assert isinstance(again.error, StreamTimeoutError)
            assert (await reading.finish()).text == "Second."
        server.answer_always(server.hold())
        retry = Retry(base_delay=0, max_elapsed=_SECONDS / 2)
        with _times_out("first_event"):
            await session.ask("hi", retry=retry)
    assert len(server.requests) == 4


async def test_places_are_given_in_order_and_none_is_lost(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Twenty requests over two connections, some cancelled while they wait: all others are answered."""
    hold = server.hold()
    answered: list[int] = []
    async with _open(options, max_connections=2) as backend:
        await _warm(server, backend)
        server.answer(hold, unary())
        server.answer(hold, unary())
        server.answer_always(unary())

        async def ask(number: int, scope: anyio.CancelScope) -> None:
            with scope:
                await Session(backend, MODEL).ask("hi")
                answered.append(number)

        scopes = [anyio.CancelScope() for _ in range(20)]
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for number, scope in enumerate(scopes):
                    group.start_soon(ask, number, scope)
                    await _until_waiting(backend, max(0, number - 1))
                await server.until_requests(3)
                assert backend.load() == Load(2, 18, 2)
                for scope in scopes[5:15]:
                    scope.cancel()
                await _until_waiting(backend, 8)
                assert backend.load() == Load(2, 8, 2)
                hold.release()
        assert sorted(answered) == [*range(5), *range(15, 20)]
        assert backend.load() == Load(0, 0, 2)
    assert (len(server.requests), len(server.connections)) == (11, 2)


async def test_a_failed_request_gives_its_place_back(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Whatever the failure."""
    async with _open(options, max_connections=1) as backend:
        server.answer(whole(b"{}", status="500 Internal Server Error"))
        with pytest.raises(chatport.ServiceError):
            await Session(backend, MODEL, retry=None).ask("hi")
        assert backend.load() == Load(0, 0, 1)
        server.answer(unary("Fine."))
        assert (await Session(backend, MODEL).ask("hi")).text == "Fine."
