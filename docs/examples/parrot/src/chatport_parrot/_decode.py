"""Lines of the parrot as events. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatport.backend import (
    Adjustment,
    AuthenticationError,
    BackendError,
    BackendEvent,
    ContextWindowError,
    InvalidRequestError,
    MessageEnd,
    MessageStart,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ReasoningDelta,
    ServiceError,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)

_STOP_REASONS: dict[str, StopReason] = {
    "done": "stop",
    "calls": "tool_calls",
    "most": "length",
    "censored": "content_filter",
}
_ERRORS: dict[str, type[BackendError]] = {
    "asleep": ServiceError,
    "bitten": ServiceError,
    "no-key": AuthenticationError,
    "not-yours": PermissionDeniedError,
    "nonsense": InvalidRequestError,
    "too-fast": RateLimitError,
    "too-long": ContextWindowError,
    "who": ModelNotFoundError,
}


class Decoder:
    """Turns the lines of one answer into events.

    Attributes:
        is_complete: Whether the line that ends an answer has come.
    """

    def __init__(self, facts: dict[str, Any], adjustments: tuple[Adjustment, ...], *, secret: str) -> None:
        """Start.

        Args:
            facts: What errors say about the request.
            adjustments: What could not be said.
            secret: What no error may repeat.
        """
        self.is_complete = False
        self._facts = facts
        self._adjustments = adjustments
        self._secret = secret
        self._has_begun = False

    def feed(self, line: dict[str, Any]) -> Iterator[BackendEvent]:
        """Return the events of a line; one of a kind that is new to us has none.

        Raises:
            BackendError: The parrot says that it failed, or the line has not what it needs.
        """
        if error := line.get("error"):
            raise self._failure(error)
        try:
            yield from self._events(line)
        except (KeyError, TypeError) as error:
            message = f"the parrot sent a line that lacks something: {error!r}"
            raise ProtocolError(message, phase="stream", **self._facts) from error

    def _events(self, line: dict[str, Any]) -> Iterator[BackendEvent]:
        match line:
            case {"head": head}:
                self._has_begun = True
                self._facts["request_id"] = head["id"]
                yield MessageStart(head["model"], head["id"], self._adjustments)
            case {"thought": thought}:
                # The mark says whose thoughts these are: they go back to a parrot, and to nobody else.
                yield ReasoningDelta(
                    thought["part"], thought.get("piece", ""), {"parrot": {}}, signature=thought.get("seal")
                )
            case {"text": text}:
                yield TextDelta(text["part"], text["piece"])
            case {"call": call}:
                yield ToolCallStart(call["part"], call["id"], call["name"])
            case {"arguments": arguments}:
                yield ToolCallDelta(arguments["part"], arguments["piece"])
            case {"end": end}:
                self.is_complete = True
                yield MessageEnd(_STOP_REASONS.get(end["reason"], "other"), end["reason"], _usage(end.get("words")))
            case _:
                pass

    def _failure(self, error: dict[str, Any]) -> BackendError:
        message = str(error.get("message", "the parrot gives no reason"))
        if self._secret:
            message = message.replace(self._secret, "[key]")
        facts: dict[str, Any] = {
            **self._facts,
            "code": error.get("kind"),
            "request_id": error.get("id", self._facts.get("request_id")),
            "retry_after": error.get("wait"),
            "phase": "stream" if self._has_begun else "request",
        }
        return _ERRORS.get(str(error.get("kind")), ServiceError)(message, **facts)


def _usage(words: dict[str, int] | None) -> Usage:
    """What it cost, in words; what the parrot does not count stays None."""
    if words is None:
        return Usage()
    heard = words["heard"] + words.get("remembered", 0)
    return Usage(heard, words["said"], words.get("remembered"), total_tokens=heard + words["said"], raw=dict(words))
