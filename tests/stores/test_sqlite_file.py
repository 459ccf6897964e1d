"""A store in a SQLite file: what stands in it, and which files it takes."""

# ruff: noqa: ASYNC240 - what stands on the disk is looked at in place: nothing else runs meanwhile

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.sqlite_support import FIXTURES, PNG, pictures, rows, turn
from tests.strategies import messages

from chatport import (
    ConflictError,
    Image,
    Message,
    SessionStore,
    SqliteStore,
    StoredTurn,
    StoreError,
    ToolResult,
    Usage,
    _sqlite_schema,
)
from chatport.testing import MemoryStore

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
        connection.executescript((FIXTURES / "store-v1.sql").read_text(encoding="utf-8"))
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
