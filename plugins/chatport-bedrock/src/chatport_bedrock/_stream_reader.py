"""A streamed answer on its way to the reader: bytes to events, as many at a time as have come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatport.backend import BackendError, TextDelta
from chatport_bedrock._decode import StreamDecoder
from chatport_bedrock._errors import error_from_frame_error
from chatport_bedrock._frames import FrameError, FrameReader

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from chatport.backend import BackendEvent
    from chatport_bedrock._translate import Translation

__all__ = ["StreamReader"]


class StreamReader:
    """Chunks of a streamed answer in, events out, in the caller's words.

    What is raised on the way is returned: the events before it come first.
    """

    def __init__(self, request_id: str | None, translation: Translation, ready: deque[BackendEvent]) -> None:
        """Begin an answer.

        Args:
            request_id: The service's id of the request.
            translation: The request.
            ready: What the events are appended to.
        """
        self._ready = ready
        self._model = translation.model
        self._request_id = request_id
        self._frames = FrameReader()
        self._decoder = StreamDecoder(
            model=translation.model, request_id=request_id, adjustments=translation.adjustments
        )
        self._restorer = translation.restorer()

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
        events: list[BackendEvent] = []
        failure: BackendError | None = None
        try:
            frames, damage = self._frames.read(chunk)
            self._decoder.feed_all(frames, events)
            if damage is not None:
                failure = self._error(damage)
        except FrameError as error:
            failure = self._error(error)
        except BackendError as error:
            failure = error
        self._restore(events)
        return failure

    def finish(self) -> BackendError | None:
        """Declare the end of the body; return the error behind the events that are still to come, if there is one."""
        try:
            self._frames.finish()
            self._restore(self._decoder.finish())
        except FrameError as error:
            return self._error(error)
        except BackendError as error:
            return error
        return None

    def _error(self, damage: FrameError) -> BackendError:
        error = error_from_frame_error(damage, model=self._model, request_id=self._request_id)
        error.__cause__ = damage
        return error

    def _restore(self, events: Iterable[BackendEvent]) -> None:
        append, restorer = self._ready.append, self._restorer
        for event in events:
            if event.__class__ is TextDelta:  # as `Restorer.feed` has it, in one step less
                append(event)
            else:
                self._ready.extend(restorer.feed(event))
