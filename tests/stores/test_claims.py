"""Who runs the calls of a stored session: one worker, once, and what is left of a worker that has died."""

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from tests.conversations import TWO, get_weather
from tests.stores.claiming import claim_of, load, noted, pause
from tests.stores.support import stored

import chatport
from chatport import ConflictError, Partial, ServiceError, SessionStore, StoreError, Text, ToolResult
from chatport.testing import MemoryStore

pytestmark = pytest.mark.anyio


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
