"""Turns that go on at calls that wait, and turns of a stored session, killed at each pause of the session's life.

What is stored is valid, memory says the same, the service accepts what comes next, and no tool runs twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from bedrock_support.killing import Ending, Paced, Pauses, Way, cancel_at
from bedrock_support.two_tools import ANSWER, BEFORE, CALLS, MODEL, WHOLE, TwoTools, check_accepted, roles_behind

import chatport
from chatport import (
    ConflictError,
    Message,
    Session,
    SqliteStore,
    StoredSession,
    StoredTurn,
    dump_messages,
    load_messages,
    validate_messages,
)
from chatport.testing import ScriptedBackend
from chatport_bedrock.emulator import Emulator

if TYPE_CHECKING:
    from chatport.backend import Backend

pytestmark = pytest.mark.anyio

_QUESTION = Message.user("When is high tide?")
_WAITING = (*BEFORE, _QUESTION, Message("assistant", CALLS))
# How many pauses there are: of the answers and the tools, of whoever is asked first; and where there is a store, of
# reading it, claiming, writing the turn and the end of the block.
_PAUSES = {
    ("resume", "asyncio"): 16,
    ("resume", "trio"): 16,
    ("stored ask", "asyncio"): 41,
    ("stored ask", "trio"): 36,
    ("stored resume", "asyncio"): 31,
    ("stored resume", "trio"): 26,
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A service that refuses what the real one refuses."""
    with Emulator(api_key="made-up") as running:
        yield running


@pytest.fixture
async def service(emulator: Emulator) -> AsyncIterator[Backend]:
    """A backend that asks it."""
    options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
    async with chatport.open_backend("bedrock", **options) as backend:
        yield backend


def _skip_unless_cancelled_so(way: Way, loop: str) -> None:
    if (way, loop) == ("task", "trio"):
        pytest.skip("tasks of trio are cancelled by scopes only")


# --- without a store -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["scope", "task"])
async def test_a_resumed_turn_that_is_killed_can_be_kept(way: Way, anyio_backend_name: str, service: Backend) -> None:
    """At every pause, counted: the calls wait as before, or the turn is there; kept, it is accepted."""
    _skip_unless_cancelled_so(way, anyio_backend_name)
    seen: set[tuple[str, ...]] = set()
    number, cancelled = 0, 0
    while True:
        number += 1
        tools = TwoTools()
        session = Session(
            ScriptedBackend(ANSWER), MODEL, messages=_WAITING, tools=tools.functions(), approve=tools.approve
        )

        async def play(pauses: Pauses, tools: TwoTools = tools, session: Session = session) -> None:
            tools.pauses = pauses
            await session.resume()

        with anyio.fail_after(10):
            ending = await cancel_at(number, way, play, paced=Paced())
        if ending.pauses < number:
            break
        cancelled += ending.was_cancelled
        assert validate_messages(load_messages(dump_messages(session.messages)), allow_pending=True) == ()
        if session.messages == _WAITING:
            partial = session.partial
            assert partial is not None
            if partial.messages:
                session.keep(partial)
                await check_accepted(service, session.messages)
            else:
                assert tools.ran == []  # killed before anybody was asked
        else:
            await check_accepted(service, session.messages)
        seen.add(roles_behind(session.messages))
    assert number - 1 == _PAUSES["resume", anyio_backend_name]
    assert cancelled >= number - 3
    assert seen >= {WHOLE[:3], WHOLE}


# --- with a store ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["scope", "task"])
async def test_a_stored_turn_that_is_killed_is_there_or_not(
    way: Way, anyio_backend_name: str, service: Backend, tmp_path: Path
) -> None:
    """At every pause of opening, asking and leaving, counted: memory and store say the same, and all goes on."""
    _skip_unless_cancelled_so(way, anyio_backend_name)
    seen: set[tuple[str, ...]] = set()
    number, cancelled = 0, 0
    async with SqliteStore(tmp_path / "chats.db") as store:
        while True:
            number += 1
            name = str(number)
            await store.append(name, [StoredTurn(BEFORE)], version=None)
            session, _, ending = await _killed(number, way, store, ScriptedBackend(CALLS, ANSWER))
            if ending.pauses < number:
                break
            cancelled += ending.was_cancelled
            stored = await _loaded(store, name)
            assert stored.messages == (session.messages or BEFORE)  # nothing was read where it was killed before that
            assert stored.claim is None
            await check_accepted(service, stored.messages)
            async with Session(service, MODEL, store=store, id=name, retry=None) as after:
                if session.partial is not None:
                    after.keep(session.partial)
                    await after.save()
                    await check_accepted(service, (await _loaded(store, name)).messages)
                assert (await after.ask("And now?")).text
            seen.add(roles_behind(after.messages[:-2]))
    assert number - 1 == _PAUSES["stored ask", anyio_backend_name]
    assert cancelled >= number - 6
    assert seen >= {("user",), ("user", "assistant"), WHOLE[:3], WHOLE}


@pytest.mark.parametrize("way", ["scope", "task"])
async def test_calls_of_a_worker_that_is_killed_run_once(
    way: Way, anyio_backend_name: str, service: Backend, tmp_path: Path
) -> None:
    """At every pause of opening, resuming and leaving, counted: who comes next runs what was not begun, and no more."""
    _skip_unless_cancelled_so(way, anyio_backend_name)
    ends: set[str] = set()
    number, cancelled = 0, 0
    async with SqliteStore(tmp_path / "chats.db") as store:
        while True:
            number += 1
            await store.append(str(number), [StoredTurn(_WAITING)], version=None)
            _, tools, ending = await _killed(number, way, store, ScriptedBackend(ANSWER))
            if ending.pauses < number:
                break
            cancelled += ending.was_cancelled
            ends.add(await _gone_on(store, str(number), tools, service))
    assert number - 1 == _PAUSES["stored resume", anyio_backend_name]
    assert cancelled >= number - 6
    assert ends >= {"resumed", "closed"}
    # A scope is heard when the write has ended; a task that is cancelled takes back what no thread has begun.
    assert "landed" in ends or way == "task"


async def _killed(
    number: int, way: Way, store: SqliteStore, backend: ScriptedBackend
) -> tuple[Session, TwoTools, Ending]:
    """Open the stored session, take the turn, leave, and be killed at a pause."""
    tools = TwoTools()
    session = Session(
        backend, MODEL, tools=tools.functions(), approve=tools.approve, store=store, id=str(number), worker="killed"
    )

    async def live(pauses: Pauses) -> None:
        tools.pauses = pauses
        async with session:
            if session.pending_calls:
                await session.resume()
            else:
                await session.ask("When is high tide?")

    with anyio.fail_after(10):
        ending = await cancel_at(number, way, live, paced=Paced())
    return session, tools, ending


async def _gone_on(store: SqliteStore, name: str, killed: TwoTools, service: Backend) -> str:
    """Go on as another worker, and return what there was to do."""
    tools = TwoTools()
    stored = await _loaded(store, name)
    assert validate_messages(load_messages(dump_messages(stored.messages)), allow_pending=True) == ()
    async with Session(service, MODEL, tools=tools.functions(), store=store, id=name, retry=None) as session:
        if not session.pending_calls:
            assert (len(killed.ran), stored.claim) == (2, None)
            end = "landed"
        elif session.claim is None:
            assert killed.ran == []
            await session.resume()
            assert sorted(tools.ran) == ["compute", "look_up"]
            end = "resumed"
        else:
            assert session.claim.worker == "killed"
            with pytest.raises(ConflictError):
                await session.resume()
            reply = await session.resume(claimed="close")
            assert (tools.ran, bool(reply.text)) == ([], True)
            end = "closed"
    await check_accepted(service, (await _loaded(store, name)).messages)
    return end


async def _loaded(store: SqliteStore, name: str) -> StoredSession:
    found = await store.load(name)
    assert found is not None
    return found
