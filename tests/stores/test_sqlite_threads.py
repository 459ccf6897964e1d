"""A store in a SQLite file: who may use it at once, and what a cancellation leaves."""

import asyncio
import gc
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from tests.stores.sqlite_support import pictures, turn

from chatport import (
    ConflictError,
    Message,
    Partial,
    Session,
    SqliteStore,
    StoreError,
    Usage,
    _stored_form,
    open_session,
)
from chatport._sqlite_database import Database
from chatport._worker import _Job, run_in_worker
from chatport.testing import ScriptedBackend


@pytest.mark.anyio
async def test_the_loop_never_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening, reading and writing all happen in other threads than the loop's."""
    seen: set[int] = set()

    def noted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen.add(threading.get_ident())
            return method(*arguments, **options)

        return call

    for name in ("__init__", "load", "append", "list_sessions", "search", "delete", "add_usage", "close"):
        monkeypatch.setattr(Database, name, noted(getattr(Database, name)))
    monkeypatch.setattr("chatport._sqlite_rows.encode_messages", noted(_stored_form.encode_messages))
    async with SqliteStore(path) as store:
        await store.append("a", [turn("1")], version=None)
        await store.load("a")
        await store.search("1")
        await store.list_sessions()
        await store.add_usage("a", Usage(1))
        await store.delete("a")
    assert seen
    assert threading.get_ident() not in seen


def test_one_store_serves_loops_in_several_threads(path: Path) -> None:
    """Two kinds of event loops, four threads, one store: every turn is there once."""
    store = SqliteStore(path)

    async def talk(name: str) -> None:
        async with open_session("echo:any", store=store, id=name) as session:
            for number in range(5):
                await session.ask(f"{name} {number}")

    async def talk_in_thread(name: str, loop: str) -> None:
        await anyio.to_thread.run_sync(lambda: anyio.run(talk, name, backend=loop))

    async def all_of_it() -> None:
        async with store, anyio.create_task_group() as tasks:
            for number, loop in enumerate(["asyncio", "trio", "asyncio", "trio"]):
                tasks.start_soon(talk_in_thread, f"session {number}", loop)

    anyio.run(all_of_it)
    anyio.run(talk_again := partial(_texts, path), backend="trio")
    assert anyio.run(talk_again) == {
        f"session {thread}": [f"session {thread} {number}" for number in range(5) for _ in "qa"] for thread in range(4)
    }


async def _texts(path: Path) -> dict[str, list[str]]:
    async with SqliteStore(path) as store:
        found = {row.id: await store.load(row.id) for row in await store.list_sessions()}
    return {name: [message.text for message in row.messages] for name, row in found.items() if row is not None}


@pytest.mark.anyio
async def test_an_opening_that_fails_half_way_leaves_nothing_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the two connections is closed again: else the interpreter would warn of it."""
    opened: list[Database] = []

    def open_once(path: str, *, create: bool) -> Database:
        if opened:
            raise StoreError("gone")
        opened.append(Database(path, create=create))
        return opened[0]

    monkeypatch.setattr("chatport._sqlite_store._open", open_once)
    with pytest.raises(StoreError, match="gone"):
        await SqliteStore(path).__aenter__()
    with pytest.raises(StoreError, match="is closed"):
        opened[0].load("a")


@pytest.mark.anyio
async def test_a_child_of_a_fork_opens_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's connections do not survive a fork: using one would damage the file, so nobody does."""
    held: list[sqlite3.Connection] = []
    async with SqliteStore(path) as store:
        with monkeypatch.context() as patch:
            patch.setattr("chatport._sqlite_database.os.getpid", lambda: -1)
            patch.setattr("chatport._sqlite_database._OF_PARENTS", held)
            with pytest.raises(StoreError, match="forked"):
                await store.load("a")
            await store.aclose()
    gc.collect()
    assert len(held) == 2
    for connection in held:
        assert connection.execute("PRAGMA user_version").fetchone()  # nobody has closed it, the collector included
        connection.close()


@pytest.mark.parametrize("steps", range(12))
def test_connections_are_closed_though_asyncio_cancels_the_closing(
    path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Task.cancel` at any point of opening and closing, before a thread has begun too: no connection stays open."""
    opened: list[Database] = []
    begin = Database.__init__

    def noted(self: Database, path: str, *, create: bool) -> None:
        begin(self, path, create=create)
        opened.append(self)

    monkeypatch.setattr(Database, "__init__", noted)

    async def cancelled_after(task: asyncio.Task[Any]) -> None:
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        task.cancel()
        await asyncio.wait([task])

    async def main() -> None:
        store = SqliteStore(path)
        await store.__aenter__()
        await cancelled_after(asyncio.ensure_future(store.aclose()))
        assert len(opened) == 2
        if store._writer is not None:
            await store.aclose()  # it was cancelled before it began
        assert [database._connection for database in opened] == [None, None]
        opened.clear()
        store = SqliteStore(path)
        await cancelled_after(asyncio.ensure_future(store.__aenter__()))
        if store._writer is not None:
            await store.aclose()
        assert all(database._connection is None for database in opened)

    asyncio.run(main())


@pytest.mark.anyio
async def test_a_connection_that_cannot_be_closed_keeps_no_other_one_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised, and the second one is closed all the same."""
    close = Database.close
    closed: list[Database] = []

    def refuse_once(self: Database) -> None:
        closed.append(self)
        close(self)
        if len(closed) == 1:
            raise StoreError("gone")

    store = await SqliteStore(path).__aenter__()
    monkeypatch.setattr(Database, "close", refuse_once)
    with pytest.raises(StoreError, match="gone"):
        await store.aclose()
    assert len(closed) == 2


@pytest.fixture
def slow_commit(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Says when an append has begun, and lets it end."""
    begun, may_end = threading.Event(), threading.Event()
    append = Database.append

    def waiting(self: Database, addition: Any) -> str:
        begun.set()
        assert may_end.wait(30)
        return append(self, addition)

    monkeypatch.setattr(Database, "append", waiting)
    yield begun, may_end
    may_end.set()


@pytest.mark.anyio
async def test_a_scope_that_is_cancelled_while_a_turn_is_written(
    path: Path, slow_commit: tuple[threading.Event, threading.Event]
) -> None:
    """The write ends, the turn lands in both, and the cancellation comes right after."""
    begun, may_end = slow_commit
    async with SqliteStore(path) as store, Session(ScriptedBackend("Hello."), "m", store=store, id="a") as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.ask, "Hi")
            await anyio.to_thread.run_sync(begun.wait)
            tasks.cancel_scope.cancel()
            may_end.set()
        found = await store.load("a")
        assert found is not None
        assert found.messages == session.messages
        assert len(session.messages) == 2


@pytest.mark.parametrize("times", [1, 3])
def test_a_task_that_asyncio_cancels_while_a_turn_is_written(
    path: Path, slow_commit: tuple[threading.Event, threading.Event], times: int
) -> None:
    """No shield holds `Task.cancel` off: it is raised, once the write has ended, and the turn is in both."""
    begun, may_end = slow_commit

    async def main() -> None:
        async with SqliteStore(path) as store, Session(ScriptedBackend("Hello."), "m", store=store, id="a") as session:
            task = asyncio.ensure_future(session.ask("Hi"))
            await anyio.to_thread.run_sync(begun.wait)
            for _ in range(times):
                task.cancel()
                await asyncio.wait([task], timeout=0.01)
            assert not task.done()
            may_end.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            found = await store.load("a")
            assert found is not None
            assert found.messages == session.messages
            assert len(session.messages) == 2

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(1, 6))
def test_what_was_kept_is_stored_though_asyncio_cancels_the_end_of_the_session(path: Path, steps: int) -> None:
    """`Task.cancel` while the block is left, before the write has begun too: it is raised, and nothing is lost."""

    async def main() -> None:
        async with SqliteStore(path) as store:
            session = Session(ScriptedBackend("Hello."), "m", store=store, id="a")
            await session.__aenter__()
            await session.ask("Hi")
            session.keep(Partial((Message.user("And"), Message.assistant("so on."))))
            leaving = asyncio.ensure_future(session.__aexit__(None, None, None))
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            if leaving.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await leaving
            found = await store.load("a")
            assert found is not None
            assert found.messages == session.messages
            assert len(session.messages) == 4

    asyncio.run(main())


def test_work_that_is_cancelled_before_it_begins_never_does() -> None:
    """Whoever waits for a thread and is cancelled leaves nothing behind that could still happen."""
    done: list[int] = []

    async def main() -> None:
        free = anyio.CapacityLimiter(1)
        release = threading.Event()
        first = asyncio.ensure_future(run_in_worker(release.wait, free))
        second = asyncio.ensure_future(run_in_worker(lambda: done.append(2), free))
        while not free.statistics().tasks_waiting:
            await anyio.lowlevel.checkpoint()
        second.cancel()
        release.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await second

    asyncio.run(main())
    assert done == []
    job = _Job(lambda: done.append(1))
    assert job.withdraw()
    with pytest.raises(RuntimeError, match="nobody waits"):
        job.run()
    assert done == []


@pytest.mark.anyio
async def test_huge_media_are_fine(path: Path) -> None:
    """Twenty-five megabytes there and back, with a conflict in between that costs nothing."""
    huge = os.urandom(25_000_000)
    async with SqliteStore(path) as store:
        await store.append("a", [pictures(huge)], version=None)
        with pytest.raises(ConflictError):
            await store.append("a", [pictures(huge)], version=None)
        found = await store.load("a")
        assert found is not None
        assert found.messages == pictures(huge).messages
