"""A store in a SQLite file: what goes wrong with files."""

# ruff: noqa: ASYNC240 - what stands on the disk is looked at in place: nothing else runs meanwhile

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.stores.sqlite_support import pictures, rows, turn

from chatport import Session, SqliteStore, StoreError, Usage
from chatport.testing import ScriptedBackend


@pytest.mark.anyio
async def test_outside_of_its_block_it_is_of_no_use(path: Path) -> None:
    """Before and after, each method says so; opening twice and closing twice is allowed."""
    store = SqliteStore(path)
    for attempt in range(2):
        with pytest.raises(StoreError, match="not open"):
            await store.load("a")
        with pytest.raises(StoreError, match="not open"):
            await store.append("a", [], version=None)
        if not attempt:
            async with store, store:
                assert await store.list_sessions() == ()
            await store.aclose()
    async with store:
        for limit in (0, -1):
            with pytest.raises(ValueError, match="limit"):
                await store.list_sessions(limit=limit)
            with pytest.raises(ValueError, match="limit"):
                await store.search("a", limit=limit)


@pytest.mark.anyio
async def test_a_locked_file_is_waited_for_and_then_said(path: Path) -> None:
    """Another process may write for a while; readers do not wait for it, and waiting keeps no thread."""
    async with SqliteStore(path, lock_timeout=0.2) as store:
        token = await store.append("a", [turn("1")], version=None)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(
                StoreError, match=r"cannot be written: another process has it locked for more than 0\.2 s"
            ):
                await store.append("a", [turn("2")], version=token)
            assert await store.load("a") is not None
            with anyio.move_on_after(0.05) as scope:
                await store.append("a", [turn("3")], version=token)
            assert scope.cancelled_caught
            store._lock_timeout = 60
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(store.append, "a", [turn("4")], version=token))
                await anyio.wait_all_tasks_blocked()
                other.execute("ROLLBACK")
        found = await store.load("a")
        assert found is not None
        assert [message.text for message in found.messages] == ["1", "4"]


class _Refusing:
    """A connection on which one statement fails as SQLite would."""

    def __init__(self, connection: sqlite3.Connection, statement: str, error: sqlite3.Error) -> None:
        self._connection = connection
        self._statement = statement
        self._error = error

    def execute(self, statement: str, *values: Any) -> Any:
        if statement.startswith(self._statement):
            raise self._error
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.anyio
@pytest.mark.parametrize("statement", ["BEGIN", "INSERT INTO turns", "COMMIT"])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SQLITE_FULL", "there is no room left on the disk"),
        ("SQLITE_IOERR_WRITE", "the disk failed"),
        ("SQLITE_READONLY_DBMOVED", "it is read-only"),
        ("SQLITE_CORRUPT", "it is damaged"),
        ("SQLITE_MISUSE", "SQLite refuses"),
    ],
)
async def test_a_write_that_fails_leaves_no_half(path: Path, statement: str, code: str, text: str) -> None:
    """Wherever it fails: the reply is in the error, the file is as before, and the next turn lands."""
    error = sqlite3.OperationalError("out of something")
    error.sqlite_errorname = code
    async with SqliteStore(path) as store, Session(ScriptedBackend("1", "2"), "m", store=store, id="a") as session:
        assert store._writer is not None
        connection: Any = store._writer._connection
        store._writer._connection = _Refusing(connection, statement, error)  # type: ignore[assignment] # a fake
        with pytest.raises(StoreError, match=text) as caught:
            await session.ask("Hi")
        assert caught.value.reply is not None
        assert caught.value.__cause__ is error
        assert (await store.load("a"), session.messages) == (None, ())
        store._writer._connection = connection
        await session.ask("Hi")
        found = await store.load("a")
        assert found is not None
        assert found.messages == session.messages


@pytest.mark.anyio
async def test_a_full_disk_is_said(path: Path) -> None:
    """SQLite's own error, from a file that may not grow."""
    async with SqliteStore(path) as store:
        token = await store.append("a", [turn("1")], version=None)
        assert store._writer is not None
        assert store._writer._connection is not None
        store._writer._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match=r"no room left on the disk \(SQLITE_FULL"):
            await store.append("a", [pictures(bytes(1_000_000))], version=token)
        store._writer._connection.execute("PRAGMA max_page_count = 1000000")
        await store.append("a", [pictures(bytes(1_000_000))], version=token)
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() == 0, reason="to root nothing is read-only")
async def test_a_read_only_file_is_read_and_not_written(path: Path) -> None:
    """What is there can be seen; who writes learns why not."""
    async with SqliteStore(path) as store:
        token = await store.append("a", [turn("1")], version=None)
    path.chmod(0o400)
    async with SqliteStore(path) as store:
        assert await store.load("a") is not None
        with pytest.raises(StoreError, match="it is read-only"):
            await store.append("a", [turn("2")], version=token)


@pytest.mark.anyio
async def test_sqlites_own_word_for_read_only_is_understood(path: Path) -> None:
    """The same, also where the tests run as root."""
    async with SqliteStore(path) as store:
        assert store._writer is not None
        assert store._writer._connection is not None
        store._writer._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match=r"it is read-only: .* \(SQLITE_READONLY"):
            await store.append("a", [turn("1")], version=None)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        ("UPDATE turns SET messages = '{'", "line 1"),
        ("UPDATE turns SET messages = x'ff'", "byte 0 is not"),
        ("UPDATE turns SET format = 9", "newer chatport"),
        ("UPDATE turns SET format = 'x'", "a str in the place of a int"),
        ("UPDATE turns SET model = x'00'", "a bytes in the place of a str"),
        ("UPDATE turns SET usage = '[]'", "usage"),
        ("UPDATE turns SET usage = '{\"x\":1}'", "usage"),
        ("UPDATE turns SET created_at = 'yesterday'", "isoformat"),
        ("UPDATE turns SET created_at = x'00'", "fromisoformat"),
        ("UPDATE sessions SET updated_at = x'00'", "fromisoformat"),
        ("UPDATE sessions SET title = x'00'", "a bytes in the place of a str"),
        ("UPDATE sessions SET turns = 'x'", "a str in the place of a int"),
        ("UPDATE versions SET claim = 'x'", "line 1"),
        ("UPDATE versions SET claim = '{}'", "claim: must say"),
        ("DELETE FROM blobs", "missing"),
        ("UPDATE sessions SET usage = '{\"complete\":1}'", "usage"),
    ],
)
async def test_damaged_rows_are_named(path: Path, damage: str, text: str) -> None:
    """What cannot be read is an error of ours that says where, and costs the other sessions nothing."""
    async with SqliteStore(path) as store:
        await store.append("a", [pictures(b"")], version=None)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        connection.commit()
    async with SqliteStore(path) as store:
        await store.append("b", [turn("1")], version=None)
        with pytest.raises(StoreError, match=f"session 'a' cannot be read: .*{text}"):
            await store.load("a")
        assert await store.load("b") is not None
        assert await store.delete("a")


@pytest.mark.anyio
async def test_a_damaged_session_is_named_where_all_are_shown(path: Path) -> None:
    """Who lists or searches learns which one it is, can delete it, and sees the others then."""
    async with SqliteStore(path) as store:
        await store.append("a", [turn("words")], version=None)
        await store.append("b", [turn("words")], version=None)
        for damage in ("UPDATE sessions SET usage = '[]'", "UPDATE turns SET format = 9"):
            with closing(sqlite3.connect(path)) as connection:
                connection.execute(f"{damage} WHERE {'id' if 'sessions' in damage else 'session'} = 'a'")
                connection.commit()
            with pytest.raises(StoreError, match="session 'a' cannot be read"):
                await store.search("words")
        with pytest.raises(StoreError, match="session 'a' cannot be read"):
            await store.list_sessions()
        assert await store.delete("a")
        assert [row.id for row in await store.list_sessions()] == ["b"]
        assert [hit.session.id for hit in await store.search("words")] == ["b"]


@pytest.mark.anyio
async def test_a_number_of_turns_that_is_none_is_not_counted_on(path: Path) -> None:
    """What a damaged session is said to have decides where the next turn would stand."""
    async with SqliteStore(path) as store:
        token = await store.append("a", [turn("1")], version=None)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE sessions SET turns = 'many'")
            connection.commit()
        with pytest.raises(StoreError, match="session 'a' cannot be read"):
            await store.append("a", [turn("2")], version=token)


@pytest.mark.anyio
async def test_a_damaged_schema_is_damage(path: Path) -> None:
    """SQLite quotes it in its error, in bytes that are no text."""
    async with SqliteStore(path) as store:
        await store.append("a", [turn("1")], version=None)
    data = path.read_bytes()
    index = b"INDEX versions_by_head ON versions"
    assert data.count(index) == 1
    path.write_bytes(data.replace(index, index.replace(b"ON v", b"ON \xff")))
    with pytest.raises(StoreError, match="it is damaged"):
        async with SqliteStore(path):
            pass


@pytest.mark.anyio
async def test_half_characters_in_the_name_of_a_model_are_refused(path: Path) -> None:
    """SQLite cannot write them; that is an error of the store as any other."""
    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="the turn cannot be stored"):
            await store.append("a", [replace(turn("1"), model="\ud800")], version=None)
        assert await store.load("a") is None


@pytest.mark.anyio
async def test_a_damaged_sum_is_not_written_over(path: Path) -> None:
    """Adding to what cannot be read would hide it."""
    async with SqliteStore(path) as store:
        token = await store.append("a", [turn("1")], version=None)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE sessions SET usage = 'much'")
            connection.commit()
        with pytest.raises(StoreError, match="cannot be read"):
            await store.add_usage("a", Usage(1))
        with pytest.raises(StoreError, match="cannot be read"):
            await store.append("a", [turn("2")], version=token)
        assert rows(path, "SELECT usage FROM sessions") == [("much",)]
