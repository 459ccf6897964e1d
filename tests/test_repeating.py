"""Requests that are sent again: when, how often, and what a reader gets to see of it."""

import logging
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import (
    Message,
    MessageStart,
    RateLimitError,
    ReplyEnd,
    Retry,
    RetryStart,
    ServiceError,
    StreamInterruptedError,
    TextDelta,
    TransportError,
    Usage,
)
from chatport._pace import Paces
from chatport._url_media import UrlMedia
from chatport.backend import BackendEvent, ChatRequest
from chatport.hooks import hookimpl, observe
from chatport.testing import Answer

pytestmark = pytest.mark.anyio

AT_ONCE = Retry(base_delay=0)
BUSY = ServiceError("busy")


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a turn has waited each time; it does not really wait."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr("chatport._turn.sleep", sleep)
    monkeypatch.setattr("chatport._attempts.PACES", Paces(clock=lambda: sum(waited)))
    return waited


class BreaksOff:
    """A backend that begins to answer, and breaks off before the first word so often."""

    name = "breaks-off"

    def __init__(self, times: int, error: BaseException | None = None) -> None:
        self.requests: list[ChatRequest] = []
        self._times = times
        self._error = error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        self.requests.append(request)
        yield MessageStart(request.model, f"r-{len(self.requests)}")
        if len(self.requests) <= self._times:
            if self._error is not None:
                raise self._error
            return
        yield TextDelta(0, "Hello.")
        yield chatport.MessageEnd("stop", usage=Usage(7, 3))

    async def aclose(self) -> None:
        pass


# --- what is repeated ------------------------------------------------------------------------------------------------


async def test_what_may_succeed_is_asked_again() -> None:
    """The same request, as often as it takes; the reply says how often."""
    chat, backend = session(BUSY, RateLimitError("slow down"), "Hello.", retry=AT_ONCE)
    reply = await chat.ask("Hi")
    assert (reply.text, reply.attempts, reply.steps[0].attempts) == ("Hello.", 3, 3)
    assert backend.requests[0] == backend.requests[1] == backend.requests[2]
    assert chat.messages == (Message.user("Hi"), Message.assistant("Hello."))


async def test_a_session_repeats_unless_told_otherwise(delays: list[float]) -> None:
    """Whoever says nothing gets the default policy: at most half a second, then one, then two."""
    chat, backend = session(*[BUSY] * 4, "too late")
    with pytest.raises(ServiceError, match="busy") as caught:
        await chat.ask("Hi")
    assert caught.value is BUSY
    assert caught.value.partial == chatport.Partial((Message.user("Hi"),))
    assert len(backend.requests) == 4
    assert len(delays) == 3
    assert all(0 <= delay <= longest for delay, longest in zip(delays, (0.5, 1, 2), strict=True))
    assert chat.messages == ()


async def test_an_error_says_how_often_was_asked() -> None:
    """For the answer that failed: after all attempts, in the middle of an answer, in a later step of a turn."""
    late = Answer("Hel", error=StreamInterruptedError("broke off"))
    chat, _ = session(
        *(RateLimitError("first"), RateLimitError("second"), RateLimitError("third")),
        *(BUSY, late),
        *(BUSY, call(), chatport.InvalidRequestError("no")),
        retry=Retry(max_attempts=3, base_delay=0),
        tools=[get_weather],
    )
    said = []
    for _ in range(3):
        with pytest.raises(chatport.BackendError) as caught:
            await chat.ask("Hi")
        said.append((caught.value.message, caught.value.attempts))
    assert said == [("third", 3), ("broke off", 2), ("no", 1)]
    assert ServiceError("busy").attempts is None


@pytest.mark.parametrize("retry", [None, Retry(max_attempts=1)], ids=["None", "one attempt"])
async def test_nothing_is_repeated_where_that_is_said(retry: Retry | None) -> None:
    """Of the session, or of one turn."""
    chat, backend = session(BUSY, "Hello.", retry=retry)
    with pytest.raises(ServiceError):
        await chat.ask("Hi")
    chat, backend = session(BUSY, "Hello.")
    with pytest.raises(ServiceError):
        await chat.ask("Hi", retry=retry)
    assert len(backend.requests) == 1


async def test_a_turn_may_have_its_own_policy() -> None:
    """In place of the session's, for this turn only."""
    chat, backend = session(BUSY, BUSY, "Hello.", BUSY, retry=None)
    assert (await chat.ask("Hi", retry=AT_ONCE)).attempts == 3
    with pytest.raises(ServiceError):
        await chat.ask("And again?")
    assert len(backend.requests) == 4


@pytest.mark.parametrize(
    "error",
    [
        chatport.InvalidRequestError("no"),
        chatport.AuthenticationError("who?"),
        RateLimitError("come back tomorrow", retryable=False),
        chatport.UnsupportedError("cannot say this"),
        RuntimeError("a bug"),
    ],
    ids=repr,
)
async def test_what_would_fail_again_is_not_repeated(error: Exception) -> None:
    """Whatever is no failure of the exchange, and what the backend does not call retryable."""
    chat, backend = session(error, "Hello.", retry=AT_ONCE)
    with pytest.raises(type(error)):
        await chat.ask("Hi")
    assert len(backend.requests) == 1


@pytest.mark.parametrize("error", [None, BUSY, StreamInterruptedError("cut")], ids=repr)
async def test_an_answer_that_breaks_off_before_its_first_word_is_repeated(error: BaseException | None) -> None:
    """Nobody has seen anything of it: there is one beginning, that of the answer that came."""
    backend = BreaksOff(2, error)
    chat = chatport.Session(backend, "m", retry=AT_ONCE)
    async with chat.stream("Hi") as stream:
        events = [event async for event in stream]
    assert [event.request_id for event in events if isinstance(event, MessageStart)] == ["r-3"]
    assert [event.attempt for event in events if isinstance(event, RetryStart)] == [2, 3]
    assert (stream.reply.attempts, stream.reply.text) == (3, "Hello.")


async def test_what_broke_off_may_have_cost_something() -> None:
    """An answer that had begun was worked on: its price is not known, and that is said."""
    backend = BreaksOff(1)
    chat = chatport.Session(backend, "m", retry=AT_ONCE)
    assert (await chat.ask("Hi")).usage == Usage(7, 3, complete=False)
    assert (await chat.ask("Hi")).usage == Usage(7, 3)
    assert chat.usage == Usage(14, 6, complete=False)
    backend = BreaksOff(9)
    chat = chatport.Session(backend, "m", retry=AT_ONCE)
    with pytest.raises(StreamInterruptedError) as caught:
        await chat.ask("Hi")
    assert caught.value.partial == chatport.Partial((Message.user("Hi"),), Usage(complete=False))


async def test_what_was_never_answered_has_cost_nothing() -> None:
    """A refusal is not incomplete."""
    chat, _ = session(BUSY, Answer("Hello.", usage=Usage(7, 3)), retry=AT_ONCE)
    assert (await chat.ask("Hi")).usage == Usage(7, 3)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_after_the_first_word_nothing_is_repeated(way: str) -> None:
    """A reader would get the beginning twice."""
    error = StreamInterruptedError("cut")
    chat, backend = session(Answer("So far", error=error), "Hello.", retry=AT_ONCE)
    with pytest.raises(StreamInterruptedError) as caught:
        if way == "ask":
            await chat.ask("Hi")
        else:
            async with chat.stream("Hi") as stream:
                await stream.finish()
    assert caught.value is error
    assert caught.value.partial is not None
    assert caught.value.partial.text == "So far"
    assert len(backend.requests) == 1


# --- what a reader sees ----------------------------------------------------------------------------------------------


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


# --- turns with several steps ----------------------------------------------------------------------------------------


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


# --- around the backend ----------------------------------------------------------------------------------------------


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
