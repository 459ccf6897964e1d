"""Blocks of an answer, and deltas."""

from typing import Any

TEXT: dict[str, Any] = {"type": "text", "text": ""}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}


def text(words: str) -> dict[str, Any]:
    """A piece of a text."""
    return {"type": "text_delta", "text": words}


def piece(json_text: str) -> dict[str, Any]:
    """A piece of arguments."""
    return {"type": "input_json_delta", "partial_json": json_text}
