"""Whether a call that the model was made to write rests on what the user said.

A small model cannot tell whether a tool is wanted. So it is made to write the call that it would make, and the call
counts only where what it says was said before: a place, a number or a name that nobody mentioned is made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from chatport_local._schemas import Schema, each_schema

if TYPE_CHECKING:
    from chatport.backend import Tool

_WORD: Final = re.compile(r"[^\W_]+")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w|\.\d)")
_SHORT: Final = 3  # characters: shorter words stand everywhere


def is_grounded(tool: Tool, arguments: Mapping[str, Any], said: str) -> bool:
    """Return whether a call rests on what was said.

    Every text and number among the arguments has to occur in it; choices of a list and truth values need not, as
    nobody says them word for word. A call with nothing else in it has to share a word with the tool's name.

    Args:
        tool: The tool.
        arguments: The arguments of the call.
        said: What the user said.
    """
    heard = said.casefold()
    words = set(_WORD.findall(heard))
    free = list(_free_values(arguments, tool.schema))
    if free:
        return all(_occurs(value, heard, words) for value in free)
    return bool(_name_words(tool) & words)


def told_numbers(tools: Sequence[Tool], said: str) -> tuple[Tool, ...]:
    """Return those tools of which a word of the name was said, with the numbers that were said to choose from.

    For a second attempt, where the model knows which tool is meant and makes numbers up. Tools without numbers are not
    among them, as the attempt would be the same.

    Args:
        tools: The tools.
        said: What the user said.
    """
    words = set(_WORD.findall(said.casefold()))
    numbers = [_number(text) for text in dict.fromkeys(_NUMBER.findall(said))]
    if not numbers:
        return ()
    narrowed = ((tool, narrow_numbers(tool.schema, numbers)) for tool in tools if _name_words(tool) & words)
    return tuple(replace(tool, schema=schema) for tool, schema in narrowed if schema != tool.schema)


def narrow_numbers(schema: Schema, numbers: Sequence[float]) -> Schema:
    """Return a schema in which every number is one of these."""

    def change(inner: Schema) -> Schema:
        if inner.get("type") not in {"integer", "number"} or {"enum", "const"} & inner.keys():
            return inner
        fitting = [number for number in numbers if inner["type"] == "number" or isinstance(number, int)]
        return {"enum": fitting} if fitting else inner

    result: Schema = each_schema(schema, change)
    return result


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _name_words(tool: Tool) -> set[str]:
    return {word for word in _WORD.findall(tool.name.casefold()) if len(word) >= _SHORT}


def _occurs(value: object, heard: str, words: set[str]) -> bool:
    said = str(value).casefold().strip()
    if not said:
        return False
    # A number is a word of its own: 2 is not in 12. What is longer may stand inside of something.
    return said in words if _WORD.fullmatch(said) else said in heard


def _free_values(value: object, schema: object) -> Iterator[object]:
    """Yield what the model had to think of itself: all but truth values, nothing, and choices of a list."""
    known: Mapping[str, Any] = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict):
        properties = known.get("properties") or {}
        for name, item in value.items():
            yield from _free_values(item, properties.get(name))
    elif isinstance(value, list):
        for item in value:
            yield from _free_values(item, known.get("items"))
    elif not (value is None or isinstance(value, bool) or {"enum", "const"} & known.keys()):
        yield value
