"""What a turn amounts to: steps, the reply, and what is left when a turn does not finish."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from typing_extensions import TypeVar

from chatport._adjustments import Adjustment
from chatport._events import StopReason, Usage
from chatport._messages import Message, ToolCall

OutputT_co = TypeVar("OutputT_co", covariant=True, default=None)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took, in seconds.

    Attributes:
        first_event: From sending to the first event; None if there was none.
        total: From sending to the end, tools included.
        service: What the service says it took; None where it does not say.
    """

    first_event: float | None = None
    total: float = 0.0
    service: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a turn and its answer; a turn with tools has several.

    Attributes:
        message: The model's message.
        stop_reason: Why it stopped.
        raw_stop_reason: The same in the service's word.
        usage: What it cost, in tokens.
        model: The model that answered.
        request_id: The service's id of the request.
        adjustments: What the backend could not say as asked, without the lossless ones.
        timing: How long it took, in seconds, tools not included.
        attempts: How often it was sent.
        metadata: JSON values keyed by backend name.
        tool_message: The results that went back, if tools ran.
        backend: The name of the backend that answered, where the session's own has passed the request on to another,
            as `FallbackBackend` does; else None.
        continues: Whether the service had only paused: the next step goes on with this one's message. In the last step
            of a turn it says that `max_steps` was reached before the answer was whole.
    """

    message: Message
    stop_reason: StopReason
    raw_stop_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    request_id: str | None = None
    adjustments: tuple[Adjustment, ...] = ()
    timing: Timing = field(default_factory=Timing)
    attempts: int = 1
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    tool_message: Message | None = None
    backend: str | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Reply(Generic[OutputT_co]):
    """A finished turn.

    Attributes:
        messages: Every message the turn added to the history, the user's first.
        steps: Each request of the turn and its answer. A turn that was resumed begins with the step that it was paused
            at, with 0 attempts: that was sent, and is counted, in the turn before.
        output: The typed output, where one was asked for; else None.
        timing: How long the turn took, in seconds, tools included.
    """

    messages: tuple[Message, ...]
    steps: tuple[Step, ...]
    output: OutputT_co
    timing: Timing = field(default_factory=Timing)

    @property
    def message(self) -> Message:
        """The model's last message."""
        return self.steps[-1].message

    @property
    def text(self) -> str:
        """The text of the last message."""
        return self.message.text

    @property
    def reasoning(self) -> str:
        """The readable reasoning of the last message; the parts themselves stand in `message`."""
        return self.message.reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls in the last message, for the caller to run; in one that was cut they may be answered already.

        Their arguments are copies: what is done to them while a tool runs does not change the history.
        """
        return tuple(replace(call, arguments=copy.deepcopy(call.arguments)) for call in self.message.tool_calls)

    @property
    def pending_calls(self) -> tuple[ToolCall, ...]:
        """The calls that nobody has answered yet, where the turn ended with such: for the caller, or `resume`.

        Copies, as `tool_calls` gives them.
        """
        return () if self.steps[-1].tool_message is not None else self.tool_calls

    @property
    def stop_reason(self) -> StopReason:
        """Why the model stopped, in words that all backends share."""
        return self.steps[-1].stop_reason

    @property
    def raw_stop_reason(self) -> str | None:
        """Why the model stopped, in the service's word."""
        return self.steps[-1].raw_stop_reason

    @property
    def usage(self) -> Usage:
        """What the turn cost, in tokens: the sum of its steps."""
        return Usage.sum(step.usage for step in self.steps)

    @property
    def model(self) -> str:
        """The model that gave the last message."""
        return self.steps[-1].model

    @property
    def request_id(self) -> str | None:
        """The service's id of the last request."""
        return self.steps[-1].request_id

    @property
    def attempts(self) -> int:
        """How many requests the turn sent, repeated ones included."""
        return sum(step.attempts for step in self.steps)

    @property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """What could not be said as asked, over all steps, each once."""
        return tuple(dict.fromkeys(adjustment for step in self.steps for adjustment in step.adjustments))

    @property
    def metadata(self) -> dict[str, Any]:
        """The last step's JSON values, keyed by backend name."""
        return self.steps[-1].metadata


@dataclass(frozen=True, slots=True)
class Partial:
    """What had happened in a turn that did not finish.

    Attributes:
        messages: The user's message, every completed step with its tool results, and the unfinished message, last.
        usage: What is known of the cost, in tokens.
        unfinished: Whether the last message is one that the model did not finish.
    """

    messages: tuple[Message, ...] = ()
    usage: Usage = field(default_factory=Usage)
    unfinished: bool = False

    @property
    def text(self) -> str:
        """The text of the model's last message, finished or not."""
        last = self.messages[-1] if self.messages else None
        return last.text if last is not None and last.role == "assistant" else ""
