"""What a service is made to say in a test, in words that no service has for its own: answers, refusals and faults.

`BackendSuite` enqueues these values; the `ServiceScript` of a backend's author says them on the wire of that backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args

from chatport._errors import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceError,
)
from chatport._events import (
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from chatport._fold import Fold
from chatport._messages import Message
from chatport._unfold import events_from

if TYPE_CHECKING:
    from chatport._messages import Reasoning, Text, ToolCall

RefusalKind: TypeAlias = Literal[
    "invalid-request",
    "unauthorized",
    "forbidden",
    "model-not-found",
    "throttled",
    "server-error",
    "overloaded",
    "context-window",
]
"""Why a service does not answer."""

Feature: TypeAlias = Literal[
    # what a request can say
    "system-prompt",
    "images",
    "documents",
    "audio",
    "video",
    "tools",
    "tool-choice",
    "output-schema",
    # what an answer can say
    "scripted-answers",
    "tool-calls",
    "parallel-calls",
    "interleaved-parts",
    "empty-arguments",
    "invalid-arguments",
    "reasoning",
    "signatures",
    "usage",
    "cached-tokens",
    "missing-usage",
    "request-ids",
    "stop-reasons",
    "unknown-stop-reasons",
    "unknown-events",
    # how it comes
    "requests",
    "connections",
    "holds",
    "split-writes",
    "cuts",
    "resets",
    "cuts-inside-frames",
    "damage",
    "stream-failures",
    "retry-after",
    "status-codes",
    "error-codes",
    # how it is refused
    "invalid-request",
    "unauthorized",
    "forbidden",
    "model-not-found",
    "throttled",
    "server-error",
    "overloaded",
    "context-window",
]
"""Something that a service can say or suffer. A script has them all, but for those that it `lacks`.

- `"system-prompt"`, `"images"`, `"documents"`, `"audio"`, `"video"`, `"tools"`, `"tool-choice"`, `"output-schema"`: a
  request can have them.
- `"scripted-answers"`: the service says what is enqueued. One without can only repeat the words that it is asked with.
- `"tool-calls"`: an answer can be told to call a tool, with these arguments and this id. `"parallel-calls"`: several
  calls in one answer; `"interleaved-parts"`: their pieces mixed.
- `"empty-arguments"`: a call without a piece of arguments; `"invalid-arguments"`: one whose pieces are no JSON object.
- `"reasoning"`, `"signatures"`: the model thinks aloud; its thoughts are signed.
- `"usage"`, `"cached-tokens"`, `"missing-usage"`: the service counts tokens; says what came from a cache; can leave the
  count out.
- `"request-ids"`: it names each request.
- `"stop-reasons"`: it says why it stopped: `"length"` and `"content_filter"`, besides the end and calls.
- `"unknown-stop-reasons"`, `"unknown-events"`: it can say what nobody has heard of yet.
- `"requests"`: it sees what it is sent. `"connections"`: it sees a connection close. `"holds"`: it can fall silent.
- `"split-writes"`: it can send its answer in writes of a few bytes.
- `"cuts"`, `"resets"`, `"cuts-inside-frames"`: the three ways of a `Cut`. `"damage"`: what is sent can be no frame.
- `"stream-failures"`: an answer that has begun can turn into an error. `"retry-after"`: it says how long to wait.
- `"status-codes"`, `"error-codes"`: a refusal, and an error in an answer that has begun, comes with a status as HTTP
  has it, and with a word or a number of the service's own.
- the words of `RefusalKind`: it can refuse in this way.
"""

FEATURES: Final[frozenset[Feature]] = frozenset(get_args(Feature))
"""Every feature there is."""

REFUSALS: Final[Mapping[RefusalKind, type[BackendError]]] = {
    "invalid-request": InvalidRequestError,
    "unauthorized": AuthenticationError,
    "forbidden": PermissionDeniedError,
    "model-not-found": ModelNotFoundError,
    "throttled": RateLimitError,
    "server-error": ServiceError,
    "overloaded": ServiceError,
    "context-window": ContextWindowError,
}
"""What a backend has to raise for each kind of refusal."""


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """Something new that the service sends among its events, which no backend of today can know.

    Streamed it is an event, or a kind of block, of a name that does not exist; in an answer that comes whole, a member.
    """


ServiceEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallStart | ToolCallDelta | UnknownEvent
"""One piece of a scripted answer: the service sends each as a piece of its own where it streams.

A `ReasoningDelta` has either text or a signature.
"""

_PIECES = (TextDelta, ReasoningDelta, ToolCallStart, ToolCallDelta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The answer breaks off.

    Attributes:
        after: Behind this many of the answer's events; None is before the head of the answer.
        how: `"end"`: the body, or the connection, ends in an orderly way, without the closing event: nothing but the
            missing event says that it is a cut. Over HTTP that is a body that ends as if it were whole
            (`HttpStep.END`), which a backend overlooks more easily than chunks that break off. `"inside-frame"`: the
            same, in the middle of a frame. `"reset"`: the connection is torn down.
    """

    after: int | None
    how: Literal["end", "inside-frame", "reset"] = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One frame is nothing that could be read: a bad checksum, half a JSON text. What follows it is sent all the same.

    Attributes:
        after: Behind this many of the answer's events.
    """

    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFailure:
    """The answer turns into an error, as the service says it in the middle of a stream.

    Attributes:
        after: Behind this many of the answer's events.
        kind: Which error.
        message: The service's text.
    """

    after: int
    kind: Literal["throttled", "server-error", "overloaded"] = "overloaded"
    message: str = "The model has lost its thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The service falls silent, until `ServiceScript.release`.

    Attributes:
        after: Behind this many of the answer's events, which have gone out; None is before the head of the answer.
    """

    after: int | None


ServiceFault: TypeAlias = Cut | Damage | StreamFailure | Hold
"""What happens while an answer is delivered."""


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What the service answers to one request: streamed or whole, as it is asked to.

    Attributes:
        events: The pieces, in order. A part ends with the last piece of its index.
        stop_reason: Why the model stopped; by default `"tool_calls"` where there are calls, else `"stop"`.
        raw_stop_reason: The service's own word in place of its word for `stop_reason`; nobody has to know it.
        usage: What the service says it cost; None where it says nothing.
        request_id: The id that the service gives the request.
        fault: What happens on the way. An answer that comes whole is cut or damaged somewhere in its body, whatever
            `after` says, unless that is None.
        write_size: How many bytes the service sends at a time; None for as many as it likes.
    """

    events: tuple[ServiceEvent, ...]
    stop_reason: StopReason | None = None
    raw_stop_reason: str | None = None
    usage: Usage | None = field(default_factory=lambda: Usage(11, 7, total_tokens=18))
    request_id: str = "request-of-the-suite"
    fault: ServiceFault | None = None
    write_size: int | None = None

    @classmethod
    def of_words(cls, *words: str) -> ServiceAnswer:
        """Return an answer of one text, in these pieces."""
        return cls(tuple(TextDelta(0, word) for word in words))

    @classmethod
    def of(cls, *content: str | Text | Reasoning | ToolCall) -> ServiceAnswer:
        """Return an answer of these parts, each in as few pieces as there are."""
        events: list[ServiceEvent] = []
        for event in events_from(Message.assistant(*content), model="any"):
            if isinstance(event, ReasoningDelta) and event.signature is not None:
                events += [replace(event, signature=None)] if event.text else []
                events.append(ReasoningDelta(event.index, signature=event.signature))
            elif isinstance(event, _PIECES):
                events.append(event)
        return cls(tuple(events))

    @property
    def message(self) -> Message:
        """The whole of it as a message: for an answer that does not stream."""
        fold = Fold()
        fold.feed(MessageStart("any"))
        for event in self.events:
            if not isinstance(event, UnknownEvent):
                fold.feed(event)
        fold.feed(MessageEnd("stop"))
        return fold.message()

    @property
    def reason(self) -> StopReason:
        """The stop reason, the default resolved."""
        return self.stop_reason or ("tool_calls" if self.message.tool_calls else "stop")

    def ends_part(self, position: int) -> bool:
        """Whether the event at that position is the last one of its part: where services send the end of a block."""
        event = self.events[position]
        if isinstance(event, UnknownEvent):
            return False
        later = self.events[position + 1 :]
        return all(isinstance(other, UnknownEvent) or other.index != event.index for other in later)

    def begins_part(self, position: int) -> bool:
        """Whether the event at that position is the first one of its part: where services send the start of a block."""
        event = self.events[position]
        if isinstance(event, UnknownEvent):
            return False
        earlier = self.events[:position]
        return all(isinstance(other, UnknownEvent) or other.index != event.index for other in earlier)


@dataclass(frozen=True, slots=True)
class ServiceRefusal:
    """What the service answers in place of an answer.

    Attributes:
        kind: Why.
        message: The service's text.
        request_id: The id that the service gives the request.
        retry_after: How long it asks to wait, in seconds; None where it says nothing.
    """

    kind: RefusalKind
    message: str = "The service would rather not"
    request_id: str = "request-of-the-suite"
    retry_after: float | None = None


ScriptedAnswer: TypeAlias = ServiceAnswer | ServiceRefusal
"""What can be enqueued."""


class ServiceScript(Protocol):
    """The service behind a backend, as far as `BackendSuite` has to tell it what to do; the backend's author writes it.

    Mostly it is a small server on loopback, which the author's `backend` fixture leads the backend to.
    """

    @property
    def model(self) -> str:
        """A model id to ask for, of a model that has every feature of this script."""
        ...

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """What the service cannot do, each with the reason for people; tests of it are skipped with that reason.

        A part of a request that is lacking is not skipped: the suite then wants it refused or reported.
        """
        ...

    @property
    def secrets(self) -> Sequence[str]:
        """What the backend was given to prove who it is; the suite looks for it where it must not be."""
        ...

    @property
    def requests(self) -> Sequence[bytes]:
        """The body of every request for an answer that the service has seen, oldest first."""
        ...

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        """Say what to answer to the next requests, in this order."""
        ...

    def sign(self, text: str) -> str:
        """Return the signature that the service puts under a reasoning text; any word where it checks none."""
        ...

    def release(self) -> None:
        """Let every answer go on that is held, now or later."""
        ...

    async def until_held(self, count: int = 1) -> None:
        """Wait until so many answers have come to a `Hold`, counted from the beginning."""
        ...

    async def until_left(self, count: int = 1) -> float:
        """Wait until the service has seen so many clients leave before the end of their answer, from the beginning.

        Returns:
            When it saw the last of them, by `time.monotonic()`, in seconds.
        """
        ...
