"""A streamed answer on its way to the reader: bytes to events, as many at a time as have come."""

from collections import deque

from chatport.backend import BackendError, BackendEvent, ProtocolError
from chatport.backend.http import EventReader, Exchange, ServerSentEvent, UnreadableEventError, unreadable_failure
from chatport_openai._decode import Asked, StreamDecoder

__all__ = ["StreamReader", "looks_whole"]


def looks_whole(content_type: str, beginning: bytes, *, streams: bool = True) -> bool | None:
    """Return whether an answer is one piece of JSON and no stream of events; None where nothing tells yet.

    What came counts, not what was asked for: some servers answer in one piece whatever they are asked, and refusals
    inside an answer come so too; others stream whatever they are asked.

    Args:
        content_type: What the server says it is.
        beginning: The first bytes.
        streams: Whether a stream was asked for.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if streams and kind == "text/event-stream":
        return False
    if kind.endswith("json") or (not streams and kind != "text/event-stream"):
        return True
    seen = beginning.lstrip()
    return seen[:1] in {b"{", b"["} if seen else None


class StreamReader:
    """Pieces of a streamed answer in, events out.

    What is raised on the way is returned: the events before it come first.

    Attributes:
        has_events: Whether anything came that is an event of a stream.
    """

    def __init__(self, asked: Asked, ready: deque[BackendEvent]) -> None:
        """Begin an answer.

        Args:
            asked: What was asked.
            ready: What the events are appended to.
        """
        self._ready = ready
        self._asked = asked
        self._events = EventReader()
        self._decoder = StreamDecoder(asked)
        self.has_events = False

    @property
    def has_begun(self) -> bool:
        """Whether the first event has come."""
        return self._decoder.has_begun

    @property
    def is_complete(self) -> bool:
        """Whether the last event has come."""
        return self._decoder.complete

    def feed(self, chunk: bytes) -> BackendError | None:
        """Take the next bytes; return the error behind the events that they complete, if there is one."""
        try:
            sent = self._events.feed(chunk)
        except UnreadableEventError as error:
            return self._take(error.events) or self._unreadable(error)
        return self._take(sent)

    def finish(self) -> BackendError | None:
        """Declare the end of the body; return the error behind the events that are still to come, if there is one."""
        try:
            sent = self._events.finish()
        except UnreadableEventError as error:
            return self._take(error.events) or self._unreadable(error)
        return self._take(sent, is_last=True)

    def _take(self, sent: list[ServerSentEvent], *, is_last: bool = False) -> BackendError | None:
        self.has_events = self.has_events or any(map(_is_event, sent))
        events: list[BackendEvent] = []
        try:
            self._decoder.feed_all(sent, events)
            if is_last:
                self._decoder.finish(events)
        except BackendError as error:
            return error
        finally:
            self._ready.extend(events)
        return None

    def _unreadable(self, error: UnreadableEventError) -> ProtocolError:
        return unreadable_failure(error, Exchange("openai", self._asked.model, 200, self._asked.request_id))


def _is_event(sent: ServerSentEvent) -> bool:
    """Whether it is one that a server meant: any line of text is a field of an event, if nobody knows it."""
    return bool(sent.data or sent.event) or any(name == "error" for name, _ in sent.other)
