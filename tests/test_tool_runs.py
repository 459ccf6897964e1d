import asyncio
import contextvars
import functools
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel

from chatport._messages import Image, Json, Text, ToolCall, ToolResult
from chatport._request import Tool
from chatport._tool_runs import run_tools
from chatport._tools import ToolLike, as_tools, tool

TOO_LONG = 5.0  # seconds until a test that hangs is broken off

CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("CONTEXT", default="nothing")


def by_name(*values: ToolLike) -> Mapping[str, Tool]:
    """Tools as a run wants them."""
    return {made.name: made for made in as_tools(values)}


async def run(function: ToolLike, arguments: dict[str, Any] | None = None) -> ToolResult:
    """The result of one call."""
    tools = by_name(function)
    (name,) = tools
    with anyio.fail_after(TOO_LONG):
        (result,) = await run_tools(tools, [ToolCall("id", name, arguments or {})])
    assert result.id == "id"
    return result


async def good(function: ToolLike, arguments: dict[str, Any] | None = None) -> Any:
    """What one call that succeeds gives."""
    result = await run(function, arguments)
    assert not result.is_error, result.text
    (part,) = result.content
    return part.value if isinstance(part, Json) else part.text if isinstance(part, Text) else part


async def bad(function: ToolLike, arguments: dict[str, Any] | None = None) -> str:
    """What the model is told of one call that fails."""
    result = await run(function, arguments)
    assert result.is_error
    return result.text


@pytest.fixture
def warnings() -> Iterator[list[logging.LogRecord]]:
    """What is logged for developers, from DEBUG upwards."""
    records: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler, level = logging.getLogger("chatport"), Collector(), logging.getLogger("chatport").level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)


class City(BaseModel):
    name: str
    founded: date | None = None


class Unit(Enum):
    CELSIUS = "celsius"


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


class TestWhere:
    @pytest.mark.anyio
    async def test_async_functions_run_on_the_loop(self) -> None:
        """Whatever they are wrapped in: partial, object, decorator."""
        home = threading.get_ident()

        async def where(value: int = 0) -> bool:
            await anyio.lowlevel.checkpoint()
            return threading.get_ident() == home

        class Where:
            async def __call__(self) -> bool:
                return await where()

            async def method(self) -> bool:
                return await where()

        partial = functools.partial(functools.partial(where, value=1))
        for function in (where, partial, Where(), Where().method, functools.partial(Where())):
            assert await good(function) is True

    @pytest.mark.anyio
    async def test_marked_partials_of_async_functions(self) -> None:
        """A partial with attributes of its own stays a partial inside another one; it is async all the same."""
        home = threading.get_ident()

        async def where(value: int, other: int) -> list[Any]:
            return [threading.get_ident() == home, value, other]

        marked = tool(name="marked")(functools.partial(where, other=2))
        assert await good(marked, {"value": 1}) == [True, 1, 2]

    @pytest.mark.anyio
    async def test_other_functions_run_in_a_thread(self) -> None:
        """Sync functions never hold up the loop, with the context of the caller."""
        home = threading.get_ident()

        def where() -> list[Any]:
            return [threading.get_ident() == home, CONTEXT.get()]

        token = CONTEXT.set("something")
        try:
            assert await good(where) == [False, "something"]
        finally:
            CONTEXT.reset(token)

    @pytest.mark.anyio
    async def test_async_functions_see_the_context(self) -> None:
        """And what they set in it is theirs alone."""

        async def function() -> str:
            seen = CONTEXT.get()
            CONTEXT.set("changed")
            return seen

        token = CONTEXT.set("something")
        try:
            assert await good(function) == "something"
            assert CONTEXT.get() == "something"
        finally:
            CONTEXT.reset(token)

    @pytest.mark.anyio
    async def test_functions_that_return_an_awaitable(self) -> None:
        """It is awaited on the loop, as a wrapper without `async` returns one."""
        home = threading.get_ident()

        async def inner(value: int) -> list[Any]:
            await anyio.lowlevel.checkpoint()
            return [value, threading.get_ident() == home]

        @functools.wraps(inner)
        def wrapper(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, list[Any]]:
            return inner(*args, **kwargs)

        @dataclass
        class Later:
            value: int

            def __await__(self) -> Any:
                return inner(self.value).__await__()

        def later(value: int) -> Awaitable[list[Any]]:
            return Later(value)

        assert await good(wrapper, {"value": 1}) == [1, True]
        assert await good(later, {"value": 2}) == [2, True]

    @pytest.mark.anyio
    async def test_a_generators_work_is_done_in_the_thread(self) -> None:
        """What a generator yields is collected off the loop too."""
        home = threading.get_ident()

        def function() -> Any:
            yield threading.get_ident() == home

        assert await good(function) == [False]

    @pytest.mark.anyio
    async def test_async_generators_are_no_tools(self) -> None:
        """They are told apart from functions that return a value."""

        async def function() -> AsyncIterator[int]:
            yield 1

        assert "async_generator" in await bad(function)


class TestTogether:
    @pytest.mark.anyio
    async def test_tools_of_one_step_overlap_and_keep_their_order(self) -> None:
        """Each waits for the next one to have finished: only if all run at once does any end, the last call first."""
        finished = [anyio.Event() for _ in range(5)]
        order: list[int] = []

        async def function(number: int) -> int:
            if number + 1 < len(finished):
                await finished[number + 1].wait()
            order.append(number)
            finished[number].set()
            return number

        calls = [ToolCall(f"id-{number}", "function", {"number": number}) for number in range(5)]
        with anyio.fail_after(TOO_LONG):
            results = await run_tools(by_name(function), calls)
        assert order == [4, 3, 2, 1, 0]
        assert results == tuple(ToolResult(f"id-{number}", number) for number in range(5))

    @pytest.mark.anyio
    async def test_threads_overlap_with_each_other_and_with_the_loop(self) -> None:
        """Two sync tools and an async one meet; none could alone."""
        barrier = threading.Barrier(2, timeout=TOO_LONG)
        met = anyio.Event()

        def in_thread() -> str:
            barrier.wait()
            anyio.from_thread.run_sync(met.set)
            return "met"

        async def on_loop() -> str:
            await met.wait()
            return "seen"

        calls = [ToolCall("1", "on_loop"), ToolCall("2", "in_thread"), ToolCall("3", "in_thread")]
        with anyio.fail_after(TOO_LONG):
            results = await run_tools(by_name(in_thread, on_loop), calls)
        assert [result.text for result in results] == ["seen", "met", "met"]

    @pytest.mark.anyio
    async def test_one_failure_leaves_the_others_alone(self) -> None:
        """Each call has its own result, whatever becomes of the others; ids may even repeat."""
        failed = anyio.Event()

        async def fail() -> None:
            failed.set()
            raise ValueError("no")

        async def succeed() -> str:
            await failed.wait()
            await anyio.lowlevel.checkpoint()
            return "yes"

        calls = [ToolCall("same", "succeed"), ToolCall("same", "fail"), ToolCall("same", "nobody")]
        with anyio.fail_after(TOO_LONG):
            results = await run_tools(by_name(fail, succeed), calls)
        assert [result.is_error for result in results] == [False, True, True]

    @pytest.mark.anyio
    async def test_no_calls(self) -> None:
        """Nothing to do is done."""
        assert await run_tools({}, []) == ()


class StopEverything(BaseException):
    """Like KeyboardInterrupt, without stopping the test run."""


class TestEnding:
    @pytest.mark.anyio
    async def test_cancellation_cancels_all(self) -> None:
        """It is not swallowed, reaches every tool, and what had finished is kept."""
        waiting = [anyio.Event(), anyio.Event()]
        cancelled: list[int] = []
        finished: dict[int, ToolResult] = {}

        async def wait(number: int) -> None:
            waiting[number].set()
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.append(number)
                raise

        async def quick() -> str:
            return "done"

        calls = [
            ToolCall("0", "wait", {"number": 0}),
            ToolCall("1", "quick"),
            ToolCall("2", "wait", {"number": 1}),
        ]
        scope = anyio.CancelScope()
        with anyio.fail_after(TOO_LONG):
            async with anyio.create_task_group() as group:
                with scope:

                    async def cancel() -> None:
                        for event in waiting:
                            await event.wait()
                        scope.cancel()

                    group.start_soon(cancel)
                    await run_tools(by_name(wait, quick), calls, finished=finished)
                    pytest.fail("the cancellation was swallowed")
        assert scope.cancelled_caught
        assert sorted(cancelled) == [0, 1]
        assert finished == {1: ToolResult("1", "done")}

    @pytest.mark.anyio
    async def test_a_thread_is_waited_for_and_can_notice(self) -> None:
        """A sync tool is not abandoned: it ends at its next look, and only then is the run over."""
        started, ended = threading.Event(), threading.Event()

        def function() -> None:
            started.set()
            try:
                while True:
                    anyio.from_thread.check_cancelled()
            finally:
                ended.set()

        scope = anyio.CancelScope()
        with anyio.fail_after(TOO_LONG):
            async with anyio.create_task_group() as group:
                with scope:

                    async def cancel() -> None:
                        await anyio.to_thread.run_sync(started.wait)
                        scope.cancel()

                    group.start_soon(cancel)
                    await run_tools(by_name(function), [ToolCall("id", "function")])
                    pytest.fail("the cancellation was swallowed")
        assert scope.cancelled_caught
        assert ended.is_set()

    @pytest.mark.parametrize("where", ["on_loop", "in_thread"])
    @pytest.mark.anyio
    async def test_what_is_no_exception_passes_as_itself(self, where: str) -> None:
        """As KeyboardInterrupt would; the other tools end with it."""
        ended = anyio.Event()

        async def on_loop() -> None:
            raise StopEverything

        def in_thread() -> None:
            raise StopEverything

        async def other() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

        with anyio.fail_after(TOO_LONG), pytest.raises(StopEverything):
            await run_tools(by_name(on_loop, in_thread, other), [ToolCall("1", "other"), ToolCall("2", where)])
        assert ended.is_set()

    @pytest.mark.anyio
    async def test_several_that_are_no_exceptions(self) -> None:
        """Then there is no single one to raise."""
        both = [anyio.Event(), anyio.Event()]

        async def function(number: int) -> None:
            both[number].set()
            with anyio.CancelScope(shield=True):
                await both[1 - number].wait()
            raise StopEverything

        calls = [ToolCall(str(number), "function", {"number": number}) for number in range(2)]
        with anyio.fail_after(TOO_LONG), pytest.raises(BaseExceptionGroup) as caught:
            await run_tools(by_name(function), calls)
        assert [type(error) for error in caught.value.exceptions] == [StopEverything, StopEverything]

    @pytest.mark.anyio
    async def test_failures_beside_what_passes_are_logged(self, warnings: list[logging.LogRecord]) -> None:
        """What ends the run passes alone; an error that came with it goes to the log instead of nowhere."""

        async def function() -> None:
            raise BaseExceptionGroup("both", [ValueError("lost"), StopEverything()])

        with anyio.fail_after(TOO_LONG), pytest.raises(BaseExceptionGroup) as caught:
            await run_tools(by_name(function), [ToolCall("id", "function")])
        assert caught.value.subgroup(ValueError) is None
        assert caught.value.subgroup(StopEverything) is not None
        (record,) = warnings
        assert record.exc_info is not None
        assert "lost" in repr(record.exc_info[1])

    @pytest.mark.anyio
    async def test_groups_of_what_passes(self, warnings: list[logging.LogRecord]) -> None:
        """A group without errors in it passes as it is."""
        stop = StopEverything()

        async def function() -> None:
            raise BaseExceptionGroup("one", [stop])

        with anyio.fail_after(TOO_LONG), pytest.raises(BaseExceptionGroup) as caught:
            await run_tools(by_name(function), [ToolCall("id", "function")])
        assert (caught.value.message, caught.value.exceptions) == ("one", (stop,))
        assert warnings == []

    @pytest.mark.anyio
    async def test_an_error_while_cancelled_does_not_come_out(self, warnings: list[logging.LogRecord]) -> None:
        """A tool that fails in its clean-up is logged; the caller's scope ends as it should."""
        waiting = anyio.Event()

        async def fail_in_the_end() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                raise ValueError("clean-up failed")

        async def function() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(fail_in_the_end)
                waiting.set()
                await anyio.sleep_forever()

        scope = anyio.CancelScope()
        with anyio.fail_after(TOO_LONG):
            async with anyio.create_task_group() as group:
                with scope:

                    async def cancel() -> None:
                        await waiting.wait()
                        scope.cancel()

                    group.start_soon(cancel)
                    await run_tools(by_name(function), [ToolCall("id", "function")])
                    pytest.fail("the cancellation was swallowed")
        assert scope.cancelled_caught
        assert len(warnings) == 1


def test_asyncio_a_task_that_was_cancelled_elsewhere() -> None:
    """A tool that waits for a task that somebody cancelled has failed; the others go on, and each has a result."""

    async def main() -> tuple[ToolResult, ...]:
        go_on = asyncio.Event()

        async def function() -> None:
            task = asyncio.ensure_future(asyncio.Event().wait())
            asyncio.get_running_loop().call_soon(task.cancel)
            try:
                await task
            finally:
                asyncio.get_running_loop().call_soon(go_on.set)

        async def other() -> str:
            await go_on.wait()
            await anyio.lowlevel.checkpoint()
            return "fine"

        return await run_tools(by_name(function, other), [ToolCall("1", "function"), ToolCall("2", "other")])

    first, second = asyncio.run(main())
    assert (first.text, first.error_kind) == ("CancelledError", "exception")
    assert second == ToolResult("2", "fine")


def test_asyncio_cancelling_the_task() -> None:
    """The event loop's own way to cancel ends the tools and comes out as itself."""
    ended: list[bool] = []

    async def main() -> None:
        waiting = asyncio.Event()

        async def function() -> None:
            waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        task = asyncio.ensure_future(run_tools(by_name(function), [ToolCall("id", "function")]))
        await waiting.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert ended == [True]


def test_a_keyboard_interrupt() -> None:
    """It ends the program, on both loops, as if there were no tools."""

    async def function() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        await run_tools(by_name(function), [ToolCall("id", "function")])

    runners: tuple[Callable[[Callable[[], Coroutine[Any, Any, None]]], None], ...] = (
        lambda main: asyncio.run(main()),
        trio.run,
    )
    for runner in runners:
        with pytest.raises(KeyboardInterrupt):
            runner(main)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    arguments=st.dictionaries(st.sampled_from(["city", "unit", "days", "other"]) | st.text(max_size=5), _JSON),
    keywords=st.booleans(),
)
def test_any_arguments_give_a_result(arguments: dict[str, Any], keywords: bool) -> None:
    """Whatever a model sends, the run ends with a result: the function's, or one that tells the model."""

    def function(unit: Unit | str, city: City | None = None, days: int | list[date] = 1) -> Any:
        return {"unit": unit, "city": city, "days": days}

    def function_with_keywords(unit: Any, **more: float | dict[str, int]) -> Any:
        return {"unit": unit, **more}

    tools = by_name(function_with_keywords if keywords else function)
    (name,) = tools
    (result,) = anyio.run(run_tools, tools, [ToolCall("id", name, arguments)])
    assert result.id == "id"
    assert result.content
    if not result.is_error:
        assert "unit" in arguments


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_tool_that_ends_the_process_ends_it(loop: str) -> None:
    """`sys.exit` in a tool, a thread beside it: the process ends with its code and does not hang."""
    program = """
import sys, anyio, chatport
from chatport import ToolCall
from chatport.testing import ScriptedBackend

async def leave() -> str:
    sys.exit(3)

def wait() -> str:
    return "done"

async def main() -> None:
    backend = ScriptedBackend([ToolCall("1", "leave"), ToolCall("2", "wait")], "never")
    await anyio.to_thread.run_sync(str)
    await chatport.Session(backend, "m", tools=[leave, wait]).ask("go")

anyio.run(main, backend=sys.argv[1])
"""
    ran = subprocess.run([sys.executable, "-c", program, loop], capture_output=True, text=True, check=False, timeout=30)
    assert (ran.returncode, ran.stdout) == (3, ""), ran.stderr
