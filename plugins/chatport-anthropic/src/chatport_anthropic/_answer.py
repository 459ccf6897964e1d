"""What an answer says besides its content: why it stopped, what it cost, and what this decoder does not know."""

from collections.abc import Mapping
from typing import Any, Final

from chatport.backend import MessageEnd, StopReason, Usage
from chatport.backend.translation import UnknownContent, is_object

__all__ = ["STOP_REASONS", "merged_usage", "message_end", "usage_of"]

BACKEND: Final = "anthropic"

_PAUSED: Final = "pause_turn"
STOP_REASONS: Final[dict[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
    "model_context_window_exceeded": "context_window",
    # The service has stopped in the middle of its own tools: it goes on where it is sent what it has said so far.
    _PAUSED: "other",
}
"""Recorded, but for `refusal` and `model_context_window_exceeded`, which are documented."""


def message_end(facts: Mapping[str, Any], usage: object, unknown: UnknownContent) -> MessageEnd:
    """Return the end of a message.

    Args:
        facts: What the answer says about itself, `stop_reason` among it; what is null says nothing.
        usage: What it cost, in the service's words.
        unknown: What was found besides.
    """
    reason = facts.get("stop_reason")
    raw = reason if isinstance(reason, str) else None
    kept = {
        name: value for name, value in facts.items() if value is not None and (name != "stop_reason" or raw is None)
    }
    if is_object(usage) and usage.get("service_tier") is not None:
        kept.setdefault("service_tier", usage["service_tier"])
    kept |= unknown.metadata()
    return MessageEnd(
        STOP_REASONS.get(raw or "", "other"),
        raw,
        usage_of(usage),
        {BACKEND: kept} if kept else {},
        continues=raw == _PAUSED,
    )


def merged_usage(first: object, last: object) -> dict[str, Any] | None:
    """Return the usage of a stream: what its end says is cumulative, and wins where it says something."""
    if not is_object(first):
        return last if is_object(last) else None
    if not is_object(last):
        return first
    return {**first, **{name: value for name, value in last.items() if value is not None or name not in first}}


def usage_of(usage: object) -> Usage:
    """Return what an exchange cost.

    The service counts in `input_tokens` what was neither read from a cache nor written to one; here the input is all
    of it. It says no total.
    """
    if not is_object(usage):
        return Usage(complete=False)
    read, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    fresh, output = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    details = usage.get("output_tokens_details")
    whole = None if fresh is None else fresh + (read or 0) + (written or 0)
    return Usage(
        input_tokens=whole,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=_count(details, "thinking_tokens") if is_object(details) else None,
        total_tokens=None if whole is None or output is None else whole + output,
        complete=whole is not None and output is not None,
        raw=usage,
    )


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
