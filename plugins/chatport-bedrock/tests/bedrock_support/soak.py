"""Turns with random faults, one after the other over one backend, and what they leave behind."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import MethodType

import anyio

import chatport
from bedrock_support.answers import MODEL, stream, unary
from bedrock_support.faults import STREAMS, WHOLE_ANSWERS, Fault, Pause
from bedrock_support.loopback import PATIENCE, Hold, LoopbackServer
from chatport import BackendError, Session
from chatport_bedrock import _frames

_BATCH = 100
_DESCRIPTORS = Path("/dev/fd")


@dataclass(frozen=True)
class Levels:
    """What a process holds.

    Attributes:
        descriptors: Open files and sockets; -1 where the system does not say.
        threads: Threads, those that the event loops keep for the next call left out.
        objects: What the garbage collector knows of.
        kibibytes: The memory that is in use; -1 where the system does not say.
    """

    descriptors: int
    threads: int
    objects: int
    kibibytes: int

    @classmethod
    def now(cls) -> Levels:
        """Measure, after everything that is rubbish was collected, and what has a bound of its own was emptied."""
        _frames._read_prelude.cache_clear()
        _frames._read_short_headers.cache_clear()
        for _ in range(3):
            gc.collect()
        kept = ("AnyIO worker thread", "Trio thread", "asyncio_")
        return cls(
            len(list(_DESCRIPTORS.iterdir())) if _DESCRIPTORS.is_dir() else -1,
            sum(not each.name.startswith(kept) for each in threading.enumerate()),
            sum(not (_is_over(each) or _is_of_coverage(each)) for each in gc.get_objects()),
            _resident(),
        )


def _is_over(found: object) -> bool:
    """Whether it is a scope of trio, which keeps up to a thousand deadlines that are over, each in a tuple."""
    scope = found[-1] if type(found) is tuple and found else found
    return type(scope).__name__ == "CancelScope"


def _is_of_coverage(found: object) -> bool:
    """Whether it is one of the methods that measuring coverage keeps for each thread; the server makes many."""
    return type(found) is MethodType and type(found.__self__).__module__.startswith("coverage")


def _resident() -> int:
    statistics = Path("/proc/self/statm")
    if not statistics.is_file():
        return -1
    return int(statistics.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def run_turns(server: LoopbackServer, *, seed: int, turns: int) -> tuple[Levels, Levels]:
    """Take so many turns; return the levels before and after, both with the backend closed.

    Every fifth turn is good, every tenth is left half read; a turn whose server falls silent is cancelled.
    """
    dice = random.Random(seed)  # noqa: S311 - faults are no secret
    options = {"endpoint_url": server.url, "region": "us-east-1", "api_key": "test-key"}
    levels: list[Levels] = []
    for count in (min(turns, 2 * _BATCH), turns):  # what the first turns load stays
        async with chatport.open_backend("bedrock", **options) as backend:
            for number in range(count):
                async with Session(backend, MODEL, retry=None) as session:
                    with anyio.fail_after(PATIENCE):
                        await _turn(server, session, dice)
                if number % _BATCH == _BATCH - 1:
                    await _until_closed(server, 1)
                    server.forget()
        await _until_closed(server, 0)
        server.forget()
        levels.append(Levels.now())
    return levels[0], levels[1]


async def _turn(server: LoopbackServer, session: Session, dice: random.Random) -> None:
    chance = dice.randrange(10)
    if chance == 0:
        server.answer(unary("Good."))
        assert (await session.ask("hi")).text == "Good."
    elif chance == 1:
        server.answer(stream("Go", "od."))
        async with session.stream("hi") as reading:
            assert (await reading.finish()).text == "Good."
    elif chance == 2:
        server.answer(stream("Go", "od."))
        async with session.stream("hi") as reading:
            async for _ in reading.text:
                break
    elif chance < 7:
        await _faulty(server, session, dice.choice(STREAMS), streamed=True)
    else:
        await _faulty(server, session, dice.choice(WHOLE_ANSWERS), streamed=False)
    assert not session.messages or chance < 2


async def _faulty(server: LoopbackServer, session: Session, fault: Fault, *, streamed: bool) -> None:
    steps = [server.hold() if isinstance(step, Pause) else step for step in fault.steps]
    pauses = {step: hold for hold, step in zip(steps, fault.steps, strict=True) if isinstance(step, Pause)}
    server.answer(*steps)
    ended: BackendError | None = None
    async with anyio.create_task_group() as group:
        if fault.stalls:
            group.start_soon(_cancel_at, pauses[Pause.STALL], group.cancel_scope)
        try:
            if streamed:
                await _read(session, fault, pauses.get(Pause.UNTIL_READ))
            else:
                await session.ask("hi")
        except BackendError as error:
            ended = error
    cancelled = group.cancel_scope.cancel_called
    assert cancelled is fault.stalls, fault.name
    assert cancelled or type(ended) is fault.kind, f"{fault.name}: {ended!r}"


async def _cancel_at(hold: object, scope: anyio.CancelScope) -> None:
    """Cancel the turn when its server has come to where it falls silent, and not before: it has the request then."""
    assert isinstance(hold, Hold)
    await hold.until_reached()
    scope.cancel()


async def _read(session: Session, fault: Fault, gate: object) -> None:
    arrived = ""
    async with session.stream("hi") as reading:
        async for piece in reading.text:
            arrived += piece
            if fault.arrived.startswith(arrived) and isinstance(gate, Hold):
                gate.release()


async def _until_closed(server: LoopbackServer, left: int) -> None:
    """Wait until the server has seen the end of all connections but so many, and its threads have ended."""
    deadline = time.monotonic() + PATIENCE
    while len(server.open_connections) > left or server.running_connections > left:
        assert time.monotonic() < deadline, f"{len(server.open_connections)} connections stay open"
        await anyio.sleep(0.001)
