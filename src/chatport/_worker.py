"""Blocking work in a worker thread, which is over when the waiting for it is over."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


async def run_in_worker(function: Callable[[], _T], limiter: anyio.CapacityLimiter | None = None) -> _T:
    """Run a function in a worker thread.

    When this returns or raises, the function has ended or will never begin. A cancellation waits for a function that
    has begun: one of a cancel scope is then delivered at the next checkpoint, after the result was returned; a loop's
    own (such as `asyncio.Task.cancel`, which no shield holds off) is raised, and the result is lost.

    Args:
        function: What blocks.
        limiter: How many may run at once; None takes anyio's own.
    """
    job = _Job(function)
    try:
        return await anyio.to_thread.run_sync(job.run, limiter=limiter)
    except anyio.get_cancelled_exc_class():
        if not job.withdraw():
            await _wait_for(job.ended)
        raise


async def _wait_for(ended: threading.Event) -> None:
    """Wait whatever comes: the caller is about to raise the cancellation that it was called for."""
    while not ended.is_set():
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(ended.wait)
        except anyio.get_cancelled_exc_class():
            continue


class _Job(Generic[_T]):
    """A function that is to run once, or never."""

    def __init__(self, function: Callable[[], _T]) -> None:
        self.ended = threading.Event()
        self._function = function
        self._lock = threading.Lock()
        self._is_begun = False
        self._is_withdrawn = False

    def run(self) -> _T:
        with self._lock:
            if self._is_withdrawn:
                raise RuntimeError("nobody waits for this any more")
            self._is_begun = True
        try:
            return self._function()
        finally:
            self.ended.set()

    def withdraw(self) -> bool:
        """Return whether the function has not begun; then it never will."""
        with self._lock:
            self._is_withdrawn = not self._is_begun
            return self._is_withdrawn
