"""Turns that are cancelled at each of their pauses, one by one: wherever it comes, it is nothing but a cancellation."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL
from bedrock_support.kill_scenes import SCENES, UNARY, Scene, Stage, neighbour, slow_neighbour
from bedrock_support.killing import Ending, Paced, Pauses, Way, cancel_at
from bedrock_support.loopback import LoopbackServer

import chatport
from chatport import FallbackBackend, Message, Session, Text
from chatport_bedrock.backend import BedrockBackend

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_collecting")]

# How soon the server has to know (seconds).
_PROMISE = 1.0
_BEFORE = (Message("user", (Text("before"),)), Message("assistant", (Text("indeed"),)))
_WHOLE_TURNS: tuple[list[str], ...] = ([], ["user", "assistant"], ["user", "assistant", "tool", "assistant"])
_CERTIFICATE = Path(__file__).parent / "bedrock_support" / "localhost.pem"


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


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
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
            server.answer_always(UNARY)
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
        server.answer_always(UNARY)
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
                await (stage.entered.wait() if scene.neighbour is neighbour else stage.hold.until_reached())
        endings.append(await cancel_at(number, way, run, paced=stage.paced, watch=release))
        if scene.neighbour is slow_neighbour:
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
