"""Several who go on from one stored session: one wins, nothing is lost, tools run once."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather
from tests.stores.support import HI, history_of, stored

import chatport
from chatport import (
    ConflictError,
    Message,
    Pause,
    Session,
    SessionStore,
    StoredTurn,
    StreamClosedError,
    ToolCall,
    Usage,
    tool,
)
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


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
