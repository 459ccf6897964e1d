"""Where the limits of a request come from, and what they mean for repeating and for places in the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL, START, STREAM_HEAD, chunked, frames, stream, text, unary
from bedrock_support.http_bytes import LAST_CHUNK, head, whole
from bedrock_support.timing import SECONDS, ask_by, open_bedrock, pause, times_out, warm

import chatport
from chatport import ConfigurationError, Retry, RetryStart, Session, StreamTimeoutError, Timeouts
from chatport_bedrock import Load
from chatport_bedrock._options import check_options

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

    from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.anyio


async def _until_waiting(backend: BedrockBackend, count: int) -> None:
    while backend.load().waiting != count:
        await anyio.lowlevel.checkpoint()


# --- where they come from ---------------------------------------------------------------------------------------------


async def test_a_turn_beats_a_session_beats_a_backend(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Limit by limit; what nobody says is the backend's."""
    async with open_bedrock(options, timeouts=Timeouts(first_event=SECONDS, idle=SECONDS)) as backend:
        await warm(server, backend)
        server.answer_always(server.hold())
        with times_out("first_event") as backends:
            await Session(backend, MODEL, retry=None, timeouts=Timeouts(connect=5)).ask("hi")
        session = Session(backend, MODEL, retry=None, timeouts=Timeouts(first_event=0.4))
        with times_out("first_event", seconds=0.4) as sessions:
            await session.ask("hi")
        with times_out("first_event", seconds=0.3) as turns:
            await session.ask("hi", timeouts=Timeouts(first_event=0.3))
    for caught, seconds in ((backends, 0.2), (sessions, 0.4), (turns, 0.3)):
        assert f"within {seconds} seconds (Timeouts.first_event)" in str(caught.value)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_none_is_no_limit(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """A turn may lift what the backend limits."""
    async with open_bedrock(options, timeouts=Timeouts(first_event=SECONDS, idle=SECONDS, total=SECONDS)) as backend:
        await warm(server, backend)
        silence = pause(0.4)
        if way == "ask":
            server.answer(silence, unary("Late."))
        else:
            server.answer(
                STREAM_HEAD, silence, chunked([START, text("La")]), silence, chunked(frames("te.")[1:]), LAST_CHUNK
            )
        limits = Timeouts(connect=None, acquire=None, first_event=None, idle=None, total=None)
        assert (await ask_by(Session(backend, MODEL), way, timeouts=limits)).text == "Late."


async def test_counting_tokens_has_the_limits_of_its_request(server: LoopbackServer, options: dict[str, Any]) -> None:
    """As every other request."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(server.hold())
        request = Session(backend, MODEL, timeouts=Timeouts(first_event=SECONDS)).request("hi")
        with times_out("first_event") as caught:
            await backend.count_tokens(request)
        assert backend.load() == Load(0, 0, 1000)
    assert server.requests[-1].target.endswith("/count-tokens")
    assert (caught.value.phase, caught.value.status, caught.value.retryable) == ("request", None, True)


async def test_an_error_whose_body_stays_out(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Its status says enough."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(head("403 Forbidden", {"Content-Length": "99"}), b"{", server.hold())
        with pytest.raises(chatport.PermissionDeniedError):
            await Session(backend, MODEL, retry=None).ask("hi", timeouts=Timeouts(first_event=SECONDS))
        assert backend.load().in_flight == 0


@pytest.mark.parametrize("timeouts", [None, 3, {"idle": 3}], ids=repr)
def test_the_option_is_limits(timeouts: Any) -> None:
    """A number could be any of them."""
    with pytest.raises(ConfigurationError, match="timeouts must be a Timeouts"):
        check_options({"timeouts": timeouts})


# --- together with repeating, and the places --------------------------------------------------------------------------


async def test_silence_before_the_answer_is_repeated(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Each attempt has the limits anew, and the time that it lost counts for `Retry.max_elapsed`."""
    async with open_bedrock(options) as backend:
        await warm(server, backend)
        server.answer(server.hold())
        server.answer(stream("Second."))
        session = Session(backend, MODEL, retry=Retry(base_delay=0), timeouts=Timeouts(first_event=SECONDS))
        async with session.stream("hi") as reading:
            again = await anext(reading)
            assert isinstance(again, RetryStart)
            assert isinstance(again.error, StreamTimeoutError)
            assert (await reading.finish()).text == "Second."
        server.answer_always(server.hold())
        retry = Retry(base_delay=0, max_elapsed=SECONDS / 2)
        with times_out("first_event"):
            await session.ask("hi", retry=retry)
    assert len(server.requests) == 4


async def test_places_are_given_in_order_and_none_is_lost(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Twenty requests over two connections, some cancelled while they wait: all others are answered."""
    hold = server.hold()
    answered: list[int] = []
    async with open_bedrock(options, max_connections=2) as backend:
        await warm(server, backend)
        server.answer(hold, unary())
        server.answer(hold, unary())
        server.answer_always(unary())

        async def ask(number: int, scope: anyio.CancelScope) -> None:
            with scope:
                await Session(backend, MODEL).ask("hi")
                answered.append(number)

        scopes = [anyio.CancelScope() for _ in range(20)]
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for number, scope in enumerate(scopes):
                    group.start_soon(ask, number, scope)
                    await _until_waiting(backend, max(0, number - 1))
                await server.until_requests(3)
                assert backend.load() == Load(2, 18, 2)
                for scope in scopes[5:15]:
                    scope.cancel()
                await _until_waiting(backend, 8)
                assert backend.load() == Load(2, 8, 2)
                hold.release()
        assert sorted(answered) == [*range(5), *range(15, 20)]
        assert backend.load() == Load(0, 0, 2)
    assert (len(server.requests), len(server.connections)) == (11, 2)


async def test_a_failed_request_gives_its_place_back(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Whatever the failure."""
    async with open_bedrock(options, max_connections=1) as backend:
        server.answer(whole(b"{}", status="500 Internal Server Error"))
        with pytest.raises(chatport.ServiceError):
            await Session(backend, MODEL, retry=None).ask("hi")
        assert backend.load() == Load(0, 0, 1)
        server.answer(unary("Fine."))
        assert (await Session(backend, MODEL).ask("hi")).text == "Fine."
