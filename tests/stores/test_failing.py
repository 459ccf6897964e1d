"""A store that fails, late or in the middle, and cancellation at every point."""

from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.stores.support import HI, Hang, history_of, stored

from chatport import (
    ConflictError,
    Message,
    OutputError,
    Partial,
    Session,
    SessionStore,
    StoredTurn,
    StoreError,
    StreamClosedError,
    Text,
    Usage,
)
from chatport.testing import Answer, MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio


class BrokenStore(MemoryStore):
    """A store whose writing fails, in one way or another, as often as is said."""

    def __init__(self, *errors: BaseException | str | None) -> None:
        super().__init__()
        self.errors = list(errors)
        self.hang = Hang()

    async def append(self, session_id: str, turns: Sequence[StoredTurn], **options: Any) -> str:
        error = self.errors.pop(0) if self.errors else None
        if isinstance(error, BaseException):
            raise error
        if error == "before":
            await self.hang.here()
        version = await super().append(session_id, turns, **options)
        if error == "after":
            await self.hang.here()
        return version


class HangingStore(MemoryStore):
    """A store that never ends to write."""

    async def append(self, session_id: str, turns: Sequence[StoredTurn], **options: Any) -> str:
        await anyio.sleep_forever()
        raise AssertionError(session_id)


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
        async with stored(HangingStore()) as session:
            session.keep(Partial(HI))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancellation_while_writing_leaves_store_and_memory_the_same(when: str) -> None:
    """Cut before the store has it, it is nowhere; cut after that, it is in both, and the sum is right."""
    store = BrokenStore(when)
    cost = Usage(1, 1, total_tokens=2)
    async with stored(store, Answer("Hello.", usage=cost), Answer("More.", usage=cost)) as session:
        with store.hang.cancelled():
            await session.ask("Hi")
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
        with store.hang.cancelled():
            await session.save()
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
    store, hang = MemoryStore(), Hang()
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
                await hang.here()

            patch.setattr(store, "add_usage", add_usage)
            if when == "fails":
                with pytest.raises(StoreError, match="no room"):
                    await session.save()
            else:
                with hang.cancelled():
                    await session.save()
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
            with store.hang.cancelled():
                await session.ask("And?")
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
            with store.hang.cancelled():
                await session.ask("Hi")
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
