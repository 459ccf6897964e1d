"""Who runs the calls of a stored session: one worker, once, and what is left of a worker that has died."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from tests.conversations import TWO, call, get_weather
from tests.stores.support import stored

import chatport
from chatport import (
    Claim,
    ConflictError,
    Message,
    Partial,
    Pause,
    ServiceError,
    Session,
    SessionStore,
    SqliteStore,
    StoredTurn,
    StoreError,
    Text,
    ToolCall,
    ToolResult,
    tool,
)
from chatport.testing import MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio


async def wait(_: ToolCall) -> Pause:
    """Somebody has to be asked first."""
    return Pause()


async def pause(store: SessionStore, calls: Sequence[ToolCall] = TWO) -> None:
    """Leave calls that wait."""
    async with stored(store, list(calls), tools=[get_weather]) as session:
        await session.ask("Hi", approve=wait)


async def claim_of(store: SessionStore) -> Claim | None:
    """Return the claim that is stored."""
    return (await load(store)).claim


def noted(ran: list[str], *, begun: anyio.Event | None = None, may_end: anyio.Event | None = None) -> Any:
    """Return a weather tool that notes its runs."""

    async def run(location: str) -> str:
        ran.append(location)
        if begun is not None and may_end is not None:
            begun.set()
            await may_end.wait()
        return f"sunny in {location}"

    return tool(name="get_weather", description="Weather.")(run)


async def test_who_opens_a_session_whose_calls_run_elsewhere_does_not_run_them(store: SessionStore) -> None:
    """It has read the claimed version; it learns who runs them and since when, before anybody is asked anything."""
    await pause(store)
    ran: list[str] = []
    begun, may_end = anyio.Event(), anyio.Event()
    first_tool = noted(ran, begun=begun, may_end=may_end)
    before = datetime.now(UTC)
    async with stored(store, "Done.", tools=[first_tool], worker="w1") as first, anyio.create_task_group() as tasks:
        tasks.start_soon(first.resume)
        with anyio.fail_after(10):
            await begun.wait()
        async with stored(store, "Never.", tools=[noted(ran)], worker="w2") as second:
            claim = second.claim
            assert claim == first.claim == await claim_of(store)
            assert claim is not None
            assert (claim.worker, claim.calls) == ("w1", ("1", "2"))
            assert before <= claim.claimed_at <= datetime.now(UTC)
            for go_on in (second.resume, second.resume_stream().__aenter__):
                with pytest.raises(ConflictError, match=r"'w1' has begun to run 'get_weather' \(id '1'\), ") as caught:
                    await go_on()
                assert (caught.value.claim, caught.value.reply) == (claim, None)
            assert second.pending_calls == tuple(TWO)
        may_end.set()
    assert sorted(ran) == ["Paris", "Rome"]
    assert await claim_of(store) is None
    async with stored(store) as session:
        assert (session.claim, session.messages[-1].text) == (None, "Done.")


async def left_by_a_worker(store: SessionStore) -> tuple[str, Partial]:
    """Have a worker end in the middle of its calls; return which it had begun, and what it knows of its turn."""
    await pause(store)
    ran: list[str] = []
    begun = anyio.Event()
    hangs = noted(ran, begun=begun, may_end=anyio.Event())
    async with stored(store, tools=[hangs], max_parallel_tools=1) as worker, anyio.create_task_group() as tasks:
        tasks.start_soon(worker.resume)
        with anyio.fail_after(10):
            await begun.wait()
        tasks.cancel_scope.cancel()
    assert worker.partial is not None
    (place,) = ran  # which of the two comes first is the loop's affair
    return place, worker.partial


@pytest.mark.parametrize("way", ["close", "run", "results", "keep"])
async def test_what_becomes_of_calls_that_a_worker_left(store: SessionStore, way: str) -> None:
    """They are begun again, closed or answered where somebody says so; till then nobody runs them."""
    begun, partial = await left_by_a_worker(store)
    ran: list[str] = []
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        with pytest.raises(ConflictError):
            await session.resume()
        with pytest.raises(ConflictError, match=r"\(id '2'\)"):
            await session.resume(ToolResult("1", "known"))
        assert ran == []
        if way == "close":
            await session.resume(claimed="close")
        elif way == "run":
            await session.resume(claimed="run")
        elif way == "results":
            await session.resume(ToolResult("1", "known"), ToolResult("2", "known"))
        else:
            session.keep(partial)
            assert session.claim is None
            await session.ask()
        assert (session.messages[-1].text, session.claim) == ("Done.", None)
        results = [part for part in session.messages[2].parts if isinstance(part, ToolResult)]
    assert sorted(ran) == (["Paris", "Rome"] if way == "run" else [])
    closed = "interrupted" if way in {"close", "keep"} else None
    assert [result.error_kind for result in results] == [closed, closed]
    said = [part.text for result in results for part in result.content if isinstance(part, Text)]
    if way == "close":
        assert said == ["Interrupted: this call was begun, and nobody knows how far it came."] * 2
    if way == "keep":  # who was there knows more
        position = ["Paris", "Rome"].index(begun)
        assert said[position] == "Interrupted: this call was not run to its end."
        assert said[1 - position] == "Interrupted before this call was begun: it was not run."
        assert results[1 - position].metadata == {"chatport": {"error": "interrupted", "begun": False}}
    assert chatport.validate_messages((await load(store)).messages) == ()


async def load(store: SessionStore) -> chatport.StoredSession:
    """Return what is stored."""
    found = await store.load("a")
    assert found is not None
    return found


async def test_a_turn_that_fails_behind_its_tools_does_not_run_them_again(store: SessionStore) -> None:
    """The same session is refused too, and its partial turn has the results: kept, the conversation goes on."""
    await pause(store)
    ran: list[str] = []
    async with stored(store, ServiceError("gone"), "Done.", tools=[noted(ran)], retry=None) as session:
        with pytest.raises(ServiceError) as failed:
            await session.resume()
        with pytest.raises(ConflictError, match=r"keep\(session.partial\)"):
            await session.resume()
        assert sorted(ran) == ["Paris", "Rome"]
        assert failed.value.partial is not None
        session.keep(failed.value.partial)
        await session.save()
        assert await claim_of(store) is None
        assert (await session.ask()).text == "Done."
    assert sorted(ran) == ["Paris", "Rome"]
    assert [message.role for message in session.messages] == ["user", "assistant", "tool", "assistant"]


async def test_calls_that_were_not_begun_can_be_resumed(store: SessionStore) -> None:
    """A claim under which nothing has begun is void at once in this session, and taken back when it ends."""
    await pause(store)
    ran: list[str] = []
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        async with session.resume_stream():
            pass  # left at the start of the first run
        assert (session.claim, ran) == (None, [])
        assert await claim_of(store) is not None
    assert await claim_of(store) is None
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        async with session.resume_stream():
            pass
        assert (await session.resume()).text == "Done."
    assert sorted(ran) == ["Paris", "Rome"]


@pytest.mark.parametrize("way", ["locked", "cancelled"])
async def test_void_claims_stay_void_where_the_next_one_cannot_be_written(way: str) -> None:
    """A store may fail, or keep somebody waiting, more than once: that does not make a call begun."""
    store = _Unwilling()
    await pause(store)
    ran: list[str] = []
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        async with session.resume_stream():
            assert await claim_of(store) is not None  # and it is left before anything has begun
        store.refuses = way
        with anyio.move_on_after(0.05) as scope:
            with pytest.raises(StoreError, match="locked"):
                await session.resume()
            assert way == "locked"
        assert scope.cancelled_caught == (way == "cancelled")
        store.refuses = ""
        assert (session.claim, ran) == (None, [])
        await session.resume()
    assert sorted(ran) == ["Paris", "Rome"]


class _Unwilling(MemoryStore):
    """A store that writes nothing where it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = ""

    async def append(self, session_id: str, turns: Any, **options: Any) -> str:
        if self.refuses == "locked":
            raise StoreError("the store is locked")
        if self.refuses:
            await anyio.sleep_forever()
        return await super().append(session_id, turns, **options)


async def test_a_void_claim_that_others_have_written_over_is_left_to_them(store: SessionStore) -> None:
    """It is gone with its version: who ends the session has nothing to say about that of somebody else."""
    await pause(store)
    async with stored(store, tools=[get_weather]) as first:
        async with first.resume_stream():
            pass
        async with stored(store, "Theirs.", tools=[get_weather]) as second:
            await second.resume(claimed="run")
    assert (await load(store)).messages == second.messages


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
        with anyio.move_on_after(0.05) as scope:
            await session.resume()
        assert scope.cancelled_caught
        assert (await claim_of(store) is not None) == (when == "after")
        assert session.claim is None
    assert (await claim_of(store), ran) == (None, [])
    async with stored(store, "Done.", tools=[noted(ran)]) as session:
        store.way = when
        with anyio.move_on_after(0.05):
            await session.resume()
        await session.resume()
    assert sorted(ran) == ["Paris", "Rome"]


class HangingStore(MemoryStore):
    """A store whose next write hangs, before it has written or after."""

    way: str | None = None

    async def append(self, session_id: str, turns: Sequence[StoredTurn], **options: Any) -> str:
        way, self.way = self.way, None
        if way == "before":
            await anyio.sleep_forever()
        version = await super().append(session_id, turns, **options)
        if way == "after":
            await anyio.sleep_forever()
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
