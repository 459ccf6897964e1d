"""However an answer is left, its connection is closed at once by the service's clock, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.http_exchanges import a_request, a_wire, serving, warmed, whole

from chatport.backend import Load
from chatport.backend.http import HttpRequest, HttpWire
from chatport.testing import HttpReply, HttpService, HttpStep

pytestmark = pytest.mark.anyio

# From leaving to the moment when the service knows (seconds). A busy machine is late now and then; what does not close
# at once is late each time, so the promise is measured again where a first time was too long.
PROMISE = 0.1
TRIES = 3
# Where it is measured once: a machine may be late, and what waits for the service waits for seconds.
AT_ONCE = 1.0
_ANYIO = tuple(int(number) for number in version("anyio").split(".")[:2])


class _LeftError(Exception):
    """What the body of a test's block raises."""


@pytest.fixture(autouse=True)
async def _clean(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail where something was left behind: warnings are errors, asyncio's complaints are records."""
    tasks = _tasks()
    yield
    gc.collect()
    await anyio.lowlevel.checkpoint()
    gc.collect()
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert _tasks() <= tasks


def _tasks() -> int:
    return len(anyio.get_running_tasks())


async def _by_leaving(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    async with await wire.send(request) as response:
        await response.read(has_begun=False)
        return time.monotonic()


async def _unread(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    async with await wire.send(request):
        return time.monotonic()


async def _by_exception(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    left = 0.0
    with pytest.raises(_LeftError):
        async with await wire.send(request) as response:
            await response.read(has_begun=False)
            left = time.monotonic()
            raise _LeftError
    return left


async def _by_cancelling_a_read(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    left: list[float] = []

    async def read(scope: anyio.CancelScope) -> None:
        with scope:
            async with await wire.send(request) as response:
                while await response.read(has_begun=True):
                    pass
        assert scope.cancelled_caught

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()
        group.start_soon(read, scope)
        await service.until_held()
        await anyio.sleep(0.02)  # what was written has been read, and the read waits
        left.append(time.monotonic())
        scope.cancel()
    return left[0]


async def _by_closing_in_a_cancelled_scope(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    left = 0.0
    with anyio.CancelScope() as scope:
        async with await wire.send(request) as response:
            await response.read(has_begun=False)
            scope.cancel()
            left = time.monotonic()
    return left


async def _by_a_deadline(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    with anyio.move_on_after(0.2) as scope:
        async with await wire.send(request) as response:
            while await response.read(has_begun=True):
                pass
    assert scope.cancelled_caught
    return time.monotonic()


async def _by_closing_the_wire(wire: HttpWire, request: HttpRequest, service: HttpService) -> float:
    async with await wire.send(request) as response:
        await response.read(has_begun=False)
        left = time.monotonic()
        await wire.aclose()
    return left


_WAYS = [
    _by_leaving,
    _unread,
    _by_exception,
    _by_cancelling_a_read,
    _by_closing_in_a_cancelled_scope,
    _by_a_deadline,
    _by_closing_the_wire,
]
_Way = Callable[[HttpWire, HttpRequest, HttpService], Awaitable[float]]


@pytest.mark.parametrize("framing", ["chunks", "length", "end"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__)
async def test_leaving_closes_at_once(way: _Way, tls: bool, framing: Any) -> None:
    """In the middle of a body: the service knows within 100 milliseconds, and the place is free again."""
    took = [await _leave(way, tls, framing)]
    while took[-1] >= PROMISE and len(took) < TRIES:
        took.append(await _leave(way, tls, framing))
    assert min(took) < PROMISE


async def _leave(way: _Way, tls: bool, framing: Any) -> float:
    """How long the service did not know of it, in seconds."""
    with HttpService(tls=serving() if tls else None) as service:
        service.reply(HttpReply(body=(b"data: one\n\n", HttpStep.HOLD, b"more"), framing=framing))
        wire = await warmed(a_wire(verify=False), tls=tls)
        left = await way(wire, a_request(service), service)
        assert wire.load() == Load(0, 0, 1000)
        took = await service.until_left() - left
        assert not service.open_connections
        service.reply(HttpReply(body=b"next"))
        assert await whole(wire, a_request(service)) == b"next"
        await wire.aclose()
    return took


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_cancelling_while_the_answer_is_awaited(tls: bool) -> None:
    """Before the head of the answer: the same."""
    with HttpService(tls=serving() if tls else None) as service:
        service.reply(HttpReply(before=HttpStep.HOLD))
        wire = a_wire(verify=False)
        left = 0.0
        async with anyio.create_task_group() as group:
            group.start_soon(whole, wire, a_request(service))
            await service.until_held()
            left = time.monotonic()
            group.cancel_scope.cancel()
        assert wire.load() == Load(0, 0, 1000)
        assert await service.until_left() - left < AT_ONCE
        await wire.aclose()


async def test_cancelling_while_a_large_request_goes_out() -> None:
    """In the middle of an upload that the service does not read."""
    with HttpService() as service:
        wire = a_wire()
        left = 0.0
        # More than the buffers of both sides hold; the service reads the head, and then waits for the thread.
        async with anyio.create_task_group() as group:
            group.start_soon(whole, wire, a_request(service, body=bytes(200_000_000)))
            while not service.connections:  # noqa: ASYNC110 - there is no event for it
                await anyio.sleep(0.001)
            await anyio.sleep(0.01)
            left = time.monotonic()
            group.cancel_scope.cancel()
        closed = await service.until_closed(service.connections[0])
        assert closed - left < AT_ONCE  # what is on its way is read first
        assert service.connections[0].closed_by_client
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


@pytest.mark.skipif(_ANYIO < (4, 16), reason="anyio before 4.16 loses a connection that comes about in that moment")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_cancelling_at_every_moment(tls: bool) -> None:
    """Whenever a request is cancelled, from its first step to its last: no connection stays, no place is lost."""
    with HttpService(tls=serving() if tls else None) as service:
        service.reply_always(HttpReply(body=(b"data: one\n\n", b"data: two\n\n")))
        wire = a_wire(verify=False)
        await whole(wire, a_request(service))
        for steps in range(60):
            if steps % 2:
                await wire.aclose()  # every second time from a new connection on
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(_cancel_after, steps, scope)
                    await whole(wire, a_request(service))
                    group.cancel_scope.cancel()
            assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()
        for connection in service.connections:
            await service.until_closed(connection)


async def _cancel_after(steps: int, scope: anyio.CancelScope) -> None:
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    if steps > 20:  # some that wait for the network
        await anyio.sleep(steps * 0.0001)
    scope.cancel()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="uncancel came with 3.11")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_tasks_of_asyncio_that_are_cancelled(times: int) -> None:
    """`Task.cancel`, also while the connection is being closed: no shield holds that off."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"data: one\n\n", HttpStep.HOLD)))
        wire = a_wire()

        async def read() -> None:
            async with await wire.send(a_request(service)) as response:
                while await response.read(has_begun=True):
                    pass

        task = asyncio.get_running_loop().create_task(read())
        await service.until_held()
        left = time.monotonic()
        for _ in range(times):
            task.cancel()
            await anyio.lowlevel.checkpoint()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await service.until_left() - left < AT_ONCE
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


async def test_cancelling_in_a_handshake() -> None:
    """A service that says nothing when TLS is to begin: its connection is closed, too."""
    with HttpService() as service:  # plain: it waits for the end of a head that never comes
        wire = await warmed(a_wire(verify=False), tls=True)
        request = a_request(service)
        request = HttpRequest("POST", request.url.replace("http:", "https:"), request.headers, request.body)
        with anyio.move_on_after(0.2) as scope:
            await wire.send(request)
        left = time.monotonic()
        assert scope.cancelled_caught
        assert await service.until_closed(service.connections[0]) - left < AT_ONCE
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()
