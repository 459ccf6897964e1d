"""Answers of the Messages API as events: the only reader of what the service says.

Pure: server-sent events or a body in, events out. `StreamDecoder` reads a stream event by event, `decode_response` a
whole answer; both give the same kinds of events, and the same message when these are folded.

What a recorded stream looks like: `message_start`, blocks one after the other, each with a start, deltas and a stop,
one `message_delta` with stop reason and usage, `message_stop`; pings anywhere behind the first start of a block.
Results of the service's own tools stand whole in the start of their block.

What the decoder does not know never stops it: unknown blocks come out as `Opaque`, unknown deltas, events and members
in the metadata of `MessageEnd`. What breaks the order of a stream, or is damaged, is a `ProtocolError`.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

from pydantic_core import from_json

from chatport.backend import Adjustment, BackendEvent, MessageStart, ProtocolError, StreamInterruptedError, TextDelta
from chatport.backend.translation import UnknownContent, is_array, is_object, parse_answer
from chatport_anthropic._answer import BACKEND, merged_usage, message_end
from chatport_anthropic._errors import error_from_event
from chatport_anthropic._models import model_family
from chatport_anthropic._parts import MalformedError, events_of_block
from chatport_anthropic._stream_blocks import StreamBlocks

__all__ = ["StreamDecoder", "decode_response"]

_DONE: Final = "[DONE]"
_BLOCK_EVENTS: Final = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})
_LOGGER: Final = logging.getLogger("chatport.anthropic")
# What of a message is told elsewhere: its parts, its usage, and what is always the same.
_TOLD: Final = ("type", "role", "content", "usage", "model")

_Events: TypeAlias = tuple[BackendEvent, ...]


class _ServerSentEvent(Protocol):
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...


class StreamDecoder:
    """Turns the server-sent events of one answer into events.

    Feed it every event in order, then call `finish`.

    Args:
        model: The model id as it was sent.
        request_id: The service's id of the request, from the headers of the HTTP answer.
        adjustments: What the request could not say as asked, to be passed on with `MessageStart`.
    """

    __slots__ = ("_adjustments", "_blocks", "_facts", "_model", "_phase", "_request_id", "_unknown", "_usage")

    def __init__(self, *, model: str, request_id: str | None, adjustments: Sequence[Adjustment] = ()) -> None:
        self._model = model
        self._request_id = request_id
        self._adjustments = tuple(adjustments)
        self._phase: Literal["new", "open", "stopped", "ended"] = "new"
        self._unknown = UnknownContent()
        self._blocks = StreamBlocks(family=model_family(model), unknown=self._unknown)
        self._facts: dict[str, Any] = {}
        self._usage: object = None

    @property
    def has_begun(self) -> bool:
        """Whether `MessageStart` was yielded."""
        return self._phase != "new"

    @property
    def complete(self) -> bool:
        """Whether nothing can follow: `MessageEnd` was yielded."""
        return self._phase == "ended"

    def feed(self, event: _ServerSentEvent) -> _Events:
        """Take the next event; return the events that it stands for, mostly one.

        Raises:
            BackendError: It is an error of the service; the nearest subclass says which.
            ProtocolError: It is damaged, or cannot stand at this place.
        """
        events: list[BackendEvent] = []
        self.feed_all((event,), events)
        return tuple(events)

    def feed_all(self, received: Iterable[_ServerSentEvent], events: list[BackendEvent]) -> None:
        """Take the next events, and append those that they stand for; those before a bad one as well.

        Args:
            received: The server-sent events, in order.
            events: What is appended to.

        Raises:
            BackendError: As for `feed`.
        """
        # One of these for every token: the next piece of a text in as few steps as possible.
        texts, append = self._blocks.texts, events.append
        name = ""
        try:
            for each in received:
                name = each.event
                if name == "content_block_delta":
                    try:
                        value = from_json(each.data)
                        index, delta = value["index"], value["delta"]
                        if index in texts and index.__class__ is int and delta["type"] == "text_delta":
                            text = delta["text"]
                            if text and text.__class__ is str:
                                append(TextDelta(index, text))
                                continue
                    except (ValueError, KeyError, TypeError):
                        pass  # it is no such delta: what it is, and what is wrong with it, is found out below
                events.extend(self._feed_any(each))
        except MalformedError as error:
            message = f"the event {name or 'without a name'!r} cannot be decoded: {error}"
            raise ProtocolError(message, **self._facts_of_error()) from error

    def finish(self) -> _Events:
        """Declare that the stream has ended; return what then is still to be said.

        Returns:
            A `MessageEnd` where the end was announced and `message_stop` did not come; else nothing.

        Raises:
            StreamInterruptedError: The stream ended before the answer did.
        """
        if self._phase == "ended":
            return ()
        if self._phase == "stopped":
            return self._end()
        what = "the message began" if self._phase == "new" else "the answer was complete (no message_delta)"
        raise StreamInterruptedError(f"the stream ended before {what}", **self._facts_of_error())

    def _feed_any(self, event: _ServerSentEvent) -> _Events:  # noqa: PLR0911 - one return for each kind of event
        data = event.data
        if data.strip() in {"", _DONE}:
            return ()
        value = _said_in_error(data) if event.event == "error" else _object_in(data)
        kind = value.get("type", event.event)
        if kind == "error" or (event.event == "error" and "error" in value):
            raise error_from_event(value, model=self._model, request_id=self._request_id)
        if self._phase == "ended" or kind == "ping":
            if kind != "ping":
                _LOGGER.warning("the event %.100r came after the end of the answer and is left out", kind)
            return ()
        if kind in _BLOCK_EVENTS:
            return self._feed_block(kind, value)
        match kind:
            case "message_start":
                return self._message_start(value)
            case "message_delta":
                return self._message_delta(value)
            case "message_stop":
                return self._message_stop(value)
            case _:
                self._unknown.add({"event": kind, "data": value})
                return ()

    def _feed_block(self, kind: str, value: dict[str, Any]) -> _Events:
        if self._phase != "open":
            where = "before message_start" if self._phase == "new" else "after the end was announced"
            raise MalformedError(f"it comes {where}")
        if kind == "content_block_delta":
            return self._blocks.delta(value)
        return self._blocks.start(value) if kind == "content_block_start" else self._blocks.stop(value)

    def _message_start(self, value: dict[str, Any]) -> _Events:
        if self._phase != "new":
            raise MalformedError("the message has begun before")
        message = value.get("message")
        if not is_object(message):
            raise MalformedError("it has no message")
        self._phase = "open"
        self._usage = message.get("usage")
        self._facts = _without(message, *_TOLD)
        start: list[BackendEvent] = [_start(message, self._model, self._request_id, self._adjustments)]
        # No recorded stream has content here; where one has, it is the beginning of the answer.
        for index, block in enumerate(_content_of(message)):
            start += self._blocks.start({"index": index, "content_block": block})
            start += self._blocks.stop({"index": index})
        return tuple(start)

    def _message_delta(self, value: dict[str, Any]) -> _Events:
        if self._phase == "new":
            raise MalformedError("it comes before message_start")
        delta = value.get("delta")
        if is_object(delta):
            self._facts |= {name: item for name, item in delta.items() if item is not None}
        self._facts |= {
            name: item for name, item in _without(value, "type", "delta", "usage").items() if item is not None
        }
        self._usage = merged_usage(self._usage, value.get("usage"))
        if self._facts.get("stop_reason") is None:
            return ()  # none was recorded: what it says is kept, and it announces no end
        self._phase = "stopped"
        return self._blocks.close()

    def _message_stop(self, value: dict[str, Any]) -> _Events:
        if self._phase == "new":
            raise MalformedError("it comes before message_start")
        self._facts |= {name: item for name, item in _without(value, "type").items() if item is not None}
        return (*self._blocks.close(), *self._end())

    def _end(self) -> _Events:
        self._phase = "ended"
        return (message_end(self._facts, self._usage, self._unknown),)

    def _facts_of_error(self) -> dict[str, Any]:
        return {
            "backend": BACKEND,
            "model": self._model,
            "status": 200,
            "request_id": self._request_id,
            "phase": "stream",
        }


def decode_response(
    body: Mapping[str, Any] | bytes, *, model: str, request_id: str | None, adjustments: Sequence[Adjustment] = ()
) -> Iterator[BackendEvent]:
    """Return a whole answer as events, those that a stream of it would have given.

    Args:
        body: The answer's body, as bytes or already parsed.
        model: The model id as it was sent.
        request_id: The service's id of the request, from the headers of the HTTP answer.
        adjustments: What the request could not say as asked, to be passed on with `MessageStart`.

    Raises:
        BackendError: It is an error in spite of its status.
        ProtocolError: The body is no answer. It is raised at the call: either all events come or none.
    """
    try:
        answer = dict(_object_in(body) if isinstance(body, bytes) else body)
        if answer.get("type") == "error" or ("error" in answer and "content" not in answer):
            raise error_from_event(answer, model=model, request_id=request_id, phase="request")
        unknown, family = UnknownContent(), model_family(model)
        events = [
            event
            for index, block in enumerate(_content_of(answer, is_whole=True))
            for event in events_of_block(index, block, family=family, unknown=unknown)
        ]
    except MalformedError as error:
        message = f"the answer is none of the Messages API: {error}"
        raise ProtocolError(
            message, backend=BACKEND, model=model, status=200, request_id=request_id, phase="request"
        ) from error
    end = message_end(_without(answer, *_TOLD), answer.get("usage"), unknown)
    return iter((_start(answer, model, request_id, tuple(adjustments)), *events, end))


def _start(
    message: Mapping[str, Any], model: str, request_id: str | None, adjustments: tuple[Adjustment, ...]
) -> MessageStart:
    answering = message.get("model")
    return MessageStart(answering if isinstance(answering, str) and answering else model, request_id, adjustments)


def _content_of(message: Mapping[str, Any], *, is_whole: bool = False) -> list[dict[str, Any]]:
    content = message.get("content")
    if content is None and (not is_whole or message.get("stop_reason") is not None):
        return []
    if not is_array(content) or not all(map(is_object, content)):
        raise MalformedError("its content is no list of blocks")
    return list(content)


def _object_in(data: str | bytes) -> dict[str, Any]:
    try:
        value: object = parse_answer(data)
    except ValueError:
        raise MalformedError("it is no JSON") from None
    if not is_object(value):
        raise MalformedError("it is no JSON object")
    return value


def _said_in_error(data: str) -> dict[str, Any]:
    """The members of an error; what a gateway says in words only is its message."""
    try:
        return _object_in(data)
    except MalformedError:
        return {"error": data}


def _without(members: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}
