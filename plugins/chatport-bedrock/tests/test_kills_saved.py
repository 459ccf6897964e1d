"""A turn with two tools, killed at each of its pauses: what is saved loads, and the service accepts the next turn."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from bedrock_support.killing import Paced, Pauses, Way, cancel_at
from bedrock_support.two_tools import ANSWER, BEFORE, CALLS, MODEL, WHOLE, TwoTools, check_accepted, roles_behind

import chatport
from chatport import Session
from chatport.testing import ScriptedBackend
from chatport_bedrock.emulator import Emulator

pytestmark = pytest.mark.anyio

# How many pauses a turn has: of the two answers, of the tools, and of whoever is asked first.
_PAUSES = {("stream", "asyncio"): 26, ("stream", "trio"): 26, ("ask", "asyncio"): 26, ("ask", "trio"): 26}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A service that refuses what the real one refuses."""
    with Emulator(api_key="made-up") as running:
        yield running


@pytest.mark.parametrize("asks", ["stream", "ask"])
@pytest.mark.parametrize("way", ["scope", "task"])
async def test_rule_37_what_is_saved_of_a_killed_turn_is_accepted(
    way: Way, asks: str, anyio_backend_name: str, emulator: Emulator
) -> None:
    """At every pause, counted: the saved JSON loads, is valid, and the next question is answered; kept or not."""
    if (way, anyio_backend_name) == ("task", "trio"):
        pytest.skip("tasks of trio are cancelled by scopes only")
    options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
    seen: set[tuple[str, ...]] = set()
    number, cancelled = 0, 0
    async with chatport.open_backend("bedrock", **options) as service:
        while True:
            number += 1
            session, was_cancelled, pauses = await _killed(number, way, asks)
            if pauses < number:
                break
            cancelled += was_cancelled
            await check_accepted(service, session.messages)
            if session.messages == BEFORE:
                assert session.partial is not None
                session.keep(session.partial)
                await check_accepted(service, session.messages)
            seen.add(roles_behind(session.messages))
    assert number - 1 == _PAUSES[asks, anyio_backend_name]
    assert cancelled >= number - 3
    assert seen >= {("user",), ("user", "assistant"), ("user", "assistant", "tool"), WHOLE}


async def _killed(number: int, way: Way, asks: str) -> tuple[Session, bool, int]:
    """Run the turn and kill it at a pause; return the session, whether it was killed, and the pauses."""
    tools = TwoTools()
    session = Session(
        ScriptedBackend(CALLS, ANSWER), MODEL, messages=BEFORE, tools=tools.functions(), approve=tools.approve
    )

    async def play(counted: Pauses) -> None:
        tools.pauses = counted
        if asks == "ask":
            await session.ask("When is high tide?")
            return
        async with session.stream("When is high tide?") as stream:
            await stream.finish()

    with anyio.fail_after(10):
        ending = await cancel_at(number, way, play, paced=Paced())
    return session, ending.was_cancelled, ending.pauses
