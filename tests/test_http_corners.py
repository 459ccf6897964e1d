"""Corners of the HTTP wire that a service on loopback seldom comes to."""

from __future__ import annotations

import select
import sys
import time
from typing import Any

import anyio
import anyio.from_thread
import pytest
from tests.http_exchanges import a_request, a_wire, warmed, whole

from chatport import _http_network
from chatport._http_failures import ConnectionFailedError, Exchange, request_failure, without_frames
from chatport._http_network import Network
from chatport.backend import ConfigurationError, ProtocolError, StreamTimeoutError, Timeouts, TransportError
from chatport.backend.http import ConnectionsClosedError, EventReader, Slots, UnreadableEventError, unreadable_failure
from chatport.testing import HttpReply, HttpService, HttpStep


def test_what_was_raised_together_loses_its_frames_together() -> None:
    """Causes, contexts and the members of groups: none of them shows the variables of its frames."""
    inner = _raised(OSError("inner"))
    group = _raised(ExceptionGroup("several", [inner, _raised(ValueError("other"))]))
    outer = _raised(RuntimeError("outer"))
    outer.__cause__ = group
    group.__context__ = outer  # a ring does not keep it
    assert without_frames(outer) is outer
    assert [each.__traceback__ for each in (outer, group, *group.exceptions)] == [None] * 4


def test_what_else_holds_secrets_is_forgotten_with_the_frames() -> None:
    """Whoever knows a library's exceptions sees each of them once, whichever way it hangs on the others."""
    inner, outer = _raised(OSError("inner")), _raised(RuntimeError("outer"))
    outer.__cause__ = outer.__context__ = inner
    seen: list[BaseException] = []
    assert without_frames(outer, forget=seen.append) is outer
    assert sorted(map(repr, seen)) == ["OSError('inner')", "RuntimeError('outer')"]
    assert inner.__traceback__ is None


def test_events_that_cannot_be_read_are_an_error_of_the_service() -> None:
    """What is known of the exchange stands in it, and what was wrong with the event."""
    reader = EventReader()
    with pytest.raises(UnreadableEventError) as caught:
        reader.feed(b"data: \xff\n\n")
    error = unreadable_failure(caught.value, Exchange("tested", "m", 200, "r"))
    assert isinstance(error, ProtocolError)
    assert (error.backend, error.model, error.status, error.request_id, error.phase) == (
        "tested",
        "m",
        200,
        "r",
        "stream",
    )
    assert error.__cause__ is caught.value
    assert str(caught.value) in str(error)


def _raised(error: Any) -> Any:
    try:
        raise error  # noqa: TRY301 - that is what this is for
    except BaseException as raised:  # noqa: BLE001 - it is wanted with its frames
        return raised


def test_every_failure_of_a_connection_has_an_error() -> None:
    """Where limits are over in another place, a connection that came about too late is one that did not come about."""
    error = request_failure(ConnectionFailedError("connect-timeout", "late"), Exchange("tested"))
    assert isinstance(error, TransportError)
    assert (error.phase, error.retryable) == ("connect", True)


@pytest.mark.anyio
async def test_places_are_lost_by_nobody() -> None:
    """Who is cancelled after a place was given to it passes it on; closed places are given to nobody."""
    slots = Slots(1)
    await slots.acquire(1)
    async with anyio.create_task_group() as group:
        group.start_soon(slots.acquire, 1)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        slots.release()  # to one who does not want it any more
    assert (slots.in_flight, slots.waiting) == (0, 0)
    slots.close()
    with pytest.raises(ConnectionsClosedError):
        await slots.acquire(1)


@pytest.mark.anyio
async def test_a_place_that_was_given_at_the_last_moment() -> None:
    """Who has got one, but does not run yet when all is closed, gives it back."""
    slots = Slots(1)
    await slots.acquire(5)
    refused: list[str] = []

    async def wait() -> None:
        with pytest.raises(ConnectionsClosedError):
            await slots.acquire(5)
        refused.append("refused")

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
        while slots.waiting != 2:
            await anyio.lowlevel.checkpoint()
        slots.release()
        slots.close()
    assert refused == ["refused"] * 2
    assert (slots.in_flight, slots.waiting) == (0, 0)
    with pytest.raises(ConnectionsClosedError):
        await slots.acquire(5)


@pytest.mark.anyio
async def test_httpcore2_gets_what_it_may_ask_for() -> None:
    """The network that connections are made with has every method of its kind."""
    network = Network()
    await network.sleep(0)
    with pytest.raises(Exception, match="unix sockets are not used"):
        await network.connect_unix_socket("/nowhere")


@pytest.mark.anyio
async def test_several_addresses_that_all_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a host with several addresses the last reason is told."""

    async def connect(*_: object, **__: object) -> None:
        refusals = [ConnectionRefusedError(111, "one"), OSError(113, "two")]
        raise OSError("All connection attempts failed") from ExceptionGroup("several", refusals)

    with HttpService() as service:
        request = a_request(service)
    monkeypatch.setattr(anyio, "connect_tcp", connect)
    wire = a_wire()
    with pytest.raises(TransportError, match="No route to host"):
        await whole(wire, request)


@pytest.mark.anyio
async def test_systems_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection is looked at with `select` where there is nothing else."""
    monkeypatch.delattr(select, "poll")
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        for _ in range(2):
            assert await whole(wire, a_request(service)) == b"a"
        assert len(service.connections) == 1
        await wire.aclose()
    assert _http_network._is_readable(None)


@pytest.mark.anyio
async def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    for name in ("chatport._http_connections", "chatport._http_network"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "httpcore2", None)
    with HttpService() as service:
        wire = a_wire()
        with pytest.raises(ConfigurationError, match=r"pip install 'chatport\[http\]'"):
            await wire.send(a_request(service))


@pytest.mark.anyio
async def test_closing_while_the_library_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the library while the wire is closed opens no connection."""
    with HttpService() as service:
        wire = a_wire()
        load = wire._pool._load_library
        begun = anyio.Event()

        def load_late() -> Any:
            anyio.from_thread.run_sync(begun.set)
            anyio.from_thread.run(wire.aclose)
            return load()

        monkeypatch.setattr(wire._pool, "_load_library", load_late)
        with pytest.raises(TransportError, match="the backend was closed"):
            await wire.send(a_request(service))
        assert begun.is_set()
        assert not service.connections


@pytest.mark.anyio
async def test_no_time_left_for_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A total that is over before the body is read ends it without a wait."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", b"b")))
        wire = await warmed(a_wire())
        async with await wire.send(a_request(service), Timeouts(total=20)) as response:
            later = time.monotonic() + 20
            monkeypatch.setattr("chatport._http_patience.monotonic", lambda: later)
            with pytest.raises(StreamTimeoutError) as caught:
                await response.read(has_begun=False)
        assert caught.value.timeout == "total"
        await response.aclose()
        assert await response.read(has_begun=False) == b""
        await wire.aclose()


@pytest.mark.anyio
async def test_idle_connections_end_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a burst, each answer closes one connection that nobody has taken for a minute."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = await warmed(a_wire())
        monkeypatch.setattr("chatport._http_connections._KEEPALIVE_SECONDS", 0.05)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(whole, wire, a_request(service))
            await service.until_held(3)
            service.release()
        await anyio.sleep(0.1)
        assert len(service.open_connections) == 3
        await whole(wire, a_request(service))
        for connection in service.connections[:3]:
            await service.until_closed(connection)
        assert len(service.open_connections) == 1
        await wire.aclose()
