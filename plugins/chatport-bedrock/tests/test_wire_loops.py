"""One backend over several event loops: one after the other, in threads at once, and closed with each loop."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from bedrock_support.answers import MODEL, stream, unary
from bedrock_support.loopback import PATIENCE, LoopbackServer

import chatport
from chatport import ConfigurationError, Session
from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.usefixtures("quick_collecting")

_complaints: list[str] = []


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is not closed says so when it is collected: to asyncio's handler, or as a warning, which is an error."""
    _complaints.clear()
    yield
    gc.collect()
    assert not _complaints
    assert not [record for record in caplog.records if record.name == "asyncio"]


def _listen() -> None:
    """Take down what the running loop of asyncio complains about."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # trio: there it is warnings
        return
    loop.set_exception_handler(lambda _, context: _complaints.append(str(context)))


async def _two_turns(backend: BedrockBackend) -> None:
    _listen()
    async with Session(backend, MODEL) as session:
        assert (await session.ask("hi")).text == "Hello!"
        async with session.stream("hi") as reading:
            assert (await reading.finish()).text == "Hello!"


def _answer_turns(server: LoopbackServer, count: int) -> None:
    for _ in range(count):
        server.answer(unary())
        server.answer(stream("Hel", "lo!"))


def _run(loop: str, function: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
    anyio.run(function, *arguments, backend=loop)


@pytest.mark.parametrize(
    "loops",
    [["asyncio"] * 3, ["trio"] * 3, ["asyncio", "trio", "asyncio"], ["trio", "asyncio", "trio"]],
    ids="-".join,
)
def test_one_loop_after_the_other(loops: Sequence[str], server: LoopbackServer, options: dict[str, Any]) -> None:
    """A backend that nobody closes serves each loop over one connection, which is closed when that loop ends."""
    backend = BedrockBackend(**options)
    for number, loop in enumerate(loops, start=1):
        _answer_turns(server, 1)
        _run(loop, _two_turns, backend)
        assert (len(server.requests), len(server.connections)) == (2 * number, number)
        assert server.connections[-1].closed.wait(PATIENCE), "the connection outlives its loop"
    assert not server.open_connections


def test_runs_of_asyncio_itself(server: LoopbackServer, options: dict[str, Any]) -> None:
    """`asyncio.run`, as most programs begin."""
    backend = BedrockBackend(**options)
    for _ in range(2):
        _answer_turns(server, 1)
        asyncio.run(_two_turns(backend))
        assert server.connections[-1].closed.wait(PATIENCE)
    assert len(server.requests) == 4


@pytest.mark.parametrize("loops", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio")], ids="-".join)
def test_two_threads_at_once(loops: Sequence[str], server: LoopbackServer, options: dict[str, Any]) -> None:
    """Each thread has connections of its own; one request stays one request."""
    together = threading.Barrier(2, timeout=PATIENCE)
    for _ in loops:
        # Neither is answered before both have asked.
        server.answer(together.wait, unary())
    backend = BedrockBackend(**options)

    async def ask() -> str:
        _listen()
        async with Session(backend, MODEL) as session:
            return (await session.ask("hi")).text

    def run(loop: str) -> str:
        return anyio.run(ask, backend=loop)

    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(run, loop) for loop in loops]
        assert [future.result(PATIENCE) for future in futures] == ["Hello!", "Hello!"]
    assert (len(server.requests), len(server.connections)) == (2, 2)
    for connection in server.connections:
        assert connection.closed.wait(PATIENCE)


def test_threads_with_one_loop_after_the_other(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Two threads at once, each with three loops in a row, over one backend: every question arrives exactly once."""
    server.answer_always(unary())
    backend = BedrockBackend(**options)
    together = threading.Barrier(2, timeout=PATIENCE)

    async def ask(words: str) -> None:
        _listen()
        together.wait()  # this loop has nothing else to do
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(Session(backend, MODEL).ask, f"{words} {number}")

    def run(thread: str) -> None:
        for turn, loop in enumerate(("asyncio", "trio", "asyncio")):
            _run(loop, ask, f"{thread} {turn}")

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(run, thread) for thread in ("one", "two")]:
            future.result(PATIENCE)
    asked = [json.loads(request.body)["messages"][-1]["content"][0]["text"] for request in server.requests]
    assert len(asked) == len(set(asked)) == 2 * 3 * 3
    for connection in server.connections:
        assert connection.closed.wait(PATIENCE), "a connection outlives its loop"


def test_many_tasks_of_one_loop_share_their_first_request(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Sessions of HTTP are opened once, however many ask at the same time."""
    server.answer_always(unary())
    backend = BedrockBackend(**options, max_connections=3)

    async def ask_together() -> None:
        _listen()

        async def ask() -> None:
            async with Session(backend, MODEL) as session:
                await session.ask("hi")

        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(ask)
        await backend.aclose()

    for number, loop in enumerate(["asyncio", "trio"], start=1):
        _run(loop, ask_together)
        assert len(server.requests) == 30 * number
        assert len(server.connections) <= 3 * number


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_loop_that_has_ended_is_not_kept(loop: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """A backend that lives long does not hold on to the loops that it has served."""
    if not _are_forgotten(loop, lambda: anyio.to_thread.run_sync(int)):
        pytest.skip("anyio keeps loops itself, as 4.11 does")
    backend = BedrockBackend(**options)
    _answer_turns(server, 2)
    assert _are_forgotten(loop, lambda: _two_turns(backend))


def _are_forgotten(loop: str, use: Callable[[], Awaitable[Any]]) -> bool:
    """Whether nothing is left of two loops after each was used."""
    tokens: list[weakref.ref[object]] = []

    async def main() -> None:
        tokens.append(weakref.ref(anyio.lowlevel.current_token().native_token))
        await use()

    for _ in range(2):
        _run(loop, main)
    # asyncio keeps the last one as the thread's current loop.
    asyncio.set_event_loop(None)
    gc.collect()
    return [token() for token in tokens] == [None, None]


@pytest.mark.anyio
async def test_open_backend_closes_everything(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Connections, and what holds them, are gone when the block is left; closing again does nothing."""
    _answer_turns(server, 1)
    async with chatport.open_backend("bedrock", **options) as backend:
        assert isinstance(backend, BedrockBackend)
        await _two_turns(backend)
        assert len(server.open_connections) == 1
    await server.connections[0].until_closed()
    await backend.aclose()
    await backend.aclose()


@pytest.mark.anyio
async def test_a_closed_backend_can_be_used_again(server: LoopbackServer, options: dict[str, Any]) -> None:
    """`aclose` lets connections go, no more: `Backend` says so."""
    backend = BedrockBackend(**options)
    await backend.aclose()
    for _ in range(2):
        _answer_turns(server, 1)
        await _two_turns(backend)
        await backend.aclose()
    assert len(server.connections) == 2
    assert not [each for each in server.connections if not each.closed.wait(PATIENCE)]


@pytest.mark.anyio
async def test_two_backends_share_nothing(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Closing one leaves the other's connections alone."""
    first, second = BedrockBackend(**options), BedrockBackend(**options)
    _answer_turns(server, 3)
    await _two_turns(first)
    await _two_turns(second)
    await first.aclose()
    await _two_turns(second)
    assert len(server.connections) == 2
    await second.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_trio_without_httpx2(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The other transport needs asyncio: the error says what to install for trio."""
    monkeypatch.delitem(sys.modules, "chatport_bedrock._httpx_session", raising=False)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    backend = BedrockBackend(**options)
    with pytest.raises(ConfigurationError, match=r"pip install 'chatport-bedrock\[trio\]'"):
        await Session(backend, MODEL).ask("hi")
    await backend.aclose()
