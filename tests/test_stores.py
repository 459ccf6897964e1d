"""Sessions with a store: what lands, who wins, and that memory and store say the same. Every store is held to it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.conversations import call, get_weather

import chatport
from chatport import (
    BusyError,
    ConflictError,
    Document,
    Message,
    OutputError,
    Partial,
    Pause,
    Session,
    SessionStore,
    SqliteStore,
    StoredTurn,
    StoreError,
    StreamClosedError,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    tool,
)
from chatport.testing import Answer, MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio

HI = (Message.user("Hi"), Message.assistant("Hello."))


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[SessionStore]:
    """Every store there is."""
    if request.param == "memory":
        yield MemoryStore()
    else:
        async with SqliteStore(tmp_path / "chats.db") as opened:
            yield opened


@asynccontextmanager
async def stored(store: SessionStore, *script: Any, **options: Any) -> AsyncGenerator[Session]:
    """A session named `a` on a scripted backend."""
    options.setdefault("id", "a")
    async with Session(ScriptedBackend(*script), "model-1", store=store, **options) as session:
        yield session


async def history_of(store: SessionStore, name: str = "a") -> tuple[Message, ...]:
    """What is stored of a session."""
    found = await store.load(name)
    assert found is not None
    return found.messages


# --- landing ---------------------------------------------------------------------------------------------------------


async def test_a_turn_is_stored_when_its_reply_is_there(store: SessionStore) -> None:
    """What `ask` has answered stands in the store already; another session goes on with it, and the sum goes along."""
    usage = Usage(10, 5, total_tokens=15)
    async with stored(store, Answer("Hello.", usage=replace(usage, raw={"x": 1}))) as session:
        assert (session.id, session.messages) == ("a", ())
        reply = await session.ask("Hi")
        found = await store.load("a")
        assert found is not None
        assert found.messages == session.messages == HI
        (turn,) = found.turns
        assert (turn.messages, turn.usage, turn.model) == (reply.messages, usage, "scripted:model-1")
        assert (found.usage, session.usage.total_tokens) == (usage, 15)
        assert turn.created_at <= found.updated_at
        assert found.created_at.utcoffset() is not None
    backend = ScriptedBackend(Answer("Again.", usage=usage))
    async with Session(backend, "model-2", store=store, id="a") as session:
        assert (session.messages, session.usage) == (HI, usage)
        await session.ask("And?")
        assert backend.requests[0].messages == (*HI, Message.user("And?"))
        assert session.usage == usage + usage
    async with stored(store) as session:
        assert len(session.messages) == 4
        assert session.usage == usage + usage
    (summary,) = await store.list_sessions()
    assert (summary.id, summary.title, summary.turns, summary.model) == ("a", "Hi", 2, "scripted:model-2")


async def test_a_turn_is_stored_before_its_last_event(store: SessionStore) -> None:
    """Who reads `ReplyEnd` finds the turn in the store; who leaves before it finds nothing there."""
    async with stored(store, "Hello.", "Never.") as session:
        async with session.stream("Hi") as stream:
            async for event in stream:
                if isinstance(event, chatport.ReplyEnd):
                    assert await history_of(store) == HI
        async with session.stream("More") as stream:
            async for _ in stream.text:
                break
        assert await history_of(store) == session.messages == HI


async def test_tools_and_typed_turns_land_whole(store: SessionStore) -> None:
    """A turn of several steps is one turn; one whose answer does not fit lands when it is kept."""
    async with stored(store, [call()], "Sunny.", "no number", tools=[get_weather]) as session:
        reply = await session.ask("How is it?")
        with pytest.raises(OutputError) as caught:
            await session.ask("How many?", output=int, output_retries=0)
        assert await history_of(store) == reply.messages
        assert caught.value.partial is not None
        session.keep(caught.value.partial)
        await session.save()
        found = await store.load("a")
        assert found is not None
        assert [len(turn.messages) for turn in found.turns] == [4, 2]
        assert found.messages == session.messages


async def test_without_an_id_there_is_a_new_one(store: SessionStore) -> None:
    """Two sessions of one store do not meet by accident."""
    async with stored(store, "1", id=None) as first, stored(store, "2", id=None) as second:
        await first.ask("Hi")
        await second.ask("Hi")
        assert first.id != second.id
        assert {row.id for row in await store.list_sessions()} == {first.id, second.id}


async def test_what_is_said_at_opening(store: SessionStore) -> None:
    """Model, system prompt, settings and tools are the caller's each time; the messages given begin a new session."""
    given = [Message.user("Paris"), Message.assistant("France")]
    async with stored(store, "Norway", messages=given, system="Countries.") as session:
        assert await store.load("a") is None
        await session.ask("Oslo")
    found = await store.load("a")
    assert found is not None
    assert [len(turn.messages) for turn in found.turns] == [2, 2]
    backend = ScriptedBackend("Italy")
    async with Session(backend, "m", store=store, id="a", messages=given, system="Only the name.") as session:
        assert len(session.messages) == 4
        await session.ask("Rome")
    assert backend.requests[0].system == (Text("Only the name."),)
    with pytest.raises(ValueError, match="does not begin with the messages= that are given"):
        async with stored(store, messages=HI):
            raise AssertionError("it was opened")
    assert len(await history_of(store)) == 6


async def test_what_a_session_was_to_begin_with_is_stored_with_its_first_turn(store: SessionStore) -> None:
    """Opened and left, it leaves nothing; saved, it is there."""
    async with stored(store, messages=HI):
        pass
    assert await store.load("a") is None
    async with stored(store, messages=HI) as session:
        await session.save()
        assert await history_of(store) == HI


async def test_a_stored_session_is_read_when_it_is_entered(store: SessionStore) -> None:
    """Before, it does not know its history, and says so; afterwards it sends nothing."""
    session = Session(ScriptedBackend("Hello."), "m", store=store, id="a")
    with pytest.raises(StreamClosedError, match="async with"):
        await session.ask("Hi")
    with pytest.raises(StreamClosedError, match="async with"):
        session.request("Hi")
    with pytest.raises(StreamClosedError, match="async with"):
        await session.save()
    for change in (lambda: session.keep(Partial(HI)), session.rewind, session.fork):
        with pytest.raises(StreamClosedError, match="async with"):
            change()
    async with session:
        await session.ask("Hi")
    assert session.messages == HI
    with pytest.raises(StreamClosedError):
        async with session:
            raise AssertionError("it was entered again")


async def test_options_that_make_no_sense(store: SessionStore) -> None:
    """An id without a store, a store that is none, names that cannot be one."""
    backend = ScriptedBackend()
    with pytest.raises(TypeError, match="store="):
        Session(backend, "m", id="a")
    with pytest.raises(TypeError, match="not a str"):
        Session(backend, "m", store="chats.db", id="a")  # type: ignore[arg-type] # the mistake
    with pytest.raises(TypeError, match="not a int"):
        Session(backend, "m", store=store, id=7)  # type: ignore[arg-type] # the mistake
    for name in ("", " a", "a" * 201, "a\nb", "\ud800"):
        with pytest.raises(ValueError, match="printable"):
            Session(backend, "m", store=store, id=name)
    assert Session(backend, "m").id is None
    async with Session(backend, "m") as plain:
        with pytest.raises(ValueError, match="no store"):
            await plain.save()
        with pytest.raises(ValueError, match="no store"):
            await plain.reload()


async def test_open_session_and_ask_take_a_store(store: SessionStore) -> None:
    """Both hand it on."""
    async with chatport.open_session("echo:any", store=store, id="a") as session:
        await session.ask("Hi")
    await chatport.ask("echo:any", "You", store=store, id="a")
    assert [message.text for message in await history_of(store)] == ["Hi", "Hi", "You", "You"]


# --- a lost race -----------------------------------------------------------------------------------------------------


async def test_a_lost_race_is_a_conflict_and_no_lost_turn(store: SessionStore) -> None:
    """One of two turns wins; the other's reply is in the error, and lands behind the winner's."""
    cost = Usage(1, 1, total_tokens=2)
    async with (
        stored(store, "Hello.", Answer("Mine.", usage=cost)) as loser,
        stored(store, Answer("Theirs.", usage=cost)) as winner,
    ):
        await winner.ask("First")
        with pytest.raises(ConflictError, match=r"'a'.*nothing was written") as caught:
            await loser.ask("Second")
        error = caught.value
        assert error.reply is not None
        assert error.partial is not None
        assert (error.reply.text, error.partial.text, error.partial.messages) == (
            "Hello.",
            "Hello.",
            error.reply.messages,
        )
        assert loser.messages == ()  # as before
        with pytest.raises(ConflictError):
            await loser.ask("Third")
        await loser.reload()
        assert loser.messages == winner.messages
        assert loser.usage.total_tokens == 4  # the winner's, and what the lost turn has cost
        loser.keep(error.partial)
        await loser.save()
        assert [message.text for message in await history_of(store)] == ["First", "Theirs.", "Second", "Hello."]
        found = await store.load("a")
        assert found is not None
        assert found.usage.total_tokens == 4


async def test_a_stream_that_loses_the_race_has_its_reply_in_the_error(store: SessionStore) -> None:
    """The words have been read; `partial` has them too, and the stream has no reply."""
    async with stored(store, "Hello.") as loser, stored(store, "Theirs.") as winner:
        async with loser.stream("Second") as stream:
            await winner.ask("First")
            with pytest.raises(ConflictError):
                await stream.finish()
            assert stream.partial.text == "Hello."
            with pytest.raises(StreamClosedError):
                _ = stream.reply
        assert loser.messages == ()


async def test_a_session_that_was_deleted_meanwhile_is_a_conflict(store: SessionStore) -> None:
    """Nothing comes back by itself, not even where another one of that name has begun since."""
    async with stored(store, "Hello.", "More.", "More.") as session:
        await session.ask("Hi")
        assert await store.delete("a")
        with pytest.raises(ConflictError):
            await session.ask("And?")
        assert await store.load("a") is None
        await store.append("a", [StoredTurn(HI)], version=None)
        with pytest.raises(ConflictError):
            await session.ask("And?")
        await session.reload()
        assert session.messages == HI
        assert not await store.delete("b")


async def test_many_who_write_at_once_make_one_line(store: SessionStore) -> None:
    """Twenty tasks with a session each: every turn that was answered is there once, in one history."""
    won: list[str] = []

    async def ask(number: int) -> None:
        while True:
            async with stored(store, f"answer {number}") as session:
                try:
                    await session.ask(f"question {number}")
                except ConflictError:
                    continue
                won.append(f"question {number}")
                return

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask, number)
    texts = [message.text for message in await history_of(store)]
    assert sorted(texts[::2]) == sorted(won) == sorted(f"question {number}" for number in range(20))
    assert [text.replace("answer", "question") for text in texts[1::2]] == texts[::2]


async def test_an_answer_asked_for_again_that_loses_a_race_is_kept_behind_one_question(store: SessionStore) -> None:
    """The question stands in the history already: who keeps the new answer rewinds first."""
    async with stored(store, "1", "two") as loser:
        await loser.ask("a")
        async with stored(store) as winner:
            winner.edit((*winner.messages[:1], Message.assistant("one")))
            await winner.save()
        with pytest.raises(ConflictError) as caught:
            await loser.regenerate()
        assert caught.value.partial is not None
        await loser.reload()
        loser.rewind()
        loser.keep(caught.value.partial)
    assert [message.text for message in await history_of(store)] == ["a", "two"]


# --- tools that run once ---------------------------------------------------------------------------------------------


async def wait(_: ToolCall) -> Pause:
    """Somebody has to be asked first."""
    return Pause()


@pytest.mark.parametrize("way", ["resume", "first", "later", "regenerate"])
async def test_of_two_that_go_on_from_one_version_one_runs_tools(store: SessionStore, way: str) -> None:
    """The other one learns of it before anything runs: its calls are as open as they were, and it can go on."""
    ran: list[str] = []
    begun, may_end = anyio.Event(), anyio.Event()

    def pay(who: str) -> Callable[..., Any]:
        async def run(location: str) -> str:
            ran.append(who)
            begun.set()
            await may_end.wait()
            return f"paid {location}"

        return tool(name="get_weather", description="Pay.")(run)

    if way != "first":
        async with stored(store, [call()] if way == "resume" else "Hello.", tools=[get_weather]) as session:
            await session.ask("Hi", approve=wait)
    script = ["Done."] if way == "resume" else [[call()], "Done."]

    async def go_on(session: Session) -> None:
        if way == "resume":
            await session.resume()
        elif way == "regenerate":
            await session.regenerate()
        else:
            await session.ask("Pay")

    async with (
        stored(store, *script, tools=[pay("winner")]) as winner,
        stored(store, *script, tools=[pay("loser")]) as loser,
        anyio.create_task_group() as tasks,
    ):
        before = loser.messages
        tasks.start_soon(go_on, winner)
        with anyio.fail_after(10):  # a tool that runs here a second time waits for ever
            await begun.wait()
            with pytest.raises(ConflictError) as caught:
                await go_on(loser)
        assert ran == ["winner"]
        error = caught.value
        assert (error.reply, loser.messages) == (None, before)
        assert error.partial is not None
        assert all(message.role != "tool" for message in error.partial.messages)
        assert bool(error.partial.messages) == (way != "resume")
        await loser.reload()
        assert loser.pending_calls == winner.pending_calls
        may_end.set()
    assert await history_of(store) == winner.messages
    assert winner.messages[-1].text == "Done."


async def test_a_turn_that_waits_again_claims_nothing(store: SessionStore) -> None:
    """Nothing has run, so nothing is written."""
    async with stored(store, [call()], tools=[get_weather]) as session:
        await session.ask("Hi", approve=wait)
        before = await store.load("a")
        assert (await session.resume(approve=wait)).pending_calls
        assert await store.load("a") == before


async def test_what_a_new_session_began_with_is_there_when_its_tools_run(store: SessionStore) -> None:
    """A turn that fails after its tools have run leaves the beginning, and the session can be opened as before."""
    async with stored(store, [call()], chatport.ServiceError("gone"), messages=HI, tools=[get_weather]) as session:
        with pytest.raises(chatport.ServiceError):
            await session.ask("How is it?", retry=None)
    async with stored(store, "Hello.", messages=HI) as session:
        assert session.messages == HI


# --- changes without a turn ------------------------------------------------------------------------------------------


async def test_what_is_kept_is_stored_with_the_next_turn_or_at_the_end(store: SessionStore) -> None:
    """`keep` changes the memory at once, and the store with what comes next."""
    left = Partial((Message.user("Hi"), Message.assistant("Hel")), unfinished=True)
    async with stored(store, "Go on.") as session:
        session.keep(left)
        assert await store.load("a") is None
        await session.ask("And?")
        found = await store.load("a")
        assert found is not None
        assert [len(turn.messages) for turn in found.turns] == [2, 2]
        session.keep(Partial((Message.user("Last"), Message.assistant("word."))))
    assert [message.text for message in await history_of(store)] == ["Hi", "Hel", "And?", "Go on.", "Last", "word."]


async def test_a_history_that_goes_back_is_a_version_with_fewer_turns(store: SessionStore) -> None:
    """Whatever took turns away or changed them: those that are the same stay, new ones follow, in one write."""
    async with stored(store, "1", "2", "3", "new") as session:
        for question in "abc":
            await session.ask(question)
        before = await store.load("a")
        assert before is not None
        session.edit(session.messages[:3])  # two messages of a whole turn, and half of another
        await session.ask("d")
        after = await store.load("a")
        assert after is not None
        assert after.turns[0] == before.turns[0]
        assert [[message.text for message in turn.messages] for turn in after.turns[1:]] == [["b"], ["d", "new"]]
        assert after.usage == before.usage
        session.rewind(3)
        await session.save()
        empty = await store.load("a")
        assert empty is not None
        assert (empty.turns, empty.messages) == ((), ())
    (summary,) = await store.list_sessions()
    assert (summary.turns, summary.title) == (0, "")


async def test_an_answer_that_is_asked_for_again_takes_the_place_of_the_first(store: SessionStore) -> None:
    """In one write: whoever reads meanwhile sees the one or the other. A fork has no store, unless it is given one."""
    async with stored(store, "1", "2", "two", "3") as session:
        await session.ask("a")
        await session.ask("b")
        before = await store.load("a")
        assert before is not None
        await session.regenerate()
        after = await store.load("a")
        assert after is not None
        assert [message.text for message in after.messages] == ["a", "1", "b", "two"]
        assert (after.turns[0], len(after.turns)) == (before.turns[0], 2)
        assert session.fork().id is None
        async with session.fork(store=store, id="b") as fork:
            await fork.ask("c")
        assert [message.text for message in await history_of(store, "b")] == ["a", "1", "b", "two", "c", "3"]
        assert await history_of(store) == session.messages


async def test_what_failed_turns_have_cost_is_kept_too(store: SessionStore) -> None:
    """With the next turn, or when the session ends, though nothing else has changed."""
    cost = Usage(3, 2, total_tokens=5)
    failing = Answer("Half", usage=cost, error=chatport.ServiceError("broken"))
    script = (Answer("1", usage=cost), failing, Answer("2", usage=cost), "nothing like it")
    async with stored(store, *script, retry=None) as session:
        await session.ask("a")
        with pytest.raises(chatport.ServiceError):
            await session.ask("b")
        assert not session.usage.complete
        await session.ask("c")
        found = await store.load("a")
        assert found is not None
        assert found.usage == session.usage
        with pytest.raises(OutputError):
            await session.ask("d", output=int, output_retries=0)
        sum_of_all = session.usage
        version = found.version
    found = await store.load("a")
    assert found is not None
    assert (found.usage, found.version) == (sum_of_all, version)
    await store.add_usage("nobody", cost)
    assert await store.load("nobody") is None


async def test_what_was_asked_for_again_is_in_the_sum(store: SessionStore) -> None:
    """An answer that did not fit is no part of the history, and has been paid for."""
    cost = Usage(3, 2, total_tokens=5)
    async with stored(store, Answer("many", usage=cost), Answer('{"value": 3}', usage=cost)) as session:
        assert (await session.ask("How many?", output=int, output_retries=1)).output == 3
        found = await store.load("a")
        assert found is not None
        assert (found.messages, found.usage) == (session.messages, cost + cost)
        assert (len(session.messages), session.usage) == (2, cost + cost)


async def test_nothing_is_written_where_nothing_is_new(store: SessionStore) -> None:
    """Opening, looking and leaving makes no version."""
    async with stored(store, "Hello.") as session:
        await session.ask("Hi")
        await session.save()
    first = await store.load("a")
    async with stored(store) as session:
        await session.save()
    assert await store.load("a") == first


async def test_one_thing_at_a_time() -> None:
    """In the middle of a turn, or of saving, nothing is saved or read again."""
    store = MemoryStore()
    async with stored(store, "Hello.") as session, session.stream("Hi"):
        with pytest.raises(BusyError):
            await session.save()
        with pytest.raises(BusyError):
            await session.reload()


# --- a store that fails ----------------------------------------------------------------------------------------------


class BrokenStore(MemoryStore):
    """A store whose writing fails, in one way or another, as often as is said."""

    def __init__(self, *errors: BaseException | str | None) -> None:
        super().__init__()
        self.errors = list(errors)

    async def append(self, session_id: str, turns: Sequence[StoredTurn], **options: Any) -> str:
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, BaseException):
            raise error
        if error == "before":
            await anyio.sleep_forever()
        version = await super().append(session_id, turns, **options)
        if error == "after":
            await anyio.sleep_forever()
        return version


async def test_a_store_that_fails_costs_no_reply() -> None:
    """The error has the reply and the turn; history and store are as before, and the turn can land later."""
    store = BrokenStore(StoreError("no room"))
    async with stored(store, "Hello.", "Later.") as session:
        with pytest.raises(StoreError, match="no room") as caught:
            await session.ask("Hi")
        assert caught.value.reply is not None
        assert caught.value.partial is not None
        assert (caught.value.reply.text, session.messages, await store.load("a")) == ("Hello.", (), None)
        session.keep(caught.value.partial)
        await session.ask("And?")
        assert await history_of(store) == session.messages
        assert len(session.messages) == 4


async def test_what_cannot_be_stored_is_refused(store: SessionStore) -> None:
    """A value that is no JSON lands neither here nor there."""
    odd = Message("assistant", (Text("Hello.", metadata={"scripted": {"at": object()}}),))
    async with stored(store, odd, "Fine.") as session:
        with pytest.raises(StoreError, match="cannot be stored: messages"):
            await session.ask("Hi")
        assert (session.messages, await store.load("a")) == ((), None)
        await session.ask("Hi")
        assert await history_of(store) == session.messages


async def test_an_end_that_cannot_be_written_is_said_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It is raised where nothing else is; else it is logged, and what is raised goes on."""
    left = Partial(HI)
    with pytest.raises(StoreError, match="no room"):
        async with stored(BrokenStore(StoreError("no room"))) as session:
            session.keep(left)
    with pytest.raises(KeyError):
        async with stored(BrokenStore(StoreError("no room"))) as session:
            session.keep(left)
            raise KeyError
    assert "the stored session 'a' could not be closed" in caplog.text


async def test_what_is_changed_after_the_end_is_refused(store: SessionStore) -> None:
    """It would be stored nowhere; a session without a store is no more than its memory, and stays as free as it was."""
    async with stored(store, "Hello.") as session:
        await session.ask("Hi")
    left = Partial((Message.user("And?"),))
    for change in (lambda: session.keep(left), lambda: session.edit(()), session.rewind):
        with pytest.raises(StreamClosedError, match="stored nowhere"):
            change()
    assert session.messages == await history_of(store) == HI
    async with Session(ScriptedBackend(), "m") as plain:
        pass
    plain.keep(left)
    assert plain.rewind() == left.messages


async def test_an_end_that_could_not_be_written_can_be_saved_afterwards() -> None:
    """What failed when the block was left is still there."""
    store = BrokenStore(StoreError("no room"))
    session = Session(ScriptedBackend(), "m", store=store, id="a")
    with pytest.raises(StoreError, match="no room"):
        async with session:
            session.keep(Partial(HI))
    await session.save()
    assert await history_of(store) == HI


async def test_an_end_that_takes_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs does not hold the program for ever, and the loss is said."""
    monkeypatch.setattr("chatport._closing.CLOSE_SECONDS", 0.01)
    with pytest.raises(StoreError, match="not written within"):
        async with stored(BrokenStore("before")) as session:
            session.keep(Partial(HI))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancellation_while_writing_leaves_store_and_memory_the_same(when: str) -> None:
    """Cut before the store has it, it is nowhere; cut after that, it is in both, and the sum is right."""
    store = BrokenStore(when)
    cost = Usage(1, 1, total_tokens=2)
    async with stored(store, Answer("Hello.", usage=cost), Answer("More.", usage=cost)) as session:
        with anyio.move_on_after(0.05) as scope:
            await session.ask("Hi")
        assert scope.cancelled_caught
        found = await store.load("a")
        assert session.messages == (HI if when == "after" else ())
        assert (found.messages if found is not None else ()) == session.messages
        await session.ask("And?")
        assert await history_of(store) == session.messages
        assert session.usage.total_tokens == 4
        found = await store.load("a")
        assert found is not None
        assert found.usage.total_tokens == 4


@pytest.mark.parametrize("when", ["before", "after"])
async def test_saving_that_is_cancelled_is_no_conflict_with_oneself(when: str) -> None:
    """Written or not, the session knows which, goes on, and has spent what it has spent once."""
    store = BrokenStore()
    cost = Usage(1, 1, total_tokens=2)
    async with stored(store, Answer("no number", usage=cost), Answer("More.", usage=cost)) as session:
        with pytest.raises(OutputError) as caught:
            await session.ask("How many?", output=int, output_retries=0)
        assert caught.value.partial is not None
        session.keep(caught.value.partial)
        store.errors.append(when)
        with anyio.move_on_after(0.05) as scope:
            await session.save()
        assert scope.cancelled_caught
        assert (await store.load("a") is not None) == (when == "after")
        await session.ask("And?")
        found = await store.load("a")
        assert found is not None
        assert (found.messages, found.usage) == (session.messages, cost + cost)
        await session.reload()
        assert (len(session.messages), session.usage) == (4, cost + cost)


@pytest.mark.parametrize("when", ["fails", "before", "after", "unknown"])
async def test_a_sum_that_is_cancelled_is_never_counted_twice(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can know whether it was added, the sum says that something may be missing."""
    cost = Usage(1, 1, total_tokens=2)
    store = MemoryStore()
    async with stored(store, Answer("1", usage=cost), Answer("no number", usage=cost)) as session:
        await session.ask("a")
        with pytest.raises(OutputError):
            await session.ask("How many?", output=int, output_retries=0)
        with monkeypatch.context() as patch:

            async def add_usage(name: str, usage: Usage) -> None:
                if when == "fails":
                    raise StoreError("no room")
                if when != "before":
                    await MemoryStore.add_usage(store, name, usage)
                if when == "unknown":  # somebody else adds at the same time
                    await MemoryStore.add_usage(store, name, Usage(100))
                await anyio.sleep_forever()

            patch.setattr(store, "add_usage", add_usage)
            if when == "fails":
                with pytest.raises(StoreError, match="no room"):
                    await session.save()
            else:
                with anyio.move_on_after(0.05) as scope:
                    await session.save()
                assert scope.cancelled_caught
    found = await store.load("a")
    assert found is not None
    if when == "unknown":
        assert (found.usage.output_tokens, found.usage.complete) == (2, False)
    else:
        assert found.usage == session.usage == cost + cost


@pytest.mark.parametrize("way", ["fails", "hangs"])
@pytest.mark.parametrize("then", ["reload", "ask", "leave"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_an_uncertain_turn_has_cost_is_counted_once(
    when: str, then: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while it was written, and the store cannot be read: the sum waits until it is known what happened."""
    monkeypatch.setattr("chatport._stored_history.CLOSE_SECONDS", 0.01)
    cost = Usage(1, 1, total_tokens=2)
    store = BrokenStore(None, when)
    async with stored(store, *[Answer("Hello.", usage=cost)] * 3) as session:
        await session.ask("Hi")
        with monkeypatch.context() as patch:

            async def broken(_: str) -> None:
                if way == "hangs":
                    await anyio.sleep_forever()
                raise StoreError("gone")

            patch.setattr(store, "load", broken)
            with anyio.move_on_after(0.05) as scope:
                await session.ask("And?")
            assert scope.cancelled_caught
        spent = cost + cost
        if then == "reload":
            await session.reload()
            assert len(session.messages) == (4 if when == "after" else 2)
            assert session.usage == spent
        elif then == "ask":
            spent += cost
            if when == "after":
                with pytest.raises(ConflictError):
                    await session.ask("Once more")
                await session.reload()
            else:
                await session.ask("Once more")
            assert session.usage == spent
    found = await store.load("a")
    assert found is not None
    assert found.usage == spent


@pytest.mark.parametrize("way", ["fails", "hangs"])
async def test_a_cancellation_comes_through_where_the_store_cannot_be_read(
    way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the turn was stored is not known then, which is logged; what is stored decides in the end."""
    monkeypatch.setattr("chatport._stored_history.CLOSE_SECONDS", 0.01)
    store = BrokenStore("after")
    async with stored(store, "Hello.", "More.") as session:
        with monkeypatch.context() as patch:

            async def broken(_: str) -> None:
                if way == "hangs":
                    await anyio.sleep_forever()
                raise StoreError("gone")

            patch.setattr(store, "load", broken)
            with anyio.move_on_after(0.05) as scope:
                await session.ask("Hi")
        assert scope.cancelled_caught
        assert not session.messages
        assert "not known whether the last change of the session 'a' was stored" in caplog.text
        with pytest.raises(ConflictError):
            await session.ask("And?")
        await session.reload()
        assert session.messages == HI


async def test_cancelled_at_every_point_store_and_memory_say_the_same(store: SessionStore) -> None:
    """A turn is cut after one step of the loop, two, three …: each time both have it, or neither, and all goes on."""
    outcomes: set[bool] = set()

    async def cancel_after(steps: int, scope: anyio.CancelScope) -> None:
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        scope.cancel()

    for steps in range(60):
        name = f"session {steps}"
        async with stored(store, "Hello.", "More.", id=name) as session:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_after, steps, tasks.cancel_scope)
                await session.ask("Hi")
            found = await store.load(name)
            assert (found.messages if found is not None else ()) == session.messages
            outcomes.add(bool(session.messages))
            if not session.messages:
                session._backend = ScriptedBackend("More.")
            await session.ask("And?")
            assert await history_of(store, name) == session.messages
    assert False in outcomes


# --- the protocol ----------------------------------------------------------------------------------------------------


async def test_append_replaces_and_takes_back(store: SessionStore) -> None:
    """One call makes a version of turns that stay and new ones; tokens are never the same twice."""
    turns = [StoredTurn((Message.user(str(number)),)) for number in range(4)]
    tokens = [await store.append("a", turns[:3], version=None)]
    tokens.append(await store.append("a", [turns[3]], version=tokens[-1], keep=1))
    assert [message.text for message in await history_of(store)] == ["0", "3"]
    tokens.append(await store.append("a", [], version=tokens[-1], keep=0))
    assert await history_of(store) == ()
    tokens.append(await store.append("a", turns, version=tokens[-1], usage=Usage(1)))
    assert len(set(tokens)) == 4
    for wrong in (*tokens[:-1], None, "x"):
        with pytest.raises(ConflictError):
            await store.append("a", [], version=wrong)
    with pytest.raises(ConflictError):
        await store.append("b", [], version=tokens[-1])
    for keep in (5, -1):
        with pytest.raises(ValueError, match="keep"):
            await store.append("a", [], version=tokens[-1], keep=keep)
    found = await store.load("a")
    assert found is not None
    assert (found.version, found.usage) == (tokens[-1], Usage(1))
    assert isinstance(store, SessionStore)


async def test_lists_come_in_pages_the_last_changed_first(store: SessionStore) -> None:
    """Each session once, also where some were changed at the same moment."""
    for name in "abcde":
        await store.append(name, [StoredTurn((Message.user(f"I am {name}"),))], version=None)
    again = await store.load("b")
    assert again is not None
    await store.append("b", [], version=again.version)
    rows = await store.list_sessions(limit=2)
    names = [row.id for row in rows]
    while rows:
        rows = await store.list_sessions(limit=2, after=rows[-1])
        names += [row.id for row in rows]
    assert names == ["b", "e", "d", "c", "a"]
    assert [row.title for row in await store.list_sessions(limit=1)] == ["I am b"]


async def test_search_finds_words_in_what_is_said(store: SessionStore) -> None:
    """Every word, in any case and script, in text, results and names; only in turns that are still there."""
    report = Document("text/plain", b"hidden", name="Jahresbericht.txt")
    told = Message("tool", (ToolResult("1", "Es regnet in STRASSE"),))
    await store.append("a", [StoredTurn((Message.user("Wo ist die Straße?", report), told))], version=None)
    token = await store.append("b", [StoredTurn((Message.user("東京タワー is\x00 in 東京"),))], version=None)
    await store.append(
        "b", [StoredTurn((Message.user("Where is the straße \ud800 again" + " x" * 99),))], version=token
    )

    async def found(text: str, **options: int) -> list[tuple[str, int]]:
        return [(hit.session.id, hit.turn) for hit in await store.search(text, **options)]

    assert await found("strasse") == [("b", 1), ("a", 0)]
    assert await found("STRASSE", limit=1) == [("b", 1)]
    assert await found("wo strasse") == [("a", 0)]
    assert await found("jahresBERICHT regnet") == [("a", 0)]
    assert await found("タワー") == [("b", 0)]
    assert await found("hidden") == await found("%") == await found("  ") == []
    assert await found("strasse " * 2000 + "wo") == [("a", 0)]  # a word said twice is one word
    assert await found(" ".join(map(str, range(100)))) == []
    with pytest.raises(ValueError, match="at most 100 different words, not 101"):
        await found(" ".join(map(str, range(101))))
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit must be at least 1"):
            await store.search("wo", limit=limit)
        with pytest.raises(ValueError, match="limit must be at least 1"):
            await store.list_sessions(limit=limit)
    (hit, *_) = await store.search("AGAIN")
    assert hit.excerpt.startswith("Where is the straße ? again x")
    assert hit.excerpt.endswith("…")
    found_b = await store.load("b")
    assert found_b is not None
    await store.append("b", [], version=found_b.version, keep=1)
    assert await found("again") == []
