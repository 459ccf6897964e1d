"""Calls of functions by signature: which types are refused, what arguments become, and what is said of wrong ones.

Strings as annotations all over this file: `from __future__ import annotations` is what users write.
"""

from __future__ import annotations

import inspect
from collections import abc
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, AliasChoices, Base64Bytes, Field
from tests.signature_types import City, Node, Options, Pair, Point, Strict, Unit, bind, refusal, schema_of

from chatport._signatures import InvalidArgumentsError, Parameters


def nested(depth: int) -> list[Any]:
    """A list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


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
