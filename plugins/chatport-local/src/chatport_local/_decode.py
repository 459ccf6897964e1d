"""Pieces of an answer, as the engine passes them on, decoded to events."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from chatport.backend import (
    Adjustment,
    BackendEvent,
    MessageEnd,
    MessageStart,
    ProtocolError,
    ReasoningDelta,
    StopReason,
    StreamInterruptedError,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from chatport_local._grammar import ARGUMENTS, NAME, parse_call
from chatport_local._models import BACKEND

if TYPE_CHECKING:
    from chatport_local._grammar import Form
    from chatport_local._translate import Translation

_HEAD: Final = re.compile(re.escape(NAME) + r'("(?:[^"\\]|\\.)*")' + re.escape(ARGUMENTS))
_KNOWN_DELTAS: Final = frozenset({"role", "content", "reasoning_content"})
_STOP_REASONS: Final[Mapping[str, StopReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}


class ChunkDecoder:
    """Decodes one answer.

    Attributes:
        usage: What the engine counted; nothing before the end.
        text: What the model wrote, as far as it has come.
    """

    def __init__(
        self,
        model: str,
        *,
        adjustments: tuple[Adjustment, ...] = (),
        form: Form | None = None,
        is_loose: bool = False,
        context_size: int | None = None,
        spent: Usage | None = None,
        has_stops: bool = False,
    ) -> None:
        """Begin.

        Args:
            model: The model, for the first event.
            adjustments: For the first event.
            form: What the answer has to look like.
            is_loose: Whether blanks may stand in it anywhere, so that a call can only be read as a whole.
            context_size: How many tokens a conversation may have: an answer that fills it has come to its end.
            spent: What was spent on the request before this answer.
            has_stops: Whether there are sequences that end an answer; the engine does not say when one has.
        """
        self._has_begun = False
        self.usage = Usage()
        self.text = ""
        self._model = model
        self._adjustments = adjustments
        self._form = form
        self._context_size = context_size
        self._spent = spent
        self._has_stops = has_stops
        reader = _WholeCallReader if is_loose else _CallReader
        self._call = reader() if form is not None and form.tools else None
        self._index = -1
        self._open: Literal["text", "reasoning"] | None = None
        self._request_id: str | None = None
        self._finish: str | None = None
        self._metadata: dict[str, Any] = {}
        self._seconds: float | None = None

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[BackendEvent]:
        """Take one piece and yield the events in it; progress of reading the prompt has none.

        Raises:
            ProtocolError: It is none that can be read.
        """
        try:
            yield from self._feed(chunk)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise self._unreadable(f"a piece of the answer cannot be read: {error!r}") from error

    def _feed(self, chunk: Mapping[str, Any]) -> Iterator[BackendEvent]:
        self._request_id = self._request_id or chunk.get("id")
        if chunk.get("usage"):
            self.usage = _usage(chunk["usage"])
        if chunk.get("timings"):
            timings = chunk["timings"]
            self._metadata["timings"] = dict(timings)
            self._seconds = (timings.get("prompt_ms", 0) + timings.get("predicted_ms", 0)) / 1000
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            yield from self._deltas(delta)
            self._finish = choice.get("finish_reason") or self._finish

    def _deltas(self, delta: Mapping[str, Any]) -> Iterator[BackendEvent]:
        unknown = {name: value for name, value in delta.items() if name not in _KNOWN_DELTAS and value is not None}
        if unknown:
            self._metadata.setdefault("unknown_deltas", []).append(unknown)
        thought, said = delta.get("reasoning_content"), delta.get("content")
        if thought:
            yield from self._begin()
            yield ReasoningDelta(self._part("reasoning"), thought, {BACKEND: {"model": self._model}})
        if said:
            yield from self._begin()
            self.text += said
            if self._call is not None:
                yield from self._call.feed(said)
            else:
                yield TextDelta(self._part("text"), said)

    def finish(self) -> Iterator[BackendEvent]:
        """Yield the events of the end.

        Raises:
            StreamInterruptedError: The answer has no end.
            ProtocolError: The answer is not what it had to be; everything in it has been yielded.
        """
        if self._finish is None:
            message = "the engine has ended an answer without saying why"
            raise StreamInterruptedError(message, backend=BACKEND, model=self._model, phase="stream", retryable=False)
        is_whole = self._finish == "stop"
        if self._call is not None:
            yield from self._call.finish(is_whole=is_whole)
        if self._form is not None and is_whole:
            misfit = self._form.find_misfit(self.text)
            if misfit is not None:
                hint = "; one of the stop_sequences may have cut it" if self._has_stops else ""
                raise self._unreadable(f"the answer is not what was asked for ({self._form.path}): {misfit}{hint}")
        yield from self._begin()
        usage = self.usage if self._spent is None else self._spent + self.usage
        metadata = {BACKEND: self._metadata} if self._metadata else {}
        yield MessageEnd(self._stop_reason(), self._finish, usage, metadata, self._seconds)

    def _begin(self) -> Iterator[BackendEvent]:
        if not self._has_begun:
            self._has_begun = True
            yield MessageStart(self._model, self._request_id, self._adjustments)

    def _part(self, kind: Literal["text", "reasoning"]) -> int:
        if self._open != kind:
            self._open = kind
            self._index += 1
        return self._index

    def _stop_reason(self) -> StopReason:
        found = _STOP_REASONS.get(self._finish or "", "other")
        if found == "stop" and self._call is not None:
            return "tool_calls"
        total, size = self.usage.total_tokens, self._context_size
        if found == "length" and total is not None and size is not None and total >= size:
            return "context_window"
        return found

    def _unreadable(self, message: str) -> ProtocolError:
        return ProtocolError(message, backend=BACKEND, model=self._model, phase="stream")


class _CallReader:
    """Reads `{"name":"…","arguments":…}` as it comes: arguments are passed on as soon as they are there."""

    def __init__(self) -> None:
        self._head = ""
        self._is_open = False
        self._held = ""

    def feed(self, piece: str) -> Iterator[BackendEvent]:
        """Yield what a piece says of the call."""
        if not self._is_open:
            self._head += piece
            match = _HEAD.match(self._head)
            if match is None:
                return
            self._is_open = True
            yield ToolCallStart(0, _call_id(), json.loads(match[1]))
            piece = self._head[match.end() :]
        # The last brace closes the call and not its arguments; which one is the last is seen at the end.
        passed = self._held + piece
        self._held = "}" if passed.endswith("}") else ""
        passed = passed.removesuffix("}")
        if passed:
            yield ToolCallDelta(0, passed)

    def finish(self, *, is_whole: bool) -> Iterator[BackendEvent]:
        """Yield what was held back where the call is cut: no brace was the last one."""
        if not is_whole and self._held:
            yield ToolCallDelta(0, self._held)


class _WholeCallReader:
    """Reads a call that may have blanks anywhere: it is passed on when it is whole."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, piece: str) -> Iterator[BackendEvent]:
        """Keep a piece."""
        self._text += piece
        yield from ()

    def finish(self, *, is_whole: bool) -> Iterator[BackendEvent]:
        """Yield the call, where it is one; what was cut short names no tool that could be called."""
        call = parse_call(self._text) if is_whole else None
        if call is not None:
            yield ToolCallStart(0, _call_id(), call[0])
            yield ToolCallDelta(0, json.dumps(call[1], ensure_ascii=False))


def whole_call(translation: Translation, call: tuple[str, Mapping[str, Any]], usage: Usage) -> Iterator[BackendEvent]:
    """Yield the events of an answer that is one call, which is there already."""
    name, arguments = call
    yield MessageStart(translation.model, adjustments=translation.adjustments)
    yield ToolCallStart(0, _call_id(), name)
    yield ToolCallDelta(0, json.dumps(arguments, ensure_ascii=False))
    yield MessageEnd("tool_calls", "stop", usage)


def _call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _usage(raw: Mapping[str, Any]) -> Usage:
    details = raw.get("prompt_tokens_details") or {}
    return Usage(
        raw.get("prompt_tokens"),
        raw.get("completion_tokens"),
        cache_read_tokens=details.get("cached_tokens"),
        total_tokens=raw.get("total_tokens"),
        raw=dict(raw),
    )
