"""The ids of calls: a model may give one id to two calls of a message, and a result could not say which it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chatport._adjustments import Adjustment
from chatport._messages import Message, Part, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable


class CallIds:
    """Ids that are taken, and others in their place."""

    def __init__(self, taken: Iterable[str]) -> None:
        """Begin with the ids that are taken."""
        self._taken = set(taken)
        self._last: dict[str, int] = {}  # the number of the newest one, by the id that it stands for

    def another(self, taken: str) -> str:
        """Return an id that is free, made from one that is not; it is taken from now on."""
        number = self._last.get(taken, 1) + 1
        while (fresh := f"{taken}-{number}") in self._taken:
            number += 1
        self._last[taken] = number
        self._taken.add(fresh)
        return fresh


def with_distinct_ids(message: Message) -> tuple[Message, tuple[Adjustment, ...]]:
    """Return a message of the model's whose open calls have an id each, and a note of each that got another one.

    The first call keeps its id. A message in which no id stands twice comes back as it is.
    """
    calls = message.tool_calls
    if len(calls) < 2 or len({call.id for call in calls}) == len(calls):  # noqa: PLR2004 - two can be the same
        return message, ()
    ids = CallIds(part.id for part in message.parts if isinstance(part, (ToolCall, ToolResult)))
    seen: set[str] = set()
    parts: list[Part] = []
    notes: list[Adjustment] = []
    for position, part in enumerate(message.parts):
        kept = part
        if isinstance(part, ToolCall) and part.executed_by == "client":
            if part.id in seen:
                kept = replace(part, id=ids.another(part.id))
                text = f"the id {part.id!r} stands twice in the answer: this call and its result are {kept.id!r} now"
                notes.append(Adjustment("renamed", "duplicate-call-id", f"message.parts[{position}]", text))
            seen.add(part.id)
        parts.append(kept)
    return replace(message, parts=tuple(parts)), tuple(notes)
