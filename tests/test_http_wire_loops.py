"""One wire over several event loops: one after the other, in threads at once, and closed with each loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from tests.http_exchanges import a_request, a_wire, serving, whole

from chatport.backend import Load
from chatport.testing import HttpReply, HttpService, HttpStep

if TYPE_CHECKING:
    from chatport.backend.http import HttpResponse, HttpWire

_SECONDS = 20.0


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is not closed says so when it is collected: to asyncio's handler, or as a warning, which is an error."""
    yield
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]


async def _twice(wire: HttpWire, service: HttpService) -> None:
    for _ in range(2):
        assert await whole(wire, a_request(service)) == b"an answer"


@pytest.mark.parametrize(
    "loops",
    [["asyncio"] * 3, ["trio"] * 3, ["asyncio", "trio", "asyncio"], ["trio", "asyncio", "trio"]],
    ids="-".join,
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_loop_after_the_other(loops: Sequence[str], tls: bool) -> None:
    """A wire that nobody closes serves each loop over one connection, which is closed when that loop ends."""
    with HttpService(tls=serving() if tls else None) as service:
        service.reply_always(HttpReply(body=(b"an ", b"answer")))
        wire = a_wire(verify=False)
        for number, loop in enumerate(loops, start=1):
            anyio.run(_twice, wire, service, backend=loop)
            assert (len(service.requests), len(service.connections)) == (2 * number, number)
            assert service.connections[-1].ended.wait(_SECONDS), "the connection outlives its loop"
        assert not service.open_connections
        assert wire.load() == Load(0, 0, 1000)


def test_runs_of_asyncio_itself() -> None:
    """`asyncio.run`, as most programs begin."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"an answer"))
        wire = a_wire()
        for _ in range(2):
            asyncio.run(_twice(wire, service))
            assert service.connections[-1].ended.wait(_SECONDS)


@pytest.mark.parametrize("loops", [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio")], ids="-".join)
def test_two_threads_at_once(loops: Sequence[str]) -> None:
    """Each thread has connections and places of its own, and the load counts them together."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"an ", HttpStep.HOLD, b"answer")))
        wire = a_wire(max_connections=1)
        with ThreadPoolExecutor(2) as threads:
            ask = partial(_twice, wire, service)
            futures = [threads.submit(partial(anyio.run, ask, backend=loop)) for loop in loops]
            anyio.run(service.until_held, 2)
            assert wire.load() == Load(2, 0, 1)
            service.release()
            for future in futures:
                future.result(_SECONDS)
        assert (len(service.requests), len(service.connections)) == (4, 2)
        for connection in service.connections:
            assert connection.ended.wait(_SECONDS)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_closing_is_for_the_loop_that_asks(loop: str) -> None:
    """`aclose` in one loop leaves the connections of another alone."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"an answer"))
        wire = a_wire()
        asked, closed = threading.Event(), threading.Event()

        async def stay() -> None:
            await _twice(wire, service)
            asked.set()
            await anyio.to_thread.run_sync(closed.wait, _SECONDS)
            await _twice(wire, service)

        async def close() -> None:
            await _twice(wire, service)
            await wire.aclose()

        with ThreadPoolExecutor(1) as threads:
            future = threads.submit(partial(anyio.run, stay, backend=loop))
            assert asked.wait(_SECONDS)
            anyio.run(close, backend=loop)
            closed.set()
            future.result(_SECONDS)
        assert len(service.connections) == 2


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_loop_that_ends_in_the_middle(loop: str) -> None:
    """A stream that is never left, in a loop that ends: the connection is closed with it."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"an ", HttpStep.HOLD)))
        wire = a_wire()
        kept: list[HttpResponse] = []

        async def begin() -> None:
            response = await wire.send(a_request(service))
            assert await response.read(has_begun=False) == b"an "
            kept.append(response)  # one that is dropped would warn

        anyio.run(begin, backend=loop)
        assert service.connections[0].ended.wait(_SECONDS)
        anyio.run(kept[0].aclose, backend=loop)
