"""Requests of the tests as bodies, and what was noted on the way."""

from typing import Any

from chatport.backend import ChatRequest, Message, Tool, ToolCall
from chatport.backend.http import plain_json
from chatport_anthropic._translate import Translation, translate

SONNET = "claude-sonnet-4-5"
WEATHER = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALL = ToolCall("toolu_1", "weather", {"city": "Bonn"})
PNG = b"\x89PNG\r\n\x1a\n"


def asked(*messages: Message | str, model: str = SONNET, **members: Any) -> Translation:
    """A request with these messages; a str is the user's."""
    said = tuple(Message.user(each) if isinstance(each, str) else each for each in messages)
    return translate(ChatRequest(model, said, **members))


def turns(translation: Translation) -> list[dict[str, Any]]:
    """The messages as they are sent."""
    messages: list[dict[str, Any]] = plain_json(translation.body)["messages"]
    return messages


def noted(translation: Translation) -> list[tuple[str, str, str]]:
    """What was adjusted, without what is no loss."""
    return [(each.kind, each.code, each.path) for each in translation.adjustments if each.kind != "lossless"]


def words(text: str) -> dict[str, Any]:
    """A block of words."""
    return {"type": "text", "text": text}
