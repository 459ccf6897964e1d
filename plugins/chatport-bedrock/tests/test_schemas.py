"""Schemas as models take them: written out, closed, and without what strict mode refuses; never changed in place."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock._capabilities import STRICT_REFUSED_KEYWORDS
from chatport_bedrock._schemas import LooseSchemaError, inline_definitions, strict_schema
from chatport_bedrock.emulator._rules_models import schema_problems

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def closed(**properties: Any) -> dict[str, Any]:
    """An object that strict mode takes."""
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


# --- definitions -----------------------------------------------------------------------------------------------------


def test_rule_47_definitions_are_written_out() -> None:
    """Wherever they are used, also by one another; what stands beside a reference wins."""
    schema = {
        "type": "object",
        "properties": {
            "home": {"$ref": "#/$defs/Place", "description": "Where it lives"},
            "seen": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
            "other": {"anyOf": [{"$ref": "#/definitions/Old"}, {"type": "null"}]},
        },
        "$defs": {
            "Place": {"description": "A place", "properties": {"at": {"$ref": "#/$defs/Point"}}},
            "Point": NUMBER,
        },
        "definitions": {"Old": TEXT},
    }
    before = copy.deepcopy(schema)
    place = {"description": "A place", "properties": {"at": NUMBER}}
    assert inline_definitions(schema) == (
        {
            "type": "object",
            "properties": {
                "home": {**place, "description": "Where it lives"},
                "seen": {"type": "array", "items": place},
                "other": {"anyOf": [TEXT, {"type": "null"}]},
            },
        },
        (),
    )
    assert schema == before


def test_rule_47_what_refers_to_itself_stays() -> None:
    """It has no end to be written out to; the rest is written out all the same, also inside it."""
    schema = {
        "properties": {"tree": {"$ref": "#/$defs/Tree"}, "leaf": {"$ref": "#/$defs/Leaf"}},
        "$defs": {
            "Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}, "leaf": {"$ref": "#/$defs/Leaf"}}},
            "Leaf": TEXT,
        },
    }
    written, endless = inline_definitions(schema)
    assert endless == ("Tree",)
    assert written == {
        "properties": {"tree": {"$ref": "#/$defs/Tree"}, "leaf": TEXT},
        "$defs": {"Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}, "leaf": TEXT}}},
    }


def test_rule_47_what_would_grow_without_bound_stays() -> None:
    """Each definition uses the next one twice: a hundred of them would be more than there are atoms."""
    definitions = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(100)}
    schema = {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**definitions, "d100": TEXT}}
    written, left = inline_definitions(schema)
    assert written is schema
    assert len(left) == 101


def test_references_to_nowhere_stay() -> None:
    """The service has the last word on what is not understood here."""
    for reference in ("#/$defs/Nothing", "https://example.com/schema", "#", 3):
        schema = {"properties": {"a": {"$ref": reference}}, "$defs": {"Known": TEXT}}
        assert inline_definitions(schema)[0]["properties"] == schema["properties"]
    without: dict[str, Any] = {"properties": {"a": {"$ref": "#/$defs/Nothing"}}}
    assert inline_definitions(without) == (without, ())


# --- strict mode -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["#", "#/$defs/A/properties/y", "#/properties/z", "https://example.com/a.json"])
def test_what_refers_to_another_place_stays_whole(reference: str) -> None:
    """A definition that is written out is gone: nothing may be left that leads into it."""
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": reference}, "z": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "object", "properties": {"y": TEXT}}},
    }
    assert inline_definitions(schema) == (schema, (reference,))


def test_names_of_definitions_may_be_written_as_in_an_address() -> None:
    """A reference is a part of an address: what may not stand there is percent-encoded."""
    schema = {"properties": {"x": {"$ref": "#/$defs/A%5Bint%5D"}}, "$defs": {"A[int]": NUMBER}}
    assert inline_definitions(schema) == ({"properties": {"x": NUMBER}}, ())


def test_rule_45_every_object_is_closed() -> None:
    """At the top, in lists, in choices, in definitions; properties that may be absent may still be."""
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": TEXT}}},
            "choice": {"anyOf": [{"properties": {"b": TEXT}, "type": "object"}, {"type": "null"}]},
            "named": {"$ref": "#/$defs/Named"},
        },
        "required": ["list"],
        "$defs": {"Named": {"type": "object", "properties": {}}},
    }
    before = copy.deepcopy(schema)
    made = strict_schema(schema, STRICT_REFUSED_KEYWORDS)
    assert schema == before
    assert list(schema_problems(made.schema)) == []
    assert made.schema["required"] == ["list"]
    assert (made.loosened, made.unions, made.optional) == ((), 1, 4)


def test_rule_46_refused_keywords_go_into_descriptions() -> None:
    """The model still reads them; lengths of texts stay, they are accepted."""
    schema = closed(
        age={"type": "integer", "minimum": 0, "maximum": 150, "description": "In years"},
        share={"type": "number", "multipleOf": 0.5},
        names={"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 2, "maxItems": 3},
        one={"type": "array", "items": TEXT, "minItems": 1},
        code={"type": "string", "pattern": r"^(?!x)\w+$"},
        plain={"type": "string", "pattern": r"^\d+$"},
        minimum={"type": "string"},
    )
    made = strict_schema(schema, STRICT_REFUSED_KEYWORDS)
    properties = made.schema["properties"]
    assert properties["age"] == {"type": "integer", "description": "In years (maximum: 150; minimum: 0)"}
    assert properties["share"] == {"type": "number", "description": "multipleOf: 0.5"}
    assert properties["names"] == {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "minItems": 1,
        "description": "maxItems: 3; minItems: 2",
    }
    assert properties["one"] == schema["properties"]["one"]
    assert properties["code"] == {"type": "string", "description": r"pattern: ^(?!x)\w+$"}
    assert properties["plain"] == schema["properties"]["plain"]
    assert properties["minimum"] == TEXT
    assert made.loosened == (
        (".properties.age", "maximum, minimum"),
        (".properties.share", "multipleOf"),
        (".properties.names", "maxItems, minItems"),
        (".properties.code", "pattern"),
    )


def test_rule_46_one_of_several_becomes_any_of_several() -> None:
    """With a discriminator at most one fits anyhow; without one it is a loss and told."""
    ways = [closed(kind={"const": "cat"}), closed(kind={"const": "dog"})]
    told = strict_schema(closed(pet={"oneOf": ways, "discriminator": {"propertyName": "kind"}}), frozenset())
    assert told.schema["properties"]["pet"] == {"anyOf": ways}
    assert (told.loosened, told.unions) == ((), 1)
    silent = strict_schema(closed(pet={"oneOf": ways}), frozenset())
    assert silent.loosened == ((".properties.pet", "oneOf"),)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "object"}, "any members$"),
        ({"type": "object", "additionalProperties": TEXT}, "any members$"),
        (
            closed(a={"type": "object", "properties": {}, "additionalProperties": True}),
            r"any members at .properties.a$",
        ),
        (closed(a={}), r"anything through at .properties.a"),
        (closed(a=True), "anything through"),
        (closed(a={"anyOf": [True]}), r"anything through at .properties.a"),
        (closed(a={"type": "array"}), "list of anything"),
        (closed(a={"type": "array", "prefixItems": [TEXT]}), "'prefixItems' at"),
        (closed(a={"not": TEXT}), "'not'"),
        (closed(a={"enum": [{"b": 1}]}), "choice among objects"),
        ({**closed(a={"$ref": "#/$defs/T"}), "$defs": {"T": closed(t={"$ref": "#/$defs/T"})}}, "'T' refers to itself"),
    ],
)
def test_rule_45_what_lets_anything_through_cannot_be_strict(schema: dict[str, Any], reason: str) -> None:
    """It would mean something else, or is refused: the caller of this takes another way."""
    with pytest.raises(LooseSchemaError, match=reason):
        strict_schema(schema, STRICT_REFUSED_KEYWORDS)


# --- any schema ------------------------------------------------------------------------------------------------------

_KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "description": st.text(max_size=5),
    "minimum": st.integers(),
    "maxItems": st.integers(),
    "minItems": st.integers(0, 3),
    "pattern": st.sampled_from(["a", r"(?=a)", r"\b"]),
    "$ref": st.sampled_from(["#/$defs/A", "#/$defs/B", "#/definitions/C", "#", "elsewhere"]),
    "enum": st.lists(st.integers() | st.just({"a": 1}), min_size=1, max_size=2),
    "default": st.none() | st.integers(),
    "type": st.sampled_from(["object", "array", "string", "integer", ["integer", "null"]]),
    "additionalProperties": st.booleans(),
}


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    nested = {
        "properties": st.dictionaries(st.sampled_from(["a", "minimum", "$ref", "items"]), inner, max_size=3),
        "$defs": st.dictionaries(st.sampled_from(["A", "B"]), inner, max_size=2),
        "definitions": st.dictionaries(st.just("C"), inner, max_size=1),
        "items": inner,
        "anyOf": some,
        "oneOf": some,
    }
    return st.fixed_dictionaries({}, optional={**_KEYWORDS, **nested})


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional=_KEYWORDS) | st.booleans(), _schemas, max_leaves=12).filter(
    lambda schema: isinstance(schema, dict)
)


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "enum", "oneOf", "properties", "required"])
@pytest.mark.parametrize("value", [True, 5, "x", None, [["x"]], [{}], {"a": 5}])
@pytest.mark.parametrize("inside", [False, True])
def test_what_is_no_schema_cannot_be_strict(keyword: str, value: Any, *, inside: bool) -> None:
    """A keyword with a value that it cannot have is for the service to judge, and no error of ours."""
    schema = {**closed(a=TEXT), keyword: value}
    with pytest.raises(LooseSchemaError):
        strict_schema(closed(inner=schema) if inside else schema, STRICT_REFUSED_KEYWORDS)


def test_what_is_nested_too_deeply_cannot_be_strict() -> None:
    """Deeper than Python's own limit."""
    schema = closed(a=TEXT)
    for _ in range(2000):
        schema = closed(a=schema)
    with pytest.raises(LooseSchemaError, match="too deeply"):
        strict_schema(schema, STRICT_REFUSED_KEYWORDS)


@pytest.mark.parametrize("reference", ["#", "#/$defs/Nowhere", "#/properties/x", "https://example.com/a.json"])
def test_references_to_no_definition_cannot_be_strict(reference: str) -> None:
    """The first refers to itself, which strict mode refuses; the others lead somewhere that it does not look."""
    schema = closed(x={"$ref": reference}, y={"$ref": "#/$defs/A"}) | {"$defs": {"A": TEXT}}
    with pytest.raises(LooseSchemaError, match="no definition"):
        strict_schema(schema, STRICT_REFUSED_KEYWORDS)


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [closed(a=TEXT), closed(b=TEXT)]},
        {**closed(a=TEXT), "allOf": [closed(b=TEXT)]},
        {**closed(a=TEXT), "$ref": "#/$defs/A"},
        {**closed(a=TEXT), "anyOf": [closed(b=TEXT), closed(c=TEXT)]},
        {"anyOf": [TEXT, NUMBER], "oneOf": [TEXT, NUMBER]},
        {"allOf": [{"$ref": "#/$defs/A"}]},
    ],
)
def test_rule_45_what_is_put_together_cannot_be_closed(schema: dict[str, Any]) -> None:
    """Each part would be closed for the members of the others: no value would fit."""
    with pytest.raises(LooseSchemaError, match=r"together|allOf"):
        strict_schema(closed(x=schema) | {"$defs": {"A": closed(a=TEXT)}}, STRICT_REFUSED_KEYWORDS)


@given(SCHEMAS)
def test_any_schema_is_left_alone_and_made_alike_every_time(schema: dict[str, Any]) -> None:
    """Nothing given is changed, and the same schema gives the same result, to the byte."""
    before = json.dumps(schema)
    first, second = inline_definitions(schema), inline_definitions(json.loads(before))
    assert json.dumps(first) == json.dumps(second)
    assert json.dumps(schema) == before
    try:
        made = strict_schema(schema, STRICT_REFUSED_KEYWORDS)
    except LooseSchemaError:
        return
    finally:
        assert json.dumps(schema) == before
    assert made == strict_schema(schema, STRICT_REFUSED_KEYWORDS)


@given(SCHEMAS)
def test_whatever_becomes_strict_has_no_problem(schema: dict[str, Any]) -> None:
    """The emulator, which has rules of its own, finds nothing in it; made strict again, it stays as it is."""
    try:
        made = strict_schema(schema, STRICT_REFUSED_KEYWORDS)
    except LooseSchemaError:
        return
    assert list(schema_problems(made.schema)) == []
    again = strict_schema(made.schema, STRICT_REFUSED_KEYWORDS)
    assert (again.schema, again.loosened) == (made.schema, ())


@given(SCHEMAS)
def test_whatever_is_written_out_needs_no_definition(schema: dict[str, Any]) -> None:
    """Unless it refers to itself, no definition is left but those without content, `true` and `false`."""
    written, endless = inline_definitions(schema)
    if not endless:
        left = [*written.get("$defs", {}).values(), *written.get("definitions", {}).values()]
        assert all(isinstance(value, bool) for value in left)
