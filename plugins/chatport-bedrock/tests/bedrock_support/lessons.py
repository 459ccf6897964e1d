"""Models of which nobody knows anything, and what the service refuses them."""

from __future__ import annotations

from typing import Any

import chatport
from chatport import Message, Reply, ToolCall, ToolResult, tool
from chatport_bedrock.emulator import Emulator, HttpError

# Of this one neither table knows anything: the emulator takes everything, and refuses what it is told to refuse.
UNKNOWN = "maker.model-1-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"

NO_TOOLS_IN_STREAMS = "This model doesn't support tool use in streaming mode."
NO_STATUS = "This model doesn't support the status field. Remove status and try again."


def no_choice(kind: str) -> str:
    """What the service says to a choice that a model does not take."""
    field = f"toolConfig.toolChoice.{kind}"
    return f"This model doesn't support the {field} field. Remove {field} and try again."


def refusal(words: str, code: str = "ValidationException") -> HttpError:
    """Return an error with the service's words."""
    return HttpError(403 if code == "AccessDeniedException" else 400, code, words)


@tool
def get_local_time(city: str) -> str:
    """Get the local time in a city."""
    return f"noon in {city}"


def options(emulator: Emulator, **more: Any) -> dict[str, Any]:
    """Return what a backend needs to reach it."""
    return {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up", **more}


def open_chat(emulator: Emulator, model: str = UNKNOWN, backend: dict[str, Any] | None = None, **session: Any) -> Any:
    """Open a session with a model through the emulator."""
    given = options(emulator, **(backend or {}))
    return chatport.open_session(f"bedrock:{model}", backend_options=given, **session)


def codes(reply: Reply) -> list[str]:
    """Return what a reply says was adjusted."""
    return [adjustment.code for adjustment in reply.adjustments]


FAILED_CALL = (
    Message.user("What is the time in Oslo?"),
    Message.assistant(ToolCall("call-1", "get_local_time", {"city": "Oslo"})),
)
RESULT = ToolResult("call-1", "no such city", is_error=True)
