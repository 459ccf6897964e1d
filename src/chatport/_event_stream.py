"""A stream of events from which a reader may take several at a time."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Coroutine
from typing import TYPE_CHECKING, Any

from chatport._events import BackendEvent

if TYPE_CHECKING:
    from collections import deque


class EventStream(AsyncGenerator[BackendEvent, None]):
    """What `Backend.stream` may return: an async generator, and beside it the events that have come already.

    A plain async generator does as well. This is for a backend that gets several events at a time, as one piece of data
    from a network mostly holds several: a reader takes from `ready` those that only go on with a part, without the way
    through all generators. The generator puts events into `ready`, in order, and yields them from there:

        while chunk := await response.read():
            ready.extend(decode(chunk))
            while ready:
                yield ready.popleft()

    An error is raised when `ready` is empty, so that what came before it is read first.

    A stream that is dropped half read holds its connection until it is collected, which a `ResourceWarning` tells.

    Attributes:
        ready: The events that have come and were not read yet.
    """

    __slots__ = ("_backend", "_events", "_is_started", "ready")

    def __init__(self, events: AsyncGenerator[BackendEvent, None], ready: deque[BackendEvent], *, backend: str) -> None:
        """Put the two together.

        Args:
            events: The generator.
            ready: What it puts its events into.
            backend: The backend's name, for the warning.
        """
        self._events = events
        self._is_started = False
        self._backend = backend
        self.ready = ready

    def __anext__(self) -> Coroutine[Any, Any, BackendEvent]:
        """Return the next event."""
        self._is_started = True
        return self._events.__anext__()

    async def asend(self, value: None) -> BackendEvent:
        """Return the next event."""
        self._is_started = True
        return await self._events.asend(value)

    async def athrow(self, *error: Any) -> BackendEvent:
        """Raise an error where the generator waits."""
        return await self._events.athrow(*error)

    async def aclose(self) -> None:
        """End the generator where it waits."""
        await self._events.aclose()

    def __del__(self) -> None:
        """Warn of a stream that nobody closes."""
        # The event loop closes a dropped generator: on asyncio soon, elsewhere later. One that has ended has no frame.
        if self._is_started and getattr(self._events, "ag_frame", None) is not None:
            owner = f"the backend {self._backend!r}"
            message = f"a stream of {owner} was dropped half read: use it in `async with aclosing(...)`"
            # Without `source`: whoever keeps the warning would keep the connection open.
            warnings.warn(message, ResourceWarning, stacklevel=1)
