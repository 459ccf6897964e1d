"""The answers of one turn, read as the type that was asked for, and what a model is told whose answer does not fit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, assert_never

from chatport._errors import OutputError
from chatport._events import OutputRetryStart
from chatport._messages import NEUTRAL, Message, Text

if TYPE_CHECKING:
    from chatport._events import StopReason
    from chatport._output import Output
    from chatport._reply import Reply

_LOGGER = logging.getLogger("chatport")


class OutputReader:
    """Reads the answers of one turn until one fits, or may not be asked for again.

    Attributes:
        value: What the answer that fits says; None before there is one.
        corrections: What goes back to the model after an answer that does not fit, by the position of its step.
    """

    def __init__(self, output: Output, retries: int) -> None:
        """Begin with no answer.

        Args:
            output: The type.
            retries: How often an answer that does not fit is asked for again.
        """
        self._output = output
        self._retries = retries
        self.value: Any = None
        self.corrections: dict[int, Message] = {}

    def read(self, reply: Reply[None], *, steps_left: int) -> OutputRetryStart | None:
        """Read the last answer of a turn.

        Args:
            reply: The turn so far.
            steps_left: How many requests the turn may still send.

        Returns:
            That the answer does not fit and is to be asked for again; None where `value` is there.

        Raises:
            OutputError: The answer does not fit, and asking again is not allowed or would not help.
        """
        error = self._mismatch(reply)
        if error is None:
            return None
        attempt = len(self.corrections) + 2
        # Whoever was cut short would be cut again, and whoever calls tools waits for the caller.
        is_final = is_cut(reply.stop_reason) or bool(reply.tool_calls)
        if is_final or steps_left < 1 or attempt > self._retries + 1:
            raise error
        self.corrections[len(reply.steps) - 1] = Message(
            "user", (Text(_correction(error)),), {NEUTRAL: {"correction": True}}
        )
        # Not the error's message, which quotes the model.
        _LOGGER.info("answer %d is no %s; asking for another one", attempt - 1, self._output.label)
        return OutputRetryStart(attempt, error)

    def _mismatch(self, reply: Reply[None]) -> OutputError | None:
        """Read an answer; return what is wrong with it, as an error that was not raised and holds no frames."""
        cut = is_cut(reply.stop_reason)
        if reply.tool_calls and not cut:
            names = ", ".join(dict.fromkeys(call.name for call in reply.tool_calls))
            message = (
                f"the model asks for tools ({names}) whose calls wait, so there is no answer yet: land the turn with "
                "session.keep(error.partial, allow_pending=True), and go on with session.resume(output=...)"
            )
            return OutputError(message, reply=reply)
        try:
            self.value = self._output.parse(reply.text)
        except ValueError as error:  # pydantic's and ours; what else a validator of the caller's raises is the caller's
            end = f" was cut short ({reply.stop_reason}) and" if cut else ""
            mismatch = OutputError(f"the reply{end} does not fit {self._output.label}:\n{error}", reply=reply)
            mismatch.__cause__ = error
            return mismatch
        return None


def is_cut(stop_reason: StopReason) -> bool:
    """Whether the message may end in the middle of a call, or was stopped by someone other than the model."""
    match stop_reason:
        case "stop" | "tool_calls":
            return False
        case "length" | "content_filter" | "context_window" | "other":
            return True
        case _:
            assert_never(stop_reason)


def _correction(error: OutputError) -> str:
    problems = str(error).partition("\n")[2]
    return (
        f"That answer cannot be used:\n{problems}\n"
        "Answer once more, with everything that was asked for: one whole JSON object and no other words."
    )
