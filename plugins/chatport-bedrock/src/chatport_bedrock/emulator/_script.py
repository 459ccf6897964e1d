"""What an emulator is told to answer: explicit answers, and everything that can go wrong with one.

These are values to enqueue; `plan_delivery` turns an answer's parts into the bytes that go out and the way it ends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, assert_never

from chatport_bedrock.emulator._answer import Event, error_frame, exception_frame
from chatport_bedrock.emulator._journal import RecordedRequest
from chatport_bedrock.emulator._refusal import HttpError

Ending = Literal["complete", "end", "close", "abort"]

_PRELUDE_CHECKSUM_AT: Final = 8


@dataclass(frozen=True, slots=True)
class StreamException:
    """A stream that turns into an error: after some events comes an exception frame, and then nothing.

    Attributes:
        after_events: How many events come before.
        code: Its type as the wire has it, in lower camel case: `"throttlingException"`, `"modelStreamErrorException"` …
        message: The text for people.
        fields: More members, such as `{"originalStatusCode": 500}`.
        modelled: Whether it is one of the errors that the service model knows; others travel in another kind of frame,
            which has no `fields`.
    """

    after_events: int
    code: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    modelled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A connection that ends too early.

    Give `after_events` or `after_bytes`; without either, it ends before the head of the answer. An answer to Converse
    is one piece: for it, use `after_bytes`.

    Attributes:
        how: `"end"` ends the body as if it were whole (of a Converse answer, whose length is known beforehand, the
            connection is closed), `"close"` closes the connection in an orderly way, `"abort"` resets it.
        after_events: Cut behind this many whole events.
        after_bytes: Cut behind this many bytes of the body.
        inside_frame: With `after_events`: half of the next frame goes out as well.
    """

    how: Literal["end", "close", "abort"]
    after_events: int | None = None
    after_bytes: int | None = None
    inside_frame: bool = False

    def __post_init__(self) -> None:
        """Refuse a cut in two places, and a body that ends before its head."""
        if self.after_events is not None and self.after_bytes is not None:
            raise ValueError("say where to cut: either after_events or after_bytes")
        if self.is_before_head and (self.how == "end" or self.inside_frame):
            raise ValueError("before the head there is no body to end and no frame to cut in two: say where to cut")

    @property
    def is_before_head(self) -> bool:
        """Whether nothing of the answer goes out."""
        return self.after_events is None and self.after_bytes is None


@dataclass(frozen=True, slots=True)
class BadChecksum:
    """A frame that was damaged on its way; what follows it is sent all the same.

    Attributes:
        after_events: How many good frames come before.
        checksum: Which of its two checksums is wrong.
    """

    after_events: int
    checksum: Literal["prelude", "message"] = "message"


Fault: TypeAlias = StreamException | Cut | BadChecksum
"""What goes wrong while an answer is delivered; None delivers it whole."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A point at which the answer stops until `Emulator.release()`.

    Attributes:
        after_events: Behind this many events; with 0 the head of the answer has gone out. None: before the head.
    """

    after_events: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to answer to the next request. Without arguments it is what the emulator would have said anyway.

    Attributes:
        body: The body of an answer to Converse, sent as it is; for ConverseStream it is said in events.
        events: The events of an answer to ConverseStream, each with its type as only member; Converse cannot say them.
        fault: What goes wrong.
        hold: Where to wait.
        delay: How long to wait before the head goes out, in seconds.
        pace: How long to wait before each event, in seconds; None for the emulator's own.
        headers: More response headers; they replace those of the same name.
        write_size: How many bytes to write at a time; None for one write for each event, or for the whole of a body.
    """

    body: Mapping[str, Any] | None = None
    events: Sequence[Event] | None = None
    fault: Fault | None = None
    hold: Hold | None = None
    delay: float = 0.0
    pace: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    write_size: int | None = None

    def __post_init__(self) -> None:
        """Refuse two answers in one, and writes of nothing."""
        if self.write_size is not None and self.write_size < 1:
            raise ValueError("a write has at least one byte")
        if self.body is not None and self.events is not None:
            raise ValueError("an answer has either a body or events")


Scripted: TypeAlias = Answer | HttpError | Callable[[RecordedRequest], Answer | HttpError]
"""What can be enqueued; a function is asked when its request is there, and sees it."""


class ScriptError(Exception):
    """The script does not fit the request that it met; the request gets a 500 that says why."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The bytes that go out, and how they end.

    Attributes:
        parts: What is written, piece by piece: of a stream one frame each.
        ending: `"complete"` if nothing was cut, else as `Cut.how`.
        with_head: Whether the head of the answer goes out at all.
    """

    parts: tuple[bytes, ...]
    ending: Ending = "complete"
    with_head: bool = True


def plan_delivery(parts: Sequence[bytes], fault: Fault | None) -> Delivery:
    """Apply a fault to an answer.

    Args:
        parts: The frames of a stream, or the body of an answer to Converse as one part.
        fault: What is to go wrong.

    Raises:
        ScriptError: The fault comes behind the answer's end.
    """
    match fault:
        case None:
            return Delivery(tuple(parts))
        case StreamException():
            kept = _first(parts, fault.after_events)
            if fault.modelled:
                last = exception_frame(fault.code, {"message": fault.message, **fault.fields})
            else:
                last = error_frame(fault.code, fault.message)
            return Delivery((*kept, last))
        case BadChecksum():
            kept = _first(parts, fault.after_events)
            rest = parts[len(kept) :]
            if not rest:
                raise ScriptError(f"there is no frame to damage after {fault.after_events} events")
            return Delivery((*kept, _damaged(rest[0], fault.checksum), *rest[1:]))
        case Cut():
            return Delivery(_cut(parts, fault), fault.how, with_head=not fault.is_before_head)
        case _:
            assert_never(fault)


def _first(parts: Sequence[bytes], count: int) -> tuple[bytes, ...]:
    if count > len(parts):
        raise ScriptError(f"the fault comes after {count} events, but the answer has only {len(parts)}")
    return tuple(parts[:count])


def _damaged(frame: bytes, checksum: Literal["prelude", "message"]) -> bytes:
    position = _PRELUDE_CHECKSUM_AT if checksum == "prelude" else len(frame) - 1
    return frame[:position] + bytes([frame[position] ^ 0xFF]) + frame[position + 1 :]


def _cut(parts: Sequence[bytes], cut: Cut) -> tuple[bytes, ...]:
    if cut.after_bytes is not None:
        return _first_bytes(parts, cut.after_bytes)
    if cut.after_events is None:
        return ()
    kept = _first(parts, cut.after_events)
    if not cut.inside_frame:
        return kept
    if len(kept) == len(parts):
        raise ScriptError(f"there is no frame to cut in two after {cut.after_events} events")
    following = parts[len(kept)]
    return (*kept, following[: len(following) // 2])


def _first_bytes(parts: Sequence[bytes], count: int) -> tuple[bytes, ...]:
    total = sum(map(len, parts))
    if count > total:
        raise ScriptError(f"the cut comes after {count} bytes, but the answer has only {total}")
    sent: list[bytes] = []
    for part in parts:
        if count <= 0:
            break
        sent.append(part[:count])
        count -= len(part)
    return tuple(sent)
