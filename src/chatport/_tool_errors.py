"""Results that say why there is no other one, and results of calls that ran with other arguments than the model's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chatport._messages import NEUTRAL, Text, ToolResult, neutral_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatport._messages import ToolCall, ToolErrorKind

_INTERRUPTED = "Interrupted: this call was not run to its end."
_NOT_BEGUN = "Interrupted before this call was begun: it was not run."
_ABANDONED = "Interrupted: this call was begun, and nobody knows how far it came."


def error_result(call: ToolCall, text: str, kind: ToolErrorKind) -> ToolResult:
    """Return a result that tells the model what went wrong, and programs the kind of it."""
    return ToolResult(call.id, _sayable(text), is_error=True, metadata={NEUTRAL: {"error": kind}})


def interrupted_result(call: ToolCall) -> ToolResult:
    """Return what stands for the result of a call that was not run to its end; always the same."""
    return error_result(call, _INTERRUPTED, "interrupted")


def unbegun_result(call: ToolCall) -> ToolResult:
    """Return what stands for the result of a call that was certainly not run: whatever ended its turn came before."""
    return _interrupted(call, _NOT_BEGUN, begun=False)


def abandoned_result(call: ToolCall) -> ToolResult:
    """Return what stands for the result of a call that another worker has begun, and of which no more is known."""
    return _interrupted(call, _ABANDONED, begun=True)


def _interrupted(call: ToolCall, text: str, *, begun: bool) -> ToolResult:
    metadata = {NEUTRAL: {"error": "interrupted", "begun": begun}}
    return ToolResult(call.id, text, is_error=True, metadata=metadata)


def denied_result(call: ToolCall, reason: str) -> ToolResult:
    """Return what the model reads of a call that nobody allowed."""
    return error_result(call, f"Not run: this call was not allowed. {reason}".rstrip(), "denied")


def edited_result(result: ToolResult, arguments: Mapping[str, Any]) -> ToolResult:
    """Return a result that says what its call was run with in the place of the model's arguments."""
    said = f"The arguments of this call were changed before it ran, to {json.dumps(arguments, ensure_ascii=False)}"
    own = {**neutral_metadata(result.metadata), "arguments": dict(arguments)}
    metadata = {**result.metadata, NEUTRAL: own}
    return ToolResult(result.id, (Text(_sayable(said)), *result.content), result.is_error, metadata=metadata)


def _sayable(text: str) -> str:
    """Spell out what UTF-8 cannot say: the text may quote anything."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
