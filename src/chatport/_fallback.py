"""Several backends as one: the first that answers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from chatport._adjustments import Adjustment
from chatport._attempts import checked_stream, ready_events
from chatport._errors import (
    BackendError,
    ChatError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
    TransportError,
    UnsupportedError,
)
from chatport._event_stream import EventStream
from chatport._events import BackendEvent, MessageEnd, MessageStart
from chatport._url_media import native_urls
from chatport._usage_limits import possible_answers
from chatport.backend import Backend, CountsTokens, ListsModels, Load, ReportsLoad

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from chatport._media import Media
    from chatport._model_info import ModelInfo
    from chatport._request import ChatRequest, Preview

_LOGGER: Final = logging.getLogger("chatport")
# What another service, region or model may not have.
_ELSEWHERE: Final = (RateLimitError, ServiceError, TransportError, StreamInterruptedError)


@dataclass(frozen=True, slots=True)
class _Target:
    backend: Backend
    model: str | None

    def asked(self, request: ChatRequest) -> ChatRequest:
        return request if self.model is None else replace(request, model=self.model)

    def label(self, request: ChatRequest) -> str:
        return f"{self.backend.name}:{self.asked(request).model}"


@dataclass(frozen=True, slots=True)
class _Begun:
    """An answer that has begun: its events, the first two of them read already."""

    start: BackendEvent
    following: BackendEvent
    events: AsyncGenerator[BackendEvent, None]


class _Search:
    """What one request has met on its way to an answer."""

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        self.failures: list[tuple[_Target, ChatError]] = []
        self.lost: MessageStart | None = None  # of an answer that broke off: it has cost something
        self._start: MessageStart | None = None  # of the answer under way

    async def begin(self, target: _Target) -> _Begun:
        """Ask one target, and wait until something of its answer is there to be passed on.

        Raises:
            ChatError: It does not answer.
        """
        asked, self._start = target.asked(self.request), None
        async with AsyncExitStack() as stack:
            events = await stack.enter_async_context(aclosing(checked_stream(target.backend, asked)))
            try:
                start = await anext(events)
                if isinstance(start, MessageStart):
                    self._start = start
                following = await anext(events)
            except StopAsyncIteration:
                message = "the stream ended before the message did"
                raise StreamInterruptedError(message, phase="stream") from None
            stack.pop_all()  # the one who reads on closes it
            return _Begun(start, following, events)

    def note(self, target: _Target, error: ChatError) -> None:
        """Keep a failure, with its place in it."""
        if isinstance(error, BackendError):
            error.backend = error.backend or target.backend.name
            error.model = error.model or target.asked(self.request).model
        self.failures.append((target, error))
        if self._start is not None:
            self.lost = self._named(self._start, target)

    def log(self, following: _Target) -> None:
        """Say that another target is asked. Not the error's message, which may repeat what was said."""
        target, error = self.failures[-1]
        facts = [getattr(error, name, None) for name in ("status", "code", "request_id")]
        _LOGGER.info(
            "%s failed with %s (status=%s, code=%s, request_id=%s); falling back to %s",
            *(target.label(self.request), type(error).__name__, *facts, following.label(self.request)),
        )

    def complete(self, error: ChatError) -> None:
        """Name in the error that leaves those before it."""
        present: list[str] = getattr(error, "__notes__", [])
        for target, failure in self.failures[:-1]:
            note = f"before it {target.label(self.request)} failed with {type(failure).__name__}: {failure}"
            if note not in present:  # a backend may raise one and the same error again
                error.add_note(note)

    def start_told(self, event: BackendEvent, target: _Target) -> BackendEvent:
        """Return the begin of an answer with who gives it, and in whose place."""
        if not isinstance(event, MessageStart):
            return event  # the one who reads refuses it
        added = (self._adjustment(target),) if self.failures else ()
        return replace(self._named(event, target), adjustments=(*event.adjustments, *added))

    def _named(self, start: MessageStart, target: _Target) -> MessageStart:
        # A target may be such a backend itself: it knows better who answers.
        asked = target.asked(self.request)
        return replace(start, model=start.model or asked.model, backend=start.backend or target.backend.name)

    def told(self, event: BackendEvent) -> BackendEvent:
        """Return an event that follows, with what a reader has to know of the targets before this one."""
        if self.lost is not None and isinstance(event, MessageEnd):
            return replace(event, usage=replace(event.usage, complete=False))
        return event

    def _adjustment(self, target: _Target) -> Adjustment:
        failed = ", ".join(f"{known.label(self.request)} ({type(error).__name__})" for known, error in self.failures)
        message = f"{target.label(self.request)} answers in place of {failed}"
        return Adjustment("renamed", "answered-by-fallback", "model", message)


class FallbackBackend:
    """A backend around backends: asks the next one where one does not answer.

        backend = FallbackBackend([(near, None), (far, None), (far, "another-model")])
        session = Session(backend, "a-model")

    The targets are asked in their order, each once for a request, and only as long as nothing of an answer has been
    passed on: after its first word an answer is never begun anew elsewhere. Asked elsewhere is what another service,
    region or model may not have: `RateLimitError`, `ServiceError`, `TransportError`, and an answer that breaks off
    before its first word. What is wrong with the request or with the set-up would be hidden by another answer, and so
    it is raised; `when` says otherwise. When all have failed, the error of the last one is raised, with notes on those
    before it. A session's `Retry` comes after that, and begins with the first target again.

    Who answers is said in `MessageStart.backend` and `model`, so that it is counted and priced as theirs, and where it
    is not the first one in an adjustment of the kind `renamed`, `answered-by-fallback`, and in a log record. Strict
    turns take it: the targets were asked for.

    Metadata and `Settings.extra` keep the names of the targets; `name` is no key of anything.

    Attributes:
        name: The name for people, in errors and logs.
    """

    def __init__(
        self,
        targets: Iterable[tuple[Backend, str | None]],
        *,
        when: Callable[[ChatError], bool] | None = None,
        name: str = "fallback",
    ) -> None:
        """Take the targets.

        Args:
            targets: Whom to ask, in this order: each a backend and the model to ask there, None for the one that the
                request names.
            when: Says of an error whether the next target is asked for it too, besides those named above.
            name: The name for people.

        Raises:
            ValueError: There are no targets.
            TypeError: A target is no pair of a backend and a model.
        """
        self.name = name
        self._targets = tuple(_checked_target(target) for target in targets)
        if not self._targets:
            message = "a FallbackBackend needs at least one target"
            raise ValueError(message)
        self._when = when

    def __repr__(self) -> str:
        """Show the targets."""
        targets = ", ".join(f"{target.backend.name}:{target.model or '*'}" for target in self._targets)
        return f"<FallbackBackend {targets}>"

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Ask one target after the other, and yield the events of the first that answers.

        Raises:
            ChatError: No target answers; this is what the last one that was asked has raised.
        """
        ready: deque[BackendEvent] = deque()
        return EventStream(self._events(request, ready), ready, backend=self.name)

    async def _events(self, request: ChatRequest, ready: deque[BackendEvent]) -> AsyncGenerator[BackendEvent, None]:
        search = _Search(request)
        for target, following in zip(self._targets, (*self._targets[1:], None), strict=True):
            try:
                begun = await search.begin(target)
            except ChatError as error:
                search.note(target, error)
                if following is not None and self._falls_back(error):
                    search.log(following)
                    continue
                search.complete(error)
                if search.lost is not None:
                    # What an answer has cost that broke off is not known: whoever counts has to see that one began.
                    yield search.lost
                raise
            async with aclosing(begun.events) as events:
                yield search.start_told(begun.start, target)
                yield search.told(begun.following)
                come = ready_events(events) or ()
                async for event in events:
                    ready.append(search.told(event))
                    while come:
                        ready.append(search.told(come.popleft()))
                    while ready:
                        yield ready.popleft()
            return

    def _falls_back(self, error: ChatError) -> bool:
        if isinstance(error, BackendError) and error.retryable and error.retry_after == 0:
            return False  # the same target has learned something and answers if it is asked again
        return isinstance(error, _ELSEWHERE) or (self._when is not None and self._when(error))

    def possible_answers(self, model: str) -> tuple[tuple[str, str], ...]:
        """Return who may answer a request for a model: names of backends and models."""
        found = (possible_answers(target.backend, target.model or model) for target in self._targets)
        return tuple(dict.fromkeys(pair for pairs in found for pair in pairs))

    def native_urls(self, medium: Media, model: str) -> bool:
        """Whether all targets take a medium as the URL that it is given as: what is asked has to suit each of them."""
        for target in self._targets:
            said = native_urls(target.backend)
            if not (said(medium, target.model or model) if callable(said) else said):
                return False
        return True

    async def preview(self, request: ChatRequest) -> Preview:
        """Return what the first target would send.

        Raises:
            UnsupportedError: It has no preview, or cannot say the request.
        """
        first = self._targets[0]
        preview: Callable[[ChatRequest], Awaitable[Preview]] | None = getattr(first.backend, "preview", None)
        if preview is None:
            raise _missing(first, "has no preview")
        return await preview(first.asked(request))

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many input tokens a request has for the first target.

        Raises:
            UnsupportedError: It does not count, or cannot say the request.
            BackendError: The exchange failed.
        """
        first = self._targets[0]
        if not isinstance(first.backend, CountsTokens):
            raise _missing(first, "counts no tokens")
        return await first.backend.count_tokens(first.asked(request))

    async def models(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of `ModelInfo`'s member
        status: str | None = None,
        provider: str | None = None,
    ) -> tuple[ModelInfo, ...]:
        """Return the models of the first target; the filters are those of `ListsModels`.

        Raises:
            UnsupportedError: It lists none.
            BackendError: The service did not answer, or not with a list.
        """
        first = self._targets[0]
        if not isinstance(first.backend, ListsModels):
            raise _missing(first, "lists no models")
        return await first.backend.models(output=output, input=input, status=status, provider=provider)

    def load(self) -> Load:
        """Return how busy the targets are together; those that do not say it are left out.

        Raises:
            UnsupportedError: None of them says it.
        """
        backends = {id(target.backend): target.backend for target in self._targets}.values()
        loads = [backend.load() for backend in backends if isinstance(backend, ReportsLoad)]
        if not loads:
            message = f"none of the targets of {self.name!r} says how busy it is"
            raise UnsupportedError(message)
        limit = loads[0].max_connections if len(loads) == 1 else None
        return Load(sum(load.in_flight for load in loads), sum(load.waiting for load in loads), limit)

    async def aclose(self) -> None:
        """Close every target, also if closing one of them fails. May be called more than once.

        A session that was given this backend does not call it: who has opened the targets may close them as well.
        """
        async with AsyncExitStack() as stack:
            for backend in {id(target.backend): target.backend for target in reversed(self._targets)}.values():
                stack.push_async_callback(backend.aclose)


def _checked_target(target: object) -> _Target:
    match target:
        case (Backend() as backend, (str() | None) as model):
            return _Target(backend, model)
        case _:
            message = f"a target is a pair (backend, model), model None for the one that is asked for, not {target!r}"
            raise TypeError(message)


def _missing(target: _Target, what: str) -> UnsupportedError:
    return UnsupportedError(f"the backend {target.backend.name!r} {what}")
