"""Replies, costs and errors in words for people, or as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chatport import (
    AuthenticationError,
    BackendError,
    BrokenBackendError,
    ChatError,
    ConfigurationError,
    ConflictError,
    ContextWindowError,
    PermissionDeniedError,
    StreamInterruptedError,
    UnknownBackendError,
    dump_messages,
)
from chatport.cli._errors import CommandError, OutputError

if TYPE_CHECKING:
    from chatport import Adjustment, Reply, StopReason, Timing, Usage

_OPTIONS_HINT = "-m backend:model says whom to ask, -o KEY=VALUE sets an option of the backend"
_CUT: dict[StopReason, str] = {
    "length": "it reached the limit of tokens (--max-tokens raises it)",
    "content_filter": "the service's filter stopped it",
    "context_window": "the context window is full",
    "tool_calls": "the model asks for tools, and there are none",
    "other": "the service gives no reason that is known",
}


def describe_error(error: BaseException) -> tuple[str, str | None]:
    """Return what went wrong and what to do about it, as far as somebody can do something."""
    match error:
        case CommandError():
            hint = error.hint
        case BackendError():
            hint = _backend_hint(error)
        case UnknownBackendError():
            hint = "`chatport backends` lists what is installed"
        case BrokenBackendError():
            hint = "--debug shows where it breaks"
        case ConfigurationError():
            hint = _OPTIONS_HINT
        case ConflictError():
            hint = "ask again: the session is read anew"
        case ChatError() | OutputError():
            hint = None
        case _:
            return f"{type(error).__name__}: {error}", "--debug shows where it comes from"
    return str(error), hint


def _backend_hint(error: BackendError) -> str | None:
    match error:
        case AuthenticationError() | PermissionDeniedError():
            return _OPTIONS_HINT
        case ContextWindowError():
            return "ask less, or attach less"
        case StreamInterruptedError():
            return "the answer is incomplete: ask again"
        case _ if error.retry_after is not None:
            return f"the service asks to wait {error.retry_after:g} s"
        case _ if error.retryable:
            return "this may pass: ask again"
        case _:
            return None


def describe_adjustment(adjustment: Adjustment) -> str:
    """Return what a backend could not say as asked."""
    return f"{adjustment.kind} {adjustment.path}: {adjustment.message} ({adjustment.code})"


def describe_cut(reply: Reply) -> str | None:
    """Return why the answer is none that the model ended itself, or None: a cut must not pass for a short answer."""
    reason = _CUT.get(reply.stop_reason)
    if reason is None:
        return None
    raw = reply.raw_stop_reason
    return f"the answer is cut: {reason}" + (f" [{raw}]" if raw is not None else "")


def describe_usage(usage: Usage) -> str:
    """Return what was spent, in tokens."""
    known = (
        (usage.input_tokens, "input", ((usage.cache_read_tokens, "from"), (usage.cache_write_tokens, "into"))),
        (usage.output_tokens, "output", ()),
    )
    rows = [f"{_tokens(count, kind)}{_cached(details)}" for count, kind, details in known]
    if usage.reasoning_tokens:
        rows[1] += f" ({usage.reasoning_tokens} of them reasoning)"
    return ", ".join(rows) + ("" if usage.complete else " (and more that nobody reported)")


def _tokens(count: int | None, kind: str) -> str:
    return f"{kind} tokens not reported" if count is None else f"{count} {kind} token{'' if count == 1 else 's'}"


def _cached(details: tuple[tuple[int | None, str], ...]) -> str:
    said = [f"{count} {way} a cache" for count, way in details if count]
    return f" ({', '.join(said)})" if said else ""


def describe_timing(timing: Timing) -> str:
    """Return how long it took."""
    details: list[str] = []
    if timing.first_event is not None:
        details.append(f"first event after {describe_seconds(timing.first_event)}")
    if timing.service is not None:
        details.append(f"the service says {describe_seconds(timing.service)}")
    return describe_seconds(timing.total) + (f" ({', '.join(details)})" if details else "")


def describe_seconds(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    digits = 0 if seconds >= 0.01 else 1  # noqa: PLR2004 - below it a tenth of a millisecond tells
    return f"{seconds * 1000:.{digits}f} ms"


def reply_json(reply: Reply) -> str:
    """Return a reply as one line of JSON, in ASCII; `messages` is the form that `load_messages` reads."""
    record: dict[str, Any] = {
        "text": reply.text,
        "stop_reason": reply.stop_reason,
        "raw_stop_reason": reply.raw_stop_reason,
        "model": reply.model,
        "request_id": reply.request_id,
        "usage": asdict(reply.usage),
        "timing": asdict(reply.timing),
        "adjustments": [asdict(adjustment) for adjustment in reply.adjustments],
        "messages": json.loads(dump_messages(reply.messages)),
        "metadata": reply.metadata,
    }
    return json.dumps(record, allow_nan=False)
