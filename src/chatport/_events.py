"""Events of a stream, in two tiers, and the values they carry.

A backend yields tier 1, once per step: one `MessageStart`, deltas and whole parts, one `MessageEnd`. The session passes
them on and adds tier 2. New event types are not a breaking change: end a `match` with `case _`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chatport._adjustments import Adjustment
from chatport._messages import Citation, Part, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatport._errors import BackendError, OutputError  # noqa: TC004 - nobody resolves the annotations
    from chatport._reply import Reply  # noqa: TC004 - it imports this module, and nothing resolves the annotation

StopReason = Literal["stop", "length", "tool_calls", "content_filter", "context_window", "other"]
"""Why a model stopped, in words that all backends share; the service's own word stands beside it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an exchange cost, in tokens. None means not reported, which is not 0.

    Attributes:
        input_tokens: All of the input, what came from a cache or went into it included.
        output_tokens: All of the output, reasoning included.
        cache_read_tokens: The part of the input that came from a cache.
        cache_write_tokens: The part of the input that went into a cache.
        reasoning_tokens: The part of the output that was reasoning.
        total_tokens: Input and output together.
        complete: False where something was spent that nobody reported, such as in a stream that was cut.
        raw: The service's own figures for one exchange; empty for a sum.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    complete: bool = True
    raw: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __add__(self, other: Usage) -> Usage:
        """Add two exchanges up; what neither reported stays unreported.

        Where only one of them has reported a total, the other's input and output count as its total: a total is never
        less than its parts.
        """
        total = None
        if self.total_tokens is not None or other.total_tokens is not None:
            total = _add(self.known_tokens, other.known_tokens)
        return Usage(
            _add(self.input_tokens, other.input_tokens),
            _add(self.output_tokens, other.output_tokens),
            _add(self.cache_read_tokens, other.cache_read_tokens),
            _add(self.cache_write_tokens, other.cache_write_tokens),
            _add(self.reasoning_tokens, other.reasoning_tokens),
            total,
            self.complete and other.complete,
        )

    @property
    def known_tokens(self) -> int | None:
        """How many tokens were spent at the least: the total, else what is reported of input and output.

        None where nothing is reported.
        """
        return _add(self.input_tokens, self.output_tokens) if self.total_tokens is None else self.total_tokens

    @classmethod
    def sum(cls, usages: Iterable[Usage]) -> Usage:
        """Add exchanges up; of a single one the raw figures are kept."""
        rows = tuple(usages)
        if not rows:
            return cls()
        total = rows[0]
        for usage in rows[1:]:
            total += usage
        return total


def _add(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right


@dataclass(frozen=True, slots=True)
class MessageStart:
    """The service has begun to answer: exactly one per step, first.

    Attributes:
        model: The model that answers, as far as known.
        request_id: The service's id of the request.
        adjustments: What the backend could not say as asked.
        backend: The name of the backend that answers, where the one that was asked has passed the request on to
            another; else None.
    """

    model: str
    request_id: str | None = None
    adjustments: tuple[Adjustment, ...] = ()
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text. An index not seen before opens a part.

    Attributes:
        index: Which part of the message it belongs to.
        text: The piece.
    """

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of reasoning, or of what proves it.

    Attributes:
        index: Which part of the message it belongs to.
        text: The piece, perhaps empty.
        metadata: JSON values keyed by backend name, merged into the part's.
        signature: A piece of the signature, appended to what is there.
        redacted: A piece of the redacted bytes, appended to what is there.
    """

    index: int
    text: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    signature: str | None = None
    redacted: bytes | None = None


@dataclass(frozen=True, slots=True)
class CitationDelta:
    """A citation of the text part of that index; it may come before the part's first words.

    Attributes:
        index: Which part of the message it belongs to.
        citation: The citation.
    """

    index: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The model begins to write a tool call.

    Attributes:
        index: Which part of the message it is.
        id: The id that the result must carry.
        name: The tool's name.
        executed_by: `"server"` where the service runs the tool itself.
        metadata: JSON values keyed by backend name.
    """

    index: int
    id: str
    name: str
    executed_by: Literal["client", "server"] = "client"
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a call's arguments.

    Attributes:
        index: Which part of the message it belongs to.
        json: A piece of JSON text; the pieces together are an object. No piece at all is an empty object.
    """

    index: int
    json: str


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A part is complete. A backend yields one for a part that came whole; the session adds one for each streamed part.

    Attributes:
        index: Which part of the message it is.
        part: The part.
    """

    index: int
    part: Part


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The service has finished its answer: exactly one per step, last.

    Attributes:
        stop_reason: Why it stopped.
        raw_stop_reason: The same in the service's word.
        usage: What it cost.
        metadata: JSON values keyed by backend name.
        service_seconds: How long the service says it took, in seconds.
        continues: Whether the answer is not whole, because the service has paused while it runs tools of its own, and
            goes on where this message comes back as the last one of a request. A turn sends it back, with `metadata` in
            the message's own.
    """

    stop_reason: StopReason
    raw_stop_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    service_seconds: float | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True)
class ToolRunStart:
    """A tool's function is about to run. The tools of one step run together.

    Attributes:
        call: The call, as the model made it.
        arguments: What it runs with, where `approve=` has put something else in the place of the model's arguments.
    """

    call: ToolCall
    arguments: dict[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class ToolRunEnd:
    """A tool's function has run, or the call was refused.

    Attributes:
        call: The call.
        result: What goes back to the model.
    """

    call: ToolCall
    result: ToolResult


@dataclass(frozen=True, slots=True)
class RetryStart:
    """A request has failed before anything of its answer was passed on, and is about to be sent again.

    What comes before the first answer of a stream is handed out when the stream is read, not while it is entered.

    Attributes:
        attempt: The attempt that begins: 2 for the first repetition.
        delay: How long is waited before it, in seconds.
        error: Why the attempt before it failed.
    """

    attempt: int
    delay: float
    error: BackendError


@dataclass(frozen=True, slots=True)
class OutputRetryStart:
    """An answer does not fit the type that was asked for, and the model is about to be asked for another one.

    The answer has been passed on by then, and its `MessageEnd` too; the next answer comes with events of its own, from
    `MessageStart` on. Only the last one stands in the history.

    Attributes:
        attempt: The answer that begins: 2 for the second one.
        error: What is wrong with the one before; `error.reply` is the turn so far, with that answer as its message.
    """

    attempt: int
    error: OutputError


@dataclass(frozen=True, slots=True)
class ReplyEnd:
    """The turn is complete and stands in the history: one per turn, last.

    Attributes:
        reply: The reply.
    """

    reply: Reply[Any]


BackendEvent: TypeAlias = (
    MessageStart | TextDelta | ReasoningDelta | CitationDelta | ToolCallStart | ToolCallDelta | PartEnd | MessageEnd
)
"""Tier 1: what a backend yields."""

Event: TypeAlias = BackendEvent | ToolRunStart | ToolRunEnd | RetryStart | OutputRetryStart | ReplyEnd
"""Both tiers: what a caller reads from a stream."""
