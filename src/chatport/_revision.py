"""What functions say of a history: what is wrong with it, how long it is, and what they have changed in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chatport._adjustments import Adjustment
from chatport._messages import Message, ToolResult

ProblemKind: TypeAlias = Literal[
    "duplicate-call-id",
    "duplicate-result",
    "empty-message",
    "leading-assistant",
    "misplaced-part",
    "misplaced-result",
    "orphan-result",
    "truncated-call",
    "unanswered-call",
]
"""What can be wrong with a history; `validate_messages` says what each means."""


@dataclass(frozen=True, slots=True)
class HistoryProblem:
    """Something in a history that some service refuses.

    Attributes:
        kind: A short stable word for programs.
        path: Where, such as `"messages[2].parts[0]"`.
        message: What is wrong, for people; it repeats ids, names and roles, and nothing that was said.
    """

    kind: ProblemKind
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens something has.

    Attributes:
        tokens: How many.
        reason: Why this is an estimate; None for a count by the service.
    """

    tokens: int
    reason: str | None = None

    @property
    def is_estimate(self) -> bool:
        """Whether nobody has counted: an estimate may be off by half, and more for what is no English text."""
        return self.reason is not None


@dataclass(frozen=True, slots=True)
class Revision:
    """Messages after a change, and what was changed in them.

    Attributes:
        messages: The messages as they are now. Those that nothing was changed in are the same objects as before.
        adjustments: What was changed, in the words in which backends tell it; `path` counts the messages as they were
            given. Empty where nothing was.
        tokens: What a request with these messages has, system prompt and tools included, where that was counted.
    """

    messages: tuple[Message, ...]
    adjustments: tuple[Adjustment, ...] = ()
    tokens: TokenCount | None = None


def begins_turn(message: Message) -> bool:
    """Whether a turn begins with a message: the user says something in it that is no result of a tool."""
    return message.role == "user" and not any(isinstance(part, ToolResult) for part in message.parts)
