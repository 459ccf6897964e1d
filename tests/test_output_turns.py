"""Turns whose answer has to fit a type: the value, or an error with everything that was said."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import Message, OutputError, Reply, ReplyEnd, Text, TextDelta, UnsupportedError, Usage
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


@dataclass
class City:
    name: str
    population: int


_ROME = '{"name": "Rome", "population": 2800000}'


async def test_ask_gives_a_value() -> None:
    """The reply has the value and everything else; the history has the words of the model."""
    chat, backend = session(_ROME)
    reply = await chat.ask("Which city?", output=City)
    assert reply.output == City("Rome", 2_800_000)
    assert reply.text == _ROME
    assert chat.messages == (Message.user("Which city?"), Message.assistant(_ROME))
    assert backend.requests[0].output_name == "City"
    assert backend.requests[0].output_schema is not None
    assert backend.requests[0].output_schema["required"] == ["name", "population"]


async def test_without_a_type_there_is_no_schema_and_no_output() -> None:
    """JSON that nobody asked for is words."""
    chat, backend = session(_ROME)
    reply = await chat.ask("Which city?")
    assert reply.output is None
    assert backend.requests[0].output_schema is None


async def test_stream_gives_the_json_as_it_comes_and_the_value_at_the_end() -> None:
    """The deltas are the JSON; `ReplyEnd`, `finish()` and `reply` have the value."""
    chat, _ = session(_ROME, _ROME)
    async with chat.stream("Which city?", output=City) as stream:
        events = [event async for event in stream]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == _ROME
    assert isinstance(events[-1], ReplyEnd)
    assert events[-1].reply.output == stream.reply.output == City("Rome", 2_800_000)
    async with chat.stream("And again?", output=City) as stream:
        assert (await stream.finish()).output.name == "Rome"
    assert len(chat.messages) == 4


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_does_not_fit_is_an_error_with_the_reply(streamed: bool) -> None:
    """The history is as before; the reply, the cost and the partial are there; the partial can be kept."""
    chat, _ = session(Answer('{"name": "Rome", "population": "many"}', usage=Usage(3, 4)), "Sorry.", output_retries=0)
    before = chat.messages
    with pytest.raises(OutputError, match=r'- population: .*, not "many"') as caught:
        if streamed:
            async with chat.stream("Which city?", output=City) as stream:
                await stream.finish()
        else:
            await chat.ask("Which city?", output=City)
    assert caught.value.reply.text == '{"name": "Rome", "population": "many"}'
    assert caught.value.reply.output is None
    assert chat.messages == before
    assert chat.usage == Usage(3, 4)
    assert caught.value.partial is not None
    assert caught.value.partial.messages == caught.value.reply.messages
    assert not caught.value.partial.unfinished
    chat.keep(caught.value.partial)
    assert [message.role for message in chat.messages] == ["user", "assistant"]
    assert (await chat.ask("Try again.")).text == "Sorry."


async def test_a_stream_that_does_not_fit_has_no_reply() -> None:
    """The stream has failed, and says so; what was said is in `partial`."""
    chat, _ = session("Rome is nice.", output_retries=0)
    async with chat.stream("Which city?", output=City) as stream:
        with pytest.raises(OutputError):
            await stream.finish()
        with pytest.raises(chatport.StreamClosedError):
            assert stream.reply.text
        assert stream.partial.text == "Rome is nice."


@pytest.mark.parametrize("reason", ["length", "content_filter", "context_window", "other"])
async def test_a_cut_reply_says_why(reason: Any) -> None:
    """Half of a JSON text is not the fault of the model's understanding; one that is whole all the same is taken."""
    chat, _ = session(Answer('{"name": "Rome", "popu', stop_reason=reason), Answer(_ROME, stop_reason=reason))
    with pytest.raises(OutputError, match=rf"cut short \({reason}\) and does not fit City:\n- the JSON: it ends too"):
        await chat.ask("Which city?", output=City)
    assert (await chat.ask("Which city?", output=City)).output.name == "Rome"


async def test_tools_run_before_the_answer() -> None:
    """The schema stays with each step; the last message's text is the value."""
    chat, backend = session([Text("One moment {here}."), call()], _ROME, tools=[get_weather])
    reply = await chat.ask("Which city is warm?", output=City)
    assert reply.output.name == "Rome"
    assert [request.output_name for request in backend.requests] == ["City", "City"]
    assert backend.requests[0].output_schema == backend.requests[1].output_schema
    assert len(reply.steps) == 2


async def test_calls_that_the_caller_answers_come_first() -> None:
    """A turn that ends with calls has no answer yet: the error says what to do, and the reply has the calls."""
    chat, _ = session([call()], _ROME, tools=[get_weather])
    with pytest.raises(OutputError, match=r"asks for tools \(get_weather\).*allow_pending=True") as caught:
        await chat.ask("Which city?", output=City, run_tools=False)
    assert [found.name for found in caught.value.reply.tool_calls] == ["get_weather"]
    assert caught.value.partial is not None
    chat.keep(caught.value.partial, allow_pending=True)
    results = [chatport.ToolResult(found.id, "21 degrees") for found in chat.pending_calls]
    assert (await chat.ask(*results, output=City)).output.name == "Rome"


async def test_max_steps_goes_before() -> None:
    """A loop without end is a loop without end."""
    chat, _ = session([call()], [call()], tools=[get_weather], max_steps=2)
    with pytest.raises(chatport.ToolLoopError):
        await chat.ask("Which city?", output=City)


@pytest.mark.parametrize("asked", ["City", {"type": "object"}, 3])
async def test_what_is_no_type_is_refused_before_anything_is_sent(asked: Any) -> None:
    """By every method that takes it, and the session is free afterwards."""
    chat, backend = session("Hi")
    with pytest.raises(TypeError, match="output="):
        await chat.ask("Hi", output=asked)
    with pytest.raises(TypeError, match="output="):
        chat.stream("Hi", output=asked)
    with pytest.raises(TypeError, match="output="):
        chat.request("Hi", output=asked)
    with pytest.raises(TypeError, match="output="):
        await chat.preview("Hi", output=asked)
    assert backend.requests == []
    assert (await chat.ask("Hi")).text == "Hi"


async def test_preview_and_request_know_the_type() -> None:
    """What would be sent has the schema."""
    chat, _ = session()
    assert chat.request("Hi", output=City).output_name == "City"
    assert chat.request("Hi", output=Literal["a", "b"]).output_schema == {
        "type": "object",
        "properties": {"value": {"type": "string", "enum": ["a", "b"]}},
        "required": ["value"],
        "additionalProperties": False,
    }
    assert chat.request("Hi").output_schema is None
    assert (await chat.preview("Hi", output=City)).request["messages"] == [{"role": "user", "text": "Hi"}]


async def test_one_shot() -> None:
    """`chatport.ask` takes a type too."""
    reply = await chatport.ask("echo:any", json.dumps({"value": "yes"}), output=Literal["yes", "no"])
    assert reply.output == "yes"


async def test_a_misspelt_option_is_told_of_the_type_too() -> None:
    """The message lists `output` among the options, which is an argument of its own."""
    chat, _ = session("Hi")
    with pytest.raises(TypeError, match=r"'outputs'; there are .*max_steps, output, output_retries, "):
        await chat.ask("Hi", outputs=City)  # type: ignore[call-overload]


async def test_strict_refuses_a_backend_that_ignores_the_type() -> None:
    """A loss like any other."""
    with pytest.raises(UnsupportedError, match="schema"):
        await chatport.ask("echo:any", "{}", output=City, strict=True)


async def test_cancelled_turns_have_no_value() -> None:
    """A type changes nothing about leaving early."""
    chat, _ = session(_ROME)
    async with chat.stream("Which city?", output=City) as stream:
        await anext(stream)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await stream.finish()
    assert chat.messages == ()


def test_the_error_keeps_what_it_is_given() -> None:
    """Made by hand, as a wrapper of a session would."""
    reply: Reply[None] = Reply((), (), None)
    error = OutputError("no", reply=reply)
    assert isinstance(error, chatport.ChatError)
    assert (str(error), error.reply, error.partial) == ("no", reply, None)
