"""Turns that are cancelled at each of their pauses, one by one: wherever it comes, it is nothing but a cancellation."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import (
    METADATA,
    MODEL,
    START,
    STOP,
    STREAM_HEAD,
    block_stop,
    chunked,
    converse,
    event,
    refusal,
    text,
    unary,
)
from bedrock_support.killing import Ending, Paced, Pauses, Way, cancel_at
from bedrock_support.loopback import LAST_CHUNK, Hold, LoopbackServer, Step, chunk

import chatport
from chatport import FallbackBackend, Image, Message, RateLimitError, Retry, Session, Text
from chatport_bedrock import AwsCredentials
from chatport_bedrock.backend import BedrockBackend

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_collecting")]

# How soon the server has to know (seconds).
_PROMISE = 1.0
_BEFORE = (Message("user", (Text("before"),)), Message("assistant", (Text("indeed"),)))
_WHOLE_TURNS: tuple[list[str], ...] = ([], ["user", "assistant"], ["user", "assistant", "tool", "assistant"])
_CERTIFICATE = Path(__file__).parent / "bedrock_support" / "localhost.pem"

_Answers = list[tuple[Step, ...]]


@dataclass
class Stage:
    """What a scene plays on.

    Attributes:
        server: The server.
        backend: The backend, with as many connections as the scene says.
        session: A session with a history.
        paced: What writes answers piece by piece.
        hold: A place for the server to stop at, for the neighbour.
        pauses: What tools note their pauses in.
        entered: Set when the neighbour begins.
    """

    server: LoopbackServer
    backend: BedrockBackend
    session: Session
    paced: Paced
    hold: Hold
    pauses: Pauses = field(default_factory=lambda: Pauses(0, int))
    entered: anyio.Event = field(default_factory=anyio.Event)


_Play = Callable[[Stage], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Scene:
    """A turn that is cancelled.

    Attributes:
        name: What it is.
        play: The turn.
        answers: What the server answers, request by request.
        floor: How many pauses it has at least.
        is_warm: Whether there is a connection already.
        retry: When the session repeats.
        options: Options of the backend.
        neighbour: A turn at the same time, which nobody cancels.
        leads: Whether the neighbour begins first.
        tls: Whether the server speaks TLS.
        proxy: Whether it is a proxy, on the way to an endpoint that speaks TLS.
        falls_back: Whether the session asks through a `FallbackBackend`, whose second target is asked next.
    """

    name: str
    play: _Play
    answers: Callable[[Stage], _Answers]
    floor: int
    is_warm: bool = False
    retry: Retry | None = None
    options: dict[str, Any] = field(default_factory=dict)
    neighbour: _Play | None = None
    leads: bool = False
    tls: bool = False
    proxy: bool = False
    falls_back: bool = False


# --- what the server says --------------------------------------------------------------------------------------------

_FIRST_DELTA = chunk(text("Hel"))
_PIECES = (
    STREAM_HEAD,
    chunk(START),
    _FIRST_DELTA[:50],
    _FIRST_DELTA[50:],
    chunk(text("lo")),
    chunked([block_stop(), STOP]),
    chunk(METADATA),
    LAST_CHUNK,
)
_UNARY = unary()
_CALL = {"toolUse": {"toolUseId": "t1", "name": "look_up"}}
_SECOND_CALL = {"toolUse": {"toolUseId": "t2", "name": "compute"}}
_INPUT = {"toolUse": {"input": "{}"}}
_CALLS = (
    STREAM_HEAD,
    chunk(START),
    chunk(event("contentBlockStart", {"contentBlockIndex": 0, "start": _CALL})),
    chunked([event("contentBlockDelta", {"contentBlockIndex": 0, "delta": _INPUT}), block_stop()]),
    chunk(event("contentBlockStart", {"contentBlockIndex": 1, "start": _SECOND_CALL})),
    chunked([event("contentBlockDelta", {"contentBlockIndex": 1, "delta": _INPUT}), block_stop(1)]),
    chunk(event("messageStop", {"stopReason": "tool_use"})),
    chunk(METADATA) + LAST_CHUNK,
)


def _streams(stage: Stage) -> _Answers:
    return [stage.paced.steps(*_PIECES)]


def _whole(stage: Stage) -> _Answers:
    cut = len(_UNARY) - len(converse())
    return [stage.paced.steps(_UNARY[:cut], _UNARY[cut : cut + 20], _UNARY[cut + 20 :])]


def _throttled(stage: Stage) -> _Answers:
    refused = refusal("429 Too Many Requests", "ThrottlingException")
    return [stage.paced.steps(refused[:-5], refused[-5:]), *_streams(stage)]


def _refused(stage: Stage) -> _Answers:
    return _throttled(stage)[:1]


def _calling(stage: Stage) -> _Answers:
    return [stage.paced.steps(*_CALLS), *_streams(stage)]


def _held(stage: Stage) -> _Answers:
    """The neighbour's answer stops in its middle."""
    return [(STREAM_HEAD, chunk(START), stage.hold, *_PIECES[2:]), *_streams(stage)]


# --- turns -----------------------------------------------------------------------------------------------------------


async def _stream(stage: Stage) -> None:
    async with stage.session.stream("hi") as reading:
        assert (await reading.finish()).text == "Hello"


async def _ask(stage: Stage) -> None:
    assert (await stage.session.ask("hi")).text == "Hello!"


async def _leave(stage: Stage) -> None:
    async with stage.session.stream("hi") as reading:
        async for _ in reading.text:
            break


async def _send_much(stage: Stage) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(600_000)
    async with stage.session.stream("hi", Image.from_bytes(png)) as reading:
        await reading.finish()


async def _fail(stage: Stage) -> None:
    with pytest.raises(RateLimitError):
        await stage.session.ask("hi")


async def _run_tools(stage: Stage) -> None:
    async def look_up() -> str:
        """Look it up."""
        for _ in range(3):
            stage.pauses.note()
            await anyio.lowlevel.checkpoint()
        return "found"

    def compute() -> int:
        """Compute it, in a thread."""
        return 7

    async with stage.session.stream("hi", tools=[look_up, compute]) as reading:
        assert (await reading.finish()).text == "Hello"


async def _neighbour(stage: Stage) -> None:
    async with Session(stage.backend, MODEL, retry=None) as session:
        stage.entered.set()
        assert (await session.ask("neighbour")).text == "Hello!"


async def _slow_neighbour(stage: Stage) -> None:
    async with Session(stage.backend, MODEL, retry=None) as session, session.stream("neighbour") as reading:
        await reading.finish()


async def _keys() -> AwsCredentials:
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    return AwsCredentials(access_key_id="id", secret_access_key="secret")


_KEYS: dict[str, Any] = {"credentials": _keys, "api_key": None, "max_connections": 2}
_NO_WAIT = Retry(base_delay=0.0)

_SCENES = (
    Scene("stream-warm", _stream, _streams, 8, is_warm=True),
    Scene("stream-cold", _stream, _streams, 12),
    Scene("stream-tls", _stream, _streams, 12, tls=True),
    Scene("stream-through-a-proxy", _stream, _streams, 12, tls=True, proxy=True),
    Scene("ask-warm", _ask, _whole, 3, is_warm=True),
    Scene("ask-cold", _ask, _whole, 6),
    Scene("left", _leave, _streams, 4, is_warm=True),
    Scene("large-request", _send_much, _streams, 8, is_warm=True),
    Scene("refused", _fail, _refused, 2, is_warm=True),
    Scene("repeated", _stream, _throttled, 10, is_warm=True, retry=_NO_WAIT),
    Scene("fallback", _stream, _throttled, 10, is_warm=True, falls_back=True),
    Scene("tools", _run_tools, _calling, 20, is_warm=True),
    Scene("pool", _stream, _held, 9, is_warm=True, neighbour=_slow_neighbour, leads=True),
    Scene("keys-first", _ask, _whole, 6, options=_KEYS, neighbour=_neighbour),
    Scene("keys-second", _ask, _whole, 6, options=_KEYS, neighbour=_neighbour, leads=True),
)


# --- the tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
async def _clean(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail where something was left behind: warnings are errors, asyncio's complaints are records."""
    yield
    gc.collect()
    await anyio.lowlevel.checkpoint()
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def _left_over() -> tuple[int, int]:
    """How many tasks and threads there are; without the server's threads, and those that wait for it."""
    ours = ("loopback", "AnyIO worker thread", "Trio thread", "asyncio_")
    threads = sum(not each.name.startswith(ours) for each in threading.enumerate())
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return int(trio.lowlevel.current_statistics().tasks_living), threads
    return len(asyncio.all_tasks()), threads


async def _until_at_most(level: tuple[int, int]) -> None:
    """Wait for threads that nobody waits for any more: trio gives each the name of its work until that is done."""
    with anyio.fail_after(_PROMISE):
        while any(now > before for now, before in zip(_left_over(), level, strict=True)):
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("scene", _SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("way", ["scope", "task"])
async def test_a_turn_is_cancelled_at_each_pause(scene: Scene, way: Way, anyio_backend: str) -> None:
    """No exception but the cancellation, the connection closed or whole, the history whole, the next turn good."""
    if (way, anyio_backend) == ("task", "trio"):
        pytest.skip("tasks of trio are cancelled by scopes only")
    number, cancelled = 1, 0
    while (ending := await _cancelled(scene, number, way)).pauses >= number:
        number += 1
        cancelled += ending.was_cancelled
    assert cancelled >= scene.floor, f"{cancelled} of {number - 1} pauses"
    assert not ending.was_cancelled


@pytest.mark.parametrize("way", ["scope", "task"])
async def test_a_life_is_cancelled_at_each_pause(way: Way, anyio_backend: str) -> None:
    """The same where the backend is opened and closed in the task that is cancelled."""
    if (way, anyio_backend) == ("task", "trio"):
        pytest.skip("tasks of trio are cancelled by scopes only")
    ending, number = Ending(1, was_cancelled=False), 0
    while ending.pauses >= number:
        number += 1
        with LoopbackServer() as server:
            server.answer_always(_UNARY)
            ending = await _cancelled_life(server, number, way)
        assert not server.failures
    assert number > 12
    assert not ending.was_cancelled


async def _cancelled_life(server: LoopbackServer, number: int, way: Way) -> Ending:
    options = {"endpoint_url": server.url, "region": "us-east-1", "api_key": "key"}

    async def live(_: Pauses) -> None:
        async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
            await session.ask("hi")

    level = _left_over()
    with anyio.fail_after(10):
        ending = await cancel_at(number, way, live, paced=Paced())
        left = time.monotonic()
        await _until_at_most(level)
        for connection in server.connections:
            assert await connection.until_closed() - left <= _PROMISE, f"cancelled at pause {number}"
        await live(Pauses(0, int))
    return ending


async def _cancelled(scene: Scene, number: int, way: Way) -> Ending:
    tls = None
    if scene.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(_CERTIFICATE)
    with LoopbackServer(tls=tls) as server:
        server.tunnels = [] if scene.proxy else None
        server.answer_always(_UNARY)
        try:
            ending = await _on_stage(scene, number, way, server)
        except BaseException as error:
            error.add_note(f"cancelled at pause {number} of {scene.name}")
            raise
        for connection in server.connections:
            await connection.until_closed()
    assert not server.failures
    return ending


async def _on_stage(scene: Scene, number: int, way: Way, server: LoopbackServer) -> Ending:
    options: dict[str, Any] = {
        "endpoint_url": server.url,
        "region": "us-east-1",
        "api_key": "key",
        "max_connections": 1,
    }
    if scene.tls:
        options["verify"] = str(_CERTIFICATE)
    if scene.proxy:
        options["proxies"] = {"https": server.url.replace("https:", "http:")}
        options["endpoint_url"] = "https://localhost:4443"
    async with chatport.open_backend("bedrock", **{**options, **scene.options}) as backend:
        assert isinstance(backend, BedrockBackend)
        asked_for = FallbackBackend([(backend, None)] * 2) if scene.falls_back else backend
        session = Session(asked_for, MODEL, messages=_BEFORE, retry=scene.retry)
        if scene.is_warm:
            await Session(backend, MODEL).ask("warm up")
        stage = Stage(server, backend, session, Paced(), server.hold())
        for steps in scene.answers(stage):
            server.answer(*steps)
        asked, level = len(server.requests), _left_over()
        with anyio.fail_after(10):
            ending = await _beside_the_neighbour(scene, stage, number, way)
        left = time.monotonic()
        await _until_at_most(level)
        load = backend.load()
        assert (load.in_flight, load.waiting) == (0, 0)
        assert len(server.requests) - asked <= len(scene.answers(stage)) + (scene.neighbour is not None)
        await _check_next_turn(stage, left)
    return ending


async def _beside_the_neighbour(scene: Scene, stage: Stage, number: int, way: Way) -> Ending:
    def release() -> None:
        if stage.backend.load().waiting:
            stage.hold.release()

    async def run(pauses: Pauses) -> None:
        stage.pauses = pauses
        await scene.play(stage)

    endings: list[Ending] = []
    async with anyio.create_task_group() as group:
        if scene.neighbour is not None:
            group.start_soon(scene.neighbour, stage)
            if scene.leads:
                await (stage.entered.wait() if scene.neighbour is _neighbour else stage.hold.until_reached())
        endings.append(await cancel_at(number, way, run, paced=stage.paced, watch=release))
        if scene.neighbour is _slow_neighbour:
            stage.hold.release()
    return endings[0]


async def _check_next_turn(stage: Stage, left: float) -> None:
    server, session = stage.server, stage.session
    before = session.messages
    assert before[:2] == _BEFORE
    assert [message.role for message in before[2:]] in _WHOLE_TURNS
    server.take_back()
    with anyio.fail_after(5):
        assert (await session.ask("and now?")).text == "Hello!"
    assert len(session.messages) == len(before) + 2
    if stage.backend.load().max_connections != 1:
        return  # the neighbour may have one that waits to be used again
    # The request that was cancelled may be noted after it.
    used = next(request.connection for request in server.requests if b"and now?" in request.body)
    for connection in list(server.connections):
        if connection is not used:
            assert await connection.until_closed() - left <= _PROMISE
