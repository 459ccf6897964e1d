"""What an answer can hold besides words: calls, thoughts, figures, and what nobody has heard of yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chatport._events import ReasoningDelta, StopReason, TextDelta, ToolCallDelta, ToolCallStart, Usage
from chatport._messages import Message, Reasoning, ToolCall
from chatport._request import Tool
from chatport.testing._service import Feature, ServiceAnswer, ServiceEvent, ServiceScript, UnknownEvent
from chatport.testing._suite._asking import SuiteTests, answer_of, listen, needs, neutral, question_for

if TYPE_CHECKING:
    from chatport.backend import Backend

WEATHER = Tool(
    "get_weather",
    "Tell the weather.",
    {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array"}}},
)
TIME = Tool("get_time", "Tell the time of day.", {"type": "object", "properties": {}})
TOOLS = (WEATHER, TIME)

# Every length of UTF-8, both kinds of escapes, and values in values.
_ARGUMENTS: dict[str, Any] = {"city": 'Zü"rich \n 二 🏔 \u2028', "days": [1, {"a": None}, -2.5e3, []], "": True}

_streamed_and_whole = pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])


def call_events(index: int, id_: str, name: str, *pieces: str) -> tuple[ServiceEvent, ...]:
    """Return a call as events."""
    return ToolCallStart(index, id_, name), *(ToolCallDelta(index, piece) for piece in pieces)


def one_call(*pieces: str) -> ServiceAnswer:
    """Return an answer that is one call."""
    return ServiceAnswer(call_events(0, "call_1", "get_weather", *pieces))


class CallTests(SuiteTests):
    """Calls of tools."""

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_a_call_comes_whole(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """Id, name and arguments to the letter, and the stop reason that says so."""
        needs(script, "scripted-answers", "tools", "tool-calls")
        text = json.dumps(_ARGUMENTS, ensure_ascii=False)
        request = question_for(script, one_call(text[:9], text[9:]), streaming=streaming, tools=TOOLS)
        _, message, end = await answer_of(opened, request)
        assert neutral(message) == Message.assistant(ToolCall("call_1", "get_weather", _ARGUMENTS))
        assert end.stop_reason == "tool_calls"

    @pytest.mark.anyio
    async def test_arguments_are_split_anywhere(self, opened: Backend, script: ServiceScript) -> None:
        """Between any two characters, inside escapes too, and one by one: the same arguments."""
        needs(script, "scripted-answers", "tools", "tool-calls")
        text = json.dumps({"city": 'Zü"\n🏔', "days": [-2.5e3]})
        splits = [(text[:place], text[place:]) for place in range(1, len(text))]
        for pieces in [*splits, tuple(text), (text,)]:
            _, message, _ = await answer_of(opened, question_for(script, one_call(*pieces), tools=TOOLS))
            assert [call.arguments for call in message.tool_calls] == [json.loads(text)], f"split as {pieces}"

    @pytest.mark.anyio
    async def test_pieces_of_arguments_are_passed_on(self, opened: Backend, script: ServiceScript) -> None:
        """As JSON text, as it comes: nobody waits for the end of the arguments, or reads them too early."""
        needs(script, "scripted-answers", "tools", "tool-calls")
        pieces = ('{"ci', 'ty": "Z\\u00', "fc", 'rich"', "}")
        heard = await listen(opened, question_for(script, one_call(*pieces), tools=TOOLS))
        deltas = [event.json for event in heard.events if isinstance(event, ToolCallDelta)]
        assert [delta for delta in deltas if delta] == list(pieces)

    @pytest.mark.anyio
    async def test_bytes_are_split_anywhere(self, opened: Backend, script: ServiceScript) -> None:
        """However few bytes come at a time, inside a character too: the same answer."""
        needs(script, "scripted-answers", "tools", "tool-calls", "split-writes")
        text = json.dumps(_ARGUMENTS, ensure_ascii=False)
        events = (TextDelta(0, "二🏔é"), *call_events(1, "call_1", "get_weather", text[:5], text[5:]))
        expected = Message.assistant("二🏔é", ToolCall("call_1", "get_weather", _ARGUMENTS))
        for size in (1, 2, 3, 7, 64):
            for streaming in (True, False):
                answer = ServiceAnswer(events, write_size=size)
                _, message, _ = await answer_of(opened, question_for(script, answer, tools=TOOLS, streaming=streaming))
                assert neutral(message) == expected, f"{size} bytes at a time"

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_a_call_without_arguments(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """No piece at all, or an empty one, is an empty object."""
        needs(script, "scripted-answers", "tools", "tool-calls", "empty-arguments")
        for pieces in ((), ("",), ("{}",)):
            answer = ServiceAnswer(call_events(0, "call_1", "get_time", *pieces))
            _, message, _ = await answer_of(opened, question_for(script, answer, streaming=streaming, tools=TOOLS))
            assert neutral(message) == Message.assistant(ToolCall("call_1", "get_time"))

    @pytest.mark.anyio
    @pytest.mark.parametrize("text", ['{"city": "Par', "[1]", '"Paris"', "{'city': 1}", '{"a": NaN}'])
    async def test_arguments_that_are_no_object(self, opened: Backend, script: ServiceScript, text: str) -> None:
        """They are kept as they came, and neither repaired nor an error: the session says so to the model."""
        needs(script, "scripted-answers", "tools", "tool-calls", "invalid-arguments")
        _, message, _ = await answer_of(opened, question_for(script, one_call(text), tools=TOOLS))
        (call,) = message.tool_calls
        assert (call.arguments, call.invalid_json) == ({}, text)

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_parallel_calls(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """Words and three calls in one answer, two of the same tool: each with what is its own."""
        needs(script, "scripted-answers", "tools", "tool-calls", "parallel-calls")
        answer = ServiceAnswer(
            (
                TextDelta(0, "Let me look."),
                *call_events(1, "call_1", "get_weather", '{"city"', ': "Oslo"}'),
                *call_events(2, "call_2", "get_time", "{}"),
                *call_events(3, "call_3", "get_weather", '{"city": ', '"Rome"}'),
            )
        )
        _, message, end = await answer_of(opened, question_for(script, answer, streaming=streaming, tools=TOOLS))
        assert neutral(message) == answer.message
        assert end.stop_reason == "tool_calls"

    @pytest.mark.anyio
    async def test_interleaved_parts(self, opened: Backend, script: ServiceScript) -> None:
        """Pieces of two calls that come by turns stay with their calls."""
        needs(script, "scripted-answers", "tools", "tool-calls", "parallel-calls", "interleaved-parts")
        answer = ServiceAnswer(
            (
                ToolCallStart(0, "call_1", "get_weather"),
                ToolCallStart(1, "call_2", "get_weather"),
                ToolCallDelta(1, '{"city": "Ro'),
                ToolCallDelta(0, '{"city": '),
                ToolCallDelta(1, 'me"}'),
                ToolCallDelta(0, '"Oslo"}'),
            )
        )
        _, message, _ = await answer_of(opened, question_for(script, answer, tools=TOOLS))
        assert neutral(message) == answer.message


class ContentTests(SuiteTests):
    """Thoughts, figures, stop reasons and the unknown."""

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_reasoning(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """Thoughts stand before the words, apart from them; a signature is kept to the letter."""
        needs(script, "scripted-answers", "reasoning")
        signature = None if "signatures" in script.lacks else "c2lnbmVk+/=="
        thoughts = [ReasoningDelta(0, "Hm, "), ReasoningDelta(0, "二 and 二.")]
        signed = [] if signature is None else [ReasoningDelta(0, signature=signature)]
        answer = ServiceAnswer((*thoughts, *signed, TextDelta(1, "Four.")))
        _, message, _ = await answer_of(opened, question_for(script, answer, streaming=streaming))
        assert neutral(message) == Message.assistant(Reasoning("Hm, 二 and 二.", signature), "Four.")

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_usage(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """What the service counts, and None for what it does not."""
        needs(script, "scripted-answers", "usage")
        answer = ServiceAnswer((TextDelta(0, "Hi."),), usage=Usage(13, 5, total_tokens=18))
        _, _, end = await answer_of(opened, question_for(script, answer, streaming=streaming))
        usage = end.usage
        assert (usage.input_tokens, usage.output_tokens, usage.complete) == (13, 5, True)
        assert usage.total_tokens in {18, None}
        assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (None, None, None)
        assert usage.raw

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_cached_tokens(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """Tokens that come from a cache are part of the input."""
        needs(script, "scripted-answers", "usage", "cached-tokens")
        answer = ServiceAnswer((TextDelta(0, "Hi."),), usage=Usage(130, 5, cache_read_tokens=100, total_tokens=135))
        _, _, end = await answer_of(opened, question_for(script, answer, streaming=streaming))
        assert (end.usage.input_tokens, end.usage.cache_read_tokens) == (130, 100)

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_what_is_not_counted_is_not_zero(
        self, opened: Backend, script: ServiceScript, *, streaming: bool
    ) -> None:
        """Where the service says nothing of the cost, nobody knows it."""
        needs(script, "scripted-answers", "missing-usage")
        answer = ServiceAnswer((TextDelta(0, "Hi."),), usage=None)
        _, _, end = await answer_of(opened, question_for(script, answer, streaming=streaming))
        usage = end.usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (None, None, None)
        assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (None, None, None)

    @pytest.mark.anyio
    @_streamed_and_whole
    @pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
    async def test_stop_reasons(
        self, opened: Backend, script: ServiceScript, reason: StopReason, *, streaming: bool
    ) -> None:
        """The neutral word and the service's own."""
        needs(script, "scripted-answers", "stop-reasons")
        answer = ServiceAnswer((TextDelta(0, "Once upon"),), reason)
        _, message, end = await answer_of(opened, question_for(script, answer, streaming=streaming))
        assert (message.text, end.stop_reason) == ("Once upon", reason)
        assert end.raw_stop_reason

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_an_unknown_stop_reason(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """A word of tomorrow is `"other"`, kept as it is, and no error."""
        needs(script, "scripted-answers", "unknown-stop-reasons")
        answer = ServiceAnswer((TextDelta(0, "Once upon"),), "other", "moon_in_aries")
        _, message, end = await answer_of(opened, question_for(script, answer, streaming=streaming))
        assert (message.text, end.stop_reason, end.raw_stop_reason) == ("Once upon", "other", "moon_in_aries")

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_unknown_events(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """What a service of tomorrow sends besides takes nothing from what is known today."""
        needs(script, "scripted-answers", "unknown-events")
        answer = ServiceAnswer((TextDelta(0, "One, "), UnknownEvent(), TextDelta(0, "two."), UnknownEvent()))
        _, message, end = await answer_of(opened, question_for(script, answer, streaming=streaming))
        assert (message.text, end.stop_reason) == ("One, two.", "stop")

    @pytest.mark.anyio
    @_streamed_and_whole
    async def test_the_request_id(self, opened: Backend, script: ServiceScript, *, streaming: bool) -> None:
        """What the service calls the request is known from the first event on."""
        feature: Feature = "request-ids"
        needs(script, "scripted-answers", feature)
        answer = ServiceAnswer((TextDelta(0, "Hi."),), request_id="request-4711")
        start, _, _ = await answer_of(opened, question_for(script, answer, streaming=streaming))
        assert start.request_id == "request-4711"
