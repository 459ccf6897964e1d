"""A type becomes a schema with an object at its top, and a text becomes a value of the type, or nothing."""

import json
import re
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, field_validator
from typing_extensions import TypedDict

from chatport._output import MismatchError, Output, find_object


class City(BaseModel):
    """A city."""

    name: str
    population: int = Field(ge=0)


@dataclass
class Point:
    x: float
    y: float


class Address(TypedDict):
    street: str
    number: int


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    value: int
    children: "list[Node]" = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Pairs(RootModel[list[tuple[str, int]]]):
    pass


TYPES: dict[str, tuple[Any, str, Any]] = {
    "model": (City, '{"name": "Rome", "population": 3}', City(name="Rome", population=3)),
    "dataclass": (Point, '{"x": 1, "y": 2.5}', Point(1.0, 2.5)),
    "typed dict": (Address, '{"street": "Via Appia", "number": 1}', {"street": "Via Appia", "number": 1}),
    "dict": (dict[str, int], '{"a": 1}', {"a": 1}),
    "recursive": (Node, '{"value": 1, "children": [{"value": 2}]}', Node(value=1, children=[Node(value=2)])),
    "list": (list[int], '{"value": [1, 2]}', [1, 2]),
    "list of models": (list[City], '{"value": [{"name": "Rome", "population": 3}]}', [City(name="Rome", population=3)]),
    "int": (int, '{"value": 42}', 42),
    "bool": (bool, '{"value": false}', False),
    "date": (date, '{"value": "2026-01-02"}', date(2026, 1, 2)),
    "literal": (Literal["yes", "no"], '{"value": "yes"}', "yes"),
    "enum": (Colour, '{"value": "blue"}', Colour.BLUE),
    "union": (int | str, '{"value": "x"}', "x"),
    "optional": (City | None, '{"value": null}', None),
    "annotated": (Annotated[int, Field(ge=1)], '{"value": 1}', 1),
    "discriminated": (
        Annotated[Cat | Dog, Field(discriminator="kind")],
        '{"value": {"kind": "dog", "name": "Rex"}}',
        Dog(kind="dog", name="Rex"),
    ),
    "root model": (Pairs, '{"value": [["a", 1]]}', Pairs([("a", 1)])),
    "any": (Any, '{"value": [1, "x"]}', [1, "x"]),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_go_there_and_back(name: str) -> None:
    """Whatever pydantic takes has a schema with an object at its top, and is read from JSON that fits it."""
    asked, text, value = TYPES[name]
    output = Output(asked)
    assert output.schema["type"] == "object"
    assert "$ref" not in output.schema
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", output.name)
    json.dumps(output.schema)
    parsed = output.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_references_lead_somewhere() -> None:
    """Definitions stand at the top, where the references look for them, also around a list."""
    for asked in (Node, list[Node], City | None, list[City]):
        schema = Output(asked).schema
        for reference in re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)):
            assert reference in schema["$defs"]


def test_schemas_have_no_idle_titles_and_keep_what_is_said() -> None:
    """Titles made from names cost tokens; descriptions are the caller's words."""
    schema = Output(City).schema
    assert "title" not in json.dumps(schema)
    assert schema["description"] == "A city."
    assert schema["properties"]["population"]["minimum"] == 0


def test_names() -> None:
    """A class lends its name; what has none is called output."""

    class Box(BaseModel):
        pass

    names = {Output(asked).name for asked in (list[int], Literal["a"], int | None)}
    assert names == {"output"}
    assert Output(Box).name == "Box"
    assert len(Output(type("Ä" + "x" * 100, (BaseModel,), {})).name) == 64


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("City", "takes a type, such as a dataclass or list\\[int\\], not a str"),
        ({"type": "object"}, "not a dict"),
        (len, "not a builtin_function_or_method"),
        (3, "output=3 cannot be said as a JSON schema"),
        (City(name="Rome", population=3), "cannot be said as a JSON schema"),
        (type(re), "output=module cannot be said"),
    ],
    ids=["str", "schema", "function", "number", "instance", "class"],
)
def test_what_is_no_type_is_a_type_error(asked: Any, message: str) -> None:
    """Before anything is sent, and in words."""
    with pytest.raises(TypeError, match=message):
        Output(asked)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n ',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        '```JSON\r\n{"a": 1}\r\n```\n',
        'Here it is: {"a": 1}',
        'Here it is:\n```json\n{"a": 1}\n```\nAnything else?',
        'I use {braces} and {} not: {"a": 1}'.replace(" {} ", " "),
        '<thinking>Let me see.</thinking>\n\n{"a": 1}',
    ],
)
def test_what_stands_around_the_json_is_passed_over(text: str) -> None:
    """White space, one fence, words: there is no doubt which object is meant."""
    assert json.loads(find_object(text)) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("No.", "no JSON object"),
        ("42", "no JSON object"),
        ('{"a": 1} {"a": 2}', "2 JSON objects"),
        ('{"a": 1}\n```json\n{"a": 2}\n```', "2 JSON objects"),
        ('[{"a": 1}]', "a list"),
        ('The list [ {"a": 1} ]', "a list"),
        ('{"a": 1', "too early"),
        ('{"a": {"b": 1}', "too early"),
        ('{"a": "never ends}', "too early"),
        ('{"a": 1, "b": oops, "c": {"a": 1}}', "Expecting value"),
        ('{"a": 1,}', "property name|trailing comma"),
        ('{"a": ' * 100_000, "nested too deeply|too early"),
        ('{"a": ' + "9" * 5000 + "}", "nested too deeply, or has a number that is too long"),
    ],
)
def test_nothing_is_guessed(text: str, reason: str) -> None:
    """What is broken, double or something else is refused as a whole; no part of it passes for the answer."""
    with pytest.raises(MismatchError, match=reason):
        find_object(text)


@pytest.mark.parametrize(
    ("asked", "text", "reason"),
    [
        (City, '{"name": "Rome", "population": "many"}', '- population: Input should be a valid integer.*, not "many"'),
        (City, '{"name": "Rome"}', "- population: required, but missing"),
        (City, '{"name": "Rome", "population": -1}', "greater than or equal to 0, not -1"),
        (City, '{"name": "Rome", "name": "Paris", "population": 1}', "names name twice"),
        (Point, '{"x": NaN, "y": 1}', "NaN is no JSON number"),
        (list[int], '{"value": [1, "x"]}', r"- value\[1\]: "),
        (list[int], "{}", "needs the member 'value'"),
        (list[int], '{"value": [1], "note": "two"}', "needs the member 'value' and no other"),
        (list[City], '{"value": [{"name": "Rome"}]}', r"- value\[0\]\.population: required"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(asked: Any, text: str, reason: str) -> None:
    """A line for each problem: the place, the reason, and what was there."""
    with pytest.raises(MismatchError, match=reason):
        Output(asked).parse(text)


def test_messages_are_bounded() -> None:
    """However much is wrong, and however long it is."""
    wrong = json.dumps({"value": ["x" * 10_000] * 1000})
    with pytest.raises(MismatchError) as caught:
        Output(list[int]).parse(wrong)
    assert len(str(caught.value)) < 5000
    assert "and 990 more" in str(caught.value)


def test_validators_of_the_caller_have_a_say() -> None:
    """What a validator refuses does not fit; its words are in the message."""

    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def _check(cls, number: int) -> int:
            if number % 2:
                message = "it is odd"
                raise ValueError(message)
            return number

    assert Output(Even).parse('{"number": 2}').number == 2
    with pytest.raises(MismatchError, match="- number: Value error, it is odd, not 3"):
        Output(Even).parse('{"number": 3}')


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=10,
)


@given(
    members=st.dictionaries(st.text(), _JSON, max_size=5), around=st.sampled_from(["{}", "```json\n{}\n```", " {} "])
)
def test_any_object_is_found_whole(members: dict[str, Any], around: str) -> None:
    """An object is taken as it stands, whatever its strings look like."""
    text = around.replace("{}", json.dumps(members, ensure_ascii=False))
    assert json.loads(find_object(text)) == members


@given(members=st.dictionaries(st.text(), _JSON, min_size=1, max_size=5), cut=st.integers(min_value=1))
def test_no_beginning_of_an_object_passes_for_one(members: dict[str, Any], cut: int) -> None:
    """An answer that was cut short is never taken for a shorter answer, nor is an object inside it."""
    text = json.dumps(members)
    with pytest.raises(MismatchError):
        find_object(text[: 1 + cut % (len(text) - 1)])


@given(value=_JSON)
def test_a_wrapped_value_comes_back_equal(value: Any) -> None:
    """The object around a value that is none changes nothing of it."""
    assert Output(Any).parse(json.dumps({"value": value})) == value


@given(text=st.text(alphabet='{}[]":, \n\\`truefalsn019.e-', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It finds one object, or says that it does not."""
    try:
        found = find_object(text)
    except MismatchError:
        return
    assert isinstance(json.loads(found), dict)
