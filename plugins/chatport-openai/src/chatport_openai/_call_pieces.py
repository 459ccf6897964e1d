"""Calls of tools in an answer, whole or in fragments, as events.

Servers disagree on nearly everything: whether fragments carry an index, whether ids and names are repeated, emptied or
null in later ones, and whether several whole calls come in one piece. What was set is never overwritten with nothing,
and a call with another id at a used index is another call.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatport.backend import BackendEvent, Opaque, PartEnd, ToolCallDelta, ToolCallStart, parse_arguments
from chatport.backend.translation import is_object
from chatport_openai._answer import Facts

__all__ = ["Calls"]

_BACKEND: Final = "openai"
_KNOWN: Final = frozenset({"custom", "function", "id", "index", "type"})


@dataclass(slots=True)
class _Call:
    """A call as far as it has come."""

    id: str = ""
    name: str = ""
    part: int | None = None
    pieces: list[str] = field(default_factory=list[str])
    said: int = 0
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    custom: dict[str, Any] | None = None

    def is_whole(self) -> bool:
        text = "".join(self.pieces)
        return bool(text.strip()) and parse_arguments(text)[1] is None


class Calls:
    """The calls of one message."""

    def __init__(
        self, indices: Iterator[int], facts: Facts, *, server: str, names: Mapping[str, str], pattern: str | None
    ) -> None:
        """Start a message.

        Args:
            indices: The indices of the parts.
            facts: What there is no place for goes there.
            server: Whose calls these are: what else they carry goes back there only.
            names: The caller's names of tools by those on the wire, where they differ.
            pattern: What ids look like; others get a mark, by which they go back as they came. None for anything.
        """
        self._indices = indices
        self._facts = facts
        self._server = server
        self._names = names
        self._pattern = pattern
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    @property
    def has_calls(self) -> bool:
        """Whether there are calls for the caller to run."""
        return any(call.part is not None for call in self._calls)

    def feed(self, entry: Mapping[str, Any], events: list[BackendEvent], *, is_whole: bool) -> None:
        """Take an entry of `tool_calls`: a fragment of a call, or a whole one.

        Args:
            entry: The entry.
            events: What is appended to.
            is_whole: Whether it is one of a whole answer, where each entry is a call.
        """
        function = entry.get("function")
        function = function if is_object(function) else {}
        index, call_id, name = entry.get("index"), _text(entry.get("id")), _text(function.get("name"))
        place = index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None
        call = None if is_whole else self._find(place, call_id, name)
        if call is None:
            call = _Call()
            self._calls.append(call)
        if place is not None:
            self._by_index[place] = call
        call.id, call.name = call.id or call_id, call.name or name
        custom = entry.get("custom")
        if is_object(custom) and (_text(custom.get("name")) or _text(custom.get("input"))):
            self._feed_custom(call, custom)
            return
        if extra := {key: value for key, value in entry.items() if key not in _KNOWN and value is not None}:
            self._feed_extra(call, extra)
        self._feed_arguments(call, function.get("arguments"), events)

    def feed_function(self, function: Mapping[str, Any], events: list[BackendEvent], *, is_whole: bool) -> None:
        """Take a `function_call`, the one call that messages had before there were several."""
        name = _text(function.get("name"))
        arguments = function.get("arguments")
        if name or arguments:
            self.feed({"index": 0, "function": {"name": name, "arguments": arguments}}, events, is_whole=is_whole)

    def finish(self, events: list[BackendEvent], seed: str) -> None:
        """Bring out what was held back.

        Args:
            events: What is appended to.
            seed: What tells this answer from others, for ids that the server leaves empty.
        """
        for position, call in enumerate(self._calls):
            if call.custom is not None:
                raw = {"id": call.id, "type": "custom", "custom": call.custom, **call.extra}
                events.append(PartEnd(next(self._indices), Opaque(_BACKEND, {"tool_calls": [raw]})))
            elif call.part is None and call.name:
                digest = hashlib.sha256(f"{seed} {position} {call.name}".encode(errors="surrogatepass")).hexdigest()
                call.id = call.id or f"call_{digest[:24]}"
                self._start(call, events)
                self._say_arguments(call, events, at_end=True)
            elif call.part is not None:
                self._say_arguments(call, events, at_end=True)
            else:
                self._facts.unknown.add(
                    {"tool_calls": {"id": call.id, "arguments": "".join(call.pieces), **call.extra}}
                )

    def _find(self, place: int | None, call_id: str, name: str) -> _Call | None:
        """The call that a fragment goes on with; None where it begins one."""
        if place is None:
            known = next((call for call in self._calls if call_id and call.id == call_id), None)
            if known is not None or call_id or not self._calls:
                return known
            last = self._calls[-1]
            return None if name and last.name else last
        call = self._by_index.get(place)
        if call is None:
            return None
        is_other = bool(call.id and call_id and call_id != call.id) or (not call_id and call.is_whole())
        return None if name and is_other else call

    def _feed_custom(self, call: _Call, custom: Mapping[str, Any]) -> None:
        before = call.custom or {"name": "", "input": ""}
        said = _text(custom.get("input"))
        call.custom = {**custom, "name": before["name"] or _text(custom.get("name")), "input": before["input"] + said}

    def _feed_extra(self, call: _Call, extra: dict[str, Any]) -> None:
        if call.part is None:
            call.extra |= extra
        else:
            self._facts.unknown.add({"tool_calls": {"id": call.id, **extra}})

    def _feed_arguments(self, call: _Call, arguments: object, events: list[BackendEvent]) -> None:
        # An object in place of its text is what servers mean that do not follow the format.
        piece = json.dumps(arguments, ensure_ascii=False) if is_object(arguments) else _text(arguments)
        if piece:
            call.pieces.append(piece)
        if call.part is None and call.id and call.name:
            self._start(call, events)
        self._say_arguments(call, events)

    def _say_arguments(self, call: _Call, events: list[BackendEvent], *, at_end: bool = False) -> None:
        """Bring out what there is of the arguments; what may still turn out to be `null` is held back."""
        if call.part is None or len(call.pieces) == call.said:
            return
        if call.said == 0:
            text = "".join(call.pieces).strip()
            # Groq: how some models call a tool that has no arguments.
            if text == "null" if at_end else "null".startswith(text):
                return
        events.append(ToolCallDelta(call.part, "".join(call.pieces[call.said :])))
        call.said = len(call.pieces)

    def _start(self, call: _Call, events: list[BackendEvent]) -> None:
        call.part = next(self._indices)
        is_plain = self._pattern is None or re.fullmatch(self._pattern, call.id) is not None
        mark: dict[str, Any] = {} if is_plain and not call.extra else {"server": self._server}
        mark |= {"call": call.extra} if call.extra else {}
        metadata = {_BACKEND: mark} if mark else {}
        events.append(ToolCallStart(call.part, call.id, self._names.get(call.name, call.name), metadata=metadata))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
