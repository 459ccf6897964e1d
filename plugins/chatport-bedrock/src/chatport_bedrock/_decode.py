"""Answers of Converse and ConverseStream as events: the only reader of what the service says.

Pure: frames or a body in, events out. `StreamDecoder` reads a stream frame by frame, `decode_response` a whole answer;
both give the same kinds of events, and the same message when these are folded.

What a stream of Bedrock looks like (from recorded ones; the service model does not say it): `messageStart`, blocks one
after the other, `messageStop`, and only then `metadata` with the usage. Only blocks of tools and images have a
`contentBlockStart`; text, reasoning and citations begin with their first delta. Every event has a member `p`, padding
that hides the length of the words.

What the decoder does not know never stops it: unknown blocks come out as `Opaque`, unknown deltas, events and members
in the metadata of `MessageEnd`. What breaks the order of a stream, or is damaged, is a `ProtocolError`.
"""

import logging
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import from_json

from chatport.backend import Adjustment, BackendEvent, MessageStart, ProtocolError, StreamInterruptedError, TextDelta
from chatport.backend.translation import UnknownContent, is_array, is_object, parse_answer
from chatport_bedrock._answer import message_end
from chatport_bedrock._errors import error_from_frame
from chatport_bedrock._frames import Frame, FramePair, HeaderValue
from chatport_bedrock._models import model_family
from chatport_bedrock._parts import MalformedError, events_of_block, extra_members
from chatport_bedrock._stream_blocks import StreamBlocks

__all__ = ["StreamDecoder", "decode_response"]

_BACKEND: Final = "bedrock"
_PADDING: Final = "p"
_EVENT_TYPES: Final = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_LOGGER: Final = logging.getLogger("chatport.bedrock")

_Events: TypeAlias = tuple[BackendEvent, ...]


class StreamDecoder:
    """Turns the frames of one ConverseStream answer into events.

    Feed it every frame in order, then call `finish`.

    Args:
        model: The model id as it was sent.
        request_id: The service's id of the request, from the headers of the HTTP answer.
        adjustments: What the request could not say as asked, to be passed on with `MessageStart`.
    """

    __slots__ = (
        "_adjustments",
        "_blocks",
        "_delta_headers",
        "_facts",
        "_metadata",
        "_model",
        "_phase",
        "_request_id",
        "_stop",
        "_unknown",
    )

    def __init__(self, *, model: str, request_id: str | None, adjustments: Sequence[Adjustment] = ()) -> None:
        self._model = model
        self._request_id = request_id
        self._adjustments = tuple(adjustments)
        self._phase: Literal["new", "open", "stopped", "ended"] = "new"
        self._unknown = UnknownContent()
        self._blocks = StreamBlocks(family=model_family(model), unknown=self._unknown)
        self._delta_headers: Mapping[str, HeaderValue] | None = None
        self._facts: dict[str, Any] = {}
        self._stop: object = None
        self._metadata: dict[str, Any] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether `MessageStart` was yielded."""
        return self._phase != "new"

    @property
    def complete(self) -> bool:
        """Whether nothing can follow: `MessageEnd` was yielded."""
        return self._phase == "ended"

    def feed(self, frame: Frame) -> _Events:
        """Take the next frame; return the events that it stands for, mostly one.

        Raises:
            BackendError: The frame is an error of the service; the nearest subclass says which.
            ProtocolError: The frame is damaged, or cannot stand at this place.
        """
        events: list[BackendEvent] = []
        self.feed_all((frame,), events)
        return tuple(events)

    def feed_all(self, frames: Iterable[FramePair], events: list[BackendEvent]) -> None:
        """Take the next frames, and append the events that they stand for; those before a bad frame as well.

        Args:
            frames: The frames, in order.
            events: What is appended to.

        Raises:
            BackendError: As for `feed`.
        """
        # One of these for every token: the next piece of a text in as few steps as possible. A delta is told by its
        # headers, which are one and the same object for all frames that have the same.
        texts, append = self._blocks.texts, events.append
        headers: Mapping[str, HeaderValue] = {}
        try:
            for headers, payload in frames:
                if headers is self._delta_headers:
                    try:
                        value = from_json(payload)
                        index, delta = value["contentBlockIndex"], value["delta"]
                        # An index of True would pass for 1, and two members at once are to be parted.
                        if index in texts and index.__class__ is int and len(delta) == 1:
                            text = delta["text"]
                            if text and text.__class__ is str:
                                append(TextDelta(index, text))
                                continue
                        elif (event := self._blocks.plain_delta(value)) is not None:
                            append(event)
                            continue
                    except (ValueError, KeyError, TypeError):
                        pass  # it is no such delta: what it is, and what is wrong with it, is found out below
                events.extend(self._feed_any(Frame(headers, payload)))
        except MalformedError as error:
            name = Frame(headers, b"").event_type or "a frame"
            raise self._protocol_error(f"{name} cannot be decoded: {error}") from error

    def finish(self) -> _Events:
        """Declare that the stream has ended; return what then is still to be said.

        Returns:
            A `MessageEnd` without usage where `messageStop` came and `metadata` did not; else nothing.

        Raises:
            StreamInterruptedError: The stream ended before `messageStop`: the answer is incomplete.
        """
        if self._phase == "ended":
            return ()
        if self._phase == "stopped":
            return self._end({})
        what = "the message began" if self._phase == "new" else "the answer was complete (no messageStop)"
        raise StreamInterruptedError(f"the stream ended before {what}", **self._facts_of_error())

    def _feed_any(self, frame: Frame) -> _Events:
        message_type, event_type = frame.message_type, frame.event_type
        if message_type in {"exception", "error"}:
            raise error_from_frame(frame, model=self._model, request_id=self._request_id)
        if message_type is None or (message_type == "event" and event_type is None):
            raise MalformedError("its headers do not say what it is")
        if message_type != "event" or event_type not in _EVENT_TYPES:
            self._keep_unknown(frame)
            return ()
        if event_type == "contentBlockDelta":
            self._delta_headers = frame.headers
        return self._feed_event(event_type, _object_in(frame.payload))

    def _feed_event(self, event_type: str, payload: dict[str, Any]) -> _Events:
        match event_type:
            case "contentBlockDelta":
                return self._blocks.delta(payload)
            case "contentBlockStart":
                return self._blocks.start(payload)
            case "contentBlockStop":
                return self._blocks.stop(payload)
            case "messageStart":
                return self._message_start(payload)
            case "messageStop":
                return self._message_stop(payload)
            case _:
                return self._take_metadata(payload)

    def _message_start(self, payload: dict[str, Any]) -> _Events:
        if self._phase != "new":
            raise MalformedError("the message has begun before")
        self._phase = "open"
        self._blocks.open()
        self._facts |= _without(payload, _PADDING, "role")
        return (MessageStart(self._model, self._request_id, self._adjustments),)

    def _message_stop(self, payload: dict[str, Any]) -> _Events:
        if self._phase != "open":
            raise MalformedError("it comes before messageStart" if self._phase == "new" else "it comes twice")
        self._phase = "stopped"
        self._stop = payload.get("stopReason")
        self._facts |= _without(payload, _PADDING, "stopReason")
        collected = self._blocks.close()
        # Recorded streams always have metadata last; the other order loses nothing either.
        return collected if self._metadata is None else (*collected, *self._end(self._metadata))

    def _take_metadata(self, payload: dict[str, Any]) -> _Events:
        if self._phase == "new" or self._metadata is not None:
            raise MalformedError("it comes before messageStart" if self._phase == "new" else "it comes twice")
        self._metadata = _without(payload, _PADDING)
        return self._end(self._metadata) if self._phase == "stopped" else ()

    def _end(self, metadata: dict[str, Any]) -> _Events:
        self._phase = "ended"
        return (message_end(self._stop, self._facts | metadata, self._unknown),)

    def _keep_unknown(self, frame: Frame) -> None:
        """Keep an event of a kind that a later version of the service may have."""
        name = frame.event_type or frame.message_type
        if self._phase == "ended":
            _LOGGER.warning("the event %.100r came after the end of the answer and is left out", name)
            return
        try:
            payload = _object_in(frame.payload)
        except MalformedError:
            self._unknown.add({"event": name, "bytes": b64encode(frame.payload).decode("ascii")})
        else:
            self._unknown.add({"event": name, "payload": _without(payload, _PADDING)})

    def _protocol_error(self, message: str) -> ProtocolError:
        return ProtocolError(message, **self._facts_of_error())

    def _facts_of_error(self) -> dict[str, Any]:
        return {
            "backend": _BACKEND,
            "model": self._model,
            "status": 200,
            "request_id": self._request_id,
            "phase": "stream",
        }


def decode_response(
    body: Mapping[str, Any] | bytes, *, model: str, request_id: str | None, adjustments: Sequence[Adjustment] = ()
) -> Iterator[BackendEvent]:
    """Return a whole answer of Converse as events, those that a stream of it would have given.

    An answer may have no message (the service model allows it); if it says why it stopped, it is an empty one.

    Args:
        body: The answer's body, as bytes or already parsed.
        model: The model id as it was sent.
        request_id: The service's id of the request, from the headers of the HTTP answer.
        adjustments: What the request could not say as asked, to be passed on with `MessageStart`.

    Raises:
        ProtocolError: The body is no answer of Converse. It is raised at the call: either all events come or none.
    """
    try:
        answer = _object_in(body) if isinstance(body, bytes) else body
        unknown = UnknownContent()
        events = list(_events_of_content(_content_of(answer, unknown), model_family(model), unknown))
    except MalformedError as error:
        raise ProtocolError(
            f"the answer is none of Converse: {error}",
            backend=_BACKEND,
            model=model,
            status=200,
            request_id=request_id,
            phase="request",
        ) from error
    end = message_end(answer.get("stopReason"), _without(answer, "output", "stopReason"), unknown)
    return iter((MessageStart(model, request_id, tuple(adjustments)), *events, end))


def _content_of(answer: Mapping[str, Any], unknown: UnknownContent) -> list[Any]:
    if not is_object(answer) and not isinstance(answer, Mapping):
        raise MalformedError("it is no JSON object")
    output = answer.get("output")
    message = output.get("message") if is_object(output) else None
    if message is None and "stopReason" not in answer:
        raise MalformedError("it has neither a message nor a stop reason")
    if is_object(output) and (rest := _without(output, "message")):
        unknown.add({"output": rest})
    if not is_object(message):
        return []
    if rest := _without(message, "role", "content"):
        unknown.add({"message": rest})
    content = message.get("content")
    if content is not None and not is_array(content):
        raise MalformedError("the content of its message is no list")
    return list(content or ())


def _events_of_content(content: list[Any], family: str, unknown: UnknownContent) -> Iterator[BackendEvent]:
    for index, block in enumerate(content):
        if not is_object(block):
            raise MalformedError(f"block {index} is no object")
        yield from events_of_block(index, block, family=family)
        if extra := extra_members(block):
            unknown.add({"content": index, "members": extra})


def _object_in(payload: bytes) -> dict[str, Any]:
    try:
        value: object = parse_answer(payload)
    except ValueError:
        raise MalformedError("it is no JSON") from None
    if not is_object(value):
        raise MalformedError("it is no JSON object")
    return value


def _without(members: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}
