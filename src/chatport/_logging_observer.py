"""The first observer: what turns do, as records of the standard library's logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from chatport._errors import BackendError
from chatport._hook_specs import FailReason, TurnInfo, hookimpl

if TYPE_CHECKING:
    from chatport._messages import Message, ToolCall, ToolResult
    from chatport._reply import Partial, Step
    from chatport._request import ChatRequest


class LoggingObserver:
    """Logs turns: a record for each step, tool run and retry, and for each turn that did not reach its end.

    Each record has its facts as attributes too, for handlers that write JSON: `chatport_event` (`"step"`, `"tool_run"`,
    `"retry"` or `"turn_fail"`), `chatport_turn`, `chatport_backend` and `chatport_model` in all of them, and others by
    kind of event; values are str, numbers, bools, None, and lists of str.

    What people and models say is in none of them, nor is the text of an error, which may quote it: those stand in the
    records only if `content` is true.
    """

    def __init__(
        self, logger: logging.Logger | None = None, *, level: int = logging.INFO, content: bool = False
    ) -> None:
        """Choose where and what to log.

        Args:
            logger: Where to; by default the logger `chatport.turns`.
            level: At which level; retries and errors are logged at WARNING where that is higher.
            content: Whether to log what is said: texts, arguments and results of tools, texts of errors.
        """
        self._logger = logger or logging.getLogger("chatport.turns")
        self._level = level
        self._content = content

    @hookimpl
    def chatport_step_end(self, turn: TurnInfo, request: ChatRequest, step: Step) -> None:
        """Log an answer: what it cost, how long it took, why it stopped."""
        facts: dict[str, Any] = {
            "model_answered": step.model,
            "request_id": step.request_id,
            "stop_reason": step.stop_reason,
            "raw_stop_reason": step.raw_stop_reason,
            "input_tokens": step.usage.input_tokens,
            "output_tokens": step.usage.output_tokens,
            "cache_read_tokens": step.usage.cache_read_tokens,
            "cache_write_tokens": step.usage.cache_write_tokens,
            "seconds": step.timing.total,
            "first_event_seconds": step.timing.first_event,
            "service_seconds": step.timing.service,
            "attempts": step.attempts,
            "tool_calls": [call.name for call in step.message.tool_calls],
            "adjustments": [f"{adjustment.kind} {adjustment.code}" for adjustment in step.adjustments],
        }
        if self._content:
            facts["input"] = _new_text(request.messages)
            facts["output"] = step.message.text
        tokens = f"{_count(step.usage.input_tokens)} tokens in, {_count(step.usage.output_tokens)} out"
        text = f"{step.stop_reason} after {step.timing.total:.3f} s, {tokens}"
        self._log(turn, "step", text, facts, level=self._level)

    @hookimpl
    def chatport_tool_run_end(self, turn: TurnInfo, call: ToolCall, result: ToolResult | None, seconds: float) -> None:
        """Log a tool's run."""
        outcome = "broken off" if result is None else "error" if result.is_error else "ok"
        facts: dict[str, Any] = {"tool": call.name, "tool_call_id": call.id, "outcome": outcome, "seconds": seconds}
        if self._content:
            facts["arguments"] = repr(call.arguments) if call.invalid_json is None else call.invalid_json
            facts["result"] = None if result is None else repr(result.content)
        text = f"tool {call.name!r}: {outcome} after {seconds:.3f} s"
        self._log(turn, "tool_run", text, facts, level=self._level)

    @hookimpl
    def chatport_retry_start(self, turn: TurnInfo, attempt: int, delay: float, error: BaseException) -> None:
        """Log that a request is sent again."""
        facts = {"attempt": attempt, "delay": delay, **self._error_facts(error)}
        text = f"attempt {attempt} in {delay:.3f} s after {_named(error)}"
        self._log(turn, "retry", text, facts, level=max(self._level, logging.WARNING))

    @hookimpl
    def chatport_turn_fail(
        self, turn: TurnInfo, reason: FailReason, error: BaseException | None, partial: Partial
    ) -> None:
        """Log a turn that broke off: an error as a warning, for whoever asked is told, and may know what to do."""
        facts: dict[str, Any] = {
            "reason": reason,
            "input_tokens": partial.usage.input_tokens,
            "output_tokens": partial.usage.output_tokens,
            **({} if error is None else self._error_facts(error)),
        }
        if self._content:
            facts["output"] = partial.text
        level = max(self._level, logging.WARNING) if reason == "error" else self._level
        text = f"failed: {_named(error)}" if reason == "error" and error is not None else reason
        self._log(turn, "turn_fail", text, facts, level=level)

    def _error_facts(self, error: BaseException) -> dict[str, Any]:
        facts: dict[str, Any] = {"error": type(error).__name__}
        if isinstance(error, BackendError):
            facts |= {
                "status": error.status,
                "code": error.code,
                "request_id": error.request_id,
                "phase": error.phase,
                "retryable": error.retryable,
            }
        if self._content:
            facts["error_text"] = str(error)
        return facts

    def _log(self, turn: TurnInfo, event: str, text: str, facts: dict[str, Any], *, level: int) -> None:
        if not self._logger.isEnabledFor(level):
            return
        # With a prefix: a name such as `message` is the record's own, and logging refuses it.
        known = {"event": event, "turn": turn.id, "backend": turn.backend, "model": turn.model, **facts}
        extra = {f"chatport_{name}": value for name, value in known.items()}
        self._logger.log(level, "%s:%s %s", turn.backend, turn.model, text, extra=extra)


def _new_text(messages: tuple[Message, ...]) -> str:
    """What was said since the model spoke last."""
    texts: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        texts.append(message.text)
    return "\n".join(text for text in reversed(texts) if text)


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def _named(error: BaseException) -> str:
    code = error.code if isinstance(error, BackendError) else None
    return f"{type(error).__name__} ({code})" if code else type(error).__name__
