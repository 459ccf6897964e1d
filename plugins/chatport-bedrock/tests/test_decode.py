"""A stream's frames become events, one rule of the wire at a time."""

import logging
from typing import Any

import pytest
from bedrock_support.decoding import MARK, MODEL, blocks, decode, decoder, unknown
from bedrock_support.stream_frames import BEGIN, END, USAGE, delta, frame, start, stop

from chatport.backend import (
    Adjustment,
    MessageEnd,
    MessageStart,
    Opaque,
    ProtocolError,
    RateLimitError,
    Reasoning,
    ServiceError,
    StreamInterruptedError,
    Text,
    TextDelta,
    ToolCall,
    Usage,
)
from chatport_bedrock import GuardrailFacts, response_facts
from chatport_bedrock._decode import StreamDecoder
from chatport_bedrock._frames import Frame

# --- the frame of a message ------------------------------------------------------------------------------------------


def test_a_plain_answer() -> None:
    """Start with id and adjustments, pieces as they come, an end with usage, facts and time; no padding anywhere."""
    adjustment = Adjustment("dropped", "setting-dropped", "settings.top_k", "no such thing")
    reader = StreamDecoder(model=MODEL, request_id="id-1", adjustments=[adjustment])
    frames = (BEGIN, delta(0, text="Hel"), delta(0, text="lo"), stop(0), *END)
    assert [event for one in frames for event in reader.feed(one)] == [
        MessageStart(MODEL, "id-1", (adjustment,)),
        TextDelta(0, "Hel"),
        TextDelta(0, "lo"),
        MessageEnd(
            "stop",
            "end_turn",
            Usage(3, 5, None, None, None, 8, raw=USAGE),
            {"bedrock": {"metrics": {"latencyMs": 250}}},
            0.25,
        ),
    ]


def test_rule_70_the_end_comes_with_the_metadata() -> None:
    """`messageStop` alone ends nothing: the usage comes after it."""
    reader = decoder()
    reader.feed(BEGIN)
    assert reader.feed(END[0]) == ()
    assert not reader.complete
    assert isinstance(reader.feed(END[1])[0], MessageEnd)
    assert reader.complete
    assert reader.finish() == ()


def test_metadata_may_come_first() -> None:
    """The other order was never recorded; nothing is lost in it."""
    assert decode(BEGIN, END[1], END[0]) == decode(BEGIN, *END)


def test_without_metadata_the_usage_is_incomplete() -> None:
    """A stream that ends after `messageStop` is a whole answer whose cost nobody knows."""
    *_, end = decode(BEGIN, delta(0, text="Hi"), stop(0), frame("messageStop", stopReason="max_tokens"))
    assert end == MessageEnd("length", "max_tokens", Usage(complete=False))


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((), "before the message began"),
        ((BEGIN,), "messageStop"),
        ((BEGIN, delta(0, text="Hi"), stop(0)), "messageStop"),
    ],
    ids=["nothing", "a start only", "text"],
)
def test_rule_69_a_stream_that_ends_early_is_interrupted(frames: tuple[Frame, ...], words: str) -> None:
    """Without `messageStop` no stream passes for an answer, however cleanly it ends; metadata does not make it one."""
    for more in ((), END[1:]):
        if more and not frames:
            continue  # metadata before the start is another error
        with pytest.raises(StreamInterruptedError, match=words) as caught:
            decode(*frames, *more)
        error = caught.value
        assert (error.backend, error.model, error.status, error.request_id) == ("bedrock", MODEL, 200, "id-1")
        assert error.phase == "stream"
        assert error.retryable


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("model_context_window_exceeded", "context_window"),
        ("malformed_model_output", "other"),
        ("malformed_tool_use", "other"),
        ("a_new_one", "other"),
    ],
)
def test_every_stop_reason(raw: str, neutral: str) -> None:
    """All of the service's words have a neutral one; one that nobody knows is "other". The raw word stays."""
    end = decode(BEGIN, frame("messageStop", stopReason=raw), END[1])[-1]
    assert isinstance(end, MessageEnd)
    assert (end.stop_reason, end.raw_stop_reason) == (neutral, raw)


def test_no_stop_reason() -> None:
    """A `messageStop` that gives no reason still ends the message."""
    end = decode(BEGIN, frame("messageStop"), END[1])[-1]
    assert isinstance(end, MessageEnd)
    assert (end.stop_reason, end.raw_stop_reason) == ("other", None)


@pytest.mark.parametrize(
    ("wire", "neutral"),
    [
        ({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, Usage(1, 2, None, None, None, 3)),
        (
            {
                "inputTokens": 1,
                "outputTokens": 2,
                "totalTokens": 33,
                "cacheReadInputTokens": 10,
                "cacheWriteInputTokens": 20,
            },
            Usage(31, 2, 10, 20, None, 33),
        ),
        ({"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 10}, Usage(11, 2, 10)),
        ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, Usage(0, 0, None, None, None, 0)),
        ({"outputTokens": 2}, Usage(None, 2, complete=False)),
        ({"inputTokens": "1", "outputTokens": True}, Usage(complete=False)),
        ({}, Usage(complete=False)),
    ],
    ids=["plain", "cached", "read only", "blocked by a guardrail", "a part", "no numbers", "empty"],
)
def test_rule_56_the_input_includes_what_was_cached(wire: dict[str, Any], neutral: Usage) -> None:
    """The input includes what was cached; not reported is None; the wire's own figures stay, unknown ones too."""
    raw = {**wire, "serverToolUsage": {}, "cacheDetails": [{"ttl": "5m", "inputTokens": 20}]}
    end = decode(BEGIN, END[0], frame("metadata", usage=raw))[-1]
    assert isinstance(end, MessageEnd)
    assert end.usage.raw == raw
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "total_tokens", "complete")
    assert [getattr(end.usage, name) for name in counts] == [getattr(neutral, name) for name in counts]


def test_facts_are_kept_word_for_word() -> None:
    """Whatever else the answer says about itself is in the metadata, members that nobody knows included."""
    facts = {
        "metrics": {"latencyMs": 1500},
        "trace": {"guardrail": {"inputAssessment": {}}},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "flex"},
        "somethingNew": [1, None],
    }
    stopping = {"stopReason": "stop_sequence", "additionalModelResponseFields": {"delta": {"stop_sequence": "END"}}}
    end = decode(
        frame("messageStart", role="assistant", brandNew=1), frame("messageStop", stopping), frame("metadata", facts)
    )
    assert isinstance(end[-1], MessageEnd)
    fields = {"additionalModelResponseFields": {"delta": {"stop_sequence": "END"}}}
    assert end[-1].metadata == {"bedrock": {**facts, **fields, "brandNew": 1}}
    assert end[-1].service_seconds == 1.5


@pytest.mark.parametrize("latency", [-1, 10**400, 1e300, float("inf"), float("nan"), "12", True, None])
def test_a_time_that_is_none(latency: object) -> None:
    """Numbers that are no time, or too long for a float, cost no answer: they stay in the metadata."""
    end = decode(BEGIN, END[0], frame("metadata", {"metrics": {"latencyMs": latency}}))[-1]
    assert isinstance(end, MessageEnd)
    assert end.service_seconds is None
    assert repr(end.metadata["bedrock"]["metrics"]["latencyMs"]) == repr(latency)


def test_redacted_reasoning_in_no_alphabet() -> None:
    """Base64 with a character outside ASCII is damaged, as with one outside its own alphabet."""
    for encoded in ("AAé=", "AA\ud800=", "A!A="):
        with pytest.raises(ProtocolError, match="redactedContent is no base64"):
            decode(BEGIN, delta(0, reasoningContent={"redactedContent": encoded}))


def test_an_image_in_no_alphabet() -> None:
    """Its bytes cannot be read; the block is kept as it came."""
    for encoded in ("iVBOé=", "iVBO\ud800", "iV!O"):
        source = {"bytes": encoded}
        message, _ = blocks(start(0, image={"format": "png"}), delta(0, image={"source": source}))
        assert message.parts == (Opaque("bedrock", {"image": {"format": "png", "source": source}}),)


# --- what nobody knows -----------------------------------------------------------------------------------------------


def test_unknown_pieces_of_known_blocks() -> None:
    """They stop nothing and stand in the metadata of the end, each with its place."""
    message, end = blocks(
        delta(0, citations=["early"]),
        delta(0, text="a"),
        delta(0, hologram={"light": 1}),
        delta(0, text="b", tone="warm"),
        stop(0),
        start(1, toolUse={"toolUseId": "1", "name": "t"}, wish={"x": 1}),
        delta(1, toolUse={"input": "{}", "speed": 2}),
        stop(1),
        delta(2, reasoningContent={"text": "r"}),
        delta(2, reasoningContent={"mood": "m"}),
        stop(2),
    )
    assert message.parts == (Text("ab"), ToolCall("1", "t"), Reasoning("r", metadata=MARK))

    def found(
        index: int, piece: dict[str, Any], event: str = "contentBlockDelta", member: str = "delta"
    ) -> dict[str, Any]:
        return {"event": event, "payload": {"contentBlockIndex": index, member: piece}}

    assert unknown(end) == [
        found(0, {"citations": ["early"]}),
        found(0, {"hologram": {"light": 1}}),
        found(0, {"tone": "warm"}),
        found(1, {"wish": {"x": 1}}, "contentBlockStart", "start"),
        found(1, {"toolUse": {"speed": 2}}),
        found(2, {"reasoningContent": {"mood": "m"}}),
    ]


def test_rule_72_a_guardrail_may_step_in_after_words_were_streamed() -> None:
    """What was shown cannot be taken back here: it stays, and the end says that the guardrail stepped in, and why."""
    trace = {"guardrail": {"actionReason": "Guardrail blocked.", "modelOutput": ["Call 555 0100."]}}
    frames = (
        delta(0, text="Call 555"),
        delta(0, text=" [blocked]"),
        stop(0),
        frame("messageStop", stopReason="guardrail_intervened"),
        frame("metadata", usage=USAGE, trace=trace),
    )
    events = decode(BEGIN, *frames)
    assert events[1:3] == [TextDelta(0, "Call 555"), TextDelta(0, " [blocked]")]
    end = events[-1]
    assert isinstance(end, MessageEnd)
    assert (end.stop_reason, end.raw_stop_reason) == ("content_filter", "guardrail_intervened")
    assert response_facts(end).guardrail == GuardrailFacts(
        "Guardrail blocked.", ("Call 555 0100.",), raw=trace["guardrail"]
    )


def test_rule_73_unknown_events() -> None:
    """An event that a later service has may come at any time before the end, with any payload."""
    strange = Frame({":message-type": "control", ":event-type": "x"}, b"")
    events = (frame("weather", sun=True), BEGIN, frame("weather", b"\xff"), frame("weather", b"[1]"), strange, *END)
    end = decode(*events)[-1]
    assert isinstance(end, MessageEnd)
    assert unknown(end) == [
        {"event": "weather", "payload": {"sun": True}},
        {"event": "weather", "bytes": "/w=="},
        {"event": "weather", "bytes": "WzFd"},
        {"event": "x", "bytes": ""},
    ]


def test_unknown_things_are_bounded() -> None:
    """A peer that sends nothing else fills no memory; how much was left out is said."""
    many = [frame("weather", day=day) for day in range(1000)]
    large = [frame("weather", words="x" * 40_000), frame("weather", words="y" * 40_000), frame("weather", day=1)]
    for frames, kept in ((many, 32), (large, 2)):
        end = decode(BEGIN, *frames, *END)[-1]
        assert isinstance(end, MessageEnd)
        *found, left_out = unknown(end)
        assert len(found) == kept
        assert left_out == {"left_out": len(frames) - kept}


def test_an_unknown_event_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """There is no place left for it but the log; the answer, which is complete, stays one."""
    reader = decoder()
    for one in (BEGIN, *END):
        reader.feed(one)
    with caplog.at_level(logging.WARNING, logger="chatport.bedrock"):
        assert reader.feed(frame("weather", secret="s")) == ()
    assert ["'weather'" in record.getMessage() for record in caplog.records] == [True]
    assert "secret" not in caplog.text


# --- what is wrong ---------------------------------------------------------------------------------------------------

_CALL = start(0, toolUse={"toolUseId": "1", "name": "t"})
_NO_INDEX = frame("contentBlockDelta", delta={"text": "a"})
WRONG: dict[str, tuple[tuple[Frame, ...], str]] = {
    "no JSON": ((BEGIN, frame("contentBlockDelta", b'{"contentBlockIndex": 0,')), "no JSON"),
    "no payload": ((BEGIN, frame("contentBlockDelta", b"")), "no JSON"),
    "no UTF-8": ((BEGIN, frame("contentBlockDelta", b'{"a": "\xff"}')), "no JSON"),
    "too deep": ((BEGIN, frame("contentBlockDelta", b"[" * 100_000)), "no JSON"),
    "no object": ((BEGIN, frame("contentBlockDelta", b"[]")), "no JSON object"),
    "no index": ((BEGIN, _NO_INDEX), "contentBlockIndex"),
    "an index that is none": ((BEGIN, delta("0", text="a")), "contentBlockIndex"),  # type: ignore[arg-type]  # on purpose
    "an index of true": ((BEGIN, delta(True, text="a")), "contentBlockIndex"),
    "no delta": ((BEGIN, frame("contentBlockDelta", contentBlockIndex=0)), "delta"),
    "text that is none": ((BEGIN, delta(0, text=None)), "no string"),
    "signature that is none": ((BEGIN, delta(0, reasoningContent={"signature": 1})), "no string"),
    "redacted that is none": ((BEGIN, delta(0, reasoningContent={"redactedContent": "no base64"})), "base64"),
    "redacted null": ((BEGIN, delta(0, reasoningContent={"redactedContent": None})), "no string"),
    "citation that is none": ((BEGIN, delta(0, citation="a")), "citation"),
    "input that is none": ((BEGIN, _CALL, delta(0, toolUse={"input": {}})), "no string"),
    "a call without a name": ((BEGIN, start(0, toolUse={"toolUseId": "1"})), "no name"),
    "a call that is none": ((BEGIN, start(0, toolUse="t")), "no id"),
    "delta before the start": ((delta(0, text="a"),), "before messageStart"),
    "start of a block before the start": ((_CALL,), "before messageStart"),
    "stop before the start": ((END[0],), "before messageStart"),
    "metadata before the start": ((END[1],), "before messageStart"),
    "two starts": ((BEGIN, BEGIN), "begun before"),
    "two stops": ((BEGIN, END[0], END[0]), "twice"),
    "two metadata": ((BEGIN, END[1], END[1]), "twice"),
    "delta after the stop": ((BEGIN, delta(0, text="a"), END[0], delta(0, text="b")), "after messageStop"),
    "delta after the end": ((BEGIN, *END, delta(0, text="b")), "after messageStop"),
    "start after the end": ((BEGIN, *END, BEGIN), "begun before"),
    "stop after the end": ((BEGIN, *END, END[0]), "twice"),
    "metadata after the end": ((BEGIN, *END, END[1]), "twice"),
    "delta after its block": ((BEGIN, delta(0, text="a"), stop(0), delta(0, text="b")), "ended before"),
    "a block that begins twice": ((BEGIN, _CALL, _CALL), "begins twice"),
    "a block that begins again": ((BEGIN, _CALL, stop(0), _CALL), "ended before"),
    "a block that stops twice": ((BEGIN, _CALL, stop(0), stop(0)), "ended before"),
    "input without a call": ((BEGIN, delta(0, toolUse={"input": "{}"})), "did not begin"),
    "text in a call": ((BEGIN, _CALL, delta(0, text="a")), "cannot become text"),
    "reasoning in text": ((BEGIN, delta(0, text="a"), delta(0, reasoningContent={"text": "b"})), "cannot become"),
    "no type at all": ((BEGIN, Frame({}, b"{}")), "headers"),
    "an event without a name": ((BEGIN, Frame({":message-type": "event"}, b"{}")), "headers"),
    "a name without a type": ((BEGIN, Frame({":event-type": "contentBlockDelta"}, b"{}")), "headers"),
}


@pytest.mark.parametrize(("frames", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_breaks_the_order_or_is_damaged(frames: tuple[Frame, ...], words: str) -> None:
    """The last frame raises a `ProtocolError` that says what and where; those before it are decoded."""
    reader = decoder()
    for one in frames[:-1]:
        reader.feed(one)
    with pytest.raises(ProtocolError, match=words) as caught:
        reader.feed(frames[-1])
    error = caught.value
    assert not isinstance(error, StreamInterruptedError)
    assert (error.backend, error.model, error.status, error.request_id) == ("bedrock", MODEL, 200, "id-1")
    assert error.phase == "stream"


def test_the_error_of_a_frame_is_raised() -> None:
    """Exception and error frames end the stream as the class they mean; what came before them stays."""
    throttled = Frame(
        {":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message": "Slow down."}'
    )
    broken = Frame({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oh."}, b"")
    for last, kind, status in ((throttled, RateLimitError, 429), (broken, ServiceError, 500)):
        reader = decoder()
        assert [*reader.feed(BEGIN), *reader.feed(delta(0, text="a"))][1:] == [TextDelta(0, "a")]
        with pytest.raises(kind) as caught:
            reader.feed(last)
        assert (caught.value.status, caught.value.phase, caught.value.request_id) == (status, "stream", "id-1")
        assert caught.value.retryable
