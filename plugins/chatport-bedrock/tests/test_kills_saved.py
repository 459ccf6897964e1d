"""A turn with two tools, killed at each of its pauses: what is saved loads, and the service accepts the next turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.killing import Paced, Pauses, Way, cancel_at

import chatport
from chatport import (
    Allow,
    Decision,
    Message,
    Reasoning,
    ReplyStream,
    Session,
    Text,
    ToolCall,
    dump_messages,
    load_messages,
    validate_messages,
)
from chatport.testing import ScriptedBackend
from chatport_bedrock.emulator import Emulator

if TYPE_CHECKING:
    from chatport import Approve
    from chatport.backend import Backend

pytestmark = pytest.mark.anyio

_MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_BEFORE = (Message.user("before"), Message.assistant("indeed"))
_CALLS = (
    Reasoning("Both at once."),
    Text("Let me look."),
    ToolCall("t1", "look_up", {"word": "tide"}),
    ToolCall("t2", "compute", {"number": 7}),
)
# How many pauses a turn has: of the two answers, of the tools, and of whoever is asked first.
_PAUSES = {"asyncio": 26, "trio": 26}
_WHOLE = ["user", "assistant", "tool", "assistant"]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A service that refuses what the real one refuses."""
    with Emulator(api_key="made-up") as running:
        yield running


@pytest.mark.parametrize("way", ["scope", "task"])
async def test_rule_37_what_is_saved_of_a_killed_turn_is_accepted(
    way: Way, anyio_backend_name: str, emulator: Emulator
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
            session, stream, was_cancelled, pauses = await _killed(number, way)
            if pauses < number:
                break
            cancelled += was_cancelled
            await _check_saved(service, session.messages)
            if session.messages == _BEFORE:
                session.keep(stream.partial)
                await _check_saved(service, session.messages)
            seen.add(tuple(message.role for message in session.messages[2:]))
    assert number - 1 == _PAUSES[anyio_backend_name]
    assert cancelled >= number - 3
    assert seen >= {("user",), ("user", "assistant"), ("user", "assistant", "tool"), tuple(_WHOLE)}


async def _killed(number: int, way: Way) -> tuple[Session, ReplyStream, bool, int]:
    """Run the turn and kill it at a pause; return the session, the stream, whether it was killed, and the pauses."""
    session = Session(ScriptedBackend(_CALLS, "It is high at seven."), _MODEL, messages=_BEFORE)
    pauses: list[Pauses] = []
    stream = session.stream("When is high tide?", tools=_tools(pauses), approve=_approver())

    async def play(counted: Pauses) -> None:
        pauses.append(counted)
        async with stream:
            await stream.finish()

    with anyio.fail_after(10):
        ending = await cancel_at(number, way, play, paced=Paced())
    return session, stream, ending.was_cancelled, ending.pauses


def _approver() -> Approve:
    async def approve(call: ToolCall) -> Decision:
        await anyio.lowlevel.checkpoint()
        return Allow({"number": 8}) if call.name == "compute" else Allow()

    return approve


def _tools(pauses: list[Pauses]) -> list[Callable[..., object]]:
    """Return two tools, one after the other by their pauses: so that each turn has the same ones."""
    first_done = anyio.Event()

    async def look_up(word: str) -> str:
        """Look it up."""
        for _ in range(3):
            pauses[0].note()
            await anyio.lowlevel.checkpoint()
        first_done.set()
        return f"found {word}"

    async def compute(number: int) -> int:
        """Compute it."""
        await first_done.wait()
        for _ in range(3):
            pauses[0].note()
            await anyio.lowlevel.checkpoint()
        return number

    return [look_up, compute]


async def _check_saved(service: Backend, messages: tuple[Message, ...]) -> None:
    loaded = load_messages(dump_messages(messages))
    assert loaded == messages
    assert validate_messages(loaded) == ()
    with anyio.fail_after(10):
        async with Session(service, _MODEL, messages=loaded, retry=None) as session:
            reply = await session.ask("And now?")
    assert reply.text
    assert reply.stop_reason == "stop"
