"""Services that fall silent: which limit ends the wait, in which phase, and whether to ask again."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from tests.http_exchanges import a_request, a_wire, pieces, warmed, whole
from tests.http_faults import CHUNKED, LENGTH, raw, told

from chatport.backend import Load, StreamTimeoutError, Timeouts, TransportError
from chatport.backend.http import HttpRequest
from chatport.testing import HttpReply, HttpService, HttpStep

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("timeouts", "reply", "name", "phase"),
    [
        (Timeouts(first_event=0.2), HttpReply(before=HttpStep.HOLD), "first_event", "request"),
        (Timeouts(first_event=0.2), raw(b"HTTP/1.1 2", HttpStep.HOLD), "first_event", "request"),
        (Timeouts(first_event=0.2), raw(CHUNKED, HttpStep.HOLD), "first_event", "request"),
        (Timeouts(first_event=0.2), raw(LENGTH, HttpStep.HOLD), "first_event", "request"),
        (Timeouts(idle=0.2), HttpReply(body=(b"a", HttpStep.HOLD)), "idle", "stream"),
        (Timeouts(idle=0.2), raw(CHUNKED, b"5\r\nda", HttpStep.HOLD), "idle", "stream"),
        (Timeouts(idle=0.2), raw(LENGTH, b"da", HttpStep.HOLD), "idle", "stream"),
        (Timeouts(total=0.2), HttpReply(before=HttpStep.HOLD), "total", "request"),
        (Timeouts(total=0.2), HttpReply(body=(b"a", HttpStep.HOLD)), "total", "stream"),
        (Timeouts(total=0.2), raw(CHUNKED, HttpStep.HOLD), "total", "request"),
    ],
)
async def test_a_service_that_falls_silent(timeouts: Timeouts, reply: HttpReply, name: str, phase: str) -> None:
    """Each limit is told by its name; only one that was over before anything came may be asked again."""
    with HttpService() as service:
        service.reply(reply)
        wire = await warmed(a_wire())
        with pytest.raises(StreamTimeoutError, match=rf"within 0\.2 seconds \(Timeouts\.{name}\)") as caught:
            await pieces(wire, a_request(service), timeouts)
        assert caught.value.timeout == name
        assert told(caught.value) == (StreamTimeoutError, phase, name == "first_event")
        assert wire.load() == Load(0, 0, 1000)
        await service.until_left()
        await wire.aclose()


async def test_sizes_byte_by_byte_are_no_pieces() -> None:
    """Who sends the size of a chunk for ever sends nothing: neither limit begins anew with each byte."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(CHUNKED)
            with suppress(anyio.BrokenResourceError):
                for _ in range(60):
                    await stream.send(b"0")
                    await anyio.sleep(0.05)  # it is slow on purpose

    wire = await warmed(a_wire())
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    request = HttpRequest("POST", f"http://127.0.0.1:{port}/", (), b"{}")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        for limits, name in ((Timeouts(idle=0.3), "idle"), (Timeouts(idle=60, total=0.3), "total")):
            began = anyio.current_time()
            with pytest.raises(StreamTimeoutError) as caught:
                async with await wire.send(request, limits) as response:
                    await response.read(has_begun=True)
            assert caught.value.timeout == name
            assert anyio.current_time() - began < 2
        group.cancel_scope.cancel()
    await wire.aclose()


async def test_the_first_event_covers_a_whole_answer() -> None:
    """An answer that is read as a whole ends in the time that an event has, however its pieces trickle."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", b"b", HttpStep.HOLD, b"c")))
        wire = a_wire()
        with pytest.raises(StreamTimeoutError) as caught:
            await whole(wire, a_request(service), Timeouts(first_event=0.1, idle=0.01))
        assert caught.value.timeout == "first_event"
        await wire.aclose()


async def test_a_unary_answer_begins_when_it_is_there() -> None:
    """The same for one that was asked for as a whole, in whatever pieces it is read."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", b"b", HttpStep.HOLD, b"c")), HttpReply(body=(b"a", HttpStep.CLOSE)))
        wire = await warmed(a_wire())
        request = replace(a_request(service), unary=True)
        with pytest.raises(StreamTimeoutError) as caught:
            await pieces(wire, request, Timeouts(first_event=0.2, idle=0.01))
        assert caught.value.timeout == "first_event"
        with pytest.raises(TransportError, match="before the answer was complete"):
            await pieces(wire, request)
        await wire.aclose()


async def test_no_place_in_time() -> None:
    """The message says what to do; nothing was sent, so it may be asked again."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = a_wire(max_connections=1)
        messages: list[str] = []
        async with await wire.send(a_request(service)):
            for timeouts, name in ((Timeouts(acquire=0.05), "acquire"), (Timeouts(total=0.05), "total")):
                with pytest.raises(StreamTimeoutError) as caught:
                    await whole(wire, a_request(service), timeouts)
                assert (caught.value.timeout, caught.value.retryable) == (name, name == "acquire")
                assert caught.value.phase == "connect"
                messages.append(str(caught.value))
        assert "raise the backend's option max_connections" in messages[0]
        assert (wire.load(), len(service.requests)) == (Load(0, 0, 1), 1)
        await wire.aclose()


async def test_no_connection_in_time() -> None:
    """A host that takes no connection: its queue is full, so the last one waits."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    waiting: list[socket.socket] = []
    try:
        for _ in range(8):
            peer = socket.socket()
            peer.setblocking(False)
            peer.connect_ex(("127.0.0.1", port))
            waiting.append(peer)
        with HttpService() as service:
            request = a_request(service)
        request = type(request)("POST", f"http://127.0.0.1:{port}/", request.headers, request.body)
        wire = a_wire()
        with pytest.raises(StreamTimeoutError, match=r"no connection came about within 0\.1 seconds") as caught:
            await whole(wire, request, Timeouts(connect=0.1))
        assert caught.value.timeout == "connect"
        assert told(caught.value) == (StreamTimeoutError, "connect", True)
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()
    finally:
        for peer in (listener, *waiting):
            peer.close()
