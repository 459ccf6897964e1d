"""Events in, a message out: the only place that accumulates.

Pieces are kept in lists and joined once, so the cost is linear. Parts are ordered by index, so pieces of different
parts may interleave. What is broken is kept and marked, never repaired: arguments that are no JSON object stay as
`invalid_json`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal, Never, TypeAlias, TypeVar, cast, get_args

from chatport._errors import ProtocolError, StreamInterruptedError
from chatport._events import (
    BackendEvent,
    CitationDelta,
    MessageEnd,
    MessageStart,
    PartEnd,
    ReasoningDelta,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from chatport._json import join_halves, parse_json
from chatport._messages import PART_TYPES, Citation, Message, Part, Reasoning, Text, ToolCall

# In JSON text an escape says the same and can be sent.
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class _TextPieces:
    pieces: list[str] = field(default_factory=list[str])
    citations: list[Citation] = field(default_factory=list[Citation])

    def part(self) -> Text:
        return Text(join_halves("".join(self.pieces)), tuple(self.citations))


@dataclass(slots=True)
class _ReasoningPieces:
    pieces: list[str] = field(default_factory=list[str])
    signature: list[str] = field(default_factory=list[str])
    redacted: list[bytes] = field(default_factory=list[bytes])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def part(self) -> Reasoning:
        return Reasoning(
            join_halves("".join(self.pieces)),
            "".join(self.signature) if self.signature else None,
            b"".join(self.redacted) if self.redacted else None,
            metadata=dict(self.metadata),  # a snapshot must not change with what comes later
        )


@dataclass(slots=True)
class _ToolCallPieces:
    id: str
    name: str
    executed_by: Literal["client", "server"]
    metadata: dict[str, Any]
    pieces: list[str] = field(default_factory=list[str])

    def part(self) -> ToolCall:
        arguments, invalid = parse_arguments(join_halves("".join(self.pieces)))
        return ToolCall(self.id, self.name, arguments, invalid, self.executed_by, metadata=dict(self.metadata))


_Pieces: TypeAlias = _TextPieces | _ReasoningPieces | _ToolCallPieces
_Streamed = TypeVar("_Streamed", _TextPieces, _ReasoningPieces)


def parse_arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """Return a call's arguments from JSON text, and the text itself where it is no JSON object.

    No text at all is an empty object: models that call a tool without arguments may send nothing. What readers of
    JSON take in different ways (NaN, a name given twice, a number out of range) or not at all (deep nesting, half of a
    surrogate pair, which no request could send back) is no object to be run either.
    """
    if not text.strip():
        return {}, None
    try:
        value = parse_json(text)
    except ValueError:
        return {}, text
    if not isinstance(value, dict):
        return {}, text
    if not _is_unicode(value):
        return {}, _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    return cast("dict[str, Any]", value), None


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


_STOP_REASONS: tuple[str, ...] = get_args(StopReason)


class Fold:
    """Folds the events of one step into a message.

    Feed it each event in order; it checks their order and returns the parts that a `MessageEnd` completes.

    Attributes:
        start: The step's `MessageStart`, once it has come.
        end: The step's `MessageEnd`, once it has come.
    """

    def __init__(self, *, backend: str | None = None) -> None:
        """Start empty.

        Args:
            backend: The backend's name, for errors.
        """
        self._backend = backend
        self._open: dict[int, _Pieces] = {}
        self._whole: dict[int, Part] = {}
        self.start: MessageStart | None = None
        self.end: MessageEnd | None = None

    def feed(self, event: BackendEvent) -> tuple[PartEnd, ...]:
        """Take one event; return the streamed parts that it completes.

        Raises:
            ProtocolError: The event cannot stand at this place.
        """
        if self.end is not None:
            raise self._misplaced(event, "after MessageEnd")
        if self.start is None and not isinstance(event, MessageStart):
            raise self._misplaced(event, "before MessageStart")
        match event:
            case TextDelta(index, text):
                self._check(event, text, str)
                self._pieces(event, _TextPieces).pieces.append(text)
            case ToolCallDelta(index, piece):
                self._check(event, piece, str)
                self._call_pieces(event, index).pieces.append(piece)
            case ReasoningDelta():
                self._feed_reasoning(event)
            case CitationDelta(index, citation):
                self._check(event, citation, Citation)
                self._pieces(event, _TextPieces).citations.append(citation)
            case ToolCallStart(index, id_, name, executed_by, metadata):
                self._claim(event, index)
                self._check(event, id_, str)
                self._check(event, name, str)
                self._check(event, metadata, dict)
                self._open[index] = _ToolCallPieces(id_, name, executed_by, dict(metadata))
            case PartEnd(index, part):
                self._claim(event, index)
                self._check(event, part, PART_TYPES)
                self._whole[index] = part
            case MessageStart():
                if self.start is not None:
                    raise self._misplaced(event, "twice")
                self.start = event
            case MessageEnd():
                return self._finish(event)
            case _:
                unknown: Never = event  # type checkers see a forgotten event here, callers a backend's mistake
                raise self._misplaced(unknown, "which is no event of a backend")
        return ()

    def feed_delta(self, event: BackendEvent) -> bool:
        """Take an event that does nothing but go on with a part that has begun, as nearly all do.

        Returns:
            Whether it was taken; any other event is left for `feed`, and nothing has changed.
        """
        # One of these for every token, so in as few steps as possible. `MessageEnd` empties what is open.
        if type(event) is TextDelta:
            index, text = event.index, event.text
            if type(index) is int and type(text) is str and type(pieces := self._open.get(index)) is _TextPieces:
                pieces.pieces.append(text)
                return True
        elif type(event) is ToolCallDelta:
            index, text = event.index, event.json
            if type(index) is int and type(text) is str and type(pieces := self._open.get(index)) is _ToolCallPieces:
                pieces.pieces.append(text)
                return True
        elif type(event) is ReasoningDelta and event.signature is None and event.redacted is None:
            index, text = event.index, event.text
            is_plain = type(index) is int and type(text) is str and event.metadata == {}
            if is_plain and type(pieces := self._open.get(index)) is _ReasoningPieces:
                pieces.pieces.append(text)
                return True
        return False

    def message(self) -> Message:
        """Return the finished message.

        Raises:
            StreamInterruptedError: There was no `MessageEnd`.
        """
        return self.complete()[1]

    def complete(self) -> tuple[MessageStart, Message, MessageEnd]:
        """Return the finished message between its start and its end.

        Raises:
            StreamInterruptedError: There was no `MessageEnd`.
        """
        if self.start is None or self.end is None:
            raise self.unfinished()
        return self.start, self.snapshot(), self.end

    def snapshot(self) -> Message:
        """Return the message as far as it has come."""
        parts: dict[int, Part] = dict(self._whole)
        parts.update((index, pieces.part()) for index, pieces in self._open.items())
        return Message("assistant", tuple(parts[index] for index in sorted(parts)))

    def _finish(self, end: MessageEnd) -> tuple[PartEnd, ...]:
        self._check(end, end.usage, Usage)
        if end.stop_reason not in _STOP_REASONS:
            raise self._misplaced(end, f"with the stop reason {end.stop_reason!r}, which is not one of ours")
        self.end = end
        ended = {index: self._open[index].part() for index in sorted(self._open)}
        self._open.clear()
        self._whole.update(ended)
        return tuple(PartEnd(index, part) for index, part in ended.items())

    def _feed_reasoning(self, delta: ReasoningDelta) -> None:
        self._check(delta, delta.text, str)
        self._check(delta, delta.metadata, dict)
        pieces = self._pieces(delta, _ReasoningPieces)
        if delta.text:
            pieces.pieces.append(delta.text)
        if delta.signature is not None:
            self._check(delta, delta.signature, str)
            pieces.signature.append(delta.signature)
        if delta.redacted is not None:
            self._check(delta, delta.redacted, bytes)
            pieces.redacted.append(delta.redacted)
        for name, values in delta.metadata.items():
            present = pieces.metadata.get(name)
            both = isinstance(present, dict) and isinstance(values, dict)
            pieces.metadata[name] = {**present, **values} if both else values  # type: ignore[dict-item]

    def _pieces(self, event: TextDelta | ReasoningDelta | CitationDelta, kind: type[_Streamed]) -> _Streamed:
        present = self._open.get(event.index)
        if isinstance(present, kind):
            return present
        if present is not None or event.index in self._whole:
            message = f"the part with index {event.index} changes its kind within a message"
            raise ProtocolError(message, backend=self._backend, phase="stream")
        self._check(event, event.index, int)
        fresh = kind()
        self._open[event.index] = fresh
        return fresh

    def _call_pieces(self, event: ToolCallDelta, index: int) -> _ToolCallPieces:
        present = self._open.get(index)
        if isinstance(present, _ToolCallPieces):
            return present
        raise self._misplaced(event, "without a ToolCallStart")

    def _claim(self, event: BackendEvent, index: int) -> None:
        self._check(event, index, int)
        if index in self._open or index in self._whole:
            raise self._misplaced(event, f"for the index {index}, which is taken")

    def _check(self, event: BackendEvent, value: object, kind: type | tuple[type, ...]) -> None:
        """Refuse what would break in the middle of a message, or in a part of it that somebody looks at later."""
        if not isinstance(value, kind):
            raise self._misplaced(event, f"with a value of the type {type(value).__name__}")

    def unfinished(self) -> StreamInterruptedError:
        """Return the error that events without an end stand for."""
        message = "the stream ended before the message did"
        return StreamInterruptedError(message, backend=self._backend, phase="stream")

    def _misplaced(self, event: BackendEvent, where: str) -> ProtocolError:
        message = f"the backend yielded {type(event).__name__} {where}"
        return ProtocolError(message, backend=self._backend, phase="stream")
