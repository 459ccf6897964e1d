"""One call for all who want its result: over tasks, event loops and threads.

The first to ask makes the call, in its own task, and the others wait. What the call gives or raises is for all who were
there when it ended. If the first is cancelled, its call is cancelled with it, as nothing may outlive a task, and one of
the others makes it again: a cancelled task never fails another, and is never held up by one.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from chatport.backend import ChatError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")


class _Outcome(Generic[_T]):
    """How a call ended: with a result, or with an error."""

    __slots__ = ("_error", "_result")

    def __init__(self, result: _T | None, error: ChatError | None) -> None:
        self._result = result
        self._error = error

    def get(self) -> _T:
        """Return the result, or raise the error: a copy for each, as each turn notes in it what it had done."""
        if self._error is not None:
            raise copy.copy(self._error) from self._error.__cause__
        return self._result  # type: ignore[return-value]  # without an error there is a result


class _Flight(Generic[_T]):
    """One call that somebody makes. Its outcome stays None if that somebody did not get to its end."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.outcome: _Outcome[_T] | None = None


class _LoopFlight(Generic[_T]):
    """What the tasks of one event loop wait for together, so that at most one of them takes a thread to wait."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.outcome: _Outcome[_T] | None = None


class SingleFlight(Generic[_T]):
    """Makes one call at a time for all who ask. It may be used from several event loops and threads at once."""

    def __init__(self, name: str) -> None:
        """Wait for nothing yet.

        Args:
            name: What is called, for those who debug.
        """
        self._lock = threading.Lock()
        self._flight: _Flight[_T] | None = None
        self._in_loop: RunVar[_LoopFlight[_T] | None] = RunVar(f"chatport_bedrock.{name}.{id(self)}", None)

    @property
    def is_under_way(self) -> bool:
        """Whether somebody makes the call now."""
        return self._flight is not None

    async def do(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Return what the call gives: this one, or the one that is under way.

        Raises:
            ChatError: As the call.
        """
        while True:
            joined = self._in_loop.get()
            if joined is None:
                outcome = await self._lead_loop(call)
            else:
                await joined.ended.wait()
                outcome = joined.outcome
            if outcome is not None:
                return outcome.get()

    async def _lead_loop(self, call: Callable[[], Awaitable[_T]]) -> _Outcome[_T] | None:
        """Make the call for this event loop, or wait for another loop's."""
        mine: _LoopFlight[_T] = _LoopFlight()
        before = self._in_loop.set(mine)
        try:
            mine.outcome = await self._lead_or_wait(call)
        finally:
            self._in_loop.reset(before)
            mine.ended.set()
        return mine.outcome

    async def _lead_or_wait(self, call: Callable[[], Awaitable[_T]]) -> _Outcome[_T] | None:
        mine: _Flight[_T] = _Flight()
        with self._lock:
            other = self._flight
            if other is None:
                self._flight = mine
        if other is not None:
            # Whoever makes the call ends it in any case, so that the thread does not wait for ever.
            await anyio.to_thread.run_sync(other.ended.wait, abandon_on_cancel=True)
            return other.outcome
        try:
            mine.outcome = await _outcome_of(call)
        finally:
            with self._lock:
                self._flight = None
            mine.ended.set()
        return mine.outcome


async def _outcome_of(call: Callable[[], Awaitable[_T]]) -> _Outcome[_T]:
    try:
        return _Outcome(await call(), None)
    except ChatError as error:
        return _Outcome(None, error)
