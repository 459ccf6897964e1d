"""The answer as the caller asked for it: tools by the caller's names, and the call that is the answer as text.

Ids of calls come as the service issued them. One that does not look like it gets a mark, by which it goes back as it
came.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

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
)
from chatport._messages import Text, ToolCall

_CallT = TypeVar("_CallT", ToolCall, ToolCallStart)
_UNCHANGED: Final[frozenset[type]] = frozenset({CitationDelta, MessageStart, ReasoningDelta, TextDelta})
_WHOLE: Final[frozenset[StopReason]] = frozenset({"stop", "tool_calls"})


class Restorer:
    """Undoes on the way back what translating did to names, event by event; one for each answer.

    Where the answer is a call, its input comes out as text, piece by piece, and the message ends as one that was said
    in words: so it stays valid in a history, for any other model too.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        *,
        backend: str,
        answer_tool: str | None = None,
        way: str | None = None,
        is_plain_id: Callable[[str], bool] | None = None,
    ) -> None:
        """Begin an answer.

        Args:
            names: The caller's names of tools by those on the wire, where they differ.
            backend: The name of the backend, which is the key of its metadata.
            answer_tool: The tool whose call is the answer.
            way: How the answer was asked for, for the metadata.
            is_plain_id: Whether an id of a call goes back as it is without a mark; None for any.
        """
        self._names = names or {}
        self._backend = backend
        self._answer_tool = answer_tool
        self._way = way
        self._is_plain_id = is_plain_id
        # By index: the input so far where it may still turn out to be empty, None once something has come out.
        self._answers: dict[int, str | None] = {}
        self._has_calls = False

    def feed(self, event: BackendEvent) -> Iterable[BackendEvent]:
        """Take one event; return those that the caller is to see in its place, in nearly all cases itself."""
        kind = type(event)
        if kind in _UNCHANGED or (kind is MessageEnd and not self._answers and self._way is None):
            return (event,)
        return self._feed_other(event)

    def _feed_other(self, event: BackendEvent) -> Iterator[BackendEvent]:
        match event:
            case ToolCallStart(index=index, name=name):
                if name == self._answer_tool:
                    self._answers[index] = ""
                    return
                self._has_calls |= event.executed_by == "client"
                yield self._restored(event)
            case ToolCallDelta(index=index, json=piece) if index in self._answers:
                yield from self._answer(index, piece)
            case PartEnd(index=index, part=ToolCall() as call):
                yield self._whole_call(index, call, event)
            case MessageEnd():
                yield from self._end(event)
            case _:
                yield event

    def _answer(self, index: int, piece: str) -> Iterator[BackendEvent]:
        held = self._answers[index]
        if held is None:
            yield TextDelta(index, piece)
            return
        # An empty object is what a call looks like that was cut short, in an answer that comes whole.
        held += piece
        is_empty = "".join(held.split()) in {"", "{", "{}"}
        self._answers[index] = held if is_empty else None
        if not is_empty:
            yield TextDelta(index, held)

    def _whole_call(self, index: int, call: ToolCall, event: PartEnd) -> BackendEvent:
        if call.name == self._answer_tool:
            self._answers[index] = None
            said = json.dumps(call.arguments, ensure_ascii=False) if call.invalid_json is None else call.invalid_json
            return PartEnd(index, Text(said))
        self._has_calls |= call.executed_by == "client"
        restored = self._restored(call)
        return event if restored is call else replace(event, part=restored)

    def _restored(self, call: _CallT) -> _CallT:
        """The call by the caller's name, and with a mark where its id alone does not tell who issued it."""
        if call.name in self._names:
            call = replace(call, name=self._names[call.name])
        if call.id and self._is_plain_id is not None and not self._is_plain_id(call.id):
            call = replace(call, metadata={self._backend: {}, **call.metadata})
        return call

    def _end(self, event: MessageEnd) -> Iterator[BackendEvent]:
        is_whole = event.stop_reason in _WHOLE
        for index, held in self._answers.items():
            if held is not None and (is_whole or held.strip() == "{"):
                yield TextDelta(index, held if held.strip() else "{}")
        if self._answers and not self._has_calls and event.stop_reason == "tool_calls":
            event = replace(event, stop_reason="stop")
        if self._way is not None:
            facts: dict[str, Any] = event.metadata.get(self._backend, {})
            event = replace(event, metadata={**event.metadata, self._backend: {**facts, "output": self._way}})
        yield event
