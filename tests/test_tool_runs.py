"""Running a tool: what goes in, what comes back, and what a model is told where nothing does."""

import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import anyio
import pytest
from pydantic import AfterValidator
from tests.tool_calls import City, Unit, bad, by_name, good, log_records, run

from chatport._messages import Image, Text, ToolCall, ToolResult
from chatport._request import Tool
from chatport._tool_runs import run_tools
from chatport._tools import tool


@pytest.fixture
def warnings() -> Iterator[list[logging.LogRecord]]:
    """What is logged for developers, from DEBUG upwards."""
    with log_records() as records:
        yield records


class TestOneCall:
    @pytest.mark.anyio
    async def test_arguments_arrive_as_annotated(self) -> None:
        """Nested models are instances, defaults are applied, what comes back is JSON again."""

        async def function(city: City, unit: Unit = Unit.CELSIUS, days: int = 3) -> dict[str, Any]:
            assert isinstance(city, City)
            assert isinstance(city.founded, date)
            return {"city": city, "unit": unit, "days": days}

        assert await good(function, {"city": {"name": "Rome", "founded": "0001-02-03"}}) == {
            "city": {"name": "Rome", "founded": "0001-02-03"},
            "unit": "celsius",
            "days": 3,
        }

    @pytest.mark.anyio
    async def test_bad_arguments_go_back(self, warnings: list[logging.LogRecord]) -> None:
        """The model is told which and why; the function does not run; that is no event for the developer."""
        ran: list[object] = []

        def function(unit: Literal["celsius", "fahrenheit"], count: int = 1) -> None:
            ran.append((unit, count))

        text = await bad(function, {"unit": "kelvin", "count": "many", "extra": 1})
        assert text.splitlines() == [
            "Invalid arguments for function:",
            "- unit: Input should be 'celsius' or 'fahrenheit', not \"kelvin\"",
            '- count: Input should be a valid integer, unable to parse string as an integer, not "many"',
            "- extra: there is no such argument; the arguments are: unit, count",
        ]
        assert ran == []
        assert warnings == []

    @pytest.mark.anyio
    async def test_unknown_tools(self) -> None:
        """The model is told what there is."""
        calls = [ToolCall("1", "three"), ToolCall("2", "one", {}, "{broken")]
        first, second = await run_tools(by_name(Tool("one", function=str), Tool("two", function=str)), calls)
        assert (first.id, first.text) == ("1", "There is no tool 'three'. The tools are: one, two")
        assert (first.is_error, first.error_kind, second.error_kind) == (True, "unknown-tool", "invalid-arguments")
        assert second.is_error
        (third,) = await run_tools({}, [ToolCall("3", "one")])
        assert third.text == "There is no tool 'one'. The tools are: none"

    @pytest.mark.parametrize(
        ("written", "flaw"),
        [
            ('{"city": "Pa', "Unterminated string"),
            ("[1]", "it is a JSON array"),
            ('"Paris"', "it is a JSON value"),
            ('{"a": NaN}', "NaN is no JSON number"),
            ('{"a": 1, "a": 2}', "an object names a twice"),
            ("[" * 100_000, "nested more than"),
        ],
        ids=["cut", "array", "str", "NaN", "twice", "deep"],
    )
    @pytest.mark.anyio
    async def test_arguments_that_are_no_json_object(self, written: str, flaw: str) -> None:
        """Such a call is never run; the model is told what is wrong with what it wrote, and not all of it again."""
        ran: list[object] = []

        def function(**more: Any) -> None:
            ran.append(more)

        (result,) = await run_tools(by_name(function), [ToolCall("id", "function", {}, written)])
        assert result.is_error
        assert result.text.startswith("The arguments of function are no JSON object: ")
        assert flaw in result.text
        assert len(result.text) < 200
        assert ran == []

    @pytest.mark.anyio
    async def test_what_a_tool_raises(self, warnings: list[logging.LogRecord]) -> None:
        """The model gets type and message, the developer the traceback."""

        async def on_loop() -> None:
            raise LookupError("no such city")

        def in_thread() -> None:
            raise StopIteration("no more")

        for function, text in ((on_loop, "LookupError: no such city"), (in_thread, "StopIteration: no more")):
            assert await bad(function) == text
            record = warnings.pop()
            assert (record.name, record.levelno) == ("chatport", logging.WARNING)
            assert function.__name__ in record.getMessage()
            assert record.exc_info is not None
            assert record.exc_info[2] is not None

    @pytest.mark.anyio
    async def test_a_group_that_a_tool_raises(self) -> None:
        """Tools with task groups raise groups; the model is told what is in them."""

        async def fail() -> None:
            raise ValueError("too hot")

        async def function() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(fail)

        assert (await bad(function)).endswith("ValueError: too hot")

    @pytest.mark.anyio
    async def test_a_type_error_inside_the_tool(self, warnings: list[logging.LogRecord]) -> None:
        """It is the tool's failure, not one of the arguments."""

        def function(value: int) -> Any:
            return value + None  # type: ignore[operator]  # the point of the test

        assert (await bad(function, {"value": 1})).startswith("TypeError: unsupported operand")
        assert len(warnings) == 1

    @pytest.mark.anyio
    async def test_a_check_that_fails_by_itself(self, warnings: list[logging.LogRecord]) -> None:
        """A validator that breaks does not break the turn."""

        def check(value: int) -> int:
            raise RuntimeError(f"no database for {value}")

        def function(value: Annotated[int, AfterValidator(check)]) -> None: ...

        assert await bad(function, {"value": 1}) == "RuntimeError: no database for 1"
        assert len(warnings) == 1

    @pytest.mark.parametrize(
        "value", [object(), b"x", float("nan"), {"a": Image("image/png", b"x")}], ids=["object", "bytes", "NaN", "part"]
    )
    @pytest.mark.anyio
    async def test_what_no_model_can_be_given(self, value: object, warnings: list[logging.LogRecord]) -> None:
        """A value that is no JSON is an error result, and something for the developer to see."""

        async def on_loop() -> Any:
            return value

        def in_thread() -> Any:
            return value

        for function in (on_loop, in_thread):
            assert await bad(function)
            assert len(warnings) == 1
            warnings.clear()

    @pytest.mark.anyio
    async def test_a_result_of_the_tools_own(self) -> None:
        """Its content and whether it is an error stay, its id is the call's."""

        def function() -> ToolResult:
            return ToolResult("wrong", [Text("no"), Text("!")], is_error=True)

        assert await run(function) == ToolResult("id", [Text("no"), Text("!")], is_error=True)

    @pytest.mark.anyio
    async def test_methods_and_partials(self) -> None:
        """Marked methods, partials and callable objects run like functions."""

        @dataclass
        class Thermometer:
            degrees: int

            @tool
            async def read(self, place: str) -> str:
                return f"{self.degrees} {place}"

            def __call__(self, place: str, /) -> str:
                return f"called {self.degrees} {place}"

        thermometer = Thermometer(20)
        assert await good(thermometer.read, {"place": "here"}) == "20 here"
        assert await good(thermometer, {"place": "here"}) == "called 20 here"
        assert await good(functools.partial(Thermometer.read, thermometer), {"place": "here"}) == "20 here"

    @pytest.mark.anyio
    async def test_arguments_called_like_ours(self) -> None:
        """No name collides with a name of the machinery."""

        def function(self: int, function: int, args: int, call: int, func: int, **kwargs: int) -> list[int]:
            return [self, function, args, call, func, *kwargs.values()]

        names = ("self", "function", "args", "call", "func", "tools", "run", "keywords")
        arguments = {name: number for number, name in enumerate(names)}
        assert await good(function, arguments) == list(range(len(names)))
        assert await good(Tool("by_hand", "", {}, function), arguments) == list(range(len(names)))


class TestByHand:
    @pytest.mark.anyio
    async def test_arguments_go_unchecked(self) -> None:
        """The schema is the author's own; arguments arrive as they came."""

        def function(day: date, **more: Any) -> list[Any]:
            return [day, more]

        by_hand = Tool("by_hand", "", {"type": "object", "properties": {"day": {"type": "integer"}}}, function)
        assert await good(by_hand, {"day": "2024-02-30", "x": [1]}) == ["2024-02-30", {"x": [1]}]

    @pytest.mark.anyio
    async def test_arguments_that_do_not_fit(self, warnings: list[logging.LogRecord]) -> None:
        """A wrong keyword is the model's fault and is told apart from a TypeError inside."""

        def function(first: int, second: int = 2) -> None:
            raise TypeError("inside")

        by_hand = Tool("by_hand", "", {}, function)
        assert await bad(by_hand, {"first": 1, "third": 3}) == (
            "Invalid arguments for by_hand:\n- got an unexpected keyword argument 'third'"
        )
        assert await bad(by_hand, {}) == "Invalid arguments for by_hand:\n- missing a required argument: 'first'"
        assert warnings == []
        assert await bad(by_hand, {"first": 1}) == "TypeError: inside"
        assert len(warnings) == 1

    @pytest.mark.anyio
    async def test_a_function_without_signature(self) -> None:
        """What is built in may have none; it judges its arguments itself."""
        assert await good(Tool("dict", "", {}, dict), {"a": 1}) == {"a": 1}
        assert (await bad(Tool("max", "", {}, max), {"a": 1})).startswith("TypeError: ")

    @pytest.mark.anyio
    async def test_the_history_cannot_be_changed(self) -> None:
        """A tool gets its own copy of the arguments."""

        def function(values: list[int]) -> int:
            values.append(1)
            return len(values)

        call = ToolCall("id", "by_hand", {"values": []})
        await run_tools(by_name(Tool("by_hand", "", {}, function)), [call])
        assert call.arguments == {"values": []}

    @pytest.mark.anyio
    async def test_a_call_that_is_not_ours_to_run(self) -> None:
        """Calling for one is a mistake of the code, found before anything runs."""
        ran: list[int] = []

        def function() -> None:
            ran.append(1)

        tools = by_name(function, Tool("callers"))
        for other in (ToolCall("2", "callers"), ToolCall("2", "function", executed_by="server")):
            with pytest.raises(ValueError, match=r"\(id '2'\) is not ours to run"):
                await run_tools(tools, [ToolCall("1", "function"), other])
        assert ran == []
