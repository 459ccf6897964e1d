import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import citations, images, json_objects, metadata, pieces_of, texts

from chatport._errors import ProtocolError, StreamInterruptedError
from chatport._events import (
    BackendEvent,
    CitationDelta,
    MessageEnd,
    MessageStart,
    PartEnd,
    ReasoningDelta,
    ReplyEnd,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    ToolRunStart,
    Usage,
)
from chatport._fold import Fold, parse_arguments
from chatport._messages import Citation, Image, Message, Opaque, Part, Reasoning, Text, ToolCall
from chatport._reply import Reply

_START = MessageStart("parrot-1", "r-1")
_END = MessageEnd("stop", "end_turn", Usage(1, 2))
_IMAGE = Image("image/png", b"x")


def _fold(*events: BackendEvent) -> Fold:
    fold = Fold(backend="echo")
    for event in events:
        fold.feed(event)
    return fold


def _message(*events: BackendEvent) -> Message:
    return _fold(_START, *events, _END).message()


# --- what becomes of events ------------------------------------------------------------------------------------------


def test_pieces_become_parts() -> None:
    """One of each: text with citations, signed and redacted reasoning, a call, a part that came whole."""
    message = _message(
        ReasoningDelta(0, "The user "),
        ReasoningDelta(0, "asks."),
        ReasoningDelta(0, signature="c2ln"),
        ReasoningDelta(1, redacted=b"\x00\x01"),
        CitationDelta(2, Citation("first")),
        TextDelta(2, "It "),
        CitationDelta(2, Citation("second")),
        TextDelta(2, "rains."),
        ToolCallStart(3, "1", "add", "server", {"echo": {"a": 1}}),
        ToolCallDelta(3, '{"a": '),
        ToolCallDelta(3, "1}"),
        PartEnd(4, _IMAGE),
    )
    assert message == Message(
        "assistant",
        (
            Reasoning("The user asks.", "c2ln"),
            Reasoning(redacted=b"\x00\x01"),
            Text("It rains.", (Citation("first"), Citation("second"))),
            ToolCall("1", "add", {"a": 1}, None, "server", metadata={"echo": {"a": 1}}),
            _IMAGE,
        ),
    )


def test_nothing_is_an_empty_message() -> None:
    """A model may end its turn without a word."""
    assert _message() == Message("assistant", ())


def test_parts_stand_in_the_order_of_their_indices() -> None:
    """Whatever came first, and with gaps between the indices."""
    message = _message(TextDelta(7, "last"), PartEnd(3, _IMAGE), TextDelta(0, "first"))
    assert message.parts == (Text("first"), _IMAGE, Text("last"))


def test_an_empty_piece_opens_a_part() -> None:
    """A service that sends a block with nothing in it gets it back with nothing in it."""
    assert _message(TextDelta(0, ""), ReasoningDelta(1)).parts == (Text(""), Reasoning())


def test_an_empty_signature_is_a_signature() -> None:
    """None is no signature; an empty one is what the service said."""
    message = _message(ReasoningDelta(0, signature="", redacted=b""))
    assert message.parts == (Reasoning("", "", b""),)


def test_a_signature_in_pieces_is_joined() -> None:
    """Signature and redacted bytes are appended, not replaced."""
    message = _message(
        ReasoningDelta(0, signature="ab", redacted=b"1"), ReasoningDelta(0, signature="cd", redacted=b"2")
    )
    assert message.parts == (Reasoning("", "abcd", b"12"),)


def test_metadata_of_reasoning_is_merged() -> None:
    """Members are added by backend; a later one replaces an earlier one of its name."""
    message = _message(
        ReasoningDelta(0, metadata={"echo": {"a": 1, "b": 1}, "other": {"x": 1}}),
        ReasoningDelta(0, metadata={"echo": {"b": 2, "c": 3}}),
    )
    assert message.parts[0].metadata == {"echo": {"a": 1, "b": 2, "c": 3}, "other": {"x": 1}}


def test_a_character_cut_between_two_pieces_is_one_character() -> None:
    """A service that counts in UTF-16 may cut an emoji in two."""
    assert _message(TextDelta(0, "a\ud83d"), TextDelta(0, "\ude00b")).text == "a😀b"
    assert _message(ReasoningDelta(0, "\ud83d"), ReasoningDelta(0, "\ude00")).reasoning == "😀"
    cut = _message(ToolCallStart(0, "1", "f"), ToolCallDelta(0, '{"a": "\ud83d'), ToolCallDelta(0, '\ude00"}'))
    assert cut.tool_calls[0].arguments == {"a": "😀"}


def test_the_ends_are_kept() -> None:
    """Start and end stand on the fold, and `complete` gives them with the message."""
    fold = _fold(_START, TextDelta(0, "hi"), _END)
    assert (fold.start, fold.end) == (_START, _END)
    assert fold.complete() == (_START, Message.assistant("hi"), _END)


def test_the_end_completes_the_streamed_parts() -> None:
    """The end returns each part that came in pieces, by index; those that came whole have been seen."""
    fold = _fold(_START, ToolCallStart(2, "1", "f"), PartEnd(1, _IMAGE), TextDelta(0, "hi"))
    assert fold.feed(_END) == (PartEnd(0, Text("hi")), PartEnd(2, ToolCall("1", "f")))


def test_other_events_complete_nothing() -> None:
    """Before the end no part is known to be complete."""
    fold = Fold()
    for event in (_START, TextDelta(0, "a"), TextDelta(1, "b"), PartEnd(2, _IMAGE), ToolCallStart(3, "1", "f")):
        assert fold.feed(event) == ()


# --- interleaving ----------------------------------------------------------------------------------------------------


@st.composite
def _streamed(draw: st.DrawFn) -> tuple[Part, list[BackendEvent]]:
    """A part, and events with the index 0 that make it."""
    match draw(st.sampled_from(["text", "reasoning", "call", "whole"])):
        case "text":
            text, cited = draw(texts()), draw(st.lists(citations(), max_size=2))
            events: list[BackendEvent] = [CitationDelta(0, citation) for citation in cited]
            events += [TextDelta(0, piece) for piece in draw(pieces_of(text))]
            return Text(text, tuple(cited)), events
        case "reasoning":
            text, signature, redacted = draw(texts()), draw(st.none() | texts()), draw(st.none() | st.binary())
            marks = draw(metadata())
            events = [ReasoningDelta(0, piece) for piece in draw(pieces_of(text))]
            if signature is not None:
                events += [ReasoningDelta(0, signature=piece) for piece in draw(pieces_of(signature))]
            return Reasoning(text, signature, redacted, metadata=marks), [
                *events,
                ReasoningDelta(0, "", marks, None, redacted),
            ]
        case "call":
            arguments = draw(json_objects())
            written = json.dumps(arguments, ensure_ascii=draw(st.booleans()))
            return ToolCall("1", "f", arguments), [
                ToolCallStart(0, "1", "f"),
                *(ToolCallDelta(0, piece) for piece in draw(pieces_of(written))),
            ]
        case _:
            part: Part = draw(images() | st.builds(Opaque, st.just("echo"), json_objects()))
            return part, [PartEnd(0, part)]


def _placed(event: Any, index: int) -> BackendEvent:
    placed: BackendEvent = replace(event, index=index)
    return placed


@given(st.lists(_streamed(), max_size=4), st.data())
def test_any_interleaving_folds_to_the_same_message(
    streamed: list[tuple[Part, list[BackendEvent]]], data: st.DataObject
) -> None:
    """However the pieces of the parts are mixed, as long as each part's own come in order, the message is the same."""
    queues = [[_placed(event, index) for event in events] for index, (_, events) in enumerate(streamed)]
    fold = _fold(_START)
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        fold.feed(queue.pop(0))
    fold.feed(_END)
    assert fold.message() == Message("assistant", tuple(part for part, _ in streamed))


@given(st.lists(_streamed(), min_size=1, max_size=3), st.data())
def test_a_snapshot_stays_as_it_was(streamed: list[tuple[Part, list[BackendEvent]]], data: st.DataObject) -> None:
    """What was seen of a message on the way does not change when more comes."""
    events = [_placed(event, index) for index, (_, row) in enumerate(streamed) for event in row]
    cut = data.draw(st.integers(0, len(events)))
    fold = _fold(_START, *events[:cut])
    early = fold.snapshot()
    seen = repr(early), [repr(part.metadata) for part in early.parts]
    for event in [*events[cut:], _END]:
        fold.feed(event)
    assert (repr(early), [repr(part.metadata) for part in early.parts]) == seen
    assert _fold(_START, *events[:cut]).snapshot() == early


def test_a_snapshot_keeps_its_metadata() -> None:
    """The same for metadata that a later piece adds to, down to the members of one backend."""
    fold = _fold(_START, ReasoningDelta(0, "a", {"echo": {"x": 1}}))
    early = fold.snapshot()
    fold.feed(ReasoningDelta(0, "b", {"echo": {"y": 2}, "other": {}}))
    assert early == Message.assistant(Reasoning("a", metadata={"echo": {"x": 1}}))
    assert fold.snapshot() == Message.assistant(Reasoning("ab", metadata={"echo": {"x": 1, "y": 2}, "other": {}}))


def test_an_event_is_not_changed_by_the_fold() -> None:
    """The same event goes to the caller as well."""
    marks = {"echo": {"x": 1}}
    start, delta = ToolCallStart(0, "1", "f", metadata=marks), ReasoningDelta(1, "a", {"echo": {"x": 1}})
    _message(start, delta, ReasoningDelta(1, "b", {"echo": {"y": 2}}))
    assert start.metadata == delta.metadata == {"echo": {"x": 1}}


# --- unfinished ------------------------------------------------------------------------------------------------------


def test_a_stream_that_stops_is_interrupted() -> None:
    """Without its end a message is not complete, however complete it looks; the snapshot has what came."""
    for fold in (_fold(), _fold(_START), _fold(_START, TextDelta(0, "It rains."))):
        for read in (fold.message, fold.complete):
            with pytest.raises(StreamInterruptedError, match="ended before the message did") as caught:
                read()
            assert (caught.value.backend, caught.value.phase, caught.value.retryable) == ("echo", "stream", True)
    assert _fold(_START, TextDelta(0, "It rains.")).snapshot() == Message.assistant("It rains.")


def test_a_snapshot_before_anything_is_empty() -> None:
    """There may be nothing to show yet."""
    assert Fold().snapshot() == Message("assistant", ())


def test_a_call_cut_short_is_no_call_to_run() -> None:
    """Half an arguments object is kept as it was written and marked."""
    snapshot = _fold(_START, ToolCallStart(0, "1", "f"), ToolCallDelta(0, '{"path": "/')).snapshot()
    assert snapshot.parts == (ToolCall("1", "f", {}, '{"path": "/'),)


# --- wrong orders ----------------------------------------------------------------------------------------------------

_STREAMED: dict[str, BackendEvent] = {
    "text": TextDelta(0, "a"),
    "reasoning": ReasoningDelta(0, "a"),
    "citation": CitationDelta(0, Citation()),
    "call start": ToolCallStart(0, "1", "f"),
    "call": ToolCallDelta(0, "{}"),
    "whole": PartEnd(0, _IMAGE),
}


@pytest.mark.parametrize("event", [*_STREAMED.values(), _END], ids=[*_STREAMED, "end"])
def test_nothing_comes_before_the_start(event: BackendEvent) -> None:
    """The first event says who answers."""
    with pytest.raises(ProtocolError, match=f"yielded {type(event).__name__} before MessageStart"):
        Fold().feed(event)


@pytest.mark.parametrize("event", [_START, *_STREAMED.values(), _END], ids=["start", *_STREAMED, "end"])
def test_nothing_comes_after_the_end(event: BackendEvent) -> None:
    """The last event is the last, a second end included."""
    fold = _fold(_START, _END)
    with pytest.raises(ProtocolError, match=f"yielded {type(event).__name__} after MessageEnd"):
        fold.feed(event)


def test_there_is_one_start() -> None:
    """Two answers in one stream are not one message."""
    with pytest.raises(ProtocolError, match="yielded MessageStart twice"):
        _fold(_START, TextDelta(0, "a"), _START)


_FITTING = {("text", "text"), ("text", "citation"), ("citation", "text"), ("citation", "citation")} | {
    ("reasoning", "reasoning"),
    ("call start", "call"),
}


@pytest.mark.parametrize("second", _STREAMED)
@pytest.mark.parametrize("first", [name for name in _STREAMED if name != "call"])
def test_a_part_keeps_its_kind(first: str, second: str) -> None:
    """Each pair of events with one index either belongs together or is refused, in either order."""
    fold = _fold(_START, _STREAMED[first])
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
        _fold(_START, ToolCallDelta(0, "{}"))


@pytest.mark.parametrize(
    "event",
    [ToolRunStart(ToolCall("1", "f")), ReplyEnd(Reply((), (), None)), None, "text", {"type": "text"}],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_event_of_a_backend_is_refused(event: Any) -> None:
    """What only the session adds, and what is no event at all, is named as the backend's mistake."""
    with pytest.raises(ProtocolError, match=f"yielded {type(event).__name__} which is no event of a backend"):
        _fold(_START, event)


# --- arguments -------------------------------------------------------------------------------------------------------


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
    assert _message(ToolCallStart(0, "1", "f"), ToolCallDelta(0, text)).parts == (ToolCall("1", "f", {}, text),)


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
    message = _message(ToolCallStart(0, "1", "f"), *(ToolCallDelta(0, piece) for piece in pieces))
    assert message.tool_calls == (ToolCall("1", "f", arguments),)


def test_arguments_cut_at_every_character_are_the_same() -> None:
    """At each of the places, and at all of them at once: escapes, numbers and characters beyond 16 bits included."""
    arguments = {'a"b': "é😀\n\\", "numbers": [1.5e-7, -0.25, 12345678901234567890], "deep": {"x": [{}, None, True]}}
    for written in (json.dumps(arguments), json.dumps(arguments, ensure_ascii=False)):
        rows = [[written[:place], written[place:]] for place in range(len(written) + 1)]
        for row in [*rows, list(written)]:
            message = _message(ToolCallStart(0, "1", "f"), *(ToolCallDelta(0, piece) for piece in row))
            assert message.tool_calls == (ToolCall("1", "f", arguments),)


def test_every_beginning_of_arguments_is_invalid() -> None:
    """Cut short anywhere, an object is no object; only the whole is run."""
    written = '{"path": "/", "depth": 12}'
    for end in range(1, len(written)):
        assert parse_arguments(written[:end]) == ({}, written[:end])


# --- cost ------------------------------------------------------------------------------------------------------------


def test_a_long_message_costs_its_length() -> None:
    """Pieces are kept and joined once: none is copied again for each that follows."""
    fold = _fold(_START)
    for _ in range(50_000):
        fold.feed(TextDelta(0, "word "))
    [pieces] = fold._open.values()
    assert len(pieces.pieces) == 50_000
    fold.feed(_END)
    assert len(fold.message().text) == 250_000
