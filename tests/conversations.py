"""Sessions on scripted backends, and a tool: what tests of conversations begin with."""

from typing import Any

import chatport
from chatport import ToolCall, tool
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
