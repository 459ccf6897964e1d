"""Requests of the tests as bodies, and what was noted on the way."""

from __future__ import annotations

from typing import Any

from chatport.backend import ChatRequest, Message, Part, ToolCall, ToolResult
from chatport.backend.http import plain_json
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._translate import Translation, translate

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def said(*messages: Message, dialect: str = "openai", model: str = "gpt-4.1", **members: Any) -> Translation:
    """Translate a conversation."""
    request = ChatRequest(model, messages or (Message.user("Hi"),), **members)
    return translate(request, dialect=DIALECTS[dialect])


def body_of(*messages: Message, **members: Any) -> dict[str, Any]:
    """The body as it goes over the wire."""
    return plain_json(said(*messages, **members).body)


def codes(translation: Translation, *kinds: str) -> list[str]:
    """The codes of the adjustments of these kinds; by default of those that are reported."""
    wanted = kinds or ("renamed", "changed", "dropped")
    return [item.code for item in translation.adjustments if item.kind in wanted]


def asked(*parts: Part | str, **members: Any) -> Any:
    """The content of one message of the user."""
    return body_of(Message.user(*parts), **members)["messages"][-1]["content"]


def answered(*parts: Part, **members: Any) -> dict[str, Any]:
    """A message of the model on its way back, with a result of each of its calls and a question behind it."""
    calls = [part for part in parts if isinstance(part, ToolCall)]
    results = [Message("tool", tuple(ToolResult(call.id, "done") for call in calls))] if calls else []
    messages = body_of(Message.user("Hi"), Message("assistant", parts), *results, Message.user("Go on"), **members)[
        "messages"
    ]
    return next(message for message in messages if message["role"] == "assistant")
