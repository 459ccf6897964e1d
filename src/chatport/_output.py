"""Structured output: a type as a JSON schema for the model, and the model's text as a value of that type.

Backends promise that the text of an answer to a request with `output_schema` is the JSON, however they get the model to
write it. Here that text is read. Models put things around their JSON, so a little of that is passed over, where there
is no doubt what is meant; nothing is repaired and nothing is guessed.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, cast

from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from chatport._json import parse_json
from chatport._json_schema import SchemaGenerator, explain, joined_path, reason_of, shortened

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LABEL_LENGTH = 60  # characters
_NAME_LENGTH = 64  # characters
_UNUSABLE = re.compile(r"[^a-zA-Z0-9_-]+")
_DEFINITION = "#/$defs/"
_MEMBER = "value"
_FENCED = re.compile(r"```[ \t]*(?:json|JSON)?[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
# What a JSON object begins with; other braces are prose.
_OBJECT_START = re.compile(r'\{\s*["}]')
_DECODER = json.JSONDecoder()


class MismatchError(ValueError):
    """A text is no value of the type; the words say why, one line for each problem."""


class Output:
    """A type that an answer has to fit.

    Services take objects only. What is no object by itself (a list, a choice, a number, a union) travels as the member
    `value` of one.

    Attributes:
        label: The type, for messages.
        name: A name for the schema: letters, digits, "_" and "-", at most 64 of them.
        schema: The JSON schema, with `"type": "object"` at its top.
    """

    def __init__(self, asked: Any) -> None:
        """Read a type.

        Raises:
            TypeError: It is no type, or none that JSON can say; the message says why.
        """
        self.label = _label(asked)
        named = asked.__name__ if isinstance(asked, type) else ""
        self.name = _UNUSABLE.sub("_", named).strip("_")[:_NAME_LENGTH] or "output"
        kind = type(cast("object", asked)).__name__
        if isinstance(asked, str | dict) or inspect.isroutine(asked):
            message = f"output= takes a type, such as a dataclass or list[int], not a {kind}"
            raise TypeError(message)
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(asked)
            schema = self._adapter.json_schema(schema_generator=SchemaGenerator)
        except (PydanticUserError, PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
            reason = error.message.partition("\n")[0]
            message = f"output={self.label} cannot be said as a JSON schema: {reason}"
            raise TypeError(message) from error
        schema = _with_type_at_top(schema)
        self._is_wrapped = schema.get("type") != "object"
        self.schema: dict[str, Any] = _wrapped(schema) if self._is_wrapped else schema

    def parse(self, text: str) -> Any:
        """Return the value that a text says.

        Accepted are JSON alone, JSON in one fence of Markdown, and text with one JSON object in it.

        Raises:
            MismatchError: It says none, or none that fits.
        """
        found = find_object(text)
        try:
            value = parse_json(found)
        except ValueError as error:
            raise MismatchError(f"- the JSON: {shortened(str(error), _LABEL_LENGTH * 4)}") from error
        if self._is_wrapped:
            found = _unwrapped(value)
        try:
            return self._adapter.validate_json(found)
        except ValidationError as error:
            raise MismatchError(explain(error, self._problem)) from error

    def _problem(self, item: ErrorDetails) -> str:
        location = (_MEMBER, *item["loc"]) if self._is_wrapped else item["loc"]
        reason = "required, but missing" if item["type"] == "missing" else reason_of(item, echo=bool(location))
        return f"- {joined_path(location) or 'the object'}: {reason}"


def find_object(text: str) -> str:
    """Return the JSON object in a text, as it stands there.

    Raises:
        MismatchError: There is none, there are several, or it is not clear where it begins and ends.
    """
    text = text.strip()
    if not text:
        raise MismatchError("- the text: it is empty")
    fenced = _FENCED.fullmatch(text)
    if fenced is not None and "```" not in fenced[1]:
        text = fenced[1].strip()
    if text.startswith("{") and text.endswith("}") and _is_object(text):
        return text
    found: list[str] = []
    position = 0
    while start := _OBJECT_START.search(text, position):
        position = _end_of_object(text, start.start())
        found.append(text[start.start() : position])
    if len(found) != 1:
        what = "there is no JSON object in it" if not found else f"there are {len(found)} JSON objects in it"
        raise MismatchError(f"- the text: {what}")
    return found[0]


def _is_object(text: str) -> bool:
    try:
        return _end_of_object(text, 0) == len(text)
    except MismatchError:
        return False


def _end_of_object(text: str, start: int) -> int:
    """Where the object ends that begins here. One that breaks off, or is an item of a list, is not taken apart."""
    if text[:start].rstrip().endswith("["):
        raise MismatchError("- the text: its JSON is a list, not an object")
    try:
        return _DECODER.raw_decode(text, start)[1]
    except json.JSONDecodeError as error:
        end = "it ends too early" if error.pos >= len(text) or "Unterminated" in error.msg else error.msg
        message = f"- the JSON: {end}, at character {error.pos}"
        raise MismatchError(message) from None
    except (RecursionError, ValueError):  # a number with more digits than the interpreter reads
        raise MismatchError("- the JSON: it is nested too deeply, or has a number that is too long") from None


def _unwrapped(value: Any) -> str:
    members = cast("dict[str, Any]", value)  # `find_object` finds nothing else
    if members.keys() != {_MEMBER}:
        raise MismatchError(f"- the object: it needs the member {_MEMBER!r} and no other")
    return json.dumps(members[_MEMBER])


def _label(asked: object) -> str:
    # A generic alias pretends to be the class that it is made from, where its arguments count.
    name = asked.__name__ if isinstance(asked, type) else repr(asked).replace("typing.", "")
    return shortened(name, _LABEL_LENGTH)


def _with_type_at_top(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that says at its top what it is: a type that refers to itself is a reference for pydantic."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith(_DEFINITION):
        return schema
    definition: dict[str, Any] = schema["$defs"][reference.removeprefix(_DEFINITION)]
    return {**definition, **{name: value for name, value in schema.items() if name != "$ref"}}


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {
        "type": "object",
        "properties": {_MEMBER: inner},
        "required": [_MEMBER],
        "additionalProperties": False,
        **definitions,
    }
