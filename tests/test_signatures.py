"""Signatures as schemas: what a function takes, by the types of its parameters.

Strings as annotations all over this file: `from __future__ import annotations` is what users write.
"""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field
from tests.signature_types import City, Node, Options, Pair, Point, Strict, Unit, bind, refusal, schema_of
from typing_extensions import Unpack  # noqa: TC002 - annotations of this file are resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport._messages import Message as Unknown  # to type checkers alone


def properties_of(function: Callable[..., Any], **descriptions: str) -> dict[str, Any]:
    """The schemas of a function's arguments by name."""
    properties = schema_of(function, **descriptions)["properties"]
    assert isinstance(properties, dict)
    return properties


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
