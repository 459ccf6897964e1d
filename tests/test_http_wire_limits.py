"""Limits of answers that are read at the same time, and of answers that come over one connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import pytest
from tests.http_exchanges import PEM, a_request, a_wire, pieces, serving, warmed

from chatport.backend import StreamTimeoutError, Timeouts
from chatport.testing import HttpReply, HttpService, HttpStep

if TYPE_CHECKING:
    from chatport.backend.http import HttpWire

pytestmark = pytest.mark.anyio
_EARLY_SECONDS = 0.02  # by which a coarse clock may be ahead
_LATE_SECONDS = 1.5  # a machine may be busy


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_reads_that_wait_together_end_each_at_its_own_limit(tls: bool) -> None:
    """Of four silent answers two end when their limits are over, one is cancelled, and one goes on to its end."""
    with HttpService(tls=serving() if tls else None) as service:
        service.reply_always(HttpReply(body=(b"one", HttpStep.HOLD, b"two")))
        wire = await warmed(a_wire(verify=str(PEM)), tls=tls)
        complete: list[list[bytes]] = []
        cancelled = anyio.CancelScope()

        async def read(scope: anyio.CancelScope) -> None:
            with scope:
                complete.append(await pieces(wire, a_request(service), Timeouts(idle=30)))

        async with anyio.create_task_group() as group:
            group.start_soon(read, anyio.CancelScope())
            group.start_soon(read, cancelled)
            await service.until_held(2)
            async with anyio.create_task_group() as silent:
                for seconds in (0.6, 0.2):
                    silent.start_soon(_fall_silent, wire, service, seconds)
                await service.until_held(4)
                cancelled.cancel()
            assert cancelled.cancelled_caught
            assert complete == []
            await service.until_left(3)
            service.release()
        assert b"".join(complete[0]) == b"onetwo"
        await wire.aclose()


async def _fall_silent(wire: HttpWire, service: HttpService, seconds: float) -> None:
    began = time.monotonic()
    with pytest.raises(StreamTimeoutError) as caught:
        await pieces(wire, a_request(service), Timeouts(idle=seconds))
    took = time.monotonic() - began
    assert caught.value.timeout == "idle"
    assert seconds - _EARLY_SECONDS <= took < seconds + _LATE_SECONDS


async def test_every_answer_of_a_connection_has_its_limits() -> None:
    """The limits of the second answer over a connection begin with that answer, as those of the first do."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", b"b")), HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = await warmed(a_wire())
        assert b"".join(await pieces(wire, a_request(service), Timeouts(idle=0.5))) == b"ab"
        await anyio.sleep(0.3)  # a limit that counted from the connection's beginning would be over too early
        await _fall_silent(wire, service, 0.5)
        assert len(service.connections) == 1
        await wire.aclose()
