"""Sessions on scripted backends, and a tool: what tests of conversations begin with."""

from collections.abc import Mapping
from typing import Any

import anyio.lowlevel

import chatport
from chatport import Allow, Decision, Reply, ToolCall, ToolResult, tool
from chatport.testing import ScriptedBackend


@tool
async def get_weather(location: str) -> dict[str, Any]:
    """Get the current weather in a location."""
    return {"location": location, "celsius": 21}


def call(id_: str = "1", name: str = "get_weather", /, **arguments: Any) -> ToolCall:
    """Return a call of the weather tool."""
    return ToolCall(id_, name, arguments or {"location": "Paris"})


def session(*script: Any, **options: Any) -> tuple[chatport.Session, ScriptedBackend]:
    """Return a session and the scripted backend behind it."""
    backend = ScriptedBackend(*script)
    return chatport.Session(backend, "model-1", **options), backend


TWO = [call("1", location="Paris"), call("2", location="Rome")]
PARIS = ToolResult("1", {"location": "Paris", "celsius": 21})
ROME = ToolResult("2", {"location": "Rome", "celsius": 21})


class Asked:
    """Says of each call what a table has for its id, and notes whom it was asked about."""

    def __init__(self, decisions: Mapping[str, Any] | None = None) -> None:
        """Take the table; what is not in it is allowed."""
        self.calls: list[ToolCall] = []
        self._decisions = decisions or {}

    async def __call__(self, asked: ToolCall) -> Decision:
        """Say it."""
        self.calls.append(asked)
        await anyio.lowlevel.checkpoint()
        decision: Decision = self._decisions.get(asked.id, Allow())
        return decision

    @property
    def ids(self) -> list[str]:
        """Whom it was asked about."""
        return [asked.id for asked in self.calls]


def results(reply: Reply[Any]) -> list[ToolResult]:
    """Return the results in a reply."""
    return [part for message in reply.messages for part in message.parts if isinstance(part, ToolResult)]
