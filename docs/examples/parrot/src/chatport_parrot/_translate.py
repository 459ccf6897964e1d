"""A request in the parrot's words, and what they cannot say. No I/O."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from chatport.backend import (
    Adjustment,
    ChatRequest,
    Json,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    deep_merge,
)


def translate(request: ChatRequest) -> tuple[dict[str, Any], tuple[Adjustment, ...]]:
    """Return the body to send and what is not in it."""
    dropped: list[Adjustment] = []
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            _message(message, f"messages[{number}]", dropped) for number, message in enumerate(request.messages)
        ],
        "system": _content(request.system, "system", dropped),
        "tools": [{"name": tool.name, "purpose": tool.description, "arguments": tool.schema} for tool in request.tools],
    }
    if request.settings.max_tokens is not None:
        body["most"] = request.settings.max_tokens
    for number, tool in enumerate(request.tools):
        if tool.strict:
            dropped.append(_dropped(f"tools[{number}].strict", "a parrot cannot be made to fit a schema"))
    if request.tool_choice not in {None, "auto"}:
        dropped.append(_dropped("tool_choice", "a parrot chooses for itself"))
    if request.output_schema is not None:
        dropped.append(_dropped("output_schema", "a parrot fits no schema"))
    for field in fields(request.settings):
        # "auto" is a wish, and "off" is what happens anyway.
        said = field.name in {"max_tokens", "extra"} or getattr(request.settings, field.name) in {None, "auto", "off"}
        if not said:
            dropped.append(_dropped(f"settings.{field.name}", "a parrot has no such setting"))
    # What only the parrot knows goes in last, whatever it is.
    return deep_merge(body, request.settings.extra.get("parrot", {})), tuple(dropped)


def _message(message: Message, place: str, dropped: list[Adjustment]) -> dict[str, Any]:
    return {"role": message.role, "content": _content(message.parts, f"{place}.parts", dropped)}


def _content(parts: tuple[Part, ...], place: str, dropped: list[Adjustment]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    for position, part in enumerate(parts):
        here = f"{place}[{position}]"
        match part:
            case Text(text):
                content.append({"text": text})
            case Reasoning(text, signature, None, metadata={"parrot": _}):
                content.append({"thought": text, "seal": signature})
            case Json(value):
                content.append({"json": value})
            case ToolCall(id_, name, arguments, None):
                content.append({"call": {"id": id_, "name": name, "arguments": arguments}})
            case ToolCall(id_, name, invalid_json=text):
                content.append({"call": {"id": id_, "name": name, "arguments": {}}})
                dropped.append(_dropped(f"{here}.invalid_json", f"{text!r} is no JSON object"))
            case ToolResult(id_, inner, is_error):
                inside = _content(inner, f"{here}.content", dropped)
                content.append({"result": {"id": id_, "content": inside, "failed": is_error}})
            case _:
                dropped.append(_dropped(here, f"a parrot has no {type(part).__name__}"))
    return content


def _dropped(path: str, why: str) -> Adjustment:
    return Adjustment("dropped", "parrot-dropped", path, why)
