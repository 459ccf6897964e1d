"""Strings as annotations all over this file: `from __future__ import annotations` is what users write."""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
from collections import abc
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, AliasChoices, Base64Bytes, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict, Unpack

from chatport._signatures import InvalidArgumentsError, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport._messages import Message as Unknown  # to type checkers alone


class Unit(Enum):
    """How to count."""

    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class City(BaseModel):
    """A place to live."""

    name: str
    title: str = ""
    people: Annotated[int, Field(ge=0, description="How many live there")] = 0


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", title="As given")

    day: date
    price: Decimal = Field(default=Decimal(0), title="What it costs")


@dataclass
class Point:
    x: float
    y: float = 0.0


class Options(TypedDict, total=False):
    colour: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Node(BaseModel):
    children: list[Node] = []


def schema_of(function: Callable[..., Any], **descriptions: str) -> dict[str, Any]:
    """The schema of a function's arguments."""
    return Parameters(function, descriptions).schema


def properties_of(function: Callable[..., Any], **descriptions: str) -> dict[str, Any]:
    """The schemas of a function's arguments by name."""
    properties = schema_of(function, **descriptions)["properties"]
    assert isinstance(properties, dict)
    return properties


def bind(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """What the function returns for arguments from JSON."""
    positional, keywords = Parameters(function, {}).bind(arguments)
    return function(*positional, **keywords)


def refusal(function: Callable[..., Any], /, **arguments: Any) -> str:
    """What a model is told of arguments that do not fit."""
    with pytest.raises(InvalidArgumentsError) as caught:
        Parameters(function, {}).bind(arguments)
    return str(caught.value)


def nested(depth: int) -> list[Any]:
    """A list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class TestSchema:
    def test_the_whole(self) -> None:
        """Names, types, constraints, defaults and descriptions; what has no default is required; no titles."""

        def function(
            location: str,
            days: Annotated[int, Field(ge=1, le=14, description="From Field")],
            unit: Literal["celsius", "fahrenheit"] = "fahrenheit",
            note: str | None = None,
        ) -> None: ...

        assert schema_of(function, location="The city", days="from the docstring", note="Why") == {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city"},
                "days": {"type": "integer", "minimum": 1, "maximum": 14, "description": "From Field"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "fahrenheit"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "Why"},
            },
            "required": ["location", "days"],
            "additionalProperties": False,
        }

    def test_no_parameters(self) -> None:
        """An empty object is an object too."""
        assert schema_of(lambda: None) == {"type": "object", "properties": {}, "additionalProperties": False}

    def test_nested_types(self) -> None:
        """Models, dataclasses, typed dicts, enums, named tuples and recursive types are defined once, untitled."""

        def function(
            home: City,
            points: list[Point],
            options: Options,
            unit: Unit,
            pair: Pair,
            tree: Node,
            work: City | None = None,
        ) -> None: ...

        schema = schema_of(function)
        definitions = schema["$defs"]
        assert set(definitions) == {"City", "Node", "Options", "Pair", "Point", "Unit"}
        assert schema["properties"]["home"] == {"$ref": "#/$defs/City"}
        assert definitions["City"] == {
            "type": "object",
            "description": "A place to live.",
            "properties": {
                "name": {"type": "string"},
                "title": {"type": "string", "default": ""},
                "people": {"type": "integer", "minimum": 0, "default": 0, "description": "How many live there"},
            },
            "required": ["name"],
        }
        assert definitions["Unit"] == {
            "type": "string",
            "description": "How to count.",
            "enum": ["celsius", "fahrenheit"],
        }
        assert not list(_titles(schema))

    def test_titles_that_somebody_gave_are_kept(self) -> None:
        """Only what pydantic makes from names is noise."""

        def function(value: Strict, other: Annotated[int, Field(title="Another")]) -> None: ...

        schema = schema_of(function)
        assert sorted(_titles(schema)) == ["Another", "As given", "What it costs"]

    def test_names_that_pydantic_keeps_for_itself(self) -> None:
        """Any name that Python allows works, without a warning."""

        def function(
            schema: int,
            copy: int,
            json: int,
            dict: int,  # noqa: A002 - the point of the test
            model_config: int,
            model_fields: int,
            model_id: int,
            _private: int,
            __dunder__: int,
            self: int,
            cls: int,
            p0: int,
            extras: int,
            validate: int,
        ) -> tuple[int, ...]:
            first = (schema, copy, json, dict, model_config, model_fields, model_id, _private, __dunder__)
            return (*first, self, cls, p0, extras, validate)

        names = list(inspect.signature(function).parameters)
        assert list(properties_of(function)) == names
        assert bind(function, **{name: index for index, name in enumerate(names)}) == tuple(range(len(names)))

    def test_without_annotation_anything_goes(self) -> None:
        """An unannotated parameter takes any JSON value."""

        def function(value, other=1):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the point of the test
            return value, other

        assert properties_of(function) == {"value": {}, "other": {"default": 1}}
        assert bind(function, value={"a": [1, None]}) == ({"a": [1, None]}, 1)

    def test_defaults_that_json_cannot_say(self) -> None:
        """They are applied, and the schema is silent about them, without a warning."""
        sentinel = object()

        def function(value: Any = sentinel) -> Any:
            return value

        assert properties_of(function) == {"value": {}}
        assert bind(function) is sentinel

    def test_field_as_default(self) -> None:
        """A pydantic `Field` may stand where the default stands; then its default, or factory, is used."""

        def function(
            first: int = Field(ge=1, description="The first"),
            second: int = Field(2, le=9),
            third: list[int] = Field(default_factory=lambda: [3]),  # noqa: B008 - as pydantic's users write it
        ) -> tuple[Any, ...]:
            return first, second, third

        schema = schema_of(function)
        assert schema["required"] == ["first"]
        assert schema["properties"]["first"] == {"type": "integer", "minimum": 1, "description": "The first"}
        assert schema["properties"]["second"] == {"type": "integer", "maximum": 9, "default": 2}
        assert bind(function, first=1) == (1, 2, [3])
        assert "greater than or equal to 1" in refusal(function, first=0)

    def test_an_alias_is_what_the_model_sees(self) -> None:
        """Words that Python keeps for itself can be offered."""

        def function(from_: Annotated[str, Field(alias="from")], to: str = "") -> tuple[str, str]:
            return from_, to

        assert list(properties_of(function)) == ["from", "to"]
        assert bind(function, **{"from": "here"}) == ("here", "")
        assert refusal(function, from_="here").splitlines() == [
            "- from: required, but missing",
            "- from_: there is no such argument; the arguments are: from, to",
        ]

    def test_local_types(self) -> None:
        """Types of the function around are found, also where they refer to each other by name."""

        @dataclass
        class Inner:
            value: int

        @dataclass
        class Outer:
            inner: Inner

        def function(outer: Outer, inners: list[Inner]) -> Any:
            return outer, inners

        expected = (Outer(Inner(1)), [Inner(2)])
        assert bind(function, outer={"inner": {"value": "1"}}, inners=[{"value": 2}]) == expected

    def test_local_types_of_a_function_that_has_returned(self) -> None:
        """What is only in a frame that is gone cannot be found; what the closure holds can."""

        def make(*, in_closure: bool) -> Callable[..., Any]:
            @dataclass
            class Local:
                value: int

            def closed(value: Local) -> Any:
                return isinstance(value, Local)

            def open_(value: Local) -> Any:
                return value

            return closed if in_closure else open_

        assert bind(make(in_closure=True), value={"value": 1}) is True
        with pytest.raises(TypeError, match=r"open_: the annotation 'Local' of 'value' cannot be resolved.*@tool"):
            schema_of(make(in_closure=False))

    def test_a_closure_that_is_not_filled_yet(self) -> None:
        """What is defined later does no harm to what is known now."""

        def function(value: int) -> Any:
            return later(value)

        assert list(properties_of(function)) == ["value"]

        def later(value: int) -> int:
            return value

        assert bind(function, value=1) == 1

    def test_what_is_built_in(self) -> None:
        """Some built-in functions have a signature."""
        assert schema_of(len)["required"] == ["obj"]
        assert bind(len, obj=[1, 2]) == 2

    def test_type_checkers_own_imports(self) -> None:
        """A return type that only type checkers know does no harm; such a parameter is named."""

        def returns(value: int) -> Unknown | None: ...

        def takes(value: int, other: Unknown) -> None: ...

        assert list(properties_of(returns)) == ["value"]
        with pytest.raises(TypeError, match=r"'Unknown' of 'other' cannot be resolved"):
            schema_of(takes)

    def test_wrapped_functions(self) -> None:
        """A decorator that uses functools.wraps, and a cache, leave the signature visible."""

        @functools.lru_cache
        def cached(value: int = 3) -> int:
            return value

        @functools.wraps(cached)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return cached(*args, **kwargs)

        assert properties_of(cached) == properties_of(wrapped) == {"value": {"type": "integer", "default": 3}}
        assert bind(wrapped, value="4") == 4

    def test_the_same_in_every_interpreter(self) -> None:
        """Services cache by what they are sent: the order of a set must not show in the schema."""
        code = (
            "import json\n"
            "from chatport._signatures import Parameters\n"
            "def function(tags: set[str] = {'a', 'b', 'c', 'd'}, more: frozenset[int] = frozenset({1, 30, 4})): ...\n"
            "print(json.dumps(Parameters(function, {}).schema))\n"
        )
        printed = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": _SOURCE},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2", "3")
        }
        assert len(printed) == 1
        assert '"default": ["a", "b", "c", "d"]' in printed.pop()


_SOURCE = str(Path(__file__).resolve().parents[1] / "src")


def _titles(schema: Any) -> list[str]:
    """Every title in a schema; a property that is called `title` is none."""
    if isinstance(schema, list):
        return [title for item in schema for title in _titles(item)]
    if not isinstance(schema, dict):
        return []
    found = [value for key, value in schema.items() if key == "title"]
    for key, value in schema.items():
        found += _titles(list(value.values()) if key in {"properties", "$defs"} else value)
    return found


class TestKinds:
    def test_positional_only(self) -> None:
        """They are named for the model and given by position to the function."""

        def function(first: int, second: int = 2, third: int = 3, /, fourth: int = 4) -> tuple[int, ...]:
            return first, second, third, fourth

        assert schema_of(function)["required"] == ["first"]
        assert bind(function, first="1", third=30, fourth=40) == (1, 2, 30, 40)

    def test_keyword_only(self) -> None:
        """They are arguments like all others."""

        def function(*, value: int) -> int:
            return value

        assert bind(function, value=1) == 1

    def test_any_number_of_positional_ones_is_refused(self) -> None:
        """A model's arguments have names."""

        def function(first: int, *more: int) -> None: ...

        with pytest.raises(TypeError, match=r"function: \*more cannot be offered .* take a list instead"):
            schema_of(function)

    def test_any_number_of_keywords(self) -> None:
        """`**kwargs` becomes a typed `additionalProperties`, whatever the keywords are called."""

        def function(first: int, **more: Point) -> tuple[int, dict[str, Point]]:
            return first, more

        schema = schema_of(function)
        assert schema["additionalProperties"] == {"$ref": "#/$defs/Point"}
        assert list(schema["properties"]) == schema["required"] == ["first"]
        point = {"x": 1}
        assert bind(function, first=1, p0=point, extras=point, more=point, **{"**more": point, "a b": point}) == (
            1,
            {name: Point(1.0) for name in ("p0", "extras", "more", "**more", "a b")},
        )
        assert refusal(function, first=1, other={"y": 1}) == "- other.x: required, but missing"

    def test_keywords_of_any_type(self) -> None:
        """Without annotation they take anything, and there may be none."""

        def function(**more):  # type: ignore[no-untyped-def]  # noqa: ANN003, ANN202 - the point of the test
            return more

        assert schema_of(function) == {"type": "object", "properties": {}, "additionalProperties": True}
        assert bind(function) == {}
        assert bind(function, self=1, more=None) == {"self": 1, "more": None}

    def test_unpacked_typed_dict_is_refused(self) -> None:
        """It is said, not guessed."""

        def function(**more: Unpack[Options]) -> None: ...

        with pytest.raises(TypeError, match=r"\*\*more: Unpack"):
            schema_of(function)

    def test_bound_methods(self) -> None:
        """The object is not offered; nor can a model reach it through `**kwargs`."""

        class Thermometer:
            def read(self, place: str, **more: int) -> Any:
                return self, place, more

        thermometer = Thermometer()
        assert list(properties_of(thermometer.read)) == ["place"]
        assert bind(thermometer.read, place="x", much=1) == (thermometer, "x", {"much": 1})

    def test_callable_objects(self) -> None:
        """An object with `__call__` has that method's signature."""

        class Thermometer:
            def __call__(self, place: str) -> str:
                return place

        assert list(properties_of(Thermometer())) == ["place"]

    def test_partials(self) -> None:
        """What a partial has bound is hidden, may be of any type, and cannot be overridden."""

        class Connection: ...

        def function(connection: Connection, first: int, second: int = 2, **more: int) -> Any:
            return connection, first, second, more

        connection = Connection()
        by_keyword = functools.partial(function, connection=connection, second=20)
        assert list(properties_of(by_keyword)) == ["first"]
        assert bind(by_keyword, first=1, third=3) == (connection, 1, 20, {"third": 3})
        assert refusal(by_keyword, first=1, second=3) == "- second: there is no such argument"
        by_position = functools.partial(function, connection, 1)
        assert list(properties_of(by_position)) == ["second"]
        assert bind(by_position, second=5) == (connection, 1, 5, {})

    @pytest.mark.parametrize("kind", [object(), max], ids=["object", "built in"])
    def test_no_signature(self, kind: Any) -> None:
        """What has no signature that pydantic can use is a TypeError, not a crash."""
        with pytest.raises(TypeError):
            schema_of(kind)


class TestUnusableTypes:
    def test_a_type_that_json_cannot_say(self) -> None:
        """The message names the parameter and the type."""

        class Connection: ...

        def function(first: int, second: Connection) -> None: ...

        with pytest.raises(TypeError, match=r"function: the type <class '.*Connection'> of 'second' cannot be said"):
            schema_of(function)

    def test_a_type_with_a_check_and_no_schema(self) -> None:
        """A callable can be checked but not described."""

        def function(first: int, second: Any) -> None: ...

        function.__annotations__["second"] = abc.Callable[[], int]
        with pytest.raises(TypeError, match=r"of 'second' cannot be said as a JSON schema"):
            schema_of(function)

    def test_keywords_of_a_type_that_json_cannot_say(self) -> None:
        """Then no parameter is to blame."""

        class Connection: ...

        def function(first: int, **more: Connection) -> None: ...

        with pytest.raises(TypeError, match="its signature cannot be said"):
            schema_of(function)

    def test_an_annotation_that_is_no_type(self) -> None:
        """Nor is nonsense resolved."""

        def function(value: Any) -> None: ...

        function.__annotations__["value"] = "this is no Python"
        with pytest.raises(TypeError, match="'this is no Python' of 'value' cannot be resolved"):
            schema_of(function)

    def test_aliases(self) -> None:
        """Two parameters cannot have one name, and one cannot have several."""

        def twice(from_: Annotated[int, Field(alias="to")], to: int) -> None: ...

        def many(value: Annotated[int, Field(validation_alias=AliasChoices("a", "b"))]) -> None: ...

        with pytest.raises(TypeError, match="two parameters are called 'to'"):
            schema_of(twice)
        with pytest.raises(TypeError, match="the alias of 'value' must be one name"):
            schema_of(many)


class TestBinding:
    def test_json_becomes_python(self) -> None:
        """Nested models arrive as instances, dates as dates, enums as members, sets as sets; numbers as text pass."""

        def function(
            home: City,
            strict: Strict,
            point: Point,
            options: Options,
            unit: Unit,
            pair: Pair,
            tags: set[str],
            data: bytes,
            encoded: Base64Bytes,
            many: dict[str, list[Decimal]],
            number: int,
        ) -> tuple[Any, ...]:
            return home, strict, point, options, unit, pair, tags, data, encoded, many, number

        assert bind(
            function,
            home={"name": "Rome", "people": "3"},
            strict={"day": "2024-02-29", "price": "1.10"},
            point={"x": 1},
            options={"colour": "red"},
            unit="celsius",
            pair=[1],
            tags=["a", "b", "a"],
            data="ä",
            encoded="AP8=",
            many={"a": ["0.1"]},
            number="5",
        ) == (
            City(name="Rome", people=3),
            Strict(day=date(2024, 2, 29), price=Decimal("1.10")),
            Point(1.0),
            {"colour": "red"},
            Unit.CELSIUS,
            Pair(1, "r"),
            {"a", "b"},
            "ä".encode(),
            b"\x00\xff",
            {"a": [Decimal("0.1")]},
            5,
        )

    def test_arguments_are_not_shared(self) -> None:
        """What a tool does to its arguments does not change the call."""
        arguments: dict[str, Any] = {"value": {"a": [1]}}

        def function(value: dict[str, Any]) -> None:
            value["a"].append(2)

        bind(function, **arguments)
        assert arguments == {"value": {"a": [1]}}

    def test_each_fault_is_named(self) -> None:
        """Which argument, why, and what was sent where that is short; no addresses, no Python names."""

        def function(
            unit: Literal["celsius", "fahrenheit"], home: City, points: list[Point], count: int, limit: bool = True
        ) -> None: ...

        text = refusal(
            function,
            unit="kelvin",
            home={"title": "x" * 1000},
            points=[{"x": 1}, {"x": "left", "z": 1}],
            count=None,
            limit={"much": "x" * 1000},
            extra=1,
        )
        assert text.splitlines() == [
            "- unit: Input should be 'celsius' or 'fahrenheit', not \"kelvin\"",
            "- home.name: required, but missing",
            '- points[1].x: Input should be a valid number, unable to parse string as a number, not "left"',
            "- points[1].z: there is no such member",
            "- count: Input should be a valid integer, not null",
            "- limit: Input should be a valid boolean",
            "- extra: there is no such argument; the arguments are: unit, home, points, count, limit",
        ]

    def test_floods_are_dammed(self) -> None:
        """However much is wrong, the answer is short."""

        def function(numbers: list[int], name: Annotated[str, Field(max_length=3)]) -> None: ...

        text = refusal(function, numbers=["x" * 500] * 1000, name="y" * 100_000, **{"z" * 100_000: 1})
        assert len(text) < 3000
        assert text.splitlines()[-1] == "- and 992 more"

    def test_nothing_to_give(self) -> None:
        """A function without arguments says so."""
        assert refusal(lambda: None, x=1) == "- x: there is no such argument; the arguments are: none"

    @pytest.mark.parametrize(
        "value",
        [object(), 10**5000, nested(100_000)],
        ids=["object", "digits", "depth"],
    )
    def test_arguments_that_are_no_json(self, value: Any) -> None:
        """Calls made by hand may hold anything; that is no crash either."""

        def function(value: Any) -> None: ...

        assert refusal(function, value=value).startswith("- the arguments are no JSON object")

    def test_half_a_character(self) -> None:
        """Half of a surrogate pair is no text."""

        def function(value: str) -> None: ...

        assert "surrogate" in refusal(function, value="\ud800")

    def test_a_check_of_the_users_own(self) -> None:
        """Its words reach the model."""

        def even(value: int) -> int:
            if value % 2:
                raise ValueError("an even number, please")
            return value

        def function(value: Annotated[int, AfterValidator(even)]) -> int:
            return value

        assert bind(function, value=2) == 2
        assert refusal(function, value=3) == "- value: Value error, an even number, please, not 3"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def everything(
    number: int,
    home: City,
    points: list[Point] | None = None,
    unit: Unit | Literal["kelvin"] = Unit.CELSIUS,
    day: date | int = 0,
    tree: Node | dict[str, Pair] | None = None,
) -> None:
    """A function with a bit of everything."""


@given(
    st.dictionaries(st.sampled_from([*inspect.signature(everything).parameters, "other"]) | st.text(max_size=5), _JSON)
    | st.fixed_dictionaries(
        {"number": st.integers() | _JSON, "home": st.fixed_dictionaries({"name": st.text(max_size=5) | _JSON}) | _JSON},
        optional={
            "points": st.lists(st.fixed_dictionaries({"x": st.floats() | _JSON}), max_size=3) | _JSON,
            "unit": st.sampled_from(["celsius", "kelvin"]) | _JSON,
            "day": st.dates().map(str) | _JSON,
            "tree": st.fixed_dictionaries({"children": st.lists(st.just({}))}) | _JSON,
        },
    )
)
def test_any_json_fits_or_is_explained(arguments: dict[str, Any]) -> None:
    """Random arguments give values of the annotated types, or a refusal that is short and says something."""
    try:
        positional, keywords = _EVERYTHING.bind(arguments)
    except InvalidArgumentsError as error:
        _check_told(str(error))
        return
    assert positional == []
    assert keywords.keys() == arguments.keys()
    assert isinstance(keywords["number"], int)
    assert isinstance(keywords["home"], City)
    assert all(isinstance(point, Point) for point in keywords.get("points") or [])


def _check_told(text: str) -> None:
    assert text.startswith("- ")
    assert len(text) < 8000
    assert "pydantic.dev" not in text


_EVERYTHING = Parameters(everything, {})
