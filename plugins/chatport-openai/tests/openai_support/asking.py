"""What a request asks for besides words, as a body."""

from __future__ import annotations

from typing import Any

from chatport.backend import ChatRequest, Message, Tool
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._translate import Translation, translate

OBJECT: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ADD, SUB = Tool("add", "Add.", OBJECT), Tool("sub", "", OBJECT)


def said(*, dialect: str = "openai", model: str = "gpt-4.1", **members: Any) -> Translation:
    """Translate a request of one word."""
    return translate(ChatRequest(model, (Message.user("Hi"),), **members), dialect=DIALECTS[dialect])


def body_of(**members: Any) -> dict[str, Any]:
    """Its body without the message."""
    body = dict(said(**members).body)
    del body["model"], body["messages"]
    return body
