"""Connections of the HTTP wire: which are kept, who gets one, and what closing does to them."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.http_exchanges import a_request, a_wire, whole

from chatport.backend import Load, StreamInterruptedError, TransportError
from chatport.testing import HttpReply, HttpService, HttpStep

pytestmark = pytest.mark.anyio


async def test_the_end_of_a_stream_saves_the_connection() -> None:
    """Who stops at the last event reads the end, and the next request has the same connection; else it is another."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"data: [DONE]\n\n",), write_size=1000))
        wire = a_wire()
        for _ in range(2):
            async with await wire.send(a_request(service)) as response:
                assert await response.read(has_begun=True) == b"data: [DONE]\n\n"
                assert await response.read_end() == b""
        assert len(service.connections) == 1
        service.reply(HttpReply(body=(b"data: [DONE]\n\n", HttpStep.HOLD)))
        async with await wire.send(a_request(service)) as response:
            assert await response.read(has_begun=True)
        assert await whole(wire, a_request(service))
        assert len(service.connections) == 2
        await wire.aclose()


async def test_idle_connections_that_the_service_closed_are_not_used() -> None:
    """A kept connection that has ended meanwhile is replaced without a word: nothing was sent on it."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        for number in range(1, 4):
            service.reply(
                HttpReply(body=(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", HttpStep.CLOSE), framing="raw")
            )
            assert await whole(wire, a_request(service)) == b"a"
            await service.until_closed(service.connections[-1])
            assert len(service.connections) == number
        await wire.aclose()


async def test_connections_of_a_burst_are_used_again() -> None:
    """The connection that was used last is taken first; a burst has as many as it needs."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD, b"b")))
        wire = a_wire()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(whole, wire, a_request(service))
            await service.until_held(10)
            assert wire.load() == Load(10, 0, 1000)
            service.release()
        for _ in range(10):
            await whole(wire, a_request(service))
        assert len(service.connections) == 10
        await wire.aclose()


async def test_places_are_given_in_order() -> None:
    """No more connections than there may be; who waits is counted, and served in the order of coming."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = a_wire(max_connections=1)
        order: list[int] = []

        async def ask(number: int) -> None:
            await whole(wire, a_request(service, f"/{number}"))
            order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(ask, number)
                while sum((wire.load().in_flight, wire.load().waiting)) <= number:
                    await anyio.lowlevel.checkpoint()
            await service.until_held()
            assert wire.load() == Load(1, 5, 1)
            service.release()
        assert order == list(range(6))
        assert [request.target for request in service.requests] == [f"/{number}" for number in range(6)]
        assert len(service.connections) == 1
        assert wire.load() == Load(0, 0, 1)
        await wire.aclose()


async def test_closing_twice_and_asking_again() -> None:
    """Closing ends kept connections and may be repeated; who asks afterwards gets new ones."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        await wire.aclose()
        for number in range(1, 3):
            assert await whole(wire, a_request(service)) == b"a"
            await wire.aclose()
            await wire.aclose()
            await service.until_closed(service.connections[-1])
            assert len(service.connections) == number


async def test_closing_in_the_middle() -> None:
    """Closing ends streams that are being read, and who waits for a place is told."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = a_wire(max_connections=1)
        errors: list[Exception] = []

        async def wait_for_place() -> None:
            try:
                await whole(wire, a_request(service))
            except TransportError as error:
                errors.append(error)

        async with anyio.create_task_group() as group, await wire.send(a_request(service)) as response:
            assert await response.read(has_begun=False) == b"a"
            group.start_soon(wait_for_place)
            while not wire.load().waiting:
                await anyio.lowlevel.checkpoint()
            await wire.aclose()
            with pytest.raises(StreamInterruptedError, match="was closed while somebody waited") as caught:
                await response.read(has_begun=True)
            assert not caught.value.retryable
        assert "closed while the request waited" in str(errors[0])
        await service.until_left()
        assert wire.load().in_flight == 0


@pytest.mark.parametrize("before", [HttpStep.HOLD, None])
async def test_closing_while_an_answer_is_awaited(before: HttpStep | None) -> None:
    """Before its head, or in its body: who waits is told, and not to ask again, over connections that nobody closes."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", HttpStep.HOLD), before=before))
        wire = a_wire()
        errors: list[TransportError] = []

        async def ask() -> None:
            with pytest.raises(TransportError, match="was closed while somebody waited") as caught:
                await whole(wire, a_request(service))
            errors.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await service.until_held()
            await anyio.wait_all_tasks_blocked()
            await wire.aclose()
        assert [(error.retryable, error.phase) for error in errors] == [(False, "request")]
        assert wire.load().in_flight == 0


async def test_an_answer_that_nobody_closes_is_told() -> None:
    """It keeps its place for ever, which nobody would find."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        await whole(wire, a_request(service))
        response = await wire.send(a_request(service))
        with pytest.warns(ResourceWarning, match="'tested' was dropped: use it in `async with`"):
            del response
            gc.collect()
        await wire.aclose()


async def test_a_burst_on_a_new_wire_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come first together wait for one thread, which loads the library once."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        loads: list[int] = []
        load = wire._pool._load_library

        def note() -> Any:
            loads.append(1)
            return load()

        monkeypatch.setattr(wire._pool, "_load_library", note)
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(whole, wire, a_request(service))
        assert (loads, len(service.requests)) == ([1], 20)
        await wire.aclose()
