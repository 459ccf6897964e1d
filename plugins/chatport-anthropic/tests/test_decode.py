"""Streams and whole answers as events: what deltas say, what comes whole, why it stopped and what it cost."""

from typing import Any

import pytest
from anthropic_support.blocks import CALL, TEXT, piece, text
from anthropic_support.decoding import decoded, decoded_whole, folded, stream_events

from chatport.backend import (
    Citation,
    Json,
    Opaque,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
)
from chatport.backend.http import ServerSentEvent

MARK = {"anthropic": {"family": "anthropic"}}
THINKING: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}


# --- what blocks become -----------------------------------------------------------------------------------------------


def test_words_come_as_they_are_sent() -> None:
    """One event for each piece; pings, empty pieces and `[DONE]` are none."""
    events: list[Any] = stream_events((TEXT, [text("Hel"), text(""), text("lo")]))
    events.insert(2, {"type": "ping"})
    found = decoded([*events, ServerSentEvent("data", "[DONE]"), ServerSentEvent("", "")])
    start, message, end = folded(found)
    assert [event for event in found if isinstance(event, TextDelta)] == [TextDelta(0, "Hel"), TextDelta(0, "lo")]
    assert (start.model, start.request_id, message.text) == ("claude-sonnet-4-5", "req_1", "Hello")
    assert (end.stop_reason, end.raw_stop_reason, end.metadata) == ("stop", "end_turn", {"anthropic": {"id": "msg_1"}})


def test_arguments_come_in_pieces_and_none_are_an_empty_object() -> None:
    """The first piece is always empty; with nothing behind it the call has no arguments."""
    found = decoded(
        stream_events((CALL, [piece(""), piece('{"a"'), piece(": 1}")]), ({**CALL, "id": "toolu_2"}, [piece("")]))
    )
    assert [event for event in found if isinstance(event, ToolCallDelta)] == [
        ToolCallDelta(0, '{"a"'),
        ToolCallDelta(0, ": 1}"),
    ]
    assert folded(found)[1].parts == (ToolCall("toolu_1", "weather", {"a": 1}), ToolCall("toolu_2", "weather", {}))


def test_arguments_of_a_call_from_code_stand_in_its_start() -> None:
    """No piece follows then; who calls stays in the metadata."""
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}
    found = decoded(stream_events(({**CALL, "input": {"a": [1]}, "caller": caller}, [])))
    (call,) = folded(found)[1].parts
    assert call == ToolCall("toolu_1", "weather", {"a": [1]}, metadata={"anthropic": {"caller": caller}})


def test_thoughts_carry_their_family_and_signature() -> None:
    """The mark comes with the first piece, of an omitted text with the signature; estimates are kept."""
    signature = {"type": "signature_delta", "signature": "c2ln"}
    found = decoded(
        stream_events(
            (THINKING, [{"type": "thinking_delta", "thinking": "Hm"}, signature]),
            (THINKING, [signature]),
            (THINKING, [{"type": "thinking_delta", "thinking": "", "estimated_tokens": 50}, signature]),
            ({"type": "redacted_thinking", "data": "x/ü="}, []),
        )
    )
    estimated = {"anthropic": {**MARK["anthropic"], "estimated_tokens": 50}}
    assert folded(found)[1].parts == (
        Reasoning("Hm", "c2ln", metadata=MARK),
        Reasoning("", "c2ln", metadata=MARK),
        Reasoning("", "c2ln", metadata=estimated),
        Reasoning(redacted="x/ü=".encode(), metadata=MARK),
    )
    assert [event.metadata for event in found if isinstance(event, ReasoningDelta)][:2] == [MARK, {}]


def test_citations_come_before_the_words_they_belong_to() -> None:
    """Title, source and words are read; the whole stays beside them."""
    web = {"type": "web_search_result_location", "url": "https://a.b", "title": "T", "cited_text": "q"}
    page = {"type": "page_location", "document_title": "D", "cited_text": "r", "start_page_number": 1}
    deltas = [{"type": "citations_delta", "citation": each} for each in (web, page)]
    streamed = folded(decoded(stream_events(({**TEXT, "citations": []}, [*deltas, text("So it is.")]))))[1]
    whole = folded(decoded_whole([{"type": "text", "text": "So it is.", "citations": [web, page]}]))[1]
    first = Citation("T", "https://a.b", ("q",), metadata={"anthropic": web})
    second = Citation("D", None, ("r",), metadata={"anthropic": page})
    assert streamed.parts == (Text("So it is.", (first, second)),)
    assert whole == streamed


def test_tools_of_the_service_are_calls_with_results() -> None:
    """A call says who runs it, its result stands whole in the start of its block; neither is the caller's to answer."""
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}
    failed = {**result, "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"}}
    found = decoded(stream_events((call, [piece(""), piece('{"query": "x"}')]), (result, []), (failed, [])))
    _, message, _ = folded(found)
    assert message.tool_calls == ()
    assert [event.executed_by for event in found if isinstance(event, ToolCallStart)] == ["server"]
    marks = [{"anthropic": {"type": kind}} for kind in ("server_tool_use", "web_search_tool_result")]
    assert message.parts == (
        ToolCall("srvtoolu_1", "web_search", {"query": "x"}, executed_by="server", metadata=marks[0]),
        ToolResult("srvtoolu_1", (Json(result["content"]),), metadata=marks[1]),
        ToolResult("srvtoolu_1", (Json(failed["content"]),), is_error=True, metadata=marks[1]),
    )


def test_a_summary_and_a_block_of_tomorrow_stay_word_for_word() -> None:
    """What a delta of a known kind brings belongs to its block; what nobody knows is kept beside it."""
    dream = {"type": "dream", "of": "sheep"}
    events = stream_events(
        ({"type": "compaction", "content": None}, [{"type": "compaction_delta", "content": "So far …"}]),
        (dream, [{"type": "dream_delta", "of": "more"}, text("No words of a text")]),
    )
    _, message, end = folded(decoded(events))
    assert message.parts == (
        Opaque("anthropic", {"type": "compaction", "content": "So far …"}),
        Opaque("anthropic", dream),
    )
    unknown = end.metadata["anthropic"]["unknown"]
    assert [each["delta"]["type"] for each in unknown] == ["dream_delta", "text_delta"]


def test_what_nobody_knows_does_not_stop_the_reading() -> None:
    """Events, members and deltas of tomorrow are in the metadata."""
    events = stream_events(({**TEXT, "mood": "good"}, [text("Hi"), {"type": "mood_delta", "mood": "better"}]))
    events.insert(1, {"type": "weather", "sunny": True})
    events[-2]["later"] = 1
    _, message, end = folded(decoded(events))
    assert message.text == "Hi"
    facts = end.metadata["anthropic"]
    assert facts["later"] == 1
    assert facts["unknown"] == [
        {"event": "weather", "data": {"type": "weather", "sunny": True}},
        {"event": "content_block_start", "index": 0, "members": {"mood": "good"}},
        {"event": "content_block_delta", "index": 0, "delta": {"type": "mood_delta", "mood": "better"}},
    ]
    _, _, whole = folded(decoded_whole([{**TEXT, "text": "Hi", "mood": "good"}], later=1))
    assert whole.metadata["anthropic"]["unknown"] == [{"content": 0, "members": {"mood": "good"}}]
    assert whole.metadata["anthropic"]["later"] == 1


def test_what_is_unknown_is_kept_up_to_a_bound() -> None:
    """A server that sends nonsense without end does not fill the history."""
    events = stream_events((TEXT, [{"type": "noise", "n": number} for number in range(100)]))
    unknown = folded(decoded(events))[2].metadata["anthropic"]["unknown"]
    assert (len(unknown), unknown[-1]) == (33, {"left_out": 68})


def test_a_start_may_hold_words_and_a_message_blocks() -> None:
    """No service is recorded to do so; where one does, the words are not lost."""
    events = stream_events(({**TEXT, "text": "He"}, [text("llo")]), ({**THINKING, "thinking": "Hm"}, []))
    assert folded(decoded(events))[1].parts == (Text("Hello"), Reasoning("Hm", metadata=MARK))
    early = stream_events()
    early[0]["message"]["content"] = [{"type": "text", "text": "All"}]
    assert folded(decoded(early))[1].text == "All"


@pytest.mark.parametrize("content", [[], [TEXT], [THINKING]])
def test_an_empty_answer_is_an_answer(content: list[dict[str, Any]]) -> None:
    """No block at all, a text without a word, thoughts without any: recorded, and no error."""
    assert folded(decoded_whole(content))[1].parts == ()
    assert folded(decoded(stream_events(*((block, []) for block in content))))[1].parts == ()


# --- why and for how much ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("model_context_window_exceeded", "context_window"),
        ("pause_turn", "other"),
        ("dreaming", "other"),
    ],
)
def test_why_it_stopped(raw: str, reason: str) -> None:
    """In words that all backends share, the service's own beside it."""
    for _, _, end in (folded(decoded(stream_events(stop_reason=raw))), folded(decoded_whole([], stop_reason=raw))):
        assert (end.stop_reason, end.raw_stop_reason, end.continues) == (reason, raw, raw == "pause_turn")


def test_the_facts_of_an_answer_stand_in_its_metadata() -> None:
    """Container, context management, stop details, the sequence that stopped it, the service tier; null is nothing."""
    container = {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}
    events = stream_events(usage={"output_tokens": 7, "service_tier": "priority"})
    events[-2]["delta"] |= {"stop_sequence": "###", "container": container, "stop_details": None}
    events[-2]["context_management"] = {"applied_edits": []}
    _, _, end = folded(decoded(events))
    assert end.metadata == {
        "anthropic": {
            "id": "msg_1",
            "stop_sequence": "###",
            "container": container,
            "context_management": {"applied_edits": []},
            "service_tier": "priority",
        }
    }


def test_usage_counts_the_cache_as_input() -> None:
    """Input is all of it; the figures of the end are cumulative and win; thinking is a part of the output."""
    said = {
        "input_tokens": 10,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 2,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 9},
        "server_tool_use": None,
    }
    usage = folded(decoded(stream_events(usage=said)))[2].usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (17, 20, 37)
    assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (5, 2, 9)
    assert (usage.raw, usage.complete) == (said, True)


def test_what_is_not_reported_is_not_nothing() -> None:
    """Null and absent are None; without figures the usage is incomplete."""
    usage = folded(decoded(stream_events(usage={"output_tokens": 7, "cache_read_input_tokens": None})))[2].usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (3, None, None)
    assert usage.reasoning_tokens is None
    nothing = folded(decoded_whole([], usage=None))[2].usage
    assert (nothing.input_tokens, nothing.total_tokens, nothing.complete, nothing.raw) == (None, None, False, {})
    events = stream_events(usage={"output_tokens": 7})
    events[0]["message"]["usage"] = None
    assert folded(decoded(events))[2].usage.complete is False
    events[-2]["usage"] = None
    assert folded(decoded(events))[2].usage.raw == {}
