"""The fault table: whatever a server does, a turn ends in the documented error, in time, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL, stream
from bedrock_support.faults import STREAMS, UNTIL_READ, WHOLE_ANSWERS, WITH_THE_HEAD, Fault, Pause
from bedrock_support.loopback import Hold, LoopbackServer

import chatport
from chatport import BackendError, Message, Retry, Session, Text, Timeouts, TransportError
from chatport_bedrock import _wire

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_collecting")]

# How long silence is waited for in these tests, and by how much an error may be late (seconds): a busy machine is, and
# who waits where there is nothing to wait for does so for minutes.
PATIENCE = 0.15
GRACE = 2.0
SILENT = Timeouts(first_event=PATIENCE, idle=PATIENCE)

_BEFORE = (Message("user", (Text("before"),)), Message("assistant", (Text("indeed"),)))


@pytest.fixture(autouse=True)
async def _clean(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail where a task, a thread or a socket was left: what is not closed says so when it is collected."""
    tasks, threads = _tasks(), _threads()
    yield
    gc.collect()
    await anyio.lowlevel.checkpoint()
    gc.collect()
    assert _tasks() <= tasks
    assert _threads() <= threads
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def _tasks() -> int:
    """How many tasks the running loop has."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return int(trio.lowlevel.current_statistics().tasks_living)
    return len(asyncio.all_tasks())


def _threads() -> int:
    """How many threads there are, without the server's and those that wait for it."""
    ours = ("loopback", "AnyIO worker thread", "Trio thread", "asyncio_")
    return sum(not each.name.startswith(ours) for each in threading.enumerate())


@pytest.fixture
async def session(
    server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Session]:
    """A session with a history, over a backend that has answered before."""
    monkeypatch.setattr(_wire, "ERROR_BODY_SECONDS", PATIENCE)
    async with chatport.open_backend("bedrock", **options) as backend:
        async with Session(backend, MODEL, retry=None) as first:
            await _answer_well(server, first)
        async with Session(backend, MODEL, messages=_BEFORE, retry=None) as opened:
            yield opened
    for connection in server.connections:
        await connection.until_closed()


async def _answer_well(server: LoopbackServer, session: Session) -> None:
    server.answer(stream("Good."))
    with anyio.fail_after(5):
        async with session.stream("and now?") as reading:
            assert (await reading.finish()).text == "Good."


def _play(server: LoopbackServer, fault: Fault) -> list[Hold]:
    """Let the server do it with the next request; return what to release when all has been read that came."""
    steps = [server.hold() if isinstance(step, Pause) else step for step in fault.steps]
    server.answer(*steps)
    return [
        hold for hold, step in zip(steps, fault.steps, strict=True) if step is UNTIL_READ and isinstance(hold, Hold)
    ]


def _check(fault: Fault, error: BackendError, took: float, session: Session) -> None:
    assert type(error) is fault.kind, f"{type(error).__name__}: {error}"
    assert error.phase == fault.phase
    assert (error.backend, error.model) == ("bedrock", MODEL)
    assert took <= GRACE + (PATIENCE if fault.stalls else 0)
    assert session.messages == _BEFORE
    assert error.partial is not None
    words, *answer = error.partial.messages
    assert words == Message("user", (Text("hi"),))
    assert "".join(message.text for message in answer) == fault.arrived
    if fault.arrived:
        assert error.partial.usage.complete is False


@pytest.mark.parametrize("fault", STREAMS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_fault_of_a_stream(fault: Fault, server: LoopbackServer, session: Session) -> None:
    """It raises its class in time, after everything good was delivered; the next turn is as good as any."""
    gates = _play(server, fault)
    pieces: list[str] = []
    begun = time.monotonic()
    with anyio.fail_after(5), pytest.raises(BackendError) as caught:
        async with session.stream("hi", timeouts=SILENT if fault.stalls else None) as reading:
            async for piece in reading.text:
                pieces.append(piece)
                if fault.arrived.startswith("".join(pieces)):
                    for gate in gates:
                        gate.release()
    took = time.monotonic() - begun
    _check(fault, caught.value, took, session)
    assert "".join(pieces) == fault.arrived
    await _answer_well(server, session)


@pytest.mark.parametrize("fault", WITH_THE_HEAD, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_fault_in_one_packet_with_the_head(
    fault: Fault, anyio_backend_name: str, server: LoopbackServer, session: Session
) -> None:
    """Good frames are delivered; where aiohttp has lost them, the request is not sent again: there was an answer."""
    is_lost = fault.is_lost_on_asyncio and anyio_backend_name == "asyncio"
    if is_lost:
        fault = replace(fault, kind=TransportError, phase="request", arrived="")
    _play(server, fault)
    before = len(server.requests)
    pieces: list[str] = []
    begun = time.monotonic()
    with anyio.fail_after(5), pytest.raises(BackendError) as caught:
        async with session.stream("hi", retry=Retry(base_delay=0)) as reading:
            async for piece in reading.text:
                pieces.append(piece)  # noqa: PERF401 - what came before the error counts
    _check(fault, caught.value, time.monotonic() - begun, session)
    assert "".join(pieces) == fault.arrived
    assert caught.value.retryable is not is_lost
    assert len(server.requests) == before + 1
    await _answer_well(server, session)


@pytest.mark.parametrize("fault", WHOLE_ANSWERS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_fault_of_a_whole_answer(fault: Fault, server: LoopbackServer, session: Session) -> None:
    """The same of `ask`, which has nothing to deliver before the end."""
    _play(server, fault)
    begun = time.monotonic()
    with anyio.fail_after(5), pytest.raises(BackendError) as caught:
        await session.ask("hi", timeouts=SILENT if fault.stalls else None)
    took = time.monotonic() - begun
    _check(fault, caught.value, took, session)
    await _answer_well(server, session)
