"""JSON schemas made to fit strict mode. Pure and deterministic; what is given is never changed.

Strict mode, as OpenAI documents structured outputs: every property is required, no object takes others, and of the
keywords a part is known. A schema that means something else then goes out as it is, not strict.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from chatport.backend.translation import is_array, is_object

__all__ = ["LooseSchemaError", "StrictSchema", "strict_schema"]

Schema: TypeAlias = dict[str, Any]

_NAMED: Final = ("properties", "$defs", "definitions")
_KNOWN: Final = frozenset(
    {
        *{"$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description", "enum"},
        *{"exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum"},
        *{"multipleOf", "pattern", "properties", "required", "title", "type"},
    }
)
# Documented: the formats of texts that can be held to.
_FORMATS: Final = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"})
# Keywords that change what a schema means, instead of narrowing it: without them it would be another one.
_HARD: Final = frozenset(
    {
        *{"allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "patternProperties"},
        *{"prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"},
    }
)
_SILENT: Final = frozenset(
    {"$schema", "$id", "$comment", "discriminator", "examples", "deprecated", "readOnly", "writeOnly"}
)


class LooseSchemaError(ValueError):
    """A schema that cannot be strict; the words say why."""


@dataclass(slots=True)
class StrictSchema:
    """A schema as strict mode takes it.

    Attributes:
        schema: The schema.
        loosened: Where keywords stand in a description now, and which.
        tightened: The properties that may be absent in what was given, and have to be there now.
    """

    schema: Schema = field(default_factory=dict[str, Any])
    loosened: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    tightened: list[str] = field(default_factory=list[str])


def strict_schema(schema: Schema) -> StrictSchema:
    """Return a schema as strict mode takes it.

    Raises:
        LooseSchemaError: It cannot be strict without meaning something else.
    """
    if schema.get("type") != "object":
        raise LooseSchemaError("its root is no object")
    made = StrictSchema()
    try:
        made.schema = _strict(schema, "", made)
    except RecursionError:
        raise LooseSchemaError("it is nested too deeply") from None
    return made


def _strict(value: Schema, path: str, made: StrictSchema) -> Schema:
    if hard := sorted(value.keys() & _HARD):
        raise LooseSchemaError(f"strict mode has no {', '.join(hard)}{_at(path)}")
    result: Schema = {}
    said: list[str] = []
    has_reference = "$ref" in value
    for name, item in value.items():
        if name in _SILENT or (has_reference and name in {"description", "title", "default"}):
            continue  # beside a reference nothing else may stand; these bind nobody
        if name == "default":
            said.append(f"default: {item!r}")
        elif name not in _KNOWN or (name == "format" and item not in _FORMATS):
            said.append(f"{name}: {item!r}")
            made.loosened.append((path, name))
        else:
            result[name] = _member(name, item, path, made)
    if value.get("type") == "object" or "properties" in value:
        _close(value, result, path, made)
    elif not value.keys() & {"$ref", "anyOf", "const", "enum", "type"}:
        raise LooseSchemaError(f"it takes anything{_at(path)}")
    if said:
        result["description"] = "; ".join(filter(None, [result.get("description", ""), *said]))
    return result


def _member(name: str, item: Any, path: str, made: StrictSchema) -> Any:
    if name in _NAMED and is_object(item):
        return {
            key: _strict(_schema(inner, f"{path}.{name}.{key}"), f"{path}.{name}.{key}", made)
            for key, inner in item.items()
        }
    if name == "anyOf" and is_array(item):
        return [_strict(_schema(inner, path), f"{path}.anyOf[{index}]", made) for index, inner in enumerate(item)]
    if name == "items":
        return _strict(_schema(item, f"{path}.items"), f"{path}.items", made)
    return item


def _schema(value: object, path: str) -> Schema:
    if is_object(value):
        return value
    raise LooseSchemaError(f"it takes anything{_at(path)}")


def _close(value: Schema, result: Schema, path: str, made: StrictSchema) -> None:
    """Require every property of an object, and refuse others."""
    others = value.get("additionalProperties")
    properties: dict[str, Any] = value.get("properties") or {}
    if is_object(others) or (others is True) or (not properties and others is not False and path):
        raise LooseSchemaError(f"it takes properties of any name{_at(path)}")
    required = value.get("required") or ()
    made.tightened += [
        f"{path}.properties.{name}"
        for name, inner in properties.items()
        if name not in required and not _may_be_null(inner)
    ]
    result["properties"] = result.get("properties", {})
    result["required"] = list(properties)
    result["additionalProperties"] = False


def _may_be_null(schema: object) -> bool:
    if not is_object(schema):
        return False
    kinds: object = schema.get("type")
    if kinds == "null" or (is_array(kinds) and "null" in kinds):
        return True
    return any(_may_be_null(inner) for inner in _choices(schema))


def _choices(schema: Schema) -> Iterator[object]:
    choices: object = schema.get("anyOf")
    if is_array(choices):
        yield from choices


def _at(path: str) -> str:
    return f" at {path.removeprefix('.')}" if path else ""
