"""A whole message as events: for backends whose service answers in one piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chatport._events import (
    BackendEvent,
    CitationDelta,
    MessageEnd,
    MessageStart,
    PartEnd,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from chatport._messages import Message, Part, Reasoning, Text, ToolCall

if TYPE_CHECKING:
    from chatport._adjustments import Adjustment
    from chatport._events import StopReason


def events_from(
    message: Message,
    *,
    model: str,
    stop_reason: StopReason | None = None,
    raw_stop_reason: str | None = None,
    usage: Usage | None = None,
    request_id: str | None = None,
    adjustments: tuple[Adjustment, ...] = (),
    metadata: dict[str, Any] | None = None,
) -> Iterator[BackendEvent]:
    """Return the events of a message that is there as a whole; folded, they give the message back.

    Args:
        message: What the model said.
        model: Who said it.
        stop_reason: By default `"tool_calls"` where the message has calls, else `"stop"`.
        raw_stop_reason: The service's own word.
        usage: What it cost, in tokens.
        request_id: The service's id of the request.
        adjustments: What could not be said as asked.
        metadata: JSON values keyed by backend name.
    """
    yield MessageStart(model, request_id, adjustments)
    for index, part in enumerate(message.parts):
        yield from _part_events(index, part)
    reason: StopReason = stop_reason or ("tool_calls" if message.tool_calls else "stop")
    yield MessageEnd(reason, raw_stop_reason, usage or Usage(), metadata or {})


def _part_events(index: int, part: Part) -> Iterator[BackendEvent]:
    match part:
        case Text(text, citations, metadata=metadata) if not metadata:
            for citation in citations:
                yield CitationDelta(index, citation)
            yield TextDelta(index, text)
        case Reasoning(text, signature, redacted, metadata=metadata):
            yield ReasoningDelta(index, text, metadata, signature, redacted)
        case ToolCall(id_, name, arguments, None, executed_by, metadata=metadata):
            yield ToolCallStart(index, id_, name, executed_by, metadata)
            yield ToolCallDelta(index, json.dumps(arguments, ensure_ascii=False))
        case _:
            # A call marked invalid goes whole too: its text may be empty, which as a delta means no arguments.
            yield PartEnd(index, part)
