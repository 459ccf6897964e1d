"""Answers of Chat Completions as events: the only reader of what a server says.

Pure: events of a stream or a body in, events out. `StreamDecoder` reads a stream chunk by chunk, `decode_response` a
whole answer; both take the same way, and give the same message when they are folded.

What servers that speak this API really send is recorded, and differs in nearly every point: chunks without choices come
first, in the middle and last; usage stands anywhere, once or in every chunk; many end without `[DONE]`; errors come
inside a stream, as an event of that name, as a member of a chunk, and as a field of the event stream. So the end of the
body ends a stream, and it is complete if somebody said why the answer ended.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol

from pydantic_core import from_json

from chatport.backend import (
    Adjustment,
    BackendEvent,
    MessageEnd,
    MessageStart,
    ProtocolError,
    StreamInterruptedError,
    TextDelta,
)
from chatport.backend.translation import is_array, is_object, parse_answer
from chatport_openai._answer import Facts, stop_reason_of, usage_of
from chatport_openai._call_pieces import Calls
from chatport_openai._error_text import words_of_page
from chatport_openai._errors import Place, error_from_members, has_error
from chatport_openai._parts import Parts

__all__ = ["Asked", "SentEvent", "StreamDecoder", "decode_response"]

_BACKEND: Final = "openai"
_DONE: Final = "[DONE]"
# A chunk that has nothing but these, and nothing new in them, is one more piece of the text.
_PLAIN_CHUNK: Final = frozenset(
    {"choices", "created", "id", "model", "object", "obfuscation", "p", "service_tier", "system_fingerprint", "usage"}
)
_PLAIN_CHOICE: Final = frozenset({"delta", "finish_reason", "index", "logprobs"})
_PLAIN_DELTA: Final = frozenset({"content"})


class SentEvent(Protocol):
    """An event of a stream, as `chatport.backend.http` reads it."""

    @property
    def event(self) -> str:
        """Its name; empty where it has none."""
        ...

    @property
    def data(self) -> str:
        """Its data."""
        ...

    @property
    def other(self) -> tuple[tuple[str, str], ...]:
        """The fields that the format of event streams does not know."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a request its answer is read with.

    Attributes:
        model: The model id as it was sent.
        request_id: The server's id of the request, from the headers of the answer.
        adjustments: What the request could not say as asked, to be passed on with `MessageStart`.
        server: Who was asked: a dialect, or the address of a server that has none of its own.
        family: Whose model was asked.
        names: The caller's names of tools by those on the wire, where they differ.
        call_id: What ids of calls look like; others get a mark, by which they go back as they came.
        reasoning_beside: Whether the server counts reasoning beside the output instead of in it.
        service_seconds: How long the server says it took, from the headers of the answer.
    """

    model: str
    request_id: str | None = None
    adjustments: Sequence[Adjustment] = ()
    server: str = "openai"
    family: str = ""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    call_id: str | None = None
    reasoning_beside: bool = False
    service_seconds: float | None = None


class StreamDecoder:
    """Turns the events of one streamed answer into ours.

    Feed it every event in order, then call `finish`.
    """

    __slots__ = ("_asked", "_choice", "_facts", "_finish", "_is_done", "_is_whole", "_parts", "_started")

    def __init__(self, asked: Asked, *, is_whole: bool = False) -> None:
        """Begin an answer.

        Args:
            asked: What was asked.
            is_whole: Whether the answer comes in one piece.
        """
        self._asked = asked
        self._is_whole = is_whole
        self._facts = Facts()
        indices = count()
        calls = Calls(indices, self._facts, server=asked.server, names=asked.names, pattern=asked.call_id)
        self._parts = Parts(indices, calls, self._facts, server=asked.server, family=asked.family)
        self._choice: int | None = None  # a request asks for one; what comes of others is kept beside the message
        self._finish: str | None = None
        self._started = False
        self._is_done = False

    @property
    def has_begun(self) -> bool:
        """Whether `MessageStart` was yielded."""
        return self._started

    @property
    def complete(self) -> bool:
        """Whether nothing can follow: `MessageEnd` was yielded."""
        return self._is_done

    def feed_all(self, sent: Iterable[SentEvent], events: list[BackendEvent]) -> None:
        """Take the next events of the stream, and append ours; those before a bad one as well.

        Args:
            sent: The events, in order.
            events: What is appended to.

        Raises:
            BackendError: The server says that something went wrong; the nearest subclass says what.
            ProtocolError: An event cannot be read.
        """
        append = events.append
        for event in sent:
            if self._is_done:
                return
            data = event.data
            if event.event or event.other or not data:
                self._feed_named(event, events)
                continue
            # One of these for every token: the next piece of the text in as few steps as possible.
            try:
                value: Any = from_json(data)
            except ValueError:
                self._feed_other(data, events)
                continue
            text = self._parts.text
            if text is not None:
                try:
                    (choice,) = value["choices"]
                    delta = choice["delta"]
                    if (
                        value.keys() <= _PLAIN_CHUNK
                        and choice.keys() <= _PLAIN_CHOICE
                        and delta.keys() <= _PLAIN_DELTA
                        and choice.get("finish_reason") is None
                        and choice.get("logprobs") is None
                        and value.get("usage") is None
                        and choice.get("index", self._choice) == self._choice
                        and (content := delta["content"]).__class__ is str
                        and content
                    ):
                        append(TextDelta(text, content))
                        continue
                except (ValueError, KeyError, TypeError, AttributeError):
                    pass  # it is no such chunk: what it is, and what is wrong with it, is found out below
            self.feed_chunk(value, events)

    def finish(self, events: list[BackendEvent]) -> None:
        """Declare that the body has ended, and append what is still to be said.

        Raises:
            StreamInterruptedError: Nobody said why the answer ended: it is incomplete.
        """
        if self._is_done:
            return
        if not self._finish:
            what = "the answer was complete (no finish_reason)" if self._started else "the message began"
            raise StreamInterruptedError(f"the stream ended before {what}", **self._place().facts())
        self.end(events)

    def feed_chunk(self, chunk: object, events: list[BackendEvent]) -> None:
        """Take a chunk, or a whole answer, as a JSON value.

        Raises:
            BackendError: As for `feed_all`.
        """
        if not is_object(chunk):
            raise self._protocol_error("it is no JSON object")
        if has_error(chunk):
            raise error_from_members(chunk, self._place())
        choices = chunk.get("choices")
        if choices is not None and not is_array(choices):
            raise self._protocol_error("its choices are no list")
        self._facts.take_top(chunk)
        for choice in choices or ():
            if not is_object(choice):
                raise self._protocol_error("a choice is no object")
            if has_error(choice):
                raise error_from_members(choice, self._place())
            self._feed_choice(chunk, choice, events)

    def end(self, events: list[BackendEvent]) -> None:
        """Append the end of the message."""
        self._start(None, events)
        self._is_done = True
        self._parts.finish(events)
        facts, asked = self._facts, self._asked
        stop = stop_reason_of(
            self._finish, facts.native_finish_reason, has_calls=self._parts.has_calls, refused=self._parts.refused
        )
        usage = usage_of(facts.usage_found(), reasoning_beside=asked.reasoning_beside)
        said = facts.metadata()
        if self._parts.refused:
            said["refused"] = True
        events.append(MessageEnd(stop, self._finish, usage, {_BACKEND: said} if said else {}, asked.service_seconds))

    # --- one event ---------------------------------------------------------------------------------------------------

    def _feed_named(self, event: SentEvent, events: list[BackendEvent]) -> None:
        for name, value in event.other:
            # llama-box says what went wrong in a field that readers of event streams are told to ignore.
            if name == "error":
                raise error_from_members(_members_in(value), self._place())
            self._facts.unknown.add({"field": name, "value": value})
        if event.event == "error":
            raise error_from_members(_members_in(event.data), self._place())
        if event.data:
            try:
                value = from_json(event.data)
            except ValueError:
                self._feed_other(event.data, events)
            else:
                self.feed_chunk(value, events)

    def _feed_other(self, data: str, events: list[BackendEvent]) -> None:
        """Take data that the fast reader of JSON refuses."""
        if data.strip() == _DONE:
            self.end(events)
            return
        if not data.strip():
            return
        value = _value_in(data)
        if value is None:
            raise self._protocol_error("it is no JSON")
        self.feed_chunk(value, events)

    def _feed_choice(self, chunk: Mapping[str, Any], choice: dict[str, Any], events: list[BackendEvent]) -> None:
        index = choice.get("index")
        number = index if isinstance(index, int) else 0
        if self._choice is None:
            self._choice = number
        if number != self._choice:
            self._facts.unknown.add({"choice": choice})
            return
        self._start(chunk.get("model"), events)
        self._facts.take_choice(choice)
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and (finish or self._finish is None):
            self._finish = finish
        delta = choice.get("delta")
        if self._is_whole or not is_object(delta):
            message = choice.get("message")
            delta = message if is_object(message) else delta
        if is_object(delta):
            self._parts.feed(delta, events, is_whole=self._is_whole)

    def _start(self, model: object, events: list[BackendEvent]) -> None:
        if not self._started:
            self._started = True
            answering = model if isinstance(model, str) and model else self._asked.model
            events.append(MessageStart(answering, self._asked.request_id, tuple(self._asked.adjustments)))

    def _place(self) -> Place:
        return Place(self._asked.model, self._asked.request_id, "request" if self._is_whole else "stream")

    def _protocol_error(self, what: str) -> ProtocolError:
        return ProtocolError(f"a piece of the answer cannot be read: {what}", **self._place().facts())


def decode_response(body: Mapping[str, Any] | bytes, asked: Asked) -> Iterator[BackendEvent]:
    """Return a whole answer as events, those that a stream of it would have given.

    Args:
        body: The answer's body, as bytes or already parsed.
        asked: What was asked.

    Raises:
        BackendError: The answer says that something went wrong, whatever its status.
        ProtocolError: The body is no answer of this API. Both are raised at the call: either all events come or none.
    """
    decoder = StreamDecoder(asked, is_whole=True)
    answer = _value_in(body) if isinstance(body, bytes) else dict(body)
    if not is_object(answer):
        place = Place(asked.model, asked.request_id, "request")
        said = words_of_page(body) if isinstance(body, bytes) else ""
        raise ProtocolError(f"the answer is no JSON object; it says: {said or 'nothing'}", **place.facts())
    events: list[BackendEvent] = []
    decoder.feed_chunk(answer, events)
    if not decoder.has_begun:
        place = Place(asked.model, asked.request_id, "request")
        raise ProtocolError("the answer is none of Chat Completions: it has no choices", **place.facts())
    decoder.end(events)
    return iter(events)


def _value_in(text: str | bytes) -> Any:
    """The value of JSON; None where it is none."""
    try:
        return parse_answer(text)
    except ValueError:
        return None


def _members_in(text: str) -> dict[str, Any]:
    """The members of an error that a stream names as one; what is no JSON object is its message."""
    value = _value_in(text)
    return value if is_object(value) else {"error": text or "the server names no reason"}
