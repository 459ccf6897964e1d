"""A store in a SQLite file: what stands in it, what goes wrong with files, and who may use it at once."""

# ruff: noqa: ASYNC240 - what stands on the disk is looked at in place: nothing else runs meanwhile
import asyncio
import gc
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import messages

from chatport import (
    ConflictError,
    Image,
    Message,
    Session,
    SessionStore,
    SqliteStore,
    StoredTurn,
    StoreError,
    ToolResult,
    Usage,
    _sqlite_schema,
    _stored_form,
    open_session,
)
from chatport._sqlite_database import Database
from chatport._worker import _Job, run_in_worker
from chatport.testing import MemoryStore, ScriptedBackend

_FIXTURES = Path(__file__).parent / "fixtures"
PNG = b"\x89PNG\r\n\x1a\n"


def turn(*texts: str) -> StoredTurn:
    """A turn of the user's words."""
    return StoredTurn(tuple(Message.user(text) for text in texts))


def pictures(*contents: bytes) -> StoredTurn:
    """A turn that shows pictures."""
    return StoredTurn((Message("user", tuple(Image("image/png", PNG + content) for content in contents)),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file may be made."""
    return tmp_path / "chats.db"


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What another program reads from the file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


# --- what stands in the file -----------------------------------------------------------------------------------------


@given(st.lists(st.lists(messages(), max_size=3).map(tuple), max_size=4))
@settings(max_examples=60)
def test_any_history_comes_back_equal(tmp_path_factory: pytest.TempPathFactory, turns: list[Any]) -> None:
    """Bytes, parts in a service's own words and foreign metadata included, also after the file was closed."""
    path = tmp_path_factory.mktemp("any") / "chats.db"

    async def there_and_back() -> tuple[Any, ...]:
        async with SqliteStore(path) as store:
            await store.append("a", [StoredTurn(part) for part in turns], version=None)
        async with SqliteStore(path, create=False) as store:
            found = await store.load("a")
            assert found is not None
            assert len(found.turns) == len(turns)
            return found.messages

    assert anyio.run(there_and_back) == tuple(message for part in turns for message in part)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 3), st.booleans()), max_size=12))
@settings(max_examples=40)
def test_both_stores_do_the_same(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    """Whatever is appended, taken back, replaced, deleted and asked for with an old version."""
    path = tmp_path_factory.mktemp("both") / "chats.db"

    async def do(store: SessionStore) -> list[Any]:
        seen: list[Any] = []
        for number, (name, keep, count, is_stale) in enumerate(steps):
            found = await store.load(name)
            version = None if found is None else found.version
            if keep == 5:
                seen.append(await store.delete(name))
                continue
            new = [turn(f"{number} {position}") for position in range(count)]
            options: dict[str, Any] = {"version": "stale" if is_stale else version, "usage": Usage(number)}
            try:
                await store.append(name, new, keep=keep if keep < 4 else None, **options)
            except (ConflictError, ValueError) as error:
                seen.append(type(error))
            await store.add_usage(name, Usage(output_tokens=1))
        for name in "ab":
            found = await store.load(name)
            seen.append(None if found is None else (found.messages, found.usage, len(found.turns)))
        seen += [(row.id, row.turns, row.title, row.usage) for row in await store.list_sessions()]
        return seen + [(hit.session.id, hit.turn, hit.excerpt) for hit in await store.search("0")]

    async def both() -> tuple[list[Any], list[Any]]:
        async with SqliteStore(path) as store:
            return await do(store), await do(MemoryStore())

    first, second = anyio.run(both)
    assert first == second


@pytest.mark.anyio
async def test_media_are_stored_once_and_outside_of_the_turn(path: Path) -> None:
    """The same picture in three turns of two sessions is one row, and the text of a turn stays small."""
    big = bytes(300_000)
    nested = StoredTurn((Message("tool", (ToolResult("1", Image("image/png", PNG + big)),)),))
    async with SqliteStore(path) as store:
        await store.append("a", [pictures(big, b"1", big), nested], version=None)
        await store.append("b", [pictures(big)], version=None)
        assert [len(data) for (data,) in rows(path, "SELECT data FROM blobs ORDER BY length(data)")] == [9, 300_008]
        assert max(len(text) for (text,) in rows(path, "SELECT messages FROM turns")) < 1000
        for name, expected in (("a", (pictures(big, b"1", big), nested)), ("b", (pictures(big),))):
            found = await store.load(name)
            assert found is not None
            assert [row.messages for row in found.turns] == [row.messages for row in expected]


@pytest.mark.anyio
async def test_what_is_deleted_is_gone_from_the_disk(path: Path) -> None:
    """Media go with the last session that shows them; no word is left in the file, and the file becomes smaller."""
    async with SqliteStore(path) as store:
        await store.append(
            "a", [pictures(b"shared", b"only here" + bytes(500_000)), turn("a secret word")], version=None
        )
        await store.append("b", [pictures(b"shared")], version=None)
        assert path.stat().st_size + path.with_name("chats.db-wal").stat().st_size > 500_000
        assert await store.delete("a")
        assert rows(path, "SELECT count(*) FROM blobs") == [(1,)]
        assert rows(path, "SELECT count(*) FROM turns") == [(1,)]
        left = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"a secret word" not in left
        assert b"only here" not in left
        assert len(left) < 400_000
        assert await store.delete("b")
        assert rows(path, "SELECT count(*) FROM blobs") == [(0,)]
        for statement in _EMPTY:
            assert rows(path, statement) == []


_EMPTY = (
    "SELECT * FROM sessions",
    "SELECT * FROM turns",
    "SELECT * FROM versions",
    "SELECT * FROM present",
    "SELECT * FROM turn_blobs",
)


@pytest.mark.anyio
async def test_turns_are_never_changed(path: Path) -> None:
    """A version with fewer turns points to an earlier one; what was taken back stays until the session is deleted."""
    async with SqliteStore(path) as store:
        token = await store.append("a", [turn("1"), turn("2"), turn("3")], version=None)
        before = rows(path, "SELECT * FROM turns")
        await store.append("a", [turn("4")], version=token, keep=1)
        after = rows(path, "SELECT * FROM turns")
    assert after[:3] == before
    assert rows(path, "SELECT head FROM versions") == [(3,), (4,)]
    assert rows(path, "SELECT number, parent FROM turns ORDER BY number") == [(1, None), (2, 1), (3, 2), (4, 1)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []


@pytest.mark.anyio
async def test_a_long_session_is_deleted_too(path: Path) -> None:
    """Turns that hang on each other in a long row are no recursion that SQLite would refuse."""
    async with SqliteStore(path) as store:
        await store.append("a", [turn(str(number)) for number in range(3000)], version=None)
        assert await store.delete("a")
        assert await store.load("a") is None


@pytest.mark.anyio
async def test_the_file_is_its_owners_and_another_one_is_not_made(tmp_path: Path) -> None:
    """Nobody else may read it; `create=False` makes none; a folder that is not there is said."""
    async with SqliteStore(tmp_path / "chats.db") as store:
        await store.append("a", [turn("1")], version=None)
        for file in tmp_path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    with pytest.raises(StoreError, match="there is no store at"):
        await SqliteStore(tmp_path / "other.db", create=False).__aenter__()
    with pytest.raises(StoreError, match="cannot be made: No such file or directory"):
        await SqliteStore(tmp_path / "nowhere" / "chats.db").__aenter__()
    assert [file.name for file in tmp_path.iterdir()] == ["chats.db"]
    assert repr(store) == f"<SqliteStore {str(tmp_path / 'chats.db')!r}>"


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_what_is_no_file_is_refused(path: str) -> None:
    """SQLite would take both for something that is gone when it is closed."""
    with pytest.raises(ValueError, match="is a file"):
        SqliteStore(path)


# --- versions of the file --------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_file_of_version_1_is_read_for_ever(path: Path) -> None:
    """The fixture is what the first release wrote. It is never changed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((_FIXTURES / "store-v1.sql").read_text(encoding="utf-8"))
    async with SqliteStore(path) as store:
        found = await store.load("anna-7")
        assert found is not None
        assert [message.role for message in found.messages] == [
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
            "assistant",
        ]
        assert found.messages[0].text == "Wie wird das Wetter?"
        assert found.messages[0].parts[1] == Image("image/png", PNG + b"a picture")
        assert found.messages[2].parts == (ToolResult("1", {"celsius": 21}),)
        assert found.usage == Usage(30, 12, total_tokens=42, complete=False)
        assert [row.model for row in found.turns] == ["echo:any", ""]
        assert (found.version, found.created_at.isoformat()) == ("2", "2026-01-02T03:04:05.000006+00:00")
        (hit,) = await store.search("sonnig")
        assert (hit.turn, hit.excerpt) == (0, "Sonnig, 21 Grad.")
        await store.append("anna-7", [turn("1")], version="2")


@pytest.mark.anyio
async def test_later_steps_are_made_once_and_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older file is brought up to date when it is opened; a step that fails leaves it as it was."""
    async with SqliteStore(path) as store:
        await store.append("a", [turn("1")], version=None)
    released = _sqlite_schema.MIGRATIONS
    broken = ("ALTER TABLE sessions ADD COLUMN label TEXT", "UPDATE missing SET a = 1")
    monkeypatch.setattr(_sqlite_schema, "MIGRATIONS", (*released, broken))
    with pytest.raises(StoreError, match="no such table: missing"):
        await SqliteStore(path).__aenter__()
    assert rows(path, "PRAGMA user_version") == [(len(released),)]
    assert "label" not in str(rows(path, "SELECT sql FROM sqlite_master"))
    monkeypatch.setattr(_sqlite_schema, "MIGRATIONS", (*released, broken[:1]))
    async with SqliteStore(path) as store:
        assert await store.load("a") is not None
    async with SqliteStore(path) as store:
        assert await store.load("a") is not None
    assert rows(path, "PRAGMA user_version") == [(len(released) + 1,)]
    monkeypatch.setattr(_sqlite_schema, "MIGRATIONS", released)
    with pytest.raises(StoreError, match="written by a newer chatport: version 3, and this one knows 2"):
        await SqliteStore(path).__aenter__()


@pytest.mark.anyio
async def test_files_of_others_are_left_alone(path: Path) -> None:
    """Another program's database, one of no program, and what is no database at all."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (a)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="of another program"):
        await SqliteStore(path).__aenter__()
    assert path.read_bytes() == before
    path.write_bytes(b"This is a text, and it is long enough to look like something." * 40)
    with pytest.raises(StoreError, match="is no SQLite database"):
        await SqliteStore(path).__aenter__()
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        await SqliteStore(path).__aenter__()


# --- what goes wrong -------------------------------------------------------------------------------------------------


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
        ("UPDATE turns SET format = 9", "newer chatport"),
        ("UPDATE turns SET usage = '[]'", "usage"),
        ("UPDATE turns SET usage = '{\"x\":1}'", "usage"),
        ("UPDATE turns SET created_at = 'yesterday'", "isoformat"),
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


# --- threads, loops, cancellation ------------------------------------------------------------------------------------


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
