"""What a reader, an observer and a turn of several steps see of requests that are sent again."""

import logging
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from tests.breaking import AT_ONCE, BUSY, BreaksOff, note_delays
from tests.conversations import call, get_weather, session

import chatport
from chatport import MessageStart, RateLimitError, ReplyEnd, Retry, RetryStart, ServiceError, TransportError
from chatport._url_media import UrlMedia
from chatport.backend import BackendEvent, ChatRequest
from chatport.hooks import hookimpl, observe

pytestmark = pytest.mark.anyio


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a turn has waited each time; it does not really wait."""
    return note_delays(monkeypatch)


# --- what a reader sees -----------------------------------------------------------------------------------------------


async def test_each_repetition_is_an_event_before_the_answer(delays: list[float]) -> None:
    """With the number of the attempt that follows, the wait before it, and what had happened, place named."""
    first, second = RateLimitError("slow down", retry_after=7), ServiceError("busy", backend="other", model="other")
    chat, _ = session(first, second, "Hello.", retry=Retry(base_delay=1, jitter=0))
    async with chat.stream("Hi") as stream:
        assert delays == [7, 2]  # all the waiting is over when the block is entered
        events = [event async for event in stream]
    assert events[:2] == [RetryStart(2, 7, first), RetryStart(3, 2, second)]
    assert [type(event).__name__ for event in events[2:]] == [
        *("MessageStart", "TextDelta", "PartEnd", "MessageEnd", "ReplyEnd")
    ]
    assert [(error.backend, error.model) for error in (first, second)] == [("scripted", "model-1"), ("other", "other")]
    assert (first.partial, second.partial) == (None, None)  # the turn has not broken off
    last = events[-1]
    assert isinstance(last, ReplyEnd)
    assert last.reply.attempts == 3


async def test_readers_of_text_see_the_text() -> None:
    """As if nothing had happened; so does `finish`."""
    chat, _ = session(BUSY, "one two", BUSY, "three", retry=AT_ONCE)
    async with chat.stream("Hi") as stream:
        assert [text async for text in stream.text] == ["one", " two"]
    async with chat.stream("Hi") as stream:
        assert (await stream.finish()).text == "three"


async def test_when_all_attempts_fail_the_entering_fails() -> None:
    """With the last error; the session is free again."""
    last = RateLimitError("slow down")
    chat, _ = session(BUSY, BUSY, last, "Hello.", retry=Retry(3, 0))
    stream = chat.stream("Hi")
    with pytest.raises(RateLimitError) as caught:
        async with stream:
            pytest.fail("the block was entered")
    assert caught.value is last
    with pytest.raises(chatport.StreamClosedError, match="has failed"):
        await stream.__anext__()
    assert (await chat.ask("Hi")).text == "Hello."


async def test_a_block_that_is_left_unread_forgets_what_entering_has_read() -> None:
    """It is closed, also for events that had come."""
    chat, _ = session(BUSY, "Hello.", "Hello.", retry=AT_ONCE)
    async with chat.stream("Hi") as stream:
        pass
    with pytest.raises(chatport.StreamClosedError, match="is closed"):
        await stream.__anext__()
    assert (await chat.ask("Hi")).attempts == 1


async def test_each_repetition_is_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    """With the facts, and without the error's words: they may repeat what was said."""
    error = RateLimitError("no room for 'my secret'", status=429, code="Throttling", request_id="r-1", retry_after=0)
    chat, _ = session(error, "Hello.")
    with caplog.at_level(logging.DEBUG):
        await chat.ask("my secret")
    (record,) = [record for record in caplog.records if record.name == "chatport"]
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "attempt 1 failed with RateLimitError (backend=scripted, model=model-1, status=429, code=Throttling, "
        "request_id=r-1); the next one begins in 0.000 seconds"
    )
    assert "my secret" not in str(vars(record))


async def test_time_counts_from_the_first_attempt() -> None:
    """What a reader waited for the first event includes the attempts before."""
    chat, _ = session(BUSY, "Hello.", retry=Retry(base_delay=0.02, jitter=0))
    reply = await chat.ask("Hi")
    for timing in (reply.timing, reply.steps[0].timing):
        assert timing.first_event is not None
        assert 0.02 <= timing.first_event <= timing.total


# --- turns with several steps -----------------------------------------------------------------------------------------


async def test_each_step_has_its_own_attempts() -> None:
    """And the events of a repetition stand where it happened."""
    chat, backend = session([call()], BUSY, BUSY, "21 degrees.", tools=[get_weather], retry=Retry(3, 0))
    async with chat.stream("Weather?") as stream:
        names = [type(event).__name__ for event in [event async for event in stream]]
    assert names.index("RetryStart") > names.index("ToolRunEnd")
    assert (names.count("RetryStart"), names.count("MessageStart")) == (2, 2)
    assert [step.attempts for step in stream.reply.steps] == [1, 3]
    assert (stream.reply.attempts, len(backend.requests)) == (4, 4)
    assert backend.requests[1] == backend.requests[3]


async def test_all_steps_share_one_budget_of_time(delays: list[float]) -> None:
    """The second step is left what the first has not used."""
    retry = Retry(base_delay=4, max_elapsed=10, jitter=0)
    slow = RateLimitError("slow down", retry_after=7)
    chat, _ = session(slow, [call()], BUSY, slow, tools=[get_weather], retry=retry)
    with pytest.raises(RateLimitError) as caught:
        await chat.ask("Weather?")
    assert (delays[0], len(delays)) == (7, 2)
    assert 2.5 < delays[1] < 3
    assert caught.value.partial is not None
    assert [message.role for message in caught.value.partial.messages] == ["user", "assistant", "tool"]


# --- around the backend -----------------------------------------------------------------------------------------------


async def test_a_download_that_fails_is_repeated_and_counts_as_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend was not asked; the policy is the same."""
    failures = [TransportError("no answer", code="fetch") for _ in range(2)]
    filled = UrlMedia.filled

    async def fail_first(self: UrlMedia, *given: Any) -> ChatRequest:
        if failures:
            raise failures.pop()
        return await filled(self, *given)

    monkeypatch.setattr(UrlMedia, "filled", fail_first)
    chat, backend = session("Hello.", retry=Retry(3, 0))
    async with chat.stream("Hi") as stream:
        events = [event async for event in stream]
    errors = [event.error for event in events if isinstance(event, RetryStart)]
    assert [(error.code, error.backend, error.model) for error in errors] == [("fetch", None, None)] * 2
    assert (stream.reply.attempts, len(backend.requests)) == (1, 1)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_whoever_is_cancelled_while_it_waits_leaves_at_once(way: str) -> None:
    """Nothing lands, and the session is free."""
    asked = anyio.Event()

    def fail(_: ChatRequest) -> BaseException:
        asked.set()
        return BUSY

    chat, backend = session(fail, "Hello.", retry=Retry(base_delay=50, max_delay=50, jitter=0))

    async def ask() -> None:
        if way == "ask":
            await chat.ask("Hi")
        else:
            async with chat.stream("Hi"):
                pytest.fail("the block was entered")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await asked.wait()
            tasks.cancel_scope.cancel()
    assert (chat.messages, len(backend.requests)) == ((), 1)
    assert (await chat.ask("Hi")).text == "Hello."


async def test_an_attempt_that_failed_is_closed_before_the_next() -> None:
    """No two connections for one question."""
    log: list[str] = []

    class Backend(BreaksOff):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
            log.append("open")
            try:
                async for event in super().stream(request):
                    yield event
            finally:
                log.append("close")

    await chatport.Session(Backend(2, BUSY), "m", retry=AT_ONCE).ask("Hi")
    assert log == ["open", "close"] * 3


async def test_observers_see_every_attempt() -> None:
    """Each request with its number and its end, and the wait between them; an answer that broke off had begun."""
    seen: list[str] = []

    class Tracer:
        @hookimpl
        def chatport_request_start(self, step: int, attempt: int) -> None:
            seen.append(f"start {step}.{attempt}")

        @hookimpl
        def chatport_message_start(self, start: MessageStart) -> None:
            seen.append(f"begins {start.request_id}")

        @hookimpl
        def chatport_request_fail(self, error: BaseException) -> None:
            seen.append(f"{type(error).__name__}")

        @hookimpl
        def chatport_retry_start(self, attempt: int, delay: float) -> None:
            seen.append(f"retry {attempt} in {delay}")

        @hookimpl
        def chatport_step_end(self, step: chatport.Step) -> None:
            seen.append(f"end after {step.attempts}")

    with observe(Tracer()):
        await chatport.Session(BreaksOff(1), "m", retry=AT_ONCE).ask("Hi")
    assert seen == [
        *("start 1.1", "begins r-1", "StreamInterruptedError", "retry 2 in 0.0"),
        *("start 1.2", "begins r-2", "end after 2"),
    ]
