"""Ways to leave a stream: each reads a little, leaves, and returns when that was, by `time.monotonic()`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
import pytest

from chatport import Message, Session, Text

BEFORE = (Message("user", (Text("before"),)), Message("assistant", (Text("indeed"),)))


class _HeldUpError(Exception):
    """What the body of a test's block raises."""


async def by_break(session: Session) -> float:
    """Leave the loop over the text with its first piece."""
    left = 0.0
    async with session.stream("hi") as reading:
        async for _ in reading.text:
            left = time.monotonic()
            break
    return left


async def _by_break_among_events(session: Session) -> float:
    left = 0.0
    async with session.stream("hi") as reading:
        async for _ in reading:
            left = time.monotonic()
            break
    return left


async def _by_exception(session: Session) -> float:
    left = 0.0
    with pytest.raises(_HeldUpError):
        async with session.stream("hi") as reading:
            async for _ in reading.text:
                left = time.monotonic()
                raise _HeldUpError
    return left


async def _without_reading(session: Session) -> float:
    async with session.stream("hi"):
        return time.monotonic()


async def _by_timeout(session: Session) -> float:
    left = 0.0
    with anyio.CancelScope() as scope:
        async with session.stream("hi") as reading:
            scope.deadline = anyio.current_time() + 0.02
            try:
                await reading.finish()
            except BaseException:
                left = time.monotonic()
                raise
        pytest.fail("cancellation was swallowed")
    assert scope.cancelled_caught
    return left


async def _by_scope(session: Session) -> float:
    return await _cancelled_from_outside(session, "cancel the scope")


async def _by_task_group(session: Session) -> float:
    return await _cancelled_from_outside(session, "cancel the group")


async def _cancelled_from_outside(session: Session, how: str) -> float:
    """Cancel a task that waits for more, while the server is silent."""
    waiting = anyio.Event()
    scope = anyio.CancelScope()
    ended: list[str] = []
    left = 0.0

    async def read() -> None:
        with scope:
            async with session.stream("hi") as reading:
                async for piece in reading.text:
                    if piece == "lo":
                        waiting.set()
            ended.append("read to the end")
        ended.append("left the scope")

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await waiting.wait()
        await anyio.wait_all_tasks_blocked()
        left = time.monotonic()
        (scope if how == "cancel the scope" else group.cancel_scope).cancel()
    assert ended == (["left the scope"] if how == "cancel the scope" else [])
    assert scope.cancelled_caught is (how == "cancel the scope")
    return left


async def _by_finishing_in_a_cancelled_scope(session: Session) -> float:
    left = 0.0
    with anyio.CancelScope() as scope:
        async with session.stream("hi") as reading:
            scope.cancel()
            left = time.monotonic()
            await reading.finish()
        pytest.fail("cancellation was swallowed")
    assert scope.cancelled_caught
    return left


WAYS: list[Callable[[Session], Awaitable[float]]] = [
    by_break,
    _by_break_among_events,
    _by_exception,
    _without_reading,
    _by_timeout,
    _by_scope,
    _by_task_group,
    _by_finishing_in_a_cancelled_scope,
]
