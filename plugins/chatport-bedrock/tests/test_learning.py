"""A refusal that teaches: the backend remembers, the session repeats, the reply says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bedrock_support.lessons import (
    FAILED_CALL,
    LLAMA,
    NO_STATUS,
    NO_TOOLS_IN_STREAMS,
    RESULT,
    codes,
    get_local_time,
    no_choice,
    open_chat,
    refusal,
)

from chatport import InvalidRequestError, MessageStart, RetryStart, ToolResult, UnsupportedError, tool
from chatport_bedrock.emulator import Answer, Emulator, StreamException

pytestmark = pytest.mark.anyio


@tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"sunny in {city}"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator of its own for each test."""
    with Emulator(api_key="made-up") as running:
        yield running


def operations(emulator: Emulator) -> list[str | None]:
    """Return which operations were asked for."""
    return [request.operation for request in emulator.requests]


# --- rule 43: tools in a stream ---------------------------------------------------------------------------------------


async def test_rule_43_tools_in_a_stream_are_learned(emulator: Emulator) -> None:
    """Refused once; from then on this model is asked with Converse, whenever tools are on offer."""
    emulator.enqueue(refusal(NO_TOOLS_IN_STREAMS))
    async with open_chat(emulator, tools=[get_local_time]) as session:
        async with session.stream("What is the local time in Oslo?") as stream:
            events = [event async for event in stream]
        assert operations(emulator) == ["ConverseStream", "Converse", "Converse"]
        reply = stream.reply
        assert "noon in Oslo" in reply.text
        assert [step.attempts for step in reply.steps] == [2, 1]
        assert codes(reply) == ["answered-whole"]
        first, *rest = events
        assert isinstance(first, RetryStart)
        assert (first.attempt, first.delay, type(first.error)) == (2, 0, InvalidRequestError)
        assert sum(isinstance(event, MessageStart) for event in rest) == 2
        async with session.stream("And without?", tools=[], run_tools=False) as stream:
            await stream.finish()
        # Calls stand in the conversation, so that tools have to be named: it goes whole again.
        assert operations(emulator)[3:] == ["Converse"]
    assert reply.steps[1].message.text == reply.text


async def test_rule_43_the_same_words_in_the_first_frame_of_a_stream_teach_too(emulator: Emulator) -> None:
    """Some models refuse a stream after it has begun."""
    emulator.enqueue(Answer(fault=StreamException(0, "validationException", NO_TOOLS_IN_STREAMS)))
    async with open_chat(emulator, tools=[get_local_time]) as session, session.stream("Hello.") as stream:
        reply = await stream.finish()
    assert (operations(emulator), reply.attempts) == (["ConverseStream", "Converse"], 2)


@pytest.mark.parametrize("model", [LLAMA, "mistral.mistral-large-2402-v1:0", "writer.palmyra-x5-v1:0"])
async def test_rule_43_what_the_table_knows_is_not_asked_in_vain(emulator: Emulator, model: str) -> None:
    """With tools these go to Converse at once, without tools to ConverseStream; the emulator would refuse a mistake."""
    async with open_chat(emulator, model) as session:
        async with session.stream("Hello.") as stream:
            assert codes(await stream.finish()) == []
        async with session.stream("What is the local time in Oslo?", tools=[get_local_time]) as stream:
            pieces = [text async for text in stream.text]
    assert operations(emulator) == ["ConverseStream", "Converse", "Converse"]
    assert (len(pieces), "noon in Oslo" in pieces[0]) == (1, True)
    assert "answered-whole" in codes(stream.reply)
    assert stream.reply.attempts == 2


async def test_rule_43_a_model_without_tools_refuses_them_either_way(emulator: Emulator) -> None:
    """Titan streams words. Tools it has none, which another operation does not change: nothing is learned from that."""
    async with open_chat(emulator, "amazon.titan-text-express-v1") as session:
        async with session.stream("Hello.") as stream:
            await stream.finish()
        with pytest.raises(InvalidRequestError, match="doesn't support tool use") as caught:
            await session.stream("What is the local time in Oslo?", tools=[get_local_time]).__aenter__()
    assert (operations(emulator), caught.value.retryable) == (["ConverseStream", "Converse"], False)


async def test_a_model_that_does_not_stream(emulator: Emulator) -> None:
    """By the table, or by what the service says of an unknown one."""
    async with open_chat(emulator, "ai21.j2-ultra-v1") as session, session.stream("Hello.") as stream:
        assert codes(await stream.finish()) == ["answered-whole"]
    emulator.enqueue(refusal("The model is unsupported for streaming."))
    async with open_chat(emulator) as session, session.stream("Hello.") as stream:
        reply = await stream.finish()
        assert (codes(reply), reply.attempts) == (["answered-whole"], 2)
    assert operations(emulator) == ["Converse", "ConverseStream", "Converse"]


async def test_an_answer_that_came_whole_is_the_answer_of_ask(emulator: Emulator) -> None:
    """The same events, folded to the same message; strictness does not mind, as nothing is lost."""
    async with open_chat(emulator, LLAMA, tools=[get_local_time], strict=True) as session:
        asked = await session.ask("What is the local time in Oslo?", run_tools=False)
    async with (
        open_chat(emulator, LLAMA, tools=[get_local_time], strict=True) as session,
        session.stream("What is the local time in Oslo?", run_tools=False) as stream,
    ):
        events = [event async for event in stream]
    assert [type(event).__name__ for event in events[:1] + events[-2:]] == ["MessageStart", "MessageEnd", "ReplyEnd"]
    assert [part.name for part in stream.reply.message.tool_calls] == ["get_local_time"]
    assert [part.arguments for part in stream.reply.tool_calls] == [part.arguments for part in asked.tool_calls]
    assert (stream.reply.stop_reason, stream.reply.usage) == (asked.stop_reason, asked.usage)
    assert (codes(asked), codes(stream.reply)) == ([], ["answered-whole"])


async def test_who_wants_streams_always_gets_the_refusal(emulator: Emulator) -> None:
    """There is no other way to say it then, and nothing is repeated in vain."""
    async with open_chat(emulator, LLAMA, {"streaming": "always"}, tools=[get_local_time]) as session:
        with pytest.raises(InvalidRequestError, match="streaming mode") as caught:
            await session.ask("What is the local time in Oslo?")
    assert (operations(emulator), caught.value.retryable) == (["ConverseStream"], False)


async def test_who_wants_no_streams_is_told_nothing_new(emulator: Emulator) -> None:
    """The operation is the caller's own choice."""
    never = {"streaming": "never"}
    async with open_chat(emulator, LLAMA, never, tools=[get_local_time]) as session, session.stream("Hello.") as stream:
        assert codes(await stream.finish()) == []
    assert operations(emulator) == ["Converse"]


# --- rule 40: the choice of a tool ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "refused", "sent", "told"),
    [
        ("any", ["any"], {"auto": {}}, "tool-choice-not-forced"),
        ("get_weather", ["tool"], {"any": {}}, "tool-choice-any"),
        ("get_weather", ["tool", "any"], {"auto": {}}, "tool-choice-not-forced"),
        ("get_weather", ["tool", "any", "auto"], None, "tool-choice-not-forced"),
        ("auto", ["auto"], None, None),
    ],
)
async def test_rule_40_the_choice_of_a_tool_is_learned(
    emulator: Emulator, choice: str, refused: list[str], sent: dict[str, Any] | None, told: str | None
) -> None:
    """One refusal after the other, until what is left is taken; and the next turn begins there."""
    emulator.enqueue(*(refusal(no_choice(kind)) for kind in refused))
    async with open_chat(emulator, tools=[get_local_time, get_weather]) as session:
        for attempts in (len(refused) + 1, 1):
            reply = await session.ask("Hello.", tool_choice=choice, run_tools=False)
            assert emulator.requests[-1].body["toolConfig"].get("toolChoice") == sent
            assert reply.attempts == attempts
            assert codes(reply) == ([] if told is None else [told])
            if reply.tool_calls:
                await session.ask(*(ToolResult(call.id, "-") for call in reply.tool_calls), run_tools=False)


async def test_rule_40_a_strict_turn_is_refused_here_after_the_lesson(emulator: Emulator) -> None:
    """What was learned costs meaning: whoever is strict is told so, and the turn does not land."""
    emulator.enqueue(refusal(no_choice("any")))
    async with open_chat(emulator, tools=[get_local_time], strict=True) as session:
        with pytest.raises(UnsupportedError, match="tool_choice") as caught:
            await session.ask("Hello.", tool_choice="any")
        assert [loss.code for loss in caught.value.adjustments] == ["tool-choice-not-forced"]
        assert session.messages == ()
    assert len(emulator.requests) == 1


# --- rule 30: the status of a result ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_rule_30_the_status_of_a_result_is_learned(emulator: Emulator, way: str) -> None:
    """The failure is told in words from then on, and the reply says so."""
    emulator.enqueue(refusal(NO_STATUS))
    async with open_chat(emulator, messages=FAILED_CALL, tools=[get_local_time]) as session:
        if way == "ask":
            reply = await session.ask(RESULT, run_tools=False)
        else:
            async with session.stream(RESULT, run_tools=False) as stream:
                reply = await stream.finish()
    assert reply.attempts == 2
    assert codes(reply) == ["result-status-as-text"]
    first, second = (
        [block for turn in request.body["messages"] for block in turn["content"] if "toolResult" in block]
        for request in emulator.requests
    )
    assert first[0]["toolResult"]["status"] == "error"
    assert "status" not in second[0]["toolResult"]
    assert second[0]["toolResult"]["content"][0] == {"text": "The tool failed:"}


async def test_without_repeating_the_error_says_what_was_learned(emulator: Emulator) -> None:
    """Whoever asks a second time has an answer."""
    emulator.enqueue(refusal(NO_STATUS))
    async with open_chat(emulator, messages=FAILED_CALL, tools=[get_local_time], retry=None) as session:
        with pytest.raises(InvalidRequestError, match="status field") as caught:
            await session.ask(RESULT, run_tools=False)
        assert (caught.value.retryable, caught.value.retry_after, caught.value.status) == (True, 0, 400)
        assert "remembered for the model" in caught.value.message
        assert codes(await session.ask(RESULT, run_tools=False)) == ["result-status-as-text"]
