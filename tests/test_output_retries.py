"""Answers that do not fit are asked for again: how often, what the model is told, and what is left of them."""

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import (
    Message,
    MessageEnd,
    MessageStart,
    OutputError,
    OutputRetryStart,
    ReplyEnd,
    ServiceError,
    TextDelta,
    ToolLoopError,
    Usage,
)
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


@dataclass
class City:
    name: str
    population: int


_ROME = '{"name": "Rome", "population": 2800000}'
_MANY = '{"name": "Rome", "population": "many"}'
_WRONG = Answer(_MANY, usage=Usage(10, 5, total_tokens=15))
_RIGHT = Answer(_ROME, usage=Usage(30, 6, total_tokens=36))


async def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    """Where it says so: the model sees its answer and what is wrong with it; cost and steps are the turn's."""
    chat, backend = session(_WRONG, _RIGHT, output_retries=1)
    reply = await chat.ask("Which city?", output=City)
    assert reply.output == City("Rome", 2_800_000)
    assert [step.message.text for step in reply.steps] == [_MANY, _ROME]
    assert reply.usage == chat.usage == Usage(40, 11, total_tokens=51)
    assert reply.attempts == 2
    question, answer, correction = backend.requests[1].messages
    assert (question, answer) == (Message.user("Which city?"), Message.assistant(_MANY))
    assert correction.role == "user"
    assert "- population: " in correction.text
    assert '"many"' in correction.text
    assert backend.requests[1].output_schema == backend.requests[0].output_schema


async def test_the_history_holds_the_answer_that_fits_and_no_other() -> None:
    """What was said between the question and the answer was never part of the conversation."""
    chat, _ = session(_WRONG, _RIGHT, "Bye.", output_retries=1)
    reply = await chat.ask("Which city?", output=City)
    assert chat.messages == reply.messages == (Message.user("Which city?"), Message.assistant(_ROME))
    await chat.ask("Thank you.")
    assert len(chat.rewind()) == 2
    assert chat.messages == reply.messages


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_the_number_is_the_sessions_or_the_turns(retries: int) -> None:
    """So often and no more; then the error has all answers, and the history is as before."""
    ways: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"output_retries": retries}, {}),
        ({"output_retries": 2}, {"output_retries": retries}),
    ]
    for options, turn in ways:
        chat, backend = session(*[_WRONG] * 5, **options)
        with pytest.raises(OutputError, match="- population: ") as caught:
            await chat.ask("Which city?", output=City, **turn)
        assert len(backend.requests) == len(caught.value.reply.steps) == retries + 1
        assert chat.messages == ()
        assert chat.usage.total_tokens == 15 * (retries + 1)
        assert caught.value.partial is not None
        assert caught.value.partial.messages == (Message.user("Which city?"), Message.assistant(_MANY))
        chat.keep(caught.value.partial)
        assert len(chat.messages) == 2


async def test_each_correction_stands_behind_its_answer() -> None:
    """The third request has both wrong answers, with what was wrong with each."""
    chat, backend = session("{}", _WRONG, _RIGHT, output_retries=2)
    assert (await chat.ask("Which city?", output=City)).output.name == "Rome"
    texts = [message.text for message in backend.requests[2].messages]
    assert (texts[1], texts[3]) == ("{}", _MANY)
    assert "required" in texts[2]
    assert "required" not in texts[4]
    assert len(chat.messages) == 2


async def test_nothing_is_asked_for_again_unasked() -> None:
    """By default a turn costs what was asked for."""
    chat, backend = session(_WRONG, _RIGHT)
    with pytest.raises(OutputError):
        await chat.ask("Which city?", output=City)
    assert len(backend.requests) == 1


async def test_max_steps_bounds_it_too() -> None:
    """Another answer is another request."""
    chat, backend = session(_WRONG, _RIGHT, max_steps=1, output_retries=1)
    with pytest.raises(OutputError):
        await chat.ask("Which city?", output=City)
    assert len(backend.requests) == 1


@pytest.mark.parametrize("reason", ["length", "content_filter", "context_window", "other"])
async def test_what_was_cut_short_is_not_asked_for_again(reason: Any) -> None:
    """The same limit, or the same refusal, would end the next answer as well."""
    chat, backend = session(Answer('{"name": "Ro', stop_reason=reason), _RIGHT, output_retries=3)
    with pytest.raises(OutputError, match="cut short"):
        await chat.ask("Which city?", output=City)
    assert len(backend.requests) == 1


async def test_calls_of_the_callers_are_not_asked_for_again() -> None:
    """They are no wrong answer, they wait for results."""
    chat, backend = session([call()], _RIGHT, tools=[get_weather])
    with pytest.raises(OutputError, match="asks for tools"):
        await chat.ask("Which city?", output=City, run_tools=False)
    assert len(backend.requests) == 1


async def test_calls_that_were_cut_beside_an_answer() -> None:
    """The calls are refused and the answer is read: what does not fit is an error, what fits is taken."""
    for text, fits in ((_ROME, True), (_MANY, False)):
        cut = Answer([chatport.Text(text), call()], stop_reason="length")
        chat, backend = session(cut, _RIGHT, tools=[get_weather])
        if fits:
            assert (await chat.ask("Which city?", output=City)).output.name == "Rome"
        else:
            with pytest.raises(OutputError, match="cut short"):
                await chat.ask("Which city?", output=City)
        assert len(backend.requests) == 1


async def test_tools_may_be_called_before_and_after() -> None:
    """The history keeps the calls with their results, and leaves out the wrong answer alone."""
    chat, backend = session(
        [call("1")], _WRONG, [call("2")], _RIGHT, tools=[get_weather], tool_choice="any", output_retries=1
    )
    reply = await chat.ask("Which city is warm?", output=City)
    assert reply.output.name == "Rome"
    assert [message.role for message in chat.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert _MANY not in {message.text for message in chat.messages}
    roles = [message.role for message in backend.requests[3].messages]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant", "tool"]
    assert [request.tool_choice for request in backend.requests] == ["any", None, None, None]
    assert chatport.validate_messages(chat.messages) == ()


async def test_a_loop_of_tools_after_a_wrong_answer_ends_too() -> None:
    """The steps are counted together."""
    chat, _ = session(_WRONG, [call()], [call()], tools=[get_weather], max_steps=2, output_retries=1)
    with pytest.raises(ToolLoopError) as caught:
        await chat.ask("Which city?", output=City)
    assert caught.value.partial is not None
    assert [message.role for message in caught.value.partial.messages] == ["user", "assistant"]


async def test_the_stream_shows_each_answer_with_its_events() -> None:
    """All events of the first, one that says what is wrong, all events of the second, and one end."""
    chat, _ = session(_WRONG, _RIGHT, output_retries=1)
    async with chat.stream("Which city?", output=City) as stream:
        events = [event async for event in stream]
    kinds = [type(event) for event in events if type(event) in {MessageStart, MessageEnd, OutputRetryStart, ReplyEnd}]
    assert kinds == [MessageStart, MessageEnd, OutputRetryStart, MessageStart, MessageEnd, ReplyEnd]
    again = next(event for event in events if isinstance(event, OutputRetryStart))
    assert again.attempt == 2
    assert "- population: " in str(again.error)
    assert again.error.__traceback__ is None
    assert again.error.reply.text == _MANY
    place = events.index(again)
    assert "".join(event.text for event in events[place:] if isinstance(event, TextDelta)) == _ROME
    assert stream.reply.output.name == "Rome"


async def test_a_reader_of_text_sees_where_the_next_answer_begins() -> None:
    """A line feed, once; the reply has the text of the last answer alone."""
    chat, _ = session(_WRONG, _RIGHT, output_retries=1)
    async with chat.stream("Which city?", output=City) as stream:
        pieces = [piece async for piece in stream.text]
    assert "".join(pieces) == f"{_MANY}\n{_ROME}"
    assert pieces.count("\n") == 1
    assert stream.reply.text == _ROME


async def test_a_stream_left_in_the_second_answer() -> None:
    """The partial has the answer under way in the place of the one before, and the cost of both."""
    chat, _ = session(_WRONG, _RIGHT, output_retries=1)
    async with chat.stream("Which city?", output=City) as stream:
        async for event in stream:
            if isinstance(event, OutputRetryStart):
                assert stream.partial.text == _MANY
                assert len(stream.partial.messages) == 2
                break
        await anext(stream)  # MessageStart
        await anext(stream)
        partial = stream.partial
    assert len(partial.messages) == 2
    assert _ROME.startswith(partial.text)
    assert partial.unfinished
    assert chat.messages == ()
    assert chat.usage == Usage(10, 5, total_tokens=15, complete=False)


async def test_a_second_request_that_fails_leaves_the_first_answer() -> None:
    """The error is the service's; what the model had said is there."""
    chat, _ = session(_WRONG, ServiceError("down"), retry=None, output_retries=1)
    with pytest.raises(ServiceError) as caught:
        await chat.ask("Which city?", output=City)
    assert caught.value.partial is not None
    assert caught.value.partial.messages == (Message.user("Which city?"), Message.assistant(_MANY))


async def test_it_is_logged_without_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    """Which answer, and of which type."""
    caplog.set_level(logging.INFO, "chatport")
    chat, _ = session(_WRONG, _RIGHT, output_retries=1)
    await chat.ask("Which city?", output=City)
    (record,) = caplog.records
    assert record.getMessage() == "answer 1 is no City; asking for another one"


async def test_what_a_validator_raises_beside_value_errors_is_the_callers() -> None:
    """It ends the turn at once, as itself."""
    from pydantic import BaseModel, field_validator

    class Strange(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def fail(cls, _: str) -> str:
            raise LookupError

    chat, backend = session('{"name": "x"}', _RIGHT)
    with pytest.raises(LookupError):
        await chat.ask("Hi", output=Strange)
    assert len(backend.requests) == 1


@pytest.mark.parametrize("place", ["session", "turn"])
async def test_a_negative_number_is_refused(place: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="output_retries must be at least 0, not -1"):
        if place == "session":
            session(output_retries=-1)
        else:
            await session()[0].ask("Hi", output=City, output_retries=-1)


async def test_forks_and_regenerate_know_the_number() -> None:
    """It is an option like the others."""
    chat, backend = session(_RIGHT, _WRONG, _WRONG, _WRONG, _RIGHT, output_retries=0)
    await chat.ask("Which city?", output=City)
    with pytest.raises(OutputError):
        await chat.fork().ask("And now?", output=City)
    assert len(backend.requests) == 2
    assert (await chat.regenerate(output=City, output_retries=2)).output.name == "Rome"
    assert len(backend.requests) == 5
    assert len(chat.messages) == 2
