"""JSON schemas: walked, bounded, moved into others, and held against an answer."""

from __future__ import annotations

import json
import math
import re
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
SMALLEST_STEP: Final = 1e-9
_SMALL_LIMIT: Final = 1e-3  # of numbers: who names a smaller one means numbers that steps would leave out
BOUNDS: Final = (
    f"strings without a limit or a pattern have at most {MAX_STRING} characters, lists at most {MAX_ITEMS} entries, "
    "numbers at most 15 digits before the point and 9 behind it, and objects with named members no others; the option "
    "bounded_schemas=False leaves them open"
)

# What may stand beside a reference or a choice without saying anything of the value.
_NOTES: Final = frozenset(
    {
        *{"$anchor", "$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description"},
        *{"discriminator", "examples", "readOnly", "title", "writeOnly"},
    }
)
_JOINING: Final = frozenset({"$dynamicRef", "$ref", "allOf", "anyOf", "oneOf"})
_DENYING: Final = frozenset(
    {
        *{"contains", "dependentSchemas", "if", "not", "propertyNames", "unevaluatedItems", "unevaluatedProperties"},
    }
)

MAX_DEPTH: Final = 100
"""How deep a schema may be nested, in objects and lists: what walks over it would run out of stack far behind that."""

_MAX_REPEATS: Final = 1000  # llama.cpp's own grammar refuses 2000, and says so on standard error
_PLAIN_PATTERN: Final = re.compile(
    r"\^(?:[A-Za-z0-9 _:/,@#=-]|\\[.dsw]|\[\^?[A-Za-z0-9 _:/,@#=.-]+\]|[*+?]|\{\d{1,3}(?:,\d{0,3})?\})*\$"
)
_NUMBER_LIMITS: Final = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_LIMITS: Final = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))


def each_schema(
    schema: Any, change: Callable[[Schema], Schema], *, is_left: Callable[[Schema], bool] = lambda _: False
) -> Any:
    """Return a schema with a change made to it and to every schema inside it, but for those that are left as they are.

    Args:
        schema: The schema.
        change: Gets a copy of each, and returns what stands in its place.
        is_left: Says which are left, and all that is inside of them.
    """
    if not isinstance(schema, dict) or is_left(schema):
        return schema  # True and False are schemas too

    changed = change(dict(schema))
    for key, value in changed.items():
        if key in _NAMED and isinstance(value, dict):
            changed[key] = {name: each_schema(item, change, is_left=is_left) for name, item in value.items()}
        elif key in _LISTED and isinstance(value, list):
            changed[key] = [each_schema(item, change, is_left=is_left) for item in value]
        elif key in _SINGLE:
            changed[key] = each_schema(value, change, is_left=is_left)
    return changed


def bounded(schema: Schema, *, least_length: int = 0) -> Schema:
    """Return a schema in which everything that may go on for ever has an end.

    Where several schemas hold for one value, or one must not hold, a limit in one of them can leave nothing or let
    more through: such a schema stays as it is.

    Args:
        schema: The schema.
        least_length: The fewest characters of strings that have no such limit.
    """
    if _is_composed(schema):
        return schema
    result: Schema = each_schema(schema, lambda inner: _bounded(inner, least_length))
    return result


def _is_composed(schema: Schema) -> bool:
    """Return whether schemas inside of one meet at the same value."""
    found: list[bool] = []

    def look(inner: Schema) -> Schema:
        joining = inner.keys() & _JOINING
        beside = inner.keys() - _NOTES
        is_joint = bool(joining) and (len(beside) > 1 or len(inner.get("allOf") or ()) > 1)
        found.append(is_joint or bool(inner.keys() & _DENYING))
        return inner

    each_schema(schema, look)
    return any(found)


def _bounded(schema: Schema, least_length: int) -> Schema:
    if "enum" in schema or "const" in schema:
        return schema
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds and "pattern" not in schema:
        schema.setdefault("maxLength", max(MAX_STRING, schema.get("minLength", 0)))
        if least_length and "format" not in schema:
            schema.setdefault("minLength", min(least_length, schema["maxLength"]))
    if "array" in kinds:
        schema.setdefault("maxItems", max(MAX_ITEMS, schema.get("minItems", 0), len(schema.get("prefixItems", ()))))
    if {"integer", "number"} & set(kinds):
        if "number" in kinds and not any(0 < abs(schema.get(name, 0)) < _SMALL_LIMIT for name in _NUMBER_LIMITS):
            schema.setdefault("multipleOf", SMALLEST_STEP)
        if not {"minimum", "exclusiveMinimum"} & schema.keys():
            schema["minimum"] = min(-MAX_INTEGER, schema.get("maximum", 0), schema.get("exclusiveMaximum", 0))
        if not {"maximum", "exclusiveMaximum"} & schema.keys():
            schema["maximum"] = max(MAX_INTEGER, schema.get("minimum", 0))
    if "object" in kinds and schema.get("properties") and "patternProperties" not in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def moved(schema: Schema, place: str) -> Schema:
    """Return a schema whose references still lead to where they did when it stands at a place inside another.

    Those by an anchor do so anyway, as do all that are inside a schema with an id of its own.

    Args:
        schema: The schema.
        place: Where it is to stand, as a JSON pointer.
    """

    def change(inner: Schema) -> Schema:
        reference = inner.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            inner["$ref"] = f"#{place}{reference[1:]}"
        return inner

    result: Schema = each_schema(schema, change, is_left=lambda inner: "$id" in inner)
    return result


def loosened(schema: Schema) -> Schema | None:
    """Return what llama.cpp's own grammar may be asked of a schema; None where limits in it leave nothing over.

    That grammar takes all of the memory for a string whose least length is above its greatest, and writes to standard
    error what it does not understand of patterns and what it finds too long. Both is left out here: the answer is held
    against the whole schema in the end.
    """
    is_empty: list[bool] = []

    def change(inner: Schema) -> Schema:
        is_empty.append(_leaves_nothing(inner))
        for name in {name for pair in _LIMITS for name in pair} & inner.keys():
            if inner[name] > _MAX_REPEATS:
                del inner[name]
        if not _PLAIN_PATTERN.fullmatch(inner.get("pattern", "^$")):
            del inner["pattern"]
        return inner

    result: Schema = each_schema(schema, change)
    return None if any(is_empty) else result


def _leaves_nothing(schema: Schema) -> bool:
    """Return whether limits of one schema contradict each other."""
    if any(schema.get(least, 0) > schema.get(most, math.inf) for least, most in _LIMITS):
        return True
    low: float = schema.get("minimum", -math.inf)
    above: float = schema.get("exclusiveMinimum", -math.inf)
    high: float = schema.get("maximum", math.inf)
    below: float = schema.get("exclusiveMaximum", math.inf)
    if schema.get("type") == "integer":  # none lies between 2 and 3
        low, high = max(low, _whole_above(above)), min(high, -_whole_above(-below))
        return math.isfinite(low) and math.isfinite(high) and math.ceil(low) > math.floor(high)
    return low > high or above >= below or low >= below or above >= high


def _whole_above(limit: float) -> float:
    """Return the first whole number above a limit."""
    return math.floor(limit) + 1 if math.isfinite(limit) else limit


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether objects and lists are nested more than so deep."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return any(isinstance(item, dict | list) for item in level)


def find_mistake(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a schema itself, or None."""
    # Loading it takes as long as ten words of an answer, so it is loaded with the first schema; below as well.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    if _is_deeper(schema, MAX_DEPTH):
        return f"it is nested more than {MAX_DEPTH} deep"
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
    except RecursionError:
        return "it is nested too deep to be read"
    validator = Draft202012Validator(schema, registry=Registry())
    try:
        misfit = next(validator.iter_errors(value), None)
    except (UnknownType, Unresolvable) as problem:
        return f"the schema cannot be read: {problem}"
    except RecursionError:
        return "it is nested too deep to be held against the schema"
    return None if misfit is None else f"{misfit.json_path}: {misfit.message}"
