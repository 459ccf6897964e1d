"""What an answer has to look like: the grammar that the engine is given, and what is held against the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatport.backend import Tool
from chatport_local._schemas import Schema, bounded, find_misfit, loosened, moved

NAME: Final = '{"name":'
"""How a forced call begins; its members come in this order and without blanks."""
ARGUMENTS: Final = ',"arguments":'

# Blanks are where small models lose themselves. `oneOf` is read as `anyOf`; the answer is held against the schema.
_GUIDANCE: Final = {"whitespace_flexible": False, "coerce_one_of": True}


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer has to look like.

    Attributes:
        schema: What the engine holds it to, perhaps with limits that nobody asked for.
        tools: The tools of which one has to be called, by name; empty for an answer in JSON.
        output_schema: What was asked for of an answer in JSON.
        path: Where it was asked for, in the caller's terms.
        is_bounded: Whether it has limits that nobody asked for.
    """

    schema: Schema = field(hash=False)
    tools: tuple[Tool, ...] = ()
    output_schema: Schema | None = field(default=None, hash=False)
    path: str = "output_schema"
    is_bounded: bool = False

    @property
    def grammar(self) -> str:
        """The grammar for LLGuidance, which holds a schema word for word, or not at all."""
        guided = {**self.schema, "x-guidance": _GUIDANCE}
        return f"%llguidance {{}}\nstart: %json {json.dumps(guided, ensure_ascii=False)}"

    @property
    def loose_schema(self) -> Schema | None:
        """What llama.cpp's own grammar may be asked to hold of it; None where nothing can fit."""
        return loosened(self.schema)

    def find_misfit(self, text: str) -> str | None:
        """Return why an answer is not what was asked for, or None."""
        if not self.tools:
            return find_misfit(text, self.output_schema or {})
        call = parse_call(text)
        if call is None:
            return "it is no tool call"
        name, arguments = call
        tool = next((tool for tool in self.tools if tool.name == name), None)
        return f"there is no tool {name!r}" if tool is None else find_misfit(json.dumps(arguments), tool.schema)


def output_form(schema: Schema, *, is_bounded: bool) -> Form:
    """Return the form of an answer that has to fit a schema."""
    held = bounded(schema) if is_bounded else schema
    return Form(held, output_schema=schema, is_bounded=held != schema)


def call_form(tools: Sequence[Tool], *, is_bounded: bool, least_length: int = 0) -> Form:
    """Return the form of an answer that has to be a call of one of these tools.

    Args:
        tools: The tools, at least one.
        is_bounded: Whether arguments that may go on for ever get an end.
        least_length: With bounds, the fewest characters of strings without such a limit.
    """
    held = [bounded(tool.schema, least_length=least_length) if is_bounded else tool.schema for tool in tools]
    calls = [
        _call_schema(tool.name, schema, "" if len(tools) == 1 else f"/anyOf/{number}")
        for number, (tool, schema) in enumerate(zip(tools, held, strict=True))
    ]
    changed = held != [tool.schema for tool in tools]
    whole = calls[0] if len(calls) == 1 else {"anyOf": calls}
    return Form(whole, tools=tuple(tools), path="tools", is_bounded=changed)


def _call_schema(name: str, schema: Schema, place: str) -> Schema:
    # Without a type it could be anything; arguments are an object.
    arguments = {"type": "object", **moved(schema, f"{place}/properties/arguments")}
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def parse_call(text: str) -> tuple[str, dict[str, Any]] | None:
    """Return name and arguments of a forced call that is whole, or None."""
    try:
        call = json.loads(text)
    except (RecursionError, ValueError):
        return None
    if not isinstance(call, dict):
        return None
    name, arguments = call.get("name"), call.get("arguments")
    return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None
