"""Cancelling a task at one of its pauses, by number: the places where it gives the event loop the word."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anyio

from bedrock_support.loopback import PATIENCE, Step

Way: TypeAlias = Literal["scope", "task"]
"""How a task is cancelled: by a scope of anyio, until it is left, or once, by asyncio's `task.cancel()`."""


class Pauses:
    """Counts the pauses of a task, and acts at one of them.

    A pause is counted before the event loop gets the word: what is cancelled then is the wait that begins there.

    Attributes:
        count: How many there were.
        is_over: Whether the task has ended.
        act: What is done at the pause.
    """

    def __init__(self, number: int, watch: Callable[[], object]) -> None:
        """Begin to count.

        Args:
            number: The pause to act at, from 1.
            watch: What else is called at every pause.
        """
        self.count = 0
        self.is_over = False
        self.act: Callable[[], object] = int
        self._number = number
        self._watch = watch
        self._is_waiting = False
        self._changed = threading.Condition()

    def note(self) -> None:
        """Count one."""
        with self._changed:
            self.count += 1
            self._is_waiting = True
            self._changed.notify_all()
        self._watch()
        if self.count == self._number:
            self.act()

    def resume(self) -> None:
        """Note that the task goes on."""
        with self._changed:
            self._is_waiting = False

    def end(self) -> None:
        """Note that there are no more."""
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def wait_for_one(self) -> int:
        """Wait, in a thread, until the task waits, or has ended; return how many pauses there were."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.is_over or self._is_waiting, PATIENCE), "the task hangs"
            return self.count

    def wait_beyond(self, count: int) -> None:
        """Wait, in a thread, until there were more than so many, or the task has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.is_over or self.count > count, PATIENCE), "the task hangs"


class Paced:
    """Makes a server write one piece after the other, each when the task waits again: so that it does wait for each."""

    def __init__(self) -> None:
        self.pauses: Pauses | None = None
        self._before = 0

    def steps(self, *pieces: bytes) -> tuple[Step, ...]:
        """Return the steps of an answer."""
        return tuple(step for piece in pieces for step in (self._mark, piece, self._wait))

    def _mark(self) -> None:
        self._before = 0 if self.pauses is None else self.pauses.wait_for_one()

    def _wait(self) -> None:
        if self.pauses is not None:
            self.pauses.wait_beyond(self._before)


class _Observed:
    """Runs a coroutine as a part of its task, and counts its pauses."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], pauses: Pauses) -> None:
        self._coroutine = coroutine
        self._pauses = pauses

    def __await__(self) -> Generator[Any, Any, None]:
        received: Any = None
        error: BaseException | None = None
        while True:
            try:
                given = self._coroutine.send(received) if error is None else self._coroutine.throw(error)
            except StopIteration:
                return
            received = error = None
            self._pauses.note()
            try:
                received = yield given
            except BaseException as thrown:  # noqa: BLE001 - the coroutine gets it
                error = thrown
            self._pauses.resume()


@dataclass(frozen=True)
class Ending:
    """How a task ended.

    Attributes:
        pauses: How many it had, those after it was cancelled included.
        was_cancelled: Whether the cancellation came out of it; False where it came to its end.
    """

    pauses: int
    was_cancelled: bool


async def cancel_at(
    number: int,
    way: Way,
    run: Callable[[Pauses], Coroutine[Any, Any, None]],
    *,
    paced: Paced,
    watch: Callable[[], object] = int,
) -> Ending:
    """Run something, cancel it at a pause, and return how it ended. What it raises besides is raised.

    Args:
        number: The number of the pause, from 1. If it has fewer, nothing happens to it.
        way: How it is cancelled.
        run: What to run. It may note pauses of other tasks, which it waits for.
        paced: What writes the answers.
        watch: What is called at every pause.
    """
    pauses = paced.pauses = Pauses(number, watch)

    async def observed() -> None:
        await _Observed(run(pauses), pauses)

    try:
        if way == "scope":
            was_cancelled = await _scope_ended(observed, pauses)
        else:
            was_cancelled = await _task_ended(observed, pauses)
    finally:
        pauses.end()
        paced.pauses = None
    return Ending(pauses.count, was_cancelled)


async def _scope_ended(run: Callable[[], Awaitable[None]], pauses: Pauses) -> bool:
    with anyio.CancelScope() as scope:
        pauses.act = scope.cancel
        await run()
    return scope.cancelled_caught


async def _task_ended(run: Callable[[], Coroutine[Any, Any, None]], pauses: Pauses) -> bool:
    task = asyncio.get_running_loop().create_task(run())
    pauses.act = task.cancel
    await asyncio.wait([task])
    if task.cancelled():
        return True
    task.result()
    return False
