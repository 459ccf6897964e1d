"""Bytes of a streamed answer to the caller's events: what ties the reader of events to the decoder. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chatport.backend import BackendError, BackendEvent, ProtocolError
from chatport.backend.http import EventReader, Exchange, UnreadableEventError, unreadable_failure
from chatport_anthropic._decode import StreamDecoder

if TYPE_CHECKING:
    from collections import deque

    from chatport.backend.http import ServerSentEvent
    from chatport_anthropic._translate import Translation

__all__ = ["StreamReader"]


class StreamReader:
    """Reads one stream, and puts its events where the caller takes them from.

    Args:
        request_id: The service's id of the request.
        translation: What was asked.
        ready: What events are put into.
    """

    def __init__(self, request_id: str | None, translation: Translation, ready: deque[BackendEvent]) -> None:
        self._model = translation.model
        self._request_id = request_id
        self._bytes = EventReader()
        self._decoder = StreamDecoder(
            model=translation.model, request_id=request_id, adjustments=translation.adjustments
        )
        self._restorer = translation.restorer()
        self._ready = ready

    @property
    def has_begun(self) -> bool:
        """Whether the message has begun."""
        return self._decoder.has_begun

    @property
    def is_complete(self) -> bool:
        """Whether the message has ended."""
        return self._decoder.complete

    def feed(self, chunk: bytes) -> BackendError | None:
        """Take the next bytes; return the error that is to be raised once the events before it were read."""
        try:
            received = self._bytes.feed(chunk)
        except UnreadableEventError as error:
            return self._take(error.events) or self._unreadable(error)
        return self._take(received)

    def finish(self) -> BackendError | None:
        """Declare that the stream has ended; return the error that is to be raised where it should not have."""
        try:
            received = self._bytes.finish()
        except UnreadableEventError as error:
            return self._unreadable(error)
        failure = self._take(received)
        if failure is not None:
            return failure
        try:
            self._put(self._decoder.finish())
        except BackendError as error:
            return error
        return None

    def _take(self, received: Iterable[ServerSentEvent]) -> BackendError | None:
        events: list[BackendEvent] = []
        try:
            self._decoder.feed_all(received, events)
        except BackendError as error:
            return error
        finally:
            self._put(events)
        return None

    def _put(self, events: Iterable[BackendEvent]) -> None:
        for event in events:
            self._ready.extend(self._restorer.feed(event))

    def _unreadable(self, error: UnreadableEventError) -> ProtocolError:
        return unreadable_failure(error, Exchange("anthropic", self._model, 200, self._request_id))
