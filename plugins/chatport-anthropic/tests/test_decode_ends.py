"""Where an answer ends, and what is broken in one: streams cut short, out of order, or no answer at all."""

import json
import logging
from typing import Any

import pytest
from anthropic_support.blocks import CALL, TEXT, piece, text
from anthropic_support.decoding import decoded, decoded_whole, folded, sent, stream_events

from chatport.backend import (
    MessageStart,
    ProtocolError,
    ServiceError,
    StreamInterruptedError,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
)
from chatport.backend.http import ServerSentEvent
from chatport_anthropic._decode import StreamDecoder, decode_response

# --- where it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_stream_that_ends_too_early_is_no_answer(count: int) -> None:
    """Only `message_delta` announces the end; a cut never passes for one."""
    events = stream_events((TEXT, [text("Hi")]))[:count]
    with pytest.raises(StreamInterruptedError, match="the stream ended before") as caught:
        decoded(events)
    assert (caught.value.request_id, caught.value.phase, caught.value.retryable) == ("req_1", "stream", True)


def test_an_announced_end_is_one() -> None:
    """Where `message_stop` is missing all that matters has come."""
    found = decoded(stream_events((TEXT, [text("Hi")]))[:-1])
    assert folded(found)[2].stop_reason == "stop"
    held = stream_events(({**CALL, "input": {"a": 1}}, []))
    del held[2]  # its stop
    assert folded(decoded(held))[1].parts == (ToolCall("toolu_1", "weather", {"a": 1}),)


def test_a_delta_without_a_reason_announces_nothing() -> None:
    """What it says is kept; the next one may say more."""
    events = stream_events((TEXT, [text("Hi")]))
    events.insert(-2, {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 1}})
    assert folded(decoded(events))[2].usage.output_tokens == 7


def test_what_comes_after_the_end_is_reported_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Once, in the log."""
    with caplog.at_level(logging.WARNING, "chatport.anthropic"):
        found = decoded([*stream_events((TEXT, [text("Hi")])), {"type": "afterthought"}, {"type": "ping"}])
    assert folded(found)[1].text == "Hi"
    assert [record.getMessage() for record in caplog.records] == [
        "the event 'afterthought' came after the end of the answer and is left out"
    ]


def test_an_error_in_the_middle_is_raised_behind_what_came() -> None:
    """By its type: the status was 200 long before."""
    decoder = StreamDecoder(model="claude-x", request_id="req_1")
    events = stream_events((TEXT, [text("Hi")]))
    got: list[Any] = []
    broken = {"type": "error", "error": {"details": None, "type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(ServiceError) as caught:
        decoder.feed_all([sent(each) for each in (*events[:3], broken)], got)
    assert [type(event) for event in got] == [MessageStart, TextDelta]
    error = caught.value
    assert (error.code, error.status, error.phase, error.retryable) == ("overloaded_error", 529, "stream", True)
    assert (error.message, error.model, error.request_id) == ("Overloaded.", "claude-x", "req_1")
    with pytest.raises(ServiceError):
        decoded([ServerSentEvent("error", json.dumps({"error": {"type": "api_error", "message": "x"}}))])
    with pytest.raises(ServiceError, match="upstream died"):
        decoded([sent(events[0]), ServerSentEvent("error", "upstream died")])


# --- what is broken ---------------------------------------------------------------------------------------------------


def broken(position: int, *events: Any) -> list[Any]:
    """A good stream with something at one of its places."""
    good: list[Any] = stream_events((TEXT, [text("Hi")]), (CALL, []))
    return [*good[:position], *events, *good[position:]]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (broken(0, {"type": "content_block_stop", "index": 0}), "before message_start"),
        (broken(0, {"type": "message_delta", "delta": {}}), "before message_start"),
        (broken(0, {"type": "message_stop"}), "before message_start"),
        ([{"type": "message_start"}], "no message"),
        (broken(1, stream_events()[0]), "has begun before"),
        (broken(1, {"type": "content_block_start", "index": "0", "content_block": TEXT}), "no index or"),
        (broken(2, {"type": "content_block_start", "index": 0, "content_block": TEXT}), "begins twice"),
        (broken(1, {"type": "content_block_delta", "index": 0, "delta": text("x")}), "has not begun"),
        (broken(4, {"type": "content_block_delta", "index": 0, "delta": text("x")}), "has ended before"),
        (broken(4, {"type": "content_block_stop", "index": 0}), "no block of its index"),
        (broken(2, {"type": "content_block_delta", "index": True, "delta": text("x")}), "no index or"),
        (broken(2, {"type": "content_block_delta", "index": 0, "delta": piece("{}")}), "has a input_json_delta"),
        (
            broken(2, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}}),
            "no string",
        ),
        (broken(1, {"type": "content_block_start", "index": 5, "content_block": {"type": "tool_use"}}), "no id or"),
        (
            broken(1, {"type": "content_block_start", "index": 5, "content_block": {"type": "redacted_thinking"}}),
            "data",
        ),
        (
            broken(2, {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": 1}}),
            "a citation is no object",
        ),
        (broken(7, {"type": "content_block_stop", "index": 1}), "after the end was announced"),
        (broken(2, ServerSentEvent("content_block_delta", "{half")), "no JSON"),
        (broken(2, ServerSentEvent("content_block_delta", "[]")), "no JSON object"),
    ],
)
def test_what_breaks_the_order_is_no_answer(events: list[Any], reason: str) -> None:
    """It says which event it was and what is wrong with it."""
    with pytest.raises(ProtocolError, match=reason) as caught:
        decoded(events)
    assert not isinstance(caught.value, StreamInterruptedError)
    assert (caught.value.backend, caught.value.status, caught.value.phase) == ("anthropic", 200, "stream")


@pytest.mark.parametrize(
    "body",
    [
        b"half {",
        b"[]",
        b'{"type":"message"}',
        b'{"content":[1]}',
        b'{"content":[{"type":"text","text":5}]}',
        b'{"content":null}',
        b'{"content":[{"type":"thinking","thinking":1}]}',
        b'{"content":[{"type":"tool_use","id":1}]}',
    ],
)
def test_a_body_that_is_no_answer(body: bytes) -> None:
    """Nothing of it comes out: either all events do or none."""
    with pytest.raises(ProtocolError, match="none of the Messages API") as caught:
        decode_response(body, model="m", request_id="req_1")
    assert (caught.value.phase, caught.value.request_id) == ("request", "req_1")


def test_an_error_with_status_200_is_one() -> None:
    """Gateways answer so."""
    with pytest.raises(ServiceError, match="Overloaded") as caught:
        decode_response(
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            model="m",
            request_id=None,
        )
    assert caught.value.phase == "request"


def test_null_says_nothing() -> None:
    """Some servers write members that they do not have."""
    nothing = {"citations": None, "caller": None, "signature": None}
    blocks = [{**TEXT, "text": None, **nothing}, {"type": "thinking", "thinking": None, **nothing}, {**CALL, **nothing}]
    deltas = [
        [text("Hi"), {"type": "text_delta", "text": None}],
        [],
        [{"type": "input_json_delta", "partial_json": None}],
    ]
    streamed = folded(decoded(stream_events(*zip(blocks, deltas, strict=True))))
    assert streamed[1].parts == (Text("Hi"), ToolCall("toolu_1", "weather", {}))
    whole = folded(decoded_whole(blocks))
    assert whole[1].parts == (ToolCall("toolu_1", "weather", {}),)
    assert "unknown" not in {**streamed[2].metadata["anthropic"], **whole[2].metadata["anthropic"]}
    assert (
        folded(decode_response({"content": None, "stop_reason": "end_turn"}, model="m", request_id=None))[1].parts == ()
    )


def test_halves_of_surrogate_pairs_are_put_together() -> None:
    """The fast reader refuses half a pair; its other half may follow."""
    good = stream_events((TEXT, []))
    halves = [
        ServerSentEvent(
            "content_block_delta", json.dumps({"type": "content_block_delta", "index": 0, "delta": text(half)})
        )
        for half in ("\ud83d", "\ude00")
    ]
    assert folded(decoded([*good[:2], *halves, *good[2:]]))[1].text == "😀"


def test_a_result_without_content_and_arguments_that_are_no_object() -> None:
    """They stay as they came."""
    parts = folded(decoded_whole([{"type": "mcp_tool_result", "tool_use_id": "a"}, {**CALL, "input": [1]}]))[1].parts
    mark = {"anthropic": {"type": "mcp_tool_result"}}
    assert parts == (ToolResult("a", (), metadata=mark), ToolCall("toolu_1", "weather", {}, "[1]"))
