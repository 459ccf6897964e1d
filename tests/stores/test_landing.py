"""What lands in a store and when, and that memory and store say the same. Every store is held to it."""

from dataclasses import replace

import pytest
from tests.conversations import call, get_weather
from tests.stores.support import HI, history_of, stored

import chatport
from chatport import Message, OutputError, Partial, Session, SessionStore, StreamClosedError, Text, Usage
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio


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
