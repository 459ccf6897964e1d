"""Answers that a service has only paused: the turn sends them back, and the service goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import (
    Message,
    MessageEnd,
    MessageStart,
    OutputRetryStart,
    PartEnd,
    ReplyEnd,
    Retry,
    RetryStart,
    ServiceError,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UsageLimitError,
    UsageLimits,
    open_session,
    validate_messages,
)
from chatport.backend import BackendEvent, ChatRequest, Part, events_from
from chatport.testing import Answer, MemoryStore

pytestmark = pytest.mark.anyio

SEARCH = ToolCall("s1", "web_search", {"query": "bread"}, executed_by="server")
FOUND = ToolResult("s1", "3 euros")
BEGUN = Message("assistant", (Text("Let me look."), SEARCH), {"scripted": {"room": "r1"}})
REST = Message("assistant", (FOUND, Text("About 3 euros.")))
QUESTION = Message.user("What does bread cost?")


def paused(*parts: Part, stop_reason: Any = "other") -> Sequence[BackendEvent]:
    """Return the events of an answer that the service has paused, which tells where it wants to go on."""
    *events, _ = events_from(Message("assistant", parts or BEGUN.parts), model="model-1")
    room = {"scripted": {"room": "r1"}}
    return [*events, MessageEnd(stop_reason, "paused", Usage(10, 5, total_tokens=15), room, continues=True)]


RIGHT = Answer(REST, usage=Usage(20, 4, total_tokens=24))


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_turn_lets_the_service_go_on(streaming: bool) -> None:
    """It sends back what was said, unchanged and last; both messages land, and the cost is that of both requests."""
    chat, backend = session(paused(), RIGHT, "You are welcome.", tool_choice="any", tools=[get_weather])
    if streaming:
        async with chat.stream(QUESTION.text) as stream:
            seen = [event async for event in stream]
        reply = stream.reply
        ends = [event for event in seen if isinstance(event, MessageStart | MessageEnd | ReplyEnd)]
        assert [type(event) for event in ends] == [MessageStart, MessageEnd, MessageStart, MessageEnd, ReplyEnd]
        assert [event.part for event in seen if isinstance(event, PartEnd)] == [*BEGUN.parts, *REST.parts]
    else:
        reply = await chat.ask(QUESTION.text)
    assert (reply.text, reply.stop_reason, reply.raw_stop_reason) == ("About 3 euros.", "stop", None)
    assert [(step.continues, step.raw_stop_reason) for step in reply.steps] == [(True, "paused"), (False, None)]
    assert reply.messages == chat.messages == (QUESTION, BEGUN, REST)
    assert reply.usage == chat.usage == Usage(30, 9, total_tokens=39)
    first, second = backend.requests
    assert (first.messages, second.messages) == ((QUESTION,), (QUESTION, BEGUN))
    assert first.tool_choice == second.tool_choice == "any"  # it is one answer, whatever it was to do
    assert validate_messages(chat.messages) == ()
    await chat.ask("Thanks.")
    assert backend.requests[2].messages == (QUESTION, BEGUN, REST, Message.user("Thanks."))


async def test_a_paused_answer_with_tools_around_it() -> None:
    """A call before the pause, and one after it, are answered as ever; a forced choice ends with the first answer."""
    chat, backend = session(
        [call("1")], paused(), [FOUND, call("2")], "Done.", tools=[get_weather], tool_choice="get_weather"
    )
    reply = await chat.ask("Go.")
    roles = [message.role for message in reply.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "assistant", "tool", "assistant"]
    assert [step.continues for step in reply.steps] == [False, True, False, False]
    assert [request.tool_choice for request in backend.requests] == ["get_weather", None, None, None]
    assert validate_messages(chat.messages) == ()


async def test_pauses_end_with_the_last_step() -> None:
    """`max_steps` counts these requests too; the reply says that its answer is not whole, and a session goes on."""
    chat, backend = session(paused(), paused(FOUND), paused(), "Sorry.", max_steps=2)
    reply = await chat.ask("Go.")
    assert len(backend.requests) == 2
    assert (reply.stop_reason, reply.raw_stop_reason, reply.steps[-1].continues) == ("other", "paused", True)
    assert len(chat.messages) == 3
    assert (await chat.ask("Go on.", max_steps=1)).steps[-1].continues
    assert (await chat.ask("Go on.")).text == "Sorry."


async def test_calls_in_a_paused_answer_are_never_run() -> None:
    """They may be cut, as in any answer that did not end in order; the turn ends with them."""
    chat, backend = session(paused(SEARCH, call()), "never", tools=[get_weather])
    reply = await chat.ask("Go.")
    assert len(backend.requests) == 1
    (result,) = [part for part in reply.messages[-1].parts if isinstance(part, ToolResult)]
    assert result.error_kind == "cut"
    waiting, backend = session(paused(SEARCH, call()), "never", tools=[get_weather], max_steps=5)
    assert (await waiting.ask("Go.", run_tools=False)).pending_calls
    assert len(backend.requests) == 1


@dataclass
class Price:
    euros: int


async def test_a_typed_answer_is_read_when_it_is_whole() -> None:
    """What was said before the pause is no attempt at it; where the rest does not fit, all of it makes room."""
    chat, _ = session(paused(), [FOUND, Text('{"euros": 3}')])
    reply = await chat.ask("?", output=Price)
    assert reply.output == Price(3)
    chat, backend = session(paused(), [FOUND, Text('{"euros": "few"}')], '{"euros": 3}', output_retries=1)
    async with chat.stream("?", output=Price) as stream:
        retries = [event async for event in stream if isinstance(event, OutputRetryStart)]
    assert (len(retries), stream.reply.output) == (1, Price(3))
    assert [message.role for message in backend.requests[2].messages] == ["user", "assistant", "assistant", "user"]
    assert chat.messages == (Message.user("?"), Message.assistant('{"euros": 3}'))
    chat, _ = session(paused(), output_retries=1)
    with pytest.raises(chatport.OutputError, match="was cut short"):
        await chat.ask("?", output=Price, max_steps=1)
    assert not chat.messages


async def test_what_is_left_of_a_turn_that_fails_behind_a_pause() -> None:
    """Nothing lands by itself; the partial has what was said before the pause, and what it has cost."""
    chat, backend = session(paused(), ServiceError("down", backend="scripted"), "Hello.", retry=None)
    with pytest.raises(ServiceError) as caught:
        await chat.ask(QUESTION.text)
    assert not chat.messages
    partial = caught.value.partial
    assert partial is not None
    assert (partial.messages, partial.usage.known_tokens) == ((QUESTION, BEGUN), 15)
    chat.keep(partial)
    assert chat.messages == (QUESTION, BEGUN)
    await chat.ask("Go on.")
    assert backend.requests[-1].messages == (QUESTION, BEGUN, Message.user("Go on."))


async def test_leaving_while_the_service_goes_on() -> None:
    """The turn does not land, and what had come of the rest is unfinished."""
    chat, _ = session(paused(), RIGHT)
    async with chat.stream(QUESTION.text) as stream:
        starts = 0
        async for event in stream:
            starts += isinstance(event, MessageStart)
            if starts == 2 and isinstance(event, PartEnd):
                break
    assert (chat.messages, chat.partial) == ((), stream.partial)
    assert stream.partial.messages[:2] == (QUESTION, BEGUN)
    assert stream.partial.messages[2].parts[0] == FOUND
    assert stream.partial.unfinished


async def test_a_cancelled_turn_keeps_what_was_said_before_the_pause() -> None:
    """As one does that is cancelled while tools run."""
    waiting = anyio.Event()

    def cancel(_: ChatRequest) -> str:
        waiting.set()
        scope.cancel()
        return "never"

    chat, _ = session(paused(), cancel)
    with anyio.CancelScope() as scope:
        await chat.ask(QUESTION.text)
    assert waiting.is_set()
    assert scope.cancelled_caught
    assert chat.messages == ()
    assert chat.partial is not None
    assert chat.partial.messages == (QUESTION, BEGUN)


async def test_a_request_that_goes_on_is_repeated_as_any_other() -> None:
    """Its retries and limits are the turn's own."""
    busy = ServiceError("busy", backend="scripted", retryable=True)
    chat, backend = session(paused(), busy, RIGHT, retry=Retry(base_delay=0))
    async with chat.stream("?") as stream:
        seen = [type(event) async for event in stream if isinstance(event, RetryStart | MessageEnd)]
    assert seen == [MessageEnd, RetryStart, MessageEnd]
    assert (len(backend.requests), stream.reply.attempts) == (3, 3)
    chat, backend = session(paused(), RIGHT, usage_limits=UsageLimits(requests=1))
    with pytest.raises(UsageLimitError) as caught:
        await chat.ask("?")
    assert len(backend.requests) == 1
    assert caught.value.partial is not None
    assert caught.value.partial.messages[-1] == BEGUN


async def test_a_stored_session_has_both_messages() -> None:
    """With what the service said at the pause; another session goes on behind them."""
    store = MemoryStore()
    _, backend = session(paused(), RIGHT, "Bye.")
    with chatport.register_backend("scripted", lambda: backend):
        async with open_session("scripted:m", store=store, id="a") as chat:
            await chat.ask(QUESTION.text)
        async with open_session("scripted:m", store=store, id="a") as chat:
            assert chat.messages == (QUESTION, BEGUN, REST)
            await chat.ask("Thanks.")
        stored = await store.load("a")
    assert stored is not None
    assert [len(turn.messages) for turn in stored.turns] == [3, 2]
