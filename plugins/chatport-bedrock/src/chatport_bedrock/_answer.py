"""What an answer says besides its content: why it stopped, what it cost, and what this decoder does not know."""

from collections.abc import Mapping
from typing import Any, Final

from chatport.backend import MessageEnd, StopReason, Usage
from chatport.backend.translation import UnknownContent, is_object

__all__ = ["STOP_REASONS", "message_end", "usage_of"]

STOP_REASONS: Final[dict[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "model_context_window_exceeded": "context_window",
    "malformed_model_output": "other",
    "malformed_tool_use": "other",
}
"""Source: the enum `StopReason` of the service model of Bedrock Runtime."""

_MAX_LATENCY: Final = 1e9  # milliseconds: eleven days


def message_end(stop_reason: object, members: Mapping[str, Any], unknown: UnknownContent) -> MessageEnd:
    """Return the end of a message.

    Args:
        stop_reason: `stopReason` as it came.
        members: What else the answer says about itself: `usage` and `metrics`, and what goes into the metadata as it
            is (`trace`, `serviceTier`, `additionalModelResponseFields` …).
        unknown: What was found besides.
    """
    raw = stop_reason if isinstance(stop_reason, str) else None
    facts = {name: value for name, value in members.items() if name != "usage" or not is_object(value)}
    facts |= unknown.metadata()
    return MessageEnd(
        STOP_REASONS.get(raw or "", "other"),
        raw,
        usage_of(members.get("usage")),
        {"bedrock": facts} if facts else {},
        _service_seconds(members.get("metrics")),
    )


def usage_of(usage: object) -> Usage:
    """Return what an exchange cost.

    The service counts in `inputTokens` what was neither read from a cache nor written to one; here the input is all of
    it. `totalTokens` is the service's own sum, and includes the cached tokens too.
    """
    if not is_object(usage):
        return Usage(complete=False)
    read, written = _count(usage, "cacheReadInputTokens"), _count(usage, "cacheWriteInputTokens")
    fresh, output = _count(usage, "inputTokens"), _count(usage, "outputTokens")
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        total_tokens=_count(usage, "totalTokens"),
        complete=fresh is not None and output is not None,
        raw=usage,
    )


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _service_seconds(metrics: object) -> float | None:
    latency = metrics.get("latencyMs") if is_object(metrics) else None
    if not isinstance(latency, (int, float)) or isinstance(latency, bool):
        return None
    # No exchange takes longer than this; JSON can say numbers that are no time, and integers that no float can hold.
    return latency / 1000 if 0 <= latency <= _MAX_LATENCY else None
