"""What functions say of a history: what is wrong with it, how long it is, and what they have changed in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chatport._adjustments import Adjustment
from chatport._messages import CachePoint, Message, Part, Text, ToolResult, neutral_metadata

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


def is_question(message: Message) -> bool:
    """Whether the user asks something in a message.

    Results of tools and cache points are no questions, and neither is what a turn tells a model of an answer that does
    not fit: the question to it stands before.
    """
    if message.role != "user" or any(isinstance(part, ToolResult) for part in message.parts):
        return False
    if neutral_metadata(message.metadata).get("correction") is True:
        return False
    return speaks(message.parts) or not any(isinstance(part, CachePoint) for part in message.parts)


def speaks(parts: Iterable[Part]) -> bool:
    """Whether anything is said in parts: blank text and cache points say nothing."""
    return not all(isinstance(part, CachePoint) or is_blank(part) for part in parts)


def is_blank(part: Part) -> bool:
    """Whether a part is text without a visible character, and without anything that goes with it."""
    return isinstance(part, Text) and not (part.text.strip() or part.citations or part.metadata)
