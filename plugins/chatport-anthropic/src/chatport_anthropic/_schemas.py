"""JSON schemas as strict mode takes them. Pure and deterministic; what is given is never changed.

What strict mode takes is documented for structured outputs; that it refuses a `minimum` and an open object is recorded.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from chatport.backend.translation import is_array, is_object
from chatport_anthropic._capabilities import STRICT_MAX_OPTIONAL, STRICT_MAX_TOOLS, STRICT_MAX_UNIONS
from chatport_anthropic._scope import Scope

__all__ = ["LooseSchemaError", "StrictRoom", "StrictSchema", "note_loosened", "strict_schema"]

# Where schemas stand inside a schema.
_NAMED: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("allOf", "anyOf", "oneOf")
# What is refused and can be said in words instead.
_REFUSED: Final = frozenset(
    {
        *{"contains", "exclusiveMaximum", "exclusiveMinimum", "maxContains", "maxItems", "maxLength", "maximum"},
        *{"minContains", "minLength", "minimum", "multipleOf", "uniqueItems"},
    }
)
_FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
# Without these a schema would mean something else.
_NEVER: Final = (
    *("dependentRequired", "dependentSchemas", "else", "if", "maxProperties", "minProperties", "not"),
    *("patternProperties", "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
_SAYS_SOMETHING: Final = ("$ref", "allOf", "anyOf", "const", "enum", "oneOf", "properties", "type")
# Patterns are taken without looking around, references back and word boundaries.
_HARD_PATTERN: Final = re.compile(r"\(\?<?[=!]|\\[1-9bB]")
_REFERENCE: Final = re.compile(r"#/(\$defs|definitions)/([^/]+)")


class LooseSchemaError(ValueError):
    """A schema that cannot be strict; the words say why."""


@dataclass(frozen=True, slots=True)
class StrictSchema:
    """A schema as strict mode takes it.

    Attributes:
        schema: The schema.
        loosened: What is refused and stands in a description now: the place inside the schema, such as
            `.properties.age`, and the keywords.
        unions: How many properties may be of several types.
        optional: How many properties may be absent.
    """

    schema: dict[str, Any]
    loosened: tuple[tuple[str, str], ...]
    unions: int
    optional: int


@dataclass(slots=True)
class StrictRoom:
    """What is left of the limits of one request, which hold for all its strict schemas together. Recorded."""

    tools: int = STRICT_MAX_TOOLS
    unions: int = STRICT_MAX_UNIONS
    optional: int = STRICT_MAX_OPTIONAL

    def take(self, schema: dict[str, Any], *, is_tool: bool = True) -> StrictSchema:
        """Return a schema as strict mode takes it, and count it.

        Args:
            schema: The schema.
            is_tool: Whether it is a tool's; the schema of an answer counts towards the variety only.

        Raises:
            LooseSchemaError: It cannot be strict, or not beside those before it; nothing is counted.
        """
        made = strict_schema(schema)
        if is_tool and self.tools < 1:
            raise LooseSchemaError(f"at most {STRICT_MAX_TOOLS} tools may be strict")
        if made.unions > self.unions:
            raise LooseSchemaError(f"strict schemas have at most {STRICT_MAX_UNIONS} properties of several types")
        if made.optional > self.optional:
            raise LooseSchemaError(f"strict schemas have at most {STRICT_MAX_OPTIONAL} properties that may be absent")
        self.tools -= int(is_tool)
        self.unions -= made.unions
        self.optional -= made.optional
        return made


def note_loosened(made: StrictSchema, path: str, scope: Scope) -> None:
    """Report what a schema does not enforce any more."""
    for place, keywords in made.loosened:
        why = f"strict mode refuses {keywords}: said in the description, and not enforced by the service"
        scope.note("changed", "schema-loosened", f"{path}{place}", why)


def strict_schema(schema: dict[str, Any]) -> StrictSchema:
    """Return a schema as strict mode takes it: every object closed, what is refused moved into descriptions.

    Raises:
        LooseSchemaError: It lets anything through somewhere, refers to itself, or has a keyword without which it would
            mean something else.
    """
    _check_references(schema)
    loosened: list[tuple[str, str]] = []
    counts = {"unions": 0, "optional": 0}

    def tighten(value: dict[str, Any], path: str) -> dict[str, Any]:
        _check(value, path)
        moved, value = _without_refused(value)
        if moved:
            loosened.append((path, moved))
        if "oneOf" in value and "anyOf" not in value:
            # Where a discriminator tells the ways apart, at most one of them fits anyhow.
            if "discriminator" not in value:
                loosened.append((path, "oneOf"))
            value = {("anyOf" if name == "oneOf" else name): item for name, item in value.items()}
        value.pop("discriminator", None)
        if "properties" in value:
            value["additionalProperties"] = False
            properties = value["properties"]
            counts["optional"] += len(properties.keys() - set(value.get("required", ())))
            counts["unions"] += sum(_is_union(item) for item in properties.values())
        return _mapped(value, tighten, path)

    try:
        made = tighten(schema, "")
    except RecursionError:
        raise LooseSchemaError("it is nested too deeply") from None
    return StrictSchema(made, tuple(loosened), counts["unions"], counts["optional"])


def _check(schema: dict[str, Any], path: str) -> None:
    place = f" at {path}" if path else ""
    for keyword in _NEVER:
        if keyword in schema:
            raise LooseSchemaError(f"strict mode has no {keyword!r}{place}")
    if not any(keyword in schema for keyword in _SAYS_SOMETHING):
        raise LooseSchemaError(f"it lets anything through{place}")
    if not is_object(schema.get("properties", {})) or not is_array(schema.get("required", ())):
        raise LooseSchemaError(f"its properties say nothing that a schema can say{place}")
    is_open = schema.get("additionalProperties", False) is not False
    if is_open or (_is_kind(schema, "object") and "properties" not in schema):
        raise LooseSchemaError(f"it takes an object with any members{place}")
    if _is_kind(schema, "array") and not is_object(schema.get("items")):
        raise LooseSchemaError(f"it takes a list of anything{place}")
    inside = [*schema.get("properties", {}).values(), *(item for name in _LISTED for item in schema.get(name, ()))]
    if not all(map(is_object, inside)):
        raise LooseSchemaError(f"it lets anything through{place}")
    if any(is_object(value) or is_array(value) for value in schema.get("enum", ())):
        raise LooseSchemaError(f"strict mode has no choice among objects or lists{place}")
    if any("$ref" in item or "properties" in item for item in schema.get("allOf", ())):
        # Each part would be closed for the members of the others, and nothing would fit.
        raise LooseSchemaError(f"it puts one thing together from several{place}")


def _without_refused(schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The refused keywords in words, and a copy of the schema with these words in its description instead."""
    moved = {name: value for name, value in schema.items() if name in _REFUSED}
    rest = {name: value for name, value in schema.items() if name not in _REFUSED}
    fewest, pattern, written = rest.get("minItems"), rest.get("pattern"), rest.get("format")
    if isinstance(fewest, int | float) and fewest > 1:
        moved["minItems"] = fewest
        rest["minItems"] = 1
    if isinstance(pattern, str) and _HARD_PATTERN.search(pattern):
        moved["pattern"] = rest.pop("pattern")
    if "format" in rest and written not in _FORMATS:
        moved["format"] = rest.pop("format")
    if moved:
        words = "; ".join(f"{name}: {moved[name]}" for name in sorted(moved))
        described = rest.get("description")
        rest["description"] = f"{described} ({words})" if described else words
    return ", ".join(sorted(moved)), rest


def _check_references(schema: dict[str, Any]) -> None:
    """Refuse references that lead elsewhere, and definitions that lead back to themselves."""
    definitions = {
        (group, name): value
        for group in ("$defs", "definitions")
        if is_object(schema.get(group))
        for name, value in schema[group].items()
        if is_object(value)
    }
    uses = {key: set(_targets(value)) for key, value in definitions.items()}
    for target in {*_targets(schema), *(target for targets in uses.values() for target in targets)}:
        if target not in definitions:
            raise LooseSchemaError(f"it refers to {'/'.join(target)!r}, which is no definition of its own")
    for key, used in uses.items():
        reached, ahead = set[tuple[str, str]](), list(used)
        while ahead:
            target = ahead.pop()
            if target not in reached:
                reached.add(target)
                ahead.extend(uses[target])
        if key in reached:
            raise LooseSchemaError(f"its definition {key[1]!r} refers to itself")


def _targets(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    waiting = [schema]

    def wait(value: dict[str, Any], _path: str) -> dict[str, Any]:
        waiting.append(value)
        return value

    while waiting:
        part = waiting.pop()
        reference = part.get("$ref")
        if isinstance(reference, str):
            found = _REFERENCE.fullmatch(reference)
            yield ("", reference) if found is None else (found[1], found[2].replace("~1", "/").replace("~0", "~"))
        _mapped(part, wait)


def _mapped(
    schema: dict[str, Any], change: Callable[[dict[str, Any], str], dict[str, Any]], path: str = ""
) -> dict[str, Any]:
    """A schema with each schema that stands directly inside it changed; what is no object stays."""
    result = dict(schema)
    for group in _NAMED:
        if is_object(members := schema.get(group)):
            result[group] = {
                name: change(value, f"{path}.{group}.{name}") if is_object(value) else value
                for name, value in members.items()
            }
    for group in _LISTED:
        if is_array(items := schema.get(group)):
            result[group] = [
                change(value, f"{path}.{group}[{index}]") if is_object(value) else value
                for index, value in enumerate(items)
            ]
    if is_object(items := schema.get("items")):
        result["items"] = change(items, f"{path}.items")
    return result


def _is_kind(schema: dict[str, Any], kind: str) -> bool:
    found = schema.get("type")
    return kind in found if is_array(found) else found == kind


def _is_union(schema: dict[str, Any]) -> bool:
    return is_array(schema.get("type")) or "anyOf" in schema or "oneOf" in schema
