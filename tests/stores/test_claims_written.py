"""Claims in a store: what they name, which version they belong to, and where they cannot be written or read."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from tests.conversations import TWO, call, get_weather
from tests.stores.claiming import claim_of, noted, pause
from tests.stores.support import Hang, stored

import chatport
from chatport import (
    Claim,
    ConflictError,
    Message,
    ServiceError,
    Session,
    SessionStore,
    SqliteStore,
    StoredTurn,
    StoreError,
    ToolCall,
    ToolResult,
)
from chatport.testing import MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio


async def test_a_claim_names_the_calls_that_are_to_run(store: SessionStore) -> None:
    """Calls that were given, denied or cannot run have not been begun; of those of others it stays true they were."""
    await pause(store, [*TWO, call("3", "no_such_tool"), call("4", location="Oslo")])
    begun = anyio.Event()
    hangs = noted([], begun=begun, may_end=anyio.Event())

    async def approve(asked: ToolCall) -> chatport.Decision:
        return chatport.Deny() if asked.id == "4" else chatport.Allow()

    async def leave(worker: str, *results: ToolResult, **options: Any) -> tuple[str, tuple[str, ...]]:
        async with stored(store, tools=[hangs], worker=worker) as session, anyio.create_task_group() as tasks:

            async def resume() -> None:
                await session.resume(*results, approve=approve, **options)

            tasks.start_soon(resume)
            with anyio.fail_after(10):
                await begun.wait()
            tasks.cancel_scope.cancel()
        claim = await claim_of(store)
        assert claim is not None
        return claim.worker, claim.calls

    assert await leave("w1", ToolResult("2", "known")) == ("w1", ("1",))
    begun = anyio.Event()
    hangs = noted([], begun=begun, may_end=anyio.Event())
    assert await leave("w2", ToolResult("1", "known")) == ("w2", ("1", "2"))


async def test_a_claim_holds_on_where_the_history_is_changed_elsewhere(store: SessionStore) -> None:
    """An edit of what was said before leaves the calls as they were, and so does what a failed turn costs."""
    await pause(store)
    async with stored(store, ServiceError("gone"), tools=[get_weather], retry=None) as session:
        with pytest.raises(ServiceError):
            await session.resume()
    async with stored(store, [call("9")], ServiceError("gone"), tools=[get_weather], retry=None) as session:
        session.edit((Message.user("Hello"), *session.messages[1:]))
        await session.save()
        assert session.claim == await claim_of(store) is not None
        with pytest.raises(ServiceError):  # a turn that gives results, runs other tools and fails
            await session.ask(ToolResult("1", "x"), ToolResult("2", "x"))
        with pytest.raises(ConflictError):
            await session.resume()
        session.rewind()
        assert session.claim is None
    assert await claim_of(store) is None


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_claim_that_is_cancelled_while_it_is_written(when: str) -> None:
    """Written or not, nothing has begun: this session may go on, and nobody is held up by what it leaves."""
    store = HangingStore()
    await pause(store)
    ran: list[str] = []
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        store.way = when
        with store.hang.cancelled():
            await session.resume()
        assert (await claim_of(store) is not None) == (when == "after")
        assert session.claim is None
    assert (await claim_of(store), ran) == (None, [])
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        store.way = when
        with store.hang.cancelled():
            await session.resume()
        await session.resume()
    assert sorted(ran) == ["Paris", "Rome"]


class HangingStore(MemoryStore):
    """A store whose next write hangs, before it has written or after."""

    way: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.hang = Hang()

    async def append(self, session_id: str, turns: Sequence[StoredTurn], **options: Any) -> str:
        way, self.way = self.way, None
        if way == "before":
            await self.hang.here()
        version = await super().append(session_id, turns, **options)
        if way == "after":
            await self.hang.here()
        return version


async def test_a_store_that_knows_no_claims_refuses_to_run_calls_that_wait() -> None:
    """Of before there were any: everything else goes on, and what needs a claim fails before a tool runs."""

    class OldStore(MemoryStore):
        async def append(  # type: ignore[override]  # that is the point
            self, session_id: str, turns: Sequence[StoredTurn], *, version: Any, keep: Any = None, usage: Any = None
        ) -> str:
            return await super().append(session_id, turns, version=version, keep=keep, usage=usage)

    store: Any = OldStore()
    await pause(store)
    ran: list[str] = []
    async with stored(store, tools=[noted(ran)]) as session:
        with pytest.raises(TypeError, match="claim"):
            await session.resume()
    assert ran == []


async def test_a_claim_belongs_to_its_version(store: SessionStore) -> None:
    """It is read back as it was given; the next version has the one that it is given, or none."""
    claim = Claim("w" * 300 + "\x00é", datetime.now(UTC), ("1", "ü\n"))
    version = await store.append("a", [StoredTurn((Message.user("Hi"),))], version=None, claim=claim)
    assert await claim_of(store) == claim
    await store.add_usage("a", chatport.Usage(1))
    assert await claim_of(store) == claim
    version = await store.append("a", [], version=version, claim=claim)
    assert await claim_of(store) == claim
    await store.append("a", [], version=version)
    assert await claim_of(store) is None


async def test_what_is_said_of_claims_makes_sense(store: SessionStore) -> None:
    """Options that say nothing are refused; without a store there is no claim, and nothing to take over."""
    await pause(store)
    async with stored(store, "Done.", tools=[get_weather]) as session:
        with pytest.raises(ValueError, match='"refuse", "close" or "run", not True'):
            await session.resume(claimed=True)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="unknown option 'claimed'"):
            await session.ask("Hi", claimed="run")  # type: ignore[call-overload]
        forked = session.fork()
        assert (forked.claim, (await forked.resume(claimed="close")).text) == (None, "Done.")
    make: Callable[..., Session] = Session  # as who has no type checker calls it
    with pytest.raises(TypeError, match="worker= is for a session in a store"):
        make(ScriptedBackend(), "m", worker="w1")
    with pytest.raises(TypeError, match="worker is a str, not a int"):
        make(ScriptedBackend(), "m", store=store, worker=cast("Any", 1))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"worker":1,"claimed_at":"2026-01-02","calls":[]}', '{"worker":"w","claimed_at":"x","calls":[]}'],
)
async def test_a_claim_that_is_damaged_is_an_error(text: str, tmp_path: Path) -> None:
    """To read it as none would run calls a second time."""
    async with SqliteStore(tmp_path / "chats.db") as store:
        await pause(store)
        with closing(sqlite3.connect(tmp_path / "chats.db", isolation_level=None)) as connection:
            connection.execute("UPDATE versions SET claim = ?", (text,))
        with pytest.raises(StoreError, match="session 'a' cannot be read"):
            await store.load("a")


async def test_versions_of_an_older_chatport_have_no_claims(tmp_path: Path) -> None:
    """One that has the file open still, while a newer one brings it up to date, goes on writing as before."""
    path = tmp_path / "chats.db"
    fixture = Path(__file__).parents[1] / "fixtures" / "store-v1.sql"
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.executescript(fixture.read_text(encoding="utf-8"))
        async with SqliteStore(path) as store:
            claim = Claim("w1", datetime.now(UTC), ("1",))
            version = await store.append("anna-7", [], version="2", claim=claim)
            found = await store.load("anna-7")
            assert found is not None
            assert (found.claim, found.version) == (claim, version)
            older.execute("INSERT INTO versions (session, head, created_at) VALUES ('anna-7', 3, '2026-01-02')")
            older.execute("UPDATE sessions SET version = version + 1")
            found = await store.load("anna-7")
            assert found is not None
            assert (found.claim, found.version) == (None, str(int(version) + 1))
