"""The two event loops, as far as measuring needs them. No anyio: a peer's environment may have none."""

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

_Value = TypeVar("_Value")
_Work = Callable[[], Awaitable[None]]

TICK_SECONDS = 0.001


class Loop(Protocol):
    """An event loop."""

    def run(self, work: Callable[[], Awaitable[_Value]]) -> _Value:
        """Run a program."""
        ...

    async def together(self, works: Sequence[_Work], *, deadline: float) -> None:
        """Run works at once; cancel those that are not done after `deadline` seconds."""
        ...

    async def longest_stall(self, work: _Work) -> float:
        """Run a work and return the longest time in seconds for which the loop did nothing else."""
        ...


class AsyncioLoop:
    """asyncio."""

    def run(self, work: Callable[[], Awaitable[_Value]]) -> _Value:
        """Run a program."""

        async def main() -> _Value:
            return await work()

        return asyncio.run(main())

    async def together(self, works: Sequence[_Work], *, deadline: float) -> None:
        """Run works at once; cancel those that are not done after `deadline` seconds."""

        async def one(work: _Work) -> None:
            await work()

        try:
            async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(one(work))
        except TimeoutError:
            return  # the works that are done have said so themselves

    async def longest_stall(self, work: _Work) -> float:
        """Run a work beside a task that ticks."""
        gaps: list[float] = []

        async def tick() -> None:
            while True:
                before = time.perf_counter()
                await asyncio.sleep(TICK_SECONDS)  # noqa: TID251 - the ticks are what is measured
                gaps.append(time.perf_counter() - before)

        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(tick())
            await asyncio.sleep(10 * TICK_SECONDS)  # noqa: TID251 - until it ticks
            await work()
            await asyncio.sleep(2 * TICK_SECONDS)  # noqa: TID251 - the gap that the work has made
            ticking.cancel()
        return max(gaps) - TICK_SECONDS


class TrioLoop:
    """trio."""

    def __init__(self) -> None:
        """Load it."""
        self._trio: Any = importlib.import_module("trio")

    def run(self, work: Callable[[], Awaitable[_Value]]) -> _Value:
        """Run a program."""
        result: list[_Value] = []

        async def main() -> None:
            result.append(await work())

        self._trio.run(main)
        return result[0]

    async def together(self, works: Sequence[_Work], *, deadline: float) -> None:
        """Run works at once; cancel those that are not done after `deadline` seconds."""
        with self._trio.move_on_after(deadline):
            async with self._trio.open_nursery() as nursery:
                for work in works:
                    nursery.start_soon(work)

    async def longest_stall(self, work: _Work) -> float:
        """Run a work beside a task that ticks."""
        gaps: list[float] = []

        async def tick() -> None:
            while True:
                before = time.perf_counter()
                await self._trio.sleep(TICK_SECONDS)
                gaps.append(time.perf_counter() - before)

        async with self._trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            await self._trio.sleep(10 * TICK_SECONDS)
            await work()
            await self._trio.sleep(2 * TICK_SECONDS)
            nursery.cancel_scope.cancel()
        return max(gaps) - TICK_SECONDS


def make_loop(name: str) -> Loop:
    """Return an event loop by its name."""
    return TrioLoop() if name == "trio" else AsyncioLoop()
