"""The attempts at one answer: those that fail, and the one that begins to answer.

A request is sent again only while nothing of its answer has been passed on, so everything about repeating happens here,
before the first event; a turn reads the rest.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from inspect import iscoroutine
from typing import TYPE_CHECKING, Final, cast

from anyio import sleep

from chatport._adjustments import reported
from chatport._errors import BackendError, ProtocolError, UnsupportedError
from chatport._events import BackendEvent, MessageStart, RetryStart, Usage
from chatport._fold import Fold
from chatport._pace import PACES
from chatport._url_media import UrlMedia, native_urls

if TYPE_CHECKING:
    from chatport._places import Places
    from chatport._request import ChatRequest
    from chatport._retry import RetryBudget
    from chatport._turn_watch import TurnWatch
    from chatport.backend import Backend

_LOGGER: Final = logging.getLogger("chatport")


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun.

    Attributes:
        moment: When its `MessageStart` came, by `time.perf_counter()`.
        start: That event, as readers get it.
        following: The event after it.
        events: The events that follow; whoever has them closes them.
        ready: Those of them that are there already, where the backend says so.
        fold: What folds them; it has been fed `MessageStart` and nothing else.
    """

    moment: float
    start: MessageStart
    following: BackendEvent
    events: AsyncGenerator[BackendEvent, None]
    ready: deque[BackendEvent] | None
    fold: Fold


class Attempts:
    """The attempts at one answer.

    Attributes:
        sent: How often the backend was asked.
        fold: That of the newest attempt; None as long as nobody was asked.
        is_cost_lost: Whether an attempt had begun to answer and failed: what it has cost nobody reports.
    """

    def __init__(
        self,
        backend: Backend,
        media: UrlMedia,
        budget: RetryBudget,
        watch: TurnWatch,
        *,
        step: int,
        places: Places | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            backend: Whom to ask.
            media: What puts content in the place of URLs.
            budget: What the turn may still lose to repeating.
            watch: Who observes the turn.
            step: The number of the answer in the turn, from 1.
            places: Where the messages that are sent stand in the history; None where they are the history.
        """
        self._backend = backend
        self._media = media
        self._budget = budget
        self._watch = watch
        self._step = step
        self._places = places
        self._model: str | None = None
        self._failed = 0
        self.sent = 0
        self.fold: Fold | None = None
        self.is_cost_lost = False

    @property
    def usage(self) -> Usage | None:
        """What is known of the cost so far; incomplete while an answer has begun and not ended."""
        if self.fold is not None and self.fold.end is not None:
            usage = self.fold.end.usage
            return replace(usage, complete=False) if self.is_cost_lost else usage
        has_begun = self.fold is not None and self.fold.start is not None
        return Usage(complete=False) if has_begun or self.is_cost_lost else None

    async def begin(self, request: ChatRequest) -> Begun | RetryStart:
        """Make one attempt; return the answer that has begun, or the attempt that follows.

        Raises:
            ChatError: The attempt has failed, and no other is made.
        """
        if PACES.is_active and not self._failed:
            await self._wait_with_others(request.model)
        started, sent = time.perf_counter(), self.sent
        try:
            begun = await self._begin(request)
        except BackendError as error:
            self._failed += 1
            self.name_place(error)
            seconds = time.perf_counter() - started
            if self.sent > sent:  # else a download has failed, which is no business of the backend's
                PACES.note(self._backend, request.model, error, seconds=seconds)
            pace = PACES.find(self._backend, request.model) if PACES.is_active else None
            delay = self._budget.next_delay(error, failed=self._failed, seconds=seconds, pace=pace)
            if delay is None:
                raise
            return self._announced(error, delay)
        if PACES.is_active:
            PACES.answered(self._backend, request.model)
        return begun

    async def _wait_with_others(self, model: str) -> None:
        """Wait before the first attempt while the service has asked another session to."""
        pace = PACES.find(self._backend, model)
        if pace is not None and (delay := self._budget.first_delay(pace)):
            _LOGGER.info(
                "waiting for %.3f seconds before the first attempt: the service has asked another session to "
                "(backend=%s, model=%s)",
                *(delay, self._backend.name, model),
            )
            await sleep(delay)

    async def _begin(self, request: ChatRequest) -> Begun:
        """Ask, and wait until something of the answer is there to be passed on.

        `MessageStart` is not enough: as long as nothing follows it, nobody has to see it.
        """
        # For this one request: what the turn adds to the history keeps its URLs.
        request = await self._media.filled(request, native_urls(self._backend))
        self.sent += 1
        self._model = request.model
        fold = self.fold = Fold(backend=self._backend.name)
        self._watch.request_start(request, step=self._step, attempt=self.sent)
        events = checked_stream(self._backend, request)
        try:
            first = await anext(events)
            moment = time.perf_counter()
            if self._places is not None and isinstance(first, MessageStart):
                first = replace(first, adjustments=self._places.adjustments(first.adjustments))
            fold.feed(first)
            start = cast("MessageStart", first)  # the fold takes no other first event
            if (told := reported(start.adjustments)) != start.adjustments:
                start = replace(start, adjustments=told)
            self._watch.message_start(start)
            following = await anext(events)
        except BaseException as error:
            await events.aclose()
            if isinstance(error, StopAsyncIteration):
                raise fold.unfinished() from None
            if self._places is not None and isinstance(error, UnsupportedError):
                raise self._places.refusal(error) from error.__cause__
            raise
        return Begun(moment, start, following, events, ready_events(events), fold)  # whose reader closes it

    def name_place(self, error: BackendError) -> None:
        """Say in an error whose it is, and how often was asked; a download that failed is nobody's."""
        error.attempts = self.sent
        if self.sent:
            error.backend = error.backend or self._backend.name
            error.model = error.model or self._model

    def _announced(self, error: BackendError, delay: float) -> RetryStart:
        if self.fold is not None and self.fold.start is not None:
            self.is_cost_lost = True
        # Not the error's message, which may repeat what was said.
        _LOGGER.info(
            "attempt %d failed with %s (backend=%s, model=%s, status=%s, code=%s, request_id=%s); "
            "the next one begins in %.3f seconds",
            *(self._failed, type(error).__name__, error.backend, error.model),
            *(error.status, error.code, error.request_id, delay),
        )
        again = RetryStart(self._failed + 1, delay, error)
        self._watch.retry_start(attempt=again.attempt, delay=delay, error=error)
        return again


def checked_stream(backend: Backend, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
    """Return what a backend's `stream` gives.

    Raises:
        ProtocolError: It is no async generator.
    """
    events = backend.stream(request)
    _check_stream(events, backend.name)
    return events


def ready_events(events: object) -> deque[BackendEvent] | None:
    """Return what `EventStream.ready` is, of a stream that has it."""
    ready = getattr(events, "ready", None)
    return cast("deque[BackendEvent]", ready) if isinstance(ready, deque) else None


def _check_stream(events: object, backend_name: str) -> None:
    if all(hasattr(events, name) for name in ("__aiter__", "__anext__", "aclose")):
        return
    if iscoroutine(events):
        events.close()  # or Python would complain, in another place, that nobody awaits it
    message = f"the backend's `stream` gave a {type(events).__name__}: it has to be an async generator"
    raise ProtocolError(message, backend=backend_name, phase="stream")
