"""The call that is the answer comes out as text; everything else comes out as it is."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import (
    BackendEvent,
    Fold,
    Json,
    Message,
    MessageEnd,
    MessageStart,
    PartEnd,
    ReasoningDelta,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStart,
)
from chatport.backend.translation import Restorer

START = MessageStart("m")
CALLED = MessageEnd("tool_calls", "tool_use", metadata={"example": {"metrics": {}}, "other": 1})


def restored(*events: BackendEvent, tool: str | None = "answer", way: str | None = "forced-tool") -> list[BackendEvent]:
    """What comes out."""
    restorer = Restorer({"a_1": "a.b"}, backend="example", answer_tool=tool, way=way)
    return [found for event in events for found in restorer.feed(event)]


def message(events: Iterable[BackendEvent]) -> Message:
    """The message that the events make."""
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.message()


def test_the_answer_comes_piece_by_piece() -> None:
    """As text at the place of the call; the message ends as one in words, the service's own word is kept."""
    events = restored(
        START,
        ReasoningDelta(0, "Hm."),
        ToolCallStart(1, "x", "answer"),
        ToolCallDelta(1, ""),
        ToolCallDelta(1, '{"a'),
        ToolCallDelta(1, '": 1}'),
        CALLED,
    )
    assert events[1:4] == [ReasoningDelta(0, "Hm."), TextDelta(1, '{"a'), TextDelta(1, '": 1}')]
    end = events[-1]
    assert isinstance(end, MessageEnd)
    assert (end.stop_reason, end.raw_stop_reason) == ("stop", "tool_use")
    assert end.metadata == {"example": {"metrics": {}, "output": "forced-tool"}, "other": 1}
    assert CALLED.metadata == {"example": {"metrics": {}}, "other": 1}
    assert message(events).text == '{"a": 1}'
    assert message(events).tool_calls == ()


@pytest.mark.parametrize("pieces", [[], [""], ["{}"], ["{", "}"], ["", "{", " ", "}"]])
@pytest.mark.parametrize("stop", ["tool_calls", "length"])
def test_an_empty_input_is_an_empty_object_unless_it_was_cut(pieces: list[str], stop: StopReason) -> None:
    """An answer that comes whole has `{}` where a call was cut short: that must not pass for an answer."""
    deltas = [ToolCallDelta(0, piece) for piece in pieces]
    text = message(restored(START, ToolCallStart(0, "x", "answer"), *deltas, MessageEnd(stop))).text
    if stop == "tool_calls":
        assert text.replace(" ", "") == "{}"
    else:
        assert text == ""


def test_a_cut_answer_is_what_came_of_it() -> None:
    """Half of the JSON, and the reason."""
    for pieces in (['{"a": '], ["{", '"a": ']):
        deltas = [ToolCallDelta(0, piece) for piece in pieces]
        events = restored(START, ToolCallStart(0, "x", "answer"), *deltas, MessageEnd("length"))
        assert message(events).text == '{"a": '
        assert isinstance(events[-1], MessageEnd)
        assert events[-1].stop_reason == "length"


def test_other_calls_stay_calls() -> None:
    """Beside the answer too: then the message still asks for tools."""
    call: list[BackendEvent] = [ToolCallStart(0, "x", "a_1"), ToolCallDelta(0, "{}")]
    events = restored(START, *call, ToolCallStart(1, "y", "answer"), ToolCallDelta(1, '{"a":1}'), CALLED)
    assert events[1:3] == [ToolCallStart(0, "x", "a.b"), ToolCallDelta(0, "{}")]
    assert isinstance(events[-1], MessageEnd)
    assert events[-1].stop_reason == "tool_calls"
    assert message(events).parts == (ToolCall("x", "a.b", {}), Text('{"a":1}'))


def test_calls_of_the_services_own_tools_are_not_the_callers() -> None:
    """They do not keep the message open."""
    events = restored(
        START,
        ToolCallStart(0, "x", "search", executed_by="server"),
        PartEnd(1, ToolCall("z", "search", {}, executed_by="server")),
        ToolCallStart(2, "y", "answer"),
        ToolCallDelta(2, '{"a":1}'),
        CALLED,
    )
    assert isinstance(events[-1], MessageEnd)
    assert events[-1].stop_reason == "stop"


def test_calls_that_come_whole() -> None:
    """The answer as text, also where it is no JSON; others by the caller's names."""
    assert restored(PartEnd(0, ToolCall("x", "answer", {"ä": 1}))) == [PartEnd(0, Text('{"ä": 1}'))]
    assert restored(PartEnd(0, ToolCall("x", "answer", {}, '{"a'))) == [PartEnd(0, Text('{"a'))]
    assert restored(PartEnd(0, ToolCall("x", "a_1", {}))) == [PartEnd(0, ToolCall("x", "a.b", {}))]
    for other in (PartEnd(0, ToolCall("x", "c", {})), PartEnd(0, Json(1))):
        assert restored(other) == [other]


@given(st.text(max_size=20), st.lists(st.integers(0, 20), max_size=5))
def test_however_the_input_is_cut_into_pieces_the_text_is_the_same(text: str, cuts: list[int]) -> None:
    """Nothing is lost or doubled by holding back what may be empty."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    deltas = [ToolCallDelta(0, piece) for piece in pieces]
    said = message(restored(START, ToolCallStart(0, "x", "answer"), *deltas, CALLED)).text
    assert said == (text if text.strip() else "{}")


def test_without_an_answer_tool_only_names_change() -> None:
    """An ordinary answer passes as the same objects."""
    events: list[BackendEvent] = [
        START,
        TextDelta(0, "Hi"),
        ToolCallStart(1, "x", "answer"),
        ToolCallDelta(1, "{}"),
        CALLED,
    ]
    found = restored(*events, tool=None, way=None)
    assert all(one is other for one, other in zip(found, events, strict=True))


def test_an_id_that_does_not_tell_who_issued_it_gets_a_mark() -> None:
    """On a call that is streamed and on one that comes whole; an empty id, and one that tells, get none."""
    restorer = Restorer(backend="example", is_plain_id=str.isdigit)
    odd: list[BackendEvent] = [ToolCallStart(0, "a", "t"), PartEnd(1, ToolCall("b", "t", {}, metadata={"other": 1}))]
    assert [found for event in odd for found in restorer.feed(event)] == [
        ToolCallStart(0, "a", "t", metadata={"example": {}}),
        PartEnd(1, ToolCall("b", "t", {}, metadata={"example": {}, "other": 1})),
    ]
    for plain in (ToolCallStart(0, "1", "t"), ToolCallStart(1, "", "t"), PartEnd(2, ToolCall("2", "t", {}))):
        assert next(iter(restorer.feed(plain))) is plain
