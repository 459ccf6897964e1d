"""JSON schemas made to fit what models take. Pure and deterministic; what is given is never changed.

What strict schemas may say is documented for structured outputs of the service and of Claude, and partly known from
reports of what is refused; the rules that the tests are named by say which.
"""

import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from chatport.backend.translation import is_array, is_object
from chatport_bedrock._capabilities import STRICT_MAX_MIN_ITEMS

__all__ = ["LooseSchemaError", "StrictSchema", "inline_definitions", "strict_schema"]

Schema: TypeAlias = dict[str, Any]

# Where schemas stand inside a schema.
_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE: Final = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_DEFINITIONS: Final = ("$defs", "definitions")

_REFERENCE: Final = re.compile(r"#/(\$defs|definitions)/([^/]+)")
_MAX_SCHEMAS: Final = 2000
"""How many schemas one may become; definitions that use each other twice over and over double with each step."""

# Documented as unsupported, or not among what is documented as supported: a strict schema cannot say these.
_NEVER_STRICT: Final = (
    *("dependentRequired", "dependentSchemas", "if", "maxProperties", "minProperties", "not", "patternProperties"),
    *("prefixItems", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
)
_SAYS_SOMETHING: Final = ("$ref", "allOf", "anyOf", "const", "enum", "oneOf", "properties", "type")
# Documented: patterns without looking around, references back and word boundaries.
_HARD_PATTERN: Final = re.compile(r"\(\?<?[=!]|\\[1-9bB]")


def _is_names(value: object) -> bool:
    return is_array(value) and all(isinstance(name, str) for name in value)


# What is read below has to have its form; of everything else the service says what it makes of it.
_FORMS: Final[dict[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("allOf", "anyOf", "enum", "oneOf"), is_array),
    "properties": is_object,
    "required": _is_names,
}


class LooseSchemaError(ValueError):
    """A schema that cannot be strict; the words say why."""


@dataclass(frozen=True, slots=True)
class StrictSchema:
    """A schema as strict mode takes it.

    Attributes:
        schema: The schema.
        loosened: What strict mode refuses and stands in a description now: the place inside the schema, such as
            `.properties.age`, and the keywords.
        unions: How many properties may be of several types.
        optional: How many properties may be absent.
    """

    schema: Schema
    loosened: tuple[tuple[str, str], ...]
    unions: int
    optional: int


# --- definitions -----------------------------------------------------------------------------------------------------


def inline_definitions(schema: Schema) -> tuple[Schema, tuple[str, ...]]:
    """Write definitions out where they are used.

    Returns:
        The schema, and what is still referred to: definitions that refer to themselves; all of them where the schema
        would become too large; other places of the schema, as the references say them, for which all of it stays.
    """
    definitions = _definitions(schema)
    if elsewhere := _references_elsewhere(schema):
        return schema, elsewhere
    if not definitions:
        return schema, ()
    endless = _endless(definitions)
    room = _MAX_SCHEMAS

    def write_out(value: Schema, _path: str) -> Schema:
        nonlocal room
        room -= 1
        if room < 0:
            raise RecursionError
        target = _target(value)
        if target is None or target not in definitions or target in endless:
            return _mapped(value, write_out)
        beside = {name: item for name, item in value.items() if name != "$ref"}
        return {**write_out(definitions[target], ""), **_mapped(beside, write_out)}

    try:
        body = write_out({name: value for name, value in schema.items() if name not in _DEFINITIONS}, "")
        kept = {key: write_out(definitions[key], "") for key in definitions if key in endless}
    except RecursionError:
        return schema, tuple(name for _, name in definitions)
    for group in _DEFINITIONS:
        given = schema.get(group)
        # `true` and `false` are schemas too; there is nothing in them to write out.
        members = {name: value for name, value in given.items() if not is_object(value)} if is_object(given) else {}
        members |= {name: value for (found, name), value in kept.items() if found == group}
        if members:
            body[group] = members
    return body, tuple(name for _, name in kept)


def _definitions(schema: Schema) -> dict[tuple[str, str], Schema]:
    found: dict[tuple[str, str], Schema] = {}
    for group in _DEFINITIONS:
        members = schema.get(group)
        if is_object(members):
            found |= {(group, name): value for name, value in members.items() if is_object(value)}
    return found


def _target(schema: Schema) -> tuple[str, str] | None:
    """Which definition a schema refers to."""
    reference = schema.get("$ref")
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    return None if found is None else (found[1], unquote(found[2]).replace("~1", "/").replace("~0", "~"))


def _references_elsewhere(schema: Schema, definitions: Container[tuple[str, str]] | None = None) -> tuple[str, ...]:
    """The references to something else than a definition: to another place of the schema, or outside of it.

    Args:
        schema: The schema.
        definitions: The definitions that there are, where a reference to another one counts as well.
    """
    found: dict[str, None] = {}
    for part in _parts(schema):
        reference = part.get("$ref")
        if isinstance(reference, str):
            target = _target(part)
            if target is None or (definitions is not None and target not in definitions):
                found[reference] = None
    return tuple(found)


def _endless(definitions: dict[tuple[str, str], Schema]) -> set[tuple[str, str]]:
    """The definitions that lead back to themselves."""
    uses = {
        key: {target for part in _parts(schema) if (target := _target(part)) is not None and target in definitions}
        for key, schema in definitions.items()
    }
    found: set[tuple[str, str]] = set()
    for key in definitions:
        reached, ahead = set[tuple[str, str]](), list(uses[key])
        while ahead:
            target = ahead.pop()
            if target not in reached:
                reached.add(target)
                ahead.extend(uses[target])
        if key in reached:
            found.add(key)
    return found


def _parts(schema: Schema) -> Iterator[Schema]:
    """A schema and all schemas inside it."""
    waiting = [schema]

    def wait(value: Schema, _path: str) -> Schema:
        waiting.append(value)
        return value

    while waiting:
        part = waiting.pop()
        yield part
        _mapped(part, wait)


def _mapped(schema: Schema, change: Callable[[Schema, str], Schema], path: str = "") -> Schema:
    """A schema with each schema that stands directly inside it changed; what is no object stays."""
    result = dict(schema)
    for group in _NAMED:
        members = schema.get(group)
        if is_object(members):
            result[group] = {
                name: change(value, f"{path}.{group}.{name}") if is_object(value) else value
                for name, value in members.items()
            }
    for group in _LISTED:
        items = schema.get(group)
        if is_array(items):
            result[group] = [
                change(value, f"{path}.{group}[{index}]") if is_object(value) else value
                for index, value in enumerate(items)
            ]
    for name in _SINGLE:
        value = schema.get(name)
        if is_object(value):
            result[name] = change(value, f"{path}.{name}")
    return result


# --- strict schemas --------------------------------------------------------------------------------------------------


def strict_schema(schema: Schema, refused: frozenset[str]) -> StrictSchema:
    """Return a schema as strict mode takes it.

    Every object is closed, and keywords that are refused move into the description. Properties stay optional where
    they are: strict mode takes a number of those.

    Args:
        schema: The schema, an object.
        refused: The keywords that the model's strict mode refuses.

    Raises:
        LooseSchemaError: It cannot be said in strict mode: it lets anything through somewhere, refers to itself, or
            has a keyword without which it would mean something else.
    """
    definitions = _definitions(schema)
    if endless := _endless(definitions):
        raise LooseSchemaError(f"its definition {min(endless)[1]!r} refers to itself")
    if elsewhere := _references_elsewhere(schema, definitions):
        raise LooseSchemaError(f"it refers to {elsewhere[0]!r}, which is no definition of its own")
    loosened: list[tuple[str, str]] = []
    counts = {"unions": 0, "optional": 0}

    def tighten(value: Schema, path: str) -> Schema:
        _check_strict(value, path)
        moved, value = _without_refused(value, refused)
        if moved:
            loosened.append((path, moved))
        if "oneOf" in value and "anyOf" not in value:
            # Where a discriminator tells the ways apart, at most one of them fits anyhow.
            if "discriminator" not in value:
                loosened.append((path, "oneOf"))
            value = {("anyOf" if name == "oneOf" else name): item for name, item in value.items()}
        value.pop("discriminator", None)
        if _is_kind(value, "object") or "properties" in value:
            value["additionalProperties"] = False
            properties = value.get("properties", {})
            counts["optional"] += len(properties.keys() - set(value.get("required", ())))
            counts["unions"] += sum(_is_union(item) for item in properties.values())
        return _mapped(value, tighten, path)

    try:
        tightened = tighten(schema, "")
    except RecursionError:
        raise LooseSchemaError("it is nested too deeply") from None
    return StrictSchema(tightened, tuple(loosened), counts["unions"], counts["optional"])


def _check_strict(schema: Schema, path: str) -> None:
    place = f" at {path}" if path else ""
    for keyword, has_form in _FORMS.items():
        if keyword in schema and not has_form(schema[keyword]):
            raise LooseSchemaError(f"its {keyword!r} says nothing that a schema can say{place}")
    for keyword in _NEVER_STRICT:
        if keyword in schema:
            raise LooseSchemaError(f"strict mode has no {keyword!r}{place}")
    if not any(keyword in schema for keyword in _SAYS_SOMETHING):
        raise LooseSchemaError(f"it lets anything through{place}")
    more = schema.get("additionalProperties", False)
    if more is not False or (_is_kind(schema, "object") and "properties" not in schema):
        raise LooseSchemaError(f"it takes an object with any members{place}")
    if _is_kind(schema, "array") and not is_object(schema.get("items")):
        raise LooseSchemaError(f"it takes a list of anything{place}")
    for value in [*schema.get("properties", {}).values(), *_alternatives(schema)]:
        if not is_object(value):
            raise LooseSchemaError(f"it lets anything through{place}")
    if any(is_object(value) or is_array(value) for value in schema.get("enum", ())):
        raise LooseSchemaError(f"strict mode has no choice among objects or lists{place}")
    _check_whole(schema, place)


def _check_whole(schema: Schema, place: str) -> None:
    """Refuse what is put together: each part would be closed for the members of the others, and nothing would fit."""
    all_of = schema.get("allOf", ())
    if len(_shapes_of(schema)) + sum(bool(_shapes_of(value)) for value in all_of) > 1:
        raise LooseSchemaError(f"it puts one thing together from several{place}")
    if any("$ref" in value for value in all_of):  # documented for Claude
        raise LooseSchemaError(f"strict mode has no 'allOf' with references{place}")


def _shapes_of(schema: Schema) -> list[str]:
    """The keywords by which a schema says what members an object has, or may say so."""
    return [keyword for keyword in ("$ref", "anyOf", "oneOf", "properties") if keyword in schema]


def _alternatives(schema: Schema) -> Iterator[Any]:
    for group in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(group, ())


def _without_refused(schema: Schema, refused: frozenset[str]) -> tuple[str, Schema]:
    """The refused keywords in words, and a copy of the schema with these words in its description instead."""
    moved = {name: value for name, value in schema.items() if name in refused}
    rest = {name: value for name, value in schema.items() if name not in refused}
    fewest = rest.get("minItems")
    if isinstance(fewest, int | float) and fewest > STRICT_MAX_MIN_ITEMS:
        moved["minItems"] = fewest
        rest["minItems"] = STRICT_MAX_MIN_ITEMS
    pattern = rest.get("pattern")
    if isinstance(pattern, str) and _HARD_PATTERN.search(pattern):
        moved["pattern"] = rest.pop("pattern")
    if moved:
        words = "; ".join(f"{name}: {moved[name]}" for name in sorted(moved))
        described = rest.get("description")
        rest["description"] = f"{described} ({words})" if described else words
    return ", ".join(sorted(moved)), rest


def _is_kind(schema: Schema, kind: str) -> bool:
    found = schema.get("type")
    return kind in found if is_array(found) else found == kind


def _is_union(schema: Schema) -> bool:
    return is_array(schema.get("type")) or "anyOf" in schema or "oneOf" in schema
