"""Schemas: what gets an end and what must not, what the looser grammar may be asked, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport_local._grammar import parse_call
from chatport_local._schemas import MAX_DEPTH, MAX_STRING, bounded, find_misfit, find_mistake, loosened, moved

A: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B: dict[str, Any] = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
LONG = "x" * (MAX_STRING + 1)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"allOf": [A, B]}, {"a": "", "b": 1}),
        ({**A, "anyOf": [B]}, {"a": "", "b": 1}),
        ({**A, "$ref": "#/$defs/b", "$defs": {"b": B}}, {"a": "", "b": 1}),
        ({"allOf": [{"type": "string"}, {"type": "string", "minLength": MAX_STRING + 1}]}, LONG),
        ({**A, "unevaluatedProperties": {"type": "integer"}}, {"a": "", "b": 1}),
    ],
)
def test_schemas_that_meet_stay_as_they_are(schema: dict[str, Any], value: Any) -> None:
    """A limit in one of them would leave nothing that fits them all."""
    assert find_misfit(json.dumps(value), schema) is None
    assert bounded(schema, least_length=1) == schema


@pytest.mark.parametrize(
    "schema",
    [{"not": {"type": "string"}}, {"type": "array", "contains": {"type": "string"}}, {"if": A, "then": False}],
)
def test_what_must_not_hold_is_not_bounded(schema: dict[str, Any]) -> None:
    """A limit inside a denial would let more through."""
    assert bounded(schema) == schema


def test_models_as_pydantic_writes_them_are_bounded() -> None:
    """A reference with a description beside it, a choice with a discriminator: one schema for each value."""
    schema = {
        "type": "object",
        "properties": {
            "one": {"$ref": "#/$defs/A", "description": "An A.", "default": {"a": ""}},
            "other": {"oneOf": [{"$ref": "#/$defs/A"}], "discriminator": {"propertyName": "a"}, "title": "Other"},
            "old": {"allOf": [{"$ref": "#/$defs/A"}], "title": "Old"},
        },
        "$defs": {"A": A},
    }
    held = bounded(schema)
    assert held["$defs"]["A"]["properties"]["a"]["maxLength"] == MAX_STRING
    assert held["$defs"]["A"]["additionalProperties"] is False


def test_numbers_and_formats_come_to_an_end() -> None:
    """Digits before and behind the point; who names smaller numbers than the step gets no step; patterns are left."""
    assert bounded({"type": "number"}) == {
        "type": "number",
        "multipleOf": 1e-9,
        "minimum": -(10**15 - 1),
        "maximum": 10**15 - 1,
    }
    assert "multipleOf" not in bounded({"type": "number", "maximum": 1e-12})
    assert bounded({"type": "number", "multipleOf": 0.5, "minimum": 0})["multipleOf"] == 0.5
    assert bounded({"type": "string", "format": "email"}, least_length=1) == {
        "type": "string",
        "format": "email",
        "maxLength": MAX_STRING,
    }
    assert bounded({"type": "string", "pattern": "a"}) == {"type": "string", "pattern": "a"}


_SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "number"}, {"const": 1}, {}, {"minLength": 2}]),
    lambda inner: (
        st.builds(lambda a: {"not": a}, inner)
        | st.builds(lambda a, b: {"allOf": [a, b]}, inner, inner)
        | st.builds(lambda a, b: {**b, "anyOf": [a]}, inner, inner)
        | st.builds(lambda a, b: {"if": a, "then": b}, inner, inner)
        | st.builds(lambda a: {"type": "object", "properties": {"a": a}}, inner)
    ),
    max_leaves=5,
)
_VALUES = st.sampled_from(["", "ab", LONG, 1, -(10**16), 0.5, 1e-10, None, {}, {"a": LONG}, {"a": 1, "b": 2}, {"b": 1}])


@given(_SCHEMAS, _VALUES)
def test_bounds_only_take_away(schema: dict[str, Any], value: Any) -> None:
    """Whatever schemas are made of: what fits with bounds fits without."""
    text = json.dumps(value)
    if find_misfit(text, bounded(schema)) is None:
        assert find_misfit(text, schema) is None


def test_references_by_anchor_and_below_an_id_are_not_moved() -> None:
    """They lead where they led, wherever the schema stands."""
    anchored = {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "type": "integer"}}}
    assert moved(anchored, "/properties/arguments") == anchored
    named = {"$id": "https://example.org/a", "$ref": "#/$defs/a", "$defs": {"a": {}}}
    assert moved({"items": named, "$ref": "#"}, "/x") == {"items": named, "$ref": "#/x"}


# --- the looser grammar ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        {"type": "string", "minLength": 5, "maxLength": 2},
        {"type": "array", "minItems": 5, "maxItems": 2},
        {"type": "object", "minProperties": 2, "maxProperties": 1},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"type": "integer", "exclusiveMinimum": 2, "exclusiveMaximum": 3},
        {"type": "integer", "minimum": 2.1, "maximum": 2.9},
        {"type": "number", "exclusiveMinimum": 2, "maximum": 2},
        {"type": "number", "minimum": 2, "exclusiveMaximum": 2},
        {"type": "number", "exclusiveMinimum": 3, "exclusiveMaximum": 2},
    ],
)
def test_limits_that_contradict_each_other_are_never_asked(limits: dict[str, Any]) -> None:
    """For some of them the engine would take all of the memory there is."""
    assert loosened({"type": "object", "properties": {"a": limits}}) is None


@pytest.mark.parametrize(
    "limits",
    [
        {"type": "string", "minLength": 2, "maxLength": 2},
        {"type": "integer", "minimum": 3, "maximum": 3},
        {"type": "integer", "exclusiveMinimum": 2, "maximum": 3},
        {"type": "integer", "minimum": 2},
        {"type": "integer", "exclusiveMaximum": -7.5},
        {"type": "number", "exclusiveMinimum": 2, "exclusiveMaximum": 3},
        {"type": "string", "pattern": "^[A-Z]{3}-\\d{2}$"},
    ],
)
def test_limits_with_room_are(limits: dict[str, Any]) -> None:
    """As they are."""
    assert loosened(limits) == limits


def test_what_the_looser_grammar_does_not_know_it_is_not_told() -> None:
    """It would complain on standard error of patterns and lengths beyond it, and leave them aside all the same."""
    for pattern in ("^(?!a).{3}$", "a", "^\\p{L}$", "^a\\b$", "^(a|b){1,5000}$"):
        assert loosened({"type": "string", "pattern": pattern}) == {"type": "string"}
    assert loosened({"type": "array", "items": {"minLength": 5000}, "maxItems": 10**6}) == {
        "type": "array",
        "items": {},
    }


# --- depth -----------------------------------------------------------------------------------------------------------


def test_what_is_nested_too_deep() -> None:
    """A schema is refused by name, and an answer is no good: neither ends a program with its stack."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(MAX_DEPTH // 2 - 1):
        schema = {"properties": {"a": schema}}
    assert find_mistake(schema) is None
    for _ in range(5000):
        schema = {"properties": {"a": schema}}
    assert find_mistake(schema) == f"it is nested more than {MAX_DEPTH} deep"
    text = "[" * 100_000
    assert find_misfit(text, {}) == "it is nested too deep to be read"
    assert parse_call(text) is None
    nested = "[" * 400 + "]" * 400
    looping = {"items": {"$ref": "#"}, "allOf": [{"items": {"$ref": "#"}}]}
    assert find_misfit(nested, looping) == "it is nested too deep to be held against the schema"
