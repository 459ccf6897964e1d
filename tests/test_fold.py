"""What becomes of the events of an answer, in whatever order its parts come."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.folding import END, IMAGE, START, folded, message_of
from tests.strategies import citations, images, json_objects, metadata, pieces_of, texts

from chatport._events import (
    BackendEvent,
    CitationDelta,
    PartEnd,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from chatport._fold import Fold
from chatport._messages import Citation, Message, Opaque, Part, Reasoning, Text, ToolCall

# --- what becomes of events -------------------------------------------------------------------------------------------


def test_pieces_become_parts() -> None:
    """One of each: text with citations, signed and redacted reasoning, a call, a part that came whole."""
    message = message_of(
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
        PartEnd(4, IMAGE),
    )
    assert message == Message(
        "assistant",
        (
            Reasoning("The user asks.", "c2ln"),
            Reasoning(redacted=b"\x00\x01"),
            Text("It rains.", (Citation("first"), Citation("second"))),
            ToolCall("1", "add", {"a": 1}, None, "server", metadata={"echo": {"a": 1}}),
            IMAGE,
        ),
    )


def test_nothing_is_an_empty_message() -> None:
    """A model may end its turn without a word."""
    assert message_of() == Message("assistant", ())


def test_parts_stand_in_the_order_of_their_indices() -> None:
    """Whatever came first, and with gaps between the indices."""
    message = message_of(TextDelta(7, "last"), PartEnd(3, IMAGE), TextDelta(0, "first"))
    assert message.parts == (Text("first"), IMAGE, Text("last"))


def test_an_empty_piece_opens_a_part() -> None:
    """A service that sends a block with nothing in it gets it back with nothing in it."""
    assert message_of(TextDelta(0, ""), ReasoningDelta(1)).parts == (Text(""), Reasoning())


def test_an_empty_signature_is_a_signature() -> None:
    """None is no signature; an empty one is what the service said."""
    message = message_of(ReasoningDelta(0, signature="", redacted=b""))
    assert message.parts == (Reasoning("", "", b""),)


def test_a_signature_in_pieces_is_joined() -> None:
    """Signature and redacted bytes are appended, not replaced."""
    message = message_of(
        ReasoningDelta(0, signature="ab", redacted=b"1"), ReasoningDelta(0, signature="cd", redacted=b"2")
    )
    assert message.parts == (Reasoning("", "abcd", b"12"),)


def test_metadata_of_reasoning_is_merged() -> None:
    """Members are added by backend; a later one replaces an earlier one of its name."""
    message = message_of(
        ReasoningDelta(0, metadata={"echo": {"a": 1, "b": 1}, "other": {"x": 1}}),
        ReasoningDelta(0, metadata={"echo": {"b": 2, "c": 3}}),
    )
    assert message.parts[0].metadata == {"echo": {"a": 1, "b": 2, "c": 3}, "other": {"x": 1}}


def test_a_character_cut_between_two_pieces_is_one_character() -> None:
    """A service that counts in UTF-16 may cut an emoji in two."""
    assert message_of(TextDelta(0, "a\ud83d"), TextDelta(0, "\ude00b")).text == "a😀b"
    assert message_of(ReasoningDelta(0, "\ud83d"), ReasoningDelta(0, "\ude00")).reasoning == "😀"
    cut = message_of(ToolCallStart(0, "1", "f"), ToolCallDelta(0, '{"a": "\ud83d'), ToolCallDelta(0, '\ude00"}'))
    assert cut.tool_calls[0].arguments == {"a": "😀"}


def test_the_ends_are_kept() -> None:
    """Start and end stand on the fold, and `complete` gives them with the message."""
    fold = folded(START, TextDelta(0, "hi"), END)
    assert (fold.start, fold.end) == (START, END)
    assert fold.complete() == (START, Message.assistant("hi"), END)


def test_the_end_completes_the_streamed_parts() -> None:
    """The end returns each part that came in pieces, by index; those that came whole have been seen."""
    fold = folded(START, ToolCallStart(2, "1", "f"), PartEnd(1, IMAGE), TextDelta(0, "hi"))
    assert fold.feed(END) == (PartEnd(0, Text("hi")), PartEnd(2, ToolCall("1", "f")))


def test_other_events_complete_nothing() -> None:
    """Before the end no part is known to be complete."""
    fold = Fold()
    for event in (START, TextDelta(0, "a"), TextDelta(1, "b"), PartEnd(2, IMAGE), ToolCallStart(3, "1", "f")):
        assert fold.feed(event) == ()


# --- interleaving -----------------------------------------------------------------------------------------------------


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
    fold = folded(START)
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        fold.feed(queue.pop(0))
    fold.feed(END)
    assert fold.message() == Message("assistant", tuple(part for part, _ in streamed))


@given(st.lists(_streamed(), min_size=1, max_size=3), st.data())
def test_a_snapshot_stays_as_it_was(streamed: list[tuple[Part, list[BackendEvent]]], data: st.DataObject) -> None:
    """What was seen of a message on the way does not change when more comes."""
    events = [_placed(event, index) for index, (_, row) in enumerate(streamed) for event in row]
    cut = data.draw(st.integers(0, len(events)))
    fold = folded(START, *events[:cut])
    early = fold.snapshot()
    seen = repr(early), [repr(part.metadata) for part in early.parts]
    for event in [*events[cut:], END]:
        fold.feed(event)
    assert (repr(early), [repr(part.metadata) for part in early.parts]) == seen
    assert folded(START, *events[:cut]).snapshot() == early


def test_a_snapshot_keeps_its_metadata() -> None:
    """The same for metadata that a later piece adds to, down to the members of one backend."""
    fold = folded(START, ReasoningDelta(0, "a", {"echo": {"x": 1}}))
    early = fold.snapshot()
    fold.feed(ReasoningDelta(0, "b", {"echo": {"y": 2}, "other": {}}))
    assert early == Message.assistant(Reasoning("a", metadata={"echo": {"x": 1}}))
    assert fold.snapshot() == Message.assistant(Reasoning("ab", metadata={"echo": {"x": 1, "y": 2}, "other": {}}))


def test_an_event_is_not_changed_by_the_fold() -> None:
    """The same event goes to the caller as well."""
    marks = {"echo": {"x": 1}}
    start, delta = ToolCallStart(0, "1", "f", metadata=marks), ReasoningDelta(1, "a", {"echo": {"x": 1}})
    message_of(start, delta, ReasoningDelta(1, "b", {"echo": {"y": 2}}))
    assert start.metadata == delta.metadata == {"echo": {"x": 1}}
