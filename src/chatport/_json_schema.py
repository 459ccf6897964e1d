"""JSON schemas as models are shown them, and what does not fit one in words; pydantic makes both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import ValidationError
    from pydantic.json_schema import JsonSchemaWarningKind
    from pydantic_core import ErrorDetails

REASON_LENGTH = 300  # characters
_ERRORS_SHOWN = 10
_INPUT_LENGTH = 60  # characters


class SchemaGenerator(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes from names: they say nothing new and cost tokens."""

    # A default that JSON cannot say is applied all the same; the schema is silent about its value.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 - as pydantic declares it
        "skipped-choice",
        "non-serializable-default",
    }

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        return False

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        generated = super().generate_inner(schema)
        if isinstance(named_after := schema.get("cls"), type):
            reference = generated.get("$ref")
            found = generated if reference is None else self.get_schema_from_definitions(reference)
            if found is not None and found.get("title") == named_after.__name__:
                del found["title"]
        return generated

    def p_arguments_schema(self, arguments: Any, var_args_schema: Any) -> JsonSchemaValue:
        generated = super().p_arguments_schema(arguments, var_args_schema)
        # The members of named tuples: older pydantic gives them titles whatever is said above.
        for argument, item in zip(arguments, generated.get("prefixItems", ()), strict=False):
            if item.get("title") == self.get_title_from_name(argument["name"]):
                del item["title"]
        return generated

    def encode_default(self, dft: Any) -> Any:
        encoded = super().encode_default(dft)
        # The order of a set differs from one interpreter to the next; a schema must not (services cache by it).
        return sorted(encoded, key=json.dumps) if isinstance(dft, (set, frozenset)) else encoded


def explain(error: ValidationError, problem: Callable[[ErrorDetails], str]) -> str:
    """Return what pydantic found wrong, a line for each of the first problems; the values themselves stay out.

    Args:
        error: What pydantic raised.
        problem: Puts one of its findings into words.
    """
    found = error.errors(include_url=False, include_context=False)
    lines = [problem(item) for item in found[:_ERRORS_SHOWN]]
    if len(found) > _ERRORS_SHOWN:
        lines.append(f"- and {len(found) - _ERRORS_SHOWN} more")
    return "\n".join(lines)


def joined_path(location: tuple[int | str, ...]) -> str:
    """Return steps as a path."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")
    return shortened(path, REASON_LENGTH)


def reason_of(item: ErrorDetails, *, echo: bool = True) -> str:
    """Return what is wrong, in pydantic's words, and what was there instead where that is short by nature."""
    return shortened(item["msg"], REASON_LENGTH) + (_echo(item["input"]) if echo else "")


def shortened(text: str, length: int) -> str:
    """Return a text of at most this many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _echo(value: Any) -> str:
    """Return what was sent, where it is short by nature: enough to recognise a slip, and no flood."""
    if isinstance(value, str | int | float) or value is None:
        return f", not {shortened(json.dumps(value, ensure_ascii=False), _INPUT_LENGTH)}"
    return ""
