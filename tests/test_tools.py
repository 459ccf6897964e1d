import functools
import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, assert_type
from unittest.mock import Mock, create_autospec

import pytest
from pydantic import BaseModel

from chatport._request import Tool
from chatport._tools import CheckedFunction, ToolLike, as_tool, as_tools, tool


@tool
async def get_weather(  # noqa: D417 - a parameter that speaks for itself is not described
    location: str, unit: Literal["celsius", "fahrenheit"] = "fahrenheit"
) -> dict[str, Any]:
    """Get the current weather in a location.

    Args:
        location: The city and state, e.g. San Francisco, CA
    """
    return {"location": location, "unit": unit}


WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "fahrenheit"},
    },
    "required": ["location"],
    "additionalProperties": False,
}


def plain(value: int) -> int:
    """Say a number again."""
    return value


def make_function(*, marked: bool) -> Callable[[], None]:
    """A new function."""

    def function() -> None: ...

    return tool(function) if marked else function


class Thermometer:
    """A thermometer.

    Args:
        place: Where it hangs.
    """

    @tool
    def read(self, place: str) -> str:
        """Read it.

        Args:
            place: Where to look.
        """
        return f"{id(self)} {place}"

    def unmarked(self, place: str) -> str:
        """Read it too."""
        return f"{id(self)} {place}"

    @classmethod
    @tool
    def count(cls, place: str) -> str:
        """Count them."""
        return f"{cls.__name__} {place}"

    @staticmethod
    @tool(name="calibrate")
    def adjust(place: str) -> str:
        """Adjust it."""
        return place

    def __call__(self, place: str) -> str:
        return place


class TestDecorator:
    def test_the_function_stays_what_it_is(self) -> None:
        """A mark is all that is added; type checkers see the same function."""

        def function(value: int) -> str:
            return str(value)

        marked = tool(function)
        assert marked is function
        assert_type(marked(1), str)
        renamed = tool(name="other")(function)
        assert renamed is function
        assert_type(renamed(1), str)

    def test_what_the_model_sees(self) -> None:
        """Name, description and schema come from the function."""
        made = as_tool(get_weather)
        assert (made.name, made.description) == ("get_weather", "Get the current weather in a location.")
        assert made.schema == WEATHER_SCHEMA

    def test_name_and_description_of_ones_own(self) -> None:
        """They go before the function's; what the docstring says of parameters stays."""

        @tool(name="weather.now", description="Look outside.")
        def function(location: str) -> None:
            """Unused.

            Args:
                location: Where.
            """

        made = as_tool(function)
        assert (made.name, made.description) == ("weather.now", "Look outside.")
        assert made.schema["properties"]["location"]["description"] == "Where."

    def test_an_empty_description_is_one(self) -> None:
        """Saying nothing can be meant."""

        @tool(description="")
        def function() -> None:
            """For developers only."""

        assert as_tool(function).description == ""

    def test_what_cannot_be_a_tool_is_refused_at_once(self) -> None:
        """The error comes with the definition, not with the first session."""
        with pytest.raises(TypeError, match=r"\*values cannot be offered"):

            @tool
            def function(*values: int) -> None: ...

    def test_in_a_class(self) -> None:
        """Methods are checked without their object, and need it to be tools."""
        thermometer = Thermometer()
        assert thermometer.read("here") == f"{id(thermometer)} here"
        made = as_tool(thermometer.read)
        assert (made.name, made.description) == ("read", "Read it.")
        assert made.schema["properties"] == {"place": {"type": "string", "description": "Where to look."}}
        for unbound in (Thermometer.read, Thermometer.unmarked):
            with pytest.raises(TypeError, match=r"is a method without its object"):
                as_tool(unbound)

    def test_a_method_with_a_type_that_json_cannot_say(self) -> None:
        """Methods are refused at once too."""
        with pytest.raises(TypeError, match=r"of 'other' cannot be said"):

            class Holder:
                @tool
                def method(self, other: Thermometer) -> None: ...

    def test_class_and_static_methods(self) -> None:
        """Below the other decorator the mark is found; above it, the error says so."""
        assert as_tool(Thermometer.count).schema["required"] == ["place"]
        assert as_tool(Thermometer.adjust).name == "calibrate"
        assert as_tool(Thermometer().adjust).schema["required"] == ["place"]
        for wrong in (staticmethod(plain), vars(Thermometer)["count"]):
            with pytest.raises(TypeError, match=f"put @tool below @{type(wrong).__name__}"):
                tool(wrong)

    def test_what_bears_no_mark(self) -> None:
        """The error says what to do; as a tool it is accepted all the same."""
        with pytest.raises(TypeError, match=r"cannot be marked"):
            tool(Thermometer().unmarked)
        assert as_tool(Thermometer().unmarked).name == "unmarked"

    def test_local_types_of_a_function_that_has_returned(self) -> None:
        """The mark resolves annotations while they can be, for methods too."""

        def make() -> tuple[Callable[..., Any], Callable[..., Any]]:
            class Kind(BaseModel):
                value: int

            class Local:
                @tool
                def method(self, kind: "Kind") -> None: ...

            @tool
            def function(kind: "Kind") -> None: ...

            return Local().method, function

        for function in make():
            assert as_tool(function).schema["$defs"].keys() == {"Kind"}

    def test_a_type_that_is_defined_too_late(self) -> None:
        """The error says what was not found."""
        with pytest.raises(TypeError, match=r"'Late' of 'value' cannot be resolved"):

            @tool
            def function(value: "Late") -> None: ...

        class Late: ...


class TestAsTool:
    def test_a_tool_stays_as_it_is(self) -> None:
        """Hand-made tools are what they are."""
        by_hand = Tool("by_hand", "Something", {"type": "object"}, plain)
        assert as_tool(by_hand) is by_hand

    def test_plain_functions(self) -> None:
        """A mark is not needed."""
        made = as_tool(plain)
        assert (made.name, made.description) == ("plain", "Say a number again.")
        assert made.function is not None
        assert made.function(3) == 3
        assert isinstance(made.function, CheckedFunction)
        assert made.function.__wrapped__ is plain

    def test_equal_functions_make_equal_tools(self) -> None:
        """A tool is a value; the check inside does not show."""
        thermometer = Thermometer()
        assert as_tool(plain) == as_tool(plain)
        assert hash(as_tool(plain)) == hash(as_tool(plain))
        assert as_tool(thermometer.read) == as_tool(thermometer.read)
        assert as_tool(thermometer.read) != as_tool(Thermometer().read)
        assert as_tool(plain).function != plain
        assert "plain" in repr(as_tool(plain).function)

    def test_schemas_are_not_shared(self) -> None:
        """Whoever changes one changes no other."""
        as_tool(get_weather).schema["properties"].clear()
        assert as_tool(get_weather).schema == WEATHER_SCHEMA

    def test_a_renamed_tool_keeps_its_check(self) -> None:
        """The check goes with the function."""
        renamed = replace(as_tool(plain), name="other")
        assert isinstance(renamed.function, CheckedFunction)

    def test_callable_objects(self) -> None:
        """They are named after their class, which may describe them; an instance may be marked as well."""
        made = as_tool(Thermometer())
        assert (made.name, made.description) == ("Thermometer", "A thermometer.")
        assert made.schema["properties"] == {"place": {"type": "string", "description": "Where it hangs."}}
        assert as_tool(tool(name="measure")(Thermometer())).name == "measure"

    def test_a_marked_call_method(self) -> None:
        """The mark may stand on `__call__`."""

        class Marked:
            @tool(name="marked")
            def __call__(self, value: int) -> int:
                """Say a number."""
                return value

        made = as_tool(Marked())
        assert (made.name, made.description) == ("marked", "Say a number.")
        assert made.schema["required"] == ["value"]

    def test_partials(self) -> None:
        """They are called like the function inside, mark included, or as they are marked themselves."""
        partial = functools.partial(get_weather, unit="celsius")
        made = as_tool(partial)
        assert (made.name, made.description) == ("get_weather", "Get the current weather in a location.")
        assert list(made.schema["properties"]) == ["location"]
        assert made.schema["properties"]["location"]["description"].startswith("The city")
        renamed = tool(name="in_celsius")(functools.partial(get_weather, unit="celsius"))
        assert as_tool(renamed).name == "in_celsius"
        assert as_tool(functools.partial(functools.partial(Thermometer().read), place="x")).name == "read"

    def test_decorated_functions(self) -> None:
        """A decorator on top takes part in the run, with the mark and the signature of what is below."""

        @tool(name="inner")
        def function(value: int) -> int:
            return value

        @functools.wraps(function)
        def doubled(*args: Any, **kwargs: Any) -> int:
            return 2 * function(*args, **kwargs)

        made = as_tool(doubled)
        assert made.name == "inner"
        assert made.schema["required"] == ["value"]
        assert made.function is not None
        assert made.function(value=2) == 4
        assert as_tool(functools.cache(function)).schema == made.schema

    def test_decorated_methods(self) -> None:
        """A wrapped method is a method."""

        def doubled(function: Callable[..., int]) -> Callable[..., int]:
            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> int:
                return 2 * function(*args, **kwargs)

            return wrapper

        class Holder:
            @tool
            @doubled
            def method(self, value: int) -> int:
                return value

        assert list(as_tool(Holder().method).schema["properties"]) == ["value"]
        with pytest.raises(TypeError, match="without its object"):
            as_tool(Holder.method)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (lambda: None, r"has no name to call it by: use tool\(name=...\)"),
            (Thermometer, "Thermometer is a class"),
            ("get_weather", "a tool is a function or a Tool, not str"),
            (None, "not NoneType"),
            (max, "no signature that can be read"),
        ],
        ids=["lambda", "class", "str", "None", "built in"],
    )
    def test_what_is_no_tool(self, value: Any, message: str) -> None:
        """Each is refused with what to do instead."""
        with pytest.raises(TypeError, match=message):
            as_tool(value)

    def test_a_named_lambda(self) -> None:
        """With a name it is a function like any other."""
        assert as_tool(tool(name="nothing")(lambda: None)).name == "nothing"

    def test_mocks(self) -> None:
        """Having every attribute is no mark; a mock without a signature is refused, one with it is a function."""
        assert as_tool(create_autospec(plain)).schema["required"] == ["value"]
        for mock in (Mock(), Mock(spec=plain)):
            with pytest.raises(TypeError):
                as_tool(mock)

    def test_nothing_is_kept(self) -> None:
        """A function that nobody needs any more goes, marked or not."""
        for marked in (True, False):
            function = make_function(marked=marked)
            made = as_tool(function)
            gone = weakref.ref(function)
            del function, made
            gc.collect()
            assert gone() is None


class TestAsTools:
    def test_in_order(self) -> None:
        """Anything that can be a tool, in the order given."""
        by_hand = Tool("by_hand")
        values: list[ToolLike] = [plain, by_hand, get_weather]
        assert [made.name for made in as_tools(values)] == ["plain", "by_hand", "get_weather"]
        assert as_tools(()) == ()
        assert as_tools(iter([plain])) == (as_tool(plain),)

    def test_two_with_one_name(self) -> None:
        """The message names both, and what to do."""
        other = Tool("get_weather")
        with pytest.raises(
            ValueError, match=r"'get_weather': .*test_tools.get_weather and a Tool made by hand; rename"
        ):
            as_tools([get_weather, other])
        first, second = Thermometer(), Thermometer()
        with pytest.raises(ValueError, match=r"'read': .*Thermometer.read and .*Thermometer.read"):
            as_tools([first.read, as_tool(second.read)])

    @pytest.mark.parametrize(
        "value", [plain, Tool("x"), "plain", {"plain": plain}], ids=["function", "Tool", "str", "dict"]
    )
    def test_one_is_no_sequence(self, value: Any) -> None:
        """A single tool is a likely slip; the message shows the brackets."""
        with pytest.raises(TypeError, match=r"as a sequence, such as \[get_weather\]"):
            as_tools(value)


def test_a_mark_makes_a_tool_strict() -> None:
    """Only where it says so."""

    @tool(strict=True)
    def search(text: str) -> str:
        """Search."""
        return text

    assert as_tool(search).strict
    assert not as_tool(tool(say_again)).strict
    assert not as_tool(say_again).strict


def say_again(text: str) -> str:
    """Say it again."""
    return text
