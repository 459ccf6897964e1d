"""Changes of a stored session without a turn, and what everything has cost."""

import pytest
from tests.stores.support import history_of, stored

import chatport
from chatport import BusyError, Message, OutputError, Partial, SessionStore, Usage
from chatport.testing import Answer, MemoryStore

pytestmark = pytest.mark.anyio


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
