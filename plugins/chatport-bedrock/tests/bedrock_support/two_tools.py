"""A turn with two tools that takes as many pauses each time, for tests that kill it at every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

import chatport
from bedrock_support.killing import Pauses
from chatport import (
    Allow,
    Decision,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    dump_messages,
    load_messages,
    validate_messages,
)

if TYPE_CHECKING:
    from chatport.backend import Backend

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BEFORE = (Message.user("before"), Message.assistant("indeed"))
CALLS = (
    Reasoning("Both at once."),
    Text("Let me look."),
    ToolCall("t1", "look_up", {"word": "tide"}),
    ToolCall("t2", "compute", {"number": 7}),
)
ANSWER = "It is high at seven."
WHOLE = ("user", "assistant", "tool", "assistant")


class TwoTools:
    """Two tools, one after the other by their pauses, and whoever is asked first.

    Attributes:
        pauses: What their pauses are noted in.
        ran: The names of those that were begun.
    """

    def __init__(self) -> None:
        self.pauses = Pauses(0, int)
        self.ran: list[str] = []
        self._first_done = anyio.Event()

    def functions(self) -> list[Callable[..., object]]:
        """Return them."""
        return [self.look_up, self.compute]

    async def look_up(self, word: str) -> str:
        """Look it up."""
        self.ran.append("look_up")
        for _ in range(3):
            self.pauses.note()
            await anyio.lowlevel.checkpoint()
        self._first_done.set()
        return f"found {word}"

    async def compute(self, number: int) -> int:
        """Compute it."""
        self.ran.append("compute")
        await self._first_done.wait()
        for _ in range(3):
            self.pauses.note()
            await anyio.lowlevel.checkpoint()
        return number

    async def approve(self, call: ToolCall) -> Decision:
        """Allow both, the second with another number."""
        await anyio.lowlevel.checkpoint()
        return Allow({"number": 8}) if call.name == "compute" else Allow()


async def check_accepted(service: Backend, messages: tuple[Message, ...]) -> None:
    """Fail unless a history is the same after a save, is valid, and a service that knows all rules answers it."""
    loaded = load_messages(dump_messages(messages))
    assert loaded == messages
    assert validate_messages(loaded) == ()
    with anyio.fail_after(10):
        async with Session(service, MODEL, messages=loaded, retry=None) as session:
            reply = await session.ask("And now?")
    assert reply.text
    assert reply.stop_reason == "stop"


def roles_behind(messages: tuple[chatport.Message, ...]) -> tuple[str, ...]:
    """Return the roles of what the turn has added."""
    return tuple(message.role for message in messages[len(BEFORE) :])
