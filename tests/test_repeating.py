"""Requests that are sent again: when, how often, and which are not."""

import pytest
from tests.breaking import AT_ONCE, BUSY, BreaksOff, note_delays
from tests.conversations import call, get_weather, session

import chatport
from chatport import (
    Message,
    MessageStart,
    RateLimitError,
    Retry,
    RetryStart,
    ServiceError,
    StreamInterruptedError,
    Usage,
)
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a turn has waited each time; it does not really wait."""
    return note_delays(monkeypatch)


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
