"""One task ends the waits of all streams on trio, and lives no longer than they do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import httpcore2
import pytest
import trio
import trio.testing

from chatport_bedrock._trio_watch import Watch, WatchedStream

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio has timers of its own."""
    return "trio"


@asynccontextmanager
async def _connected(watch: Watch) -> AsyncGenerator[tuple[WatchedStream, trio.SocketStream], None]:
    """A connection of httpcore2 that is watched, and its other end; that its private name holds."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        backend: Any = httpcore2.TrioBackend()  # its types know of trio's absence
        stream = await backend.connect_tcp("127.0.0.1", listener.socket.getsockname()[1])
        async with await listener.accept() as other:
            made = watch.watched(stream)
            assert made is not None
            try:
                yield made, other
            finally:
                made.forget()
                await stream.aclose()


def _tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def test_waits_end_in_their_order() -> None:
    """A short wait that begins after a long one ends first, and both end in time, by one task."""
    watch = Watch()
    ended: list[str] = []

    async def wait(stream: WatchedStream, seconds: float, name: str) -> None:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(10, seconds)
        ended.append(name)

    async with _connected(watch) as (first, _), _connected(watch) as (second, _):
        tasks = _tasks()
        with trio.fail_after(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, first, 0.1, "long")
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(wait, second, 0.02, "short")
                await trio.testing.wait_all_tasks_blocked()
                assert _tasks() == tasks + 3
        assert ended == ["short", "long"]
        assert _tasks() == tasks + 1
    await trio.testing.wait_all_tasks_blocked()
    assert _tasks() == tasks


async def test_a_wait_that_ends_by_itself_is_forgotten() -> None:
    """Bytes and the end of a connection come as they are; the time of an earlier wait ends no later one."""
    watch = Watch()
    async with _connected(watch) as (stream, other):
        for _ in range(3):
            await other.send_all(b"some")
            assert await stream.read(10, 0.03) == b"some"
        with trio.move_on_after(0.1) as scope:
            await stream.read(10, inf)
        assert scope.cancelled_caught
        await other.aclose()
        assert await stream.read(10, 5) == b""


async def test_a_broken_connection_is_no_timeout() -> None:
    """Closed under the one who waits, it is an error of the connection."""
    watch = Watch()
    async with _connected(watch) as (stream, _), trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(httpcore2.ReadError):
                await stream.read(10, 5)

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.notify_closing(stream._socket)


async def test_a_wait_that_is_missed_is_ended_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that did not wait for the socket at the moment when it was to end is looked for again."""
    watch = Watch()
    calls: list[float] = []
    stop = WatchedStream.stop_waiting

    def stop_late(stream: WatchedStream) -> None:
        calls.append(trio.current_time())
        if len(calls) > 1:
            stop(stream)

    monkeypatch.setattr(WatchedStream, "stop_waiting", stop_late)
    async with _connected(watch) as (stream, _):
        with trio.fail_after(2), pytest.raises(httpcore2.ReadTimeout):
            await stream.read(10, 0.01)
    assert len(calls) == 2


async def test_the_task_ends_and_begins_again() -> None:
    """With the last stream it ends, even if it has not begun yet; the next one has a task of its own."""
    watch = Watch()
    tasks = _tasks()
    for _ in range(2):
        async with _connected(watch) as (stream, other):
            await other.send_all(b"some")
            assert await stream.read(10, 5) == b"some"
            stream.forget()
        async with _connected(watch) as (stream, _):
            with trio.fail_after(2), pytest.raises(httpcore2.ReadTimeout):
                await stream.read(10, 0.01)
    await trio.testing.wait_all_tasks_blocked()
    assert _tasks() == tasks


async def test_other_streams_are_not_watched() -> None:
    """What is not made of trio's streams is read through httpcore2."""
    assert Watch().watched(httpcore2.AsyncNetworkStream()) is None
