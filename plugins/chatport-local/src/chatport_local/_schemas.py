"""JSON schemas: walked, bounded, moved into others, and held against an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_SINGLE: Final = frozenset(
    {
        *{"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"},
        *{"unevaluatedItems", "unevaluatedProperties"},
    }
)

# Long enough for names and sentences, short enough for a model that does not find an end by itself.
MAX_STRING: Final = 160
MAX_ITEMS: Final = 8
MAX_INTEGER: Final = 10**15 - 1
BOUNDS: Final = (
    f"strings without a limit have at most {MAX_STRING} characters, lists at most {MAX_ITEMS} entries, integers at "
    "most 15 digits, and objects with named members no others; the option bounded_schemas=False leaves them open"
)


def each_schema(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a schema with a change made to it and to every schema inside it."""
    if not isinstance(schema, dict):
        return schema  # True and False are schemas too

    changed = change(dict(schema))
    for key, value in changed.items():
        if key in _NAMED and isinstance(value, dict):
            changed[key] = {name: each_schema(item, change) for name, item in value.items()}
        elif key in _LISTED and isinstance(value, list):
            changed[key] = [each_schema(item, change) for item in value]
        elif key in _SINGLE:
            changed[key] = each_schema(value, change)
    return changed


def bounded(schema: Schema, *, least_length: int = 0) -> Schema:
    """Return a schema in which everything that may go on for ever has an end.

    Args:
        schema: The schema.
        least_length: The fewest characters of strings that have no such limit.
    """
    result: Schema = each_schema(schema, lambda inner: _bounded(inner, least_length))
    return result


def _bounded(schema: Schema, least_length: int) -> Schema:
    if "enum" in schema or "const" in schema:
        return schema
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds and not {"pattern", "format"} & schema.keys():
        schema.setdefault("maxLength", max(MAX_STRING, schema.get("minLength", 0)))
        if least_length:
            schema.setdefault("minLength", min(least_length, schema["maxLength"]))
    if "array" in kinds:
        schema.setdefault("maxItems", max(MAX_ITEMS, schema.get("minItems", 0), len(schema.get("prefixItems", ()))))
    if "integer" in kinds:
        if not {"minimum", "exclusiveMinimum"} & schema.keys():
            schema["minimum"] = min(-MAX_INTEGER, schema.get("maximum", 0), schema.get("exclusiveMaximum", 0))
        if not {"maximum", "exclusiveMaximum"} & schema.keys():
            schema["maximum"] = max(MAX_INTEGER, schema.get("minimum", 0))
    if "object" in kinds and schema.get("properties") and "patternProperties" not in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def moved(schema: Schema, place: str) -> Schema:
    """Return a schema whose references still lead to where they did when it stands at a place inside another.

    Args:
        schema: The schema.
        place: Where it is to stand, as a JSON pointer.
    """

    def change(inner: Schema) -> Schema:
        reference = inner.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            inner["$ref"] = f"#{place}{reference[1:]}"
        return inner

    result: Schema = each_schema(schema, change)
    return result


def find_mistake(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a schema itself, or None."""
    # Loading it takes as long as ten words of an answer, so it is loaded with the first schema; below as well.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    return None


def find_misfit(text: str, schema: Mapping[str, Any]) -> str | None:
    """Return why a JSON text does not fit a schema, or None. Nothing is fetched: a schema has to be whole."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import UnknownType  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        value = json.loads(text)
    except ValueError as error:
        return f"it is no JSON: {error}"
    validator = Draft202012Validator(schema, registry=Registry())
    try:
        misfit = next(validator.iter_errors(value), None)
    except (UnknownType, Unresolvable) as problem:
        return f"the schema cannot be read: {problem}"
    return None if misfit is None else f"{misfit.json_path}: {misfit.message}"
