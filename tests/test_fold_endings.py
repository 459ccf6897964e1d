"""Streams that end too early or come in a wrong order, and arguments that are no JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.folding import END, IMAGE, START, folded, message_of
from tests.strategies import json_objects, pieces_of

from chatport._errors import ProtocolError, StreamInterruptedError
from chatport._events import (
    BackendEvent,
    CitationDelta,
    PartEnd,
    ReasoningDelta,
    ReplyEnd,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    ToolRunStart,
)
from chatport._fold import Fold, parse_arguments
from chatport._messages import Citation, Message, ToolCall
from chatport._reply import Reply

# --- unfinished -------------------------------------------------------------------------------------------------------


def test_a_stream_that_stops_is_interrupted() -> None:
    """Without its end a message is not complete, however complete it looks; the snapshot has what came."""
    for fold in (folded(), folded(START), folded(START, TextDelta(0, "It rains."))):
        for read in (fold.message, fold.complete):
            with pytest.raises(StreamInterruptedError, match="ended before the message did") as caught:
                read()
            assert (caught.value.backend, caught.value.phase, caught.value.retryable) == ("echo", "stream", True)
    assert folded(START, TextDelta(0, "It rains.")).snapshot() == Message.assistant("It rains.")


def test_a_snapshot_before_anything_is_empty() -> None:
    """There may be nothing to show yet."""
    assert Fold().snapshot() == Message("assistant", ())


def test_a_call_cut_short_is_no_call_to_run() -> None:
    """Half an arguments object is kept as it was written and marked."""
    snapshot = folded(START, ToolCallStart(0, "1", "f"), ToolCallDelta(0, '{"path": "/')).snapshot()
    assert snapshot.parts == (ToolCall("1", "f", {}, '{"path": "/'),)


# --- wrong orders -----------------------------------------------------------------------------------------------------


_STREAMED: dict[str, BackendEvent] = {
    "text": TextDelta(0, "a"),
    "reasoning": ReasoningDelta(0, "a"),
    "citation": CitationDelta(0, Citation()),
    "call start": ToolCallStart(0, "1", "f"),
    "call": ToolCallDelta(0, "{}"),
    "whole": PartEnd(0, IMAGE),
}


@pytest.mark.parametrize("event", [*_STREAMED.values(), END], ids=[*_STREAMED, "end"])
def test_nothing_comes_before_the_start(event: BackendEvent) -> None:
    """The first event says who answers."""
    with pytest.raises(ProtocolError, match=f"yielded {type(event).__name__} before MessageStart"):
        Fold().feed(event)


@pytest.mark.parametrize("event", [START, *_STREAMED.values(), END], ids=["start", *_STREAMED, "end"])
def test_nothing_comes_after_the_end(event: BackendEvent) -> None:
    """The last event is the last, a second end included."""
    fold = folded(START, END)
    with pytest.raises(ProtocolError, match=f"yielded {type(event).__name__} after MessageEnd"):
        fold.feed(event)


def test_there_is_one_start() -> None:
    """Two answers in one stream are not one message."""
    with pytest.raises(ProtocolError, match="yielded MessageStart twice"):
        folded(START, TextDelta(0, "a"), START)


_FITTING = {("text", "text"), ("text", "citation"), ("citation", "text"), ("citation", "citation")} | {
    ("reasoning", "reasoning"),
    ("call start", "call"),
}


@pytest.mark.parametrize("second", _STREAMED)
@pytest.mark.parametrize("first", [name for name in _STREAMED if name != "call"])
def test_a_part_keeps_its_kind(first: str, second: str) -> None:
    """Each pair of events with one index either belongs together or is refused, in either order."""
    fold = folded(START, _STREAMED[first])
    if (first, second) in _FITTING:
        fold.feed(_STREAMED[second])
        assert len(fold.snapshot().parts) == 1
    else:
        with pytest.raises(ProtocolError) as caught:
            fold.feed(_STREAMED[second])
        assert (caught.value.backend, caught.value.phase, caught.value.retryable) == ("echo", "stream", False)


def test_arguments_need_a_call() -> None:
    """A piece of arguments without a call has no name and no id."""
    with pytest.raises(ProtocolError, match="yielded ToolCallDelta without a ToolCallStart"):
        folded(START, ToolCallDelta(0, "{}"))


@pytest.mark.parametrize(
    "event",
    [ToolRunStart(ToolCall("1", "f")), ReplyEnd(Reply((), (), None)), None, "text", {"type": "text"}],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_event_of_a_backend_is_refused(event: Any) -> None:
    """What only the session adds, and what is no event at all, is named as the backend's mistake."""
    with pytest.raises(ProtocolError, match=f"yielded {type(event).__name__} which is no event of a backend"):
        folded(START, event)


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n\t", "{}", " {} "], ids=repr)
def test_no_arguments_are_an_empty_object(text: str) -> None:
    """Models that call a tool without arguments may write nothing."""
    assert parse_arguments(text) == ({}, None)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"a": 1',
        '{"a": 1}}',
        "{'a': 1}",
        '{"a": 1,}',
        "[]",
        "1",
        "null",
        '"text"',
        '{"a": NaN}',
        '{"a": [Infinity]}',
        '{"a": -Infinity}',
        '{"a": 1e400}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"a": ' + "9" * 5000 + "}",
        '{"a": ' * 101 + "1" + "}" * 101,
        '{"a": ' * 100_000 + "1" + "}" * 100_000,
        '{"a": ' + "[" * 100_000,
        '{"a": "line\nbreak"}',
        "\ufeff{}",
    ],
    ids=lambda value: f"{len(value)} {value[:24]!r}",
)
def test_what_is_no_json_object_is_kept_as_it_is(text: str) -> None:
    """Never an exception, never a repair: the call is marked, with every character the model wrote."""
    assert parse_arguments(text) == ({}, text)
    assert message_of(ToolCallStart(0, "1", "f"), ToolCallDelta(0, text)).parts == (ToolCall("1", "f", {}, text),)


@pytest.mark.parametrize("written", ['{"a": "\\ud83d"}', '{"a": "\ud83d"}', '{"\ud83d": 1}'])
def test_half_a_character_is_no_argument(written: str) -> None:
    """A tool would run on what no later request could send back; what was written is kept, as it can be sent."""
    arguments, kept = parse_arguments(written)
    assert arguments == {}
    assert kept is not None
    assert kept.encode().decode() == kept
    assert json.loads(kept) == json.loads(written)


def test_a_character_in_two_escapes_is_whole() -> None:
    """Which is how JSON writes it."""
    assert parse_arguments('{"a": "\\ud83d\\ude00"}') == ({"a": "\N{GRINNING FACE}"}, None)


@given(json_objects(), st.data())
def test_arguments_cut_anywhere_are_the_same(arguments: dict[str, Any], data: st.DataObject) -> None:
    """Where the service cuts the text does not matter."""
    pieces = data.draw(pieces_of(json.dumps(arguments)))
    message = message_of(ToolCallStart(0, "1", "f"), *(ToolCallDelta(0, piece) for piece in pieces))
    assert message.tool_calls == (ToolCall("1", "f", arguments),)


def test_arguments_cut_at_every_character_are_the_same() -> None:
    """At each of the places, and at all of them at once: escapes, numbers and characters beyond 16 bits included."""
    arguments = {'a"b': "é😀\n\\", "numbers": [1.5e-7, -0.25, 12345678901234567890], "deep": {"x": [{}, None, True]}}
    for written in (json.dumps(arguments), json.dumps(arguments, ensure_ascii=False)):
        rows = [[written[:place], written[place:]] for place in range(len(written) + 1)]
        for row in [*rows, list(written)]:
            message = message_of(ToolCallStart(0, "1", "f"), *(ToolCallDelta(0, piece) for piece in row))
            assert message.tool_calls == (ToolCall("1", "f", arguments),)


def test_every_beginning_of_arguments_is_invalid() -> None:
    """Cut short anywhere, an object is no object; only the whole is run."""
    written = '{"path": "/", "depth": 12}'
    for end in range(1, len(written)):
        assert parse_arguments(written[:end]) == ({}, written[:end])


# --- cost -------------------------------------------------------------------------------------------------------------


def test_a_long_message_costs_its_length() -> None:
    """Pieces are kept and joined once: none is copied again for each that follows."""
    fold = folded(START)
    for _ in range(50_000):
        fold.feed(TextDelta(0, "word "))
    [pieces] = fold._open.values()
    assert len(pieces.pieces) == 50_000
    fold.feed(END)
    assert len(fold.message().text) == 250_000
