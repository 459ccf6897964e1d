"""Where tools run, and together with what."""

import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Coroutine
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from tests.tool_calls import CONTEXT, TOO_LONG, bad, by_name, good

from chatport._messages import ToolCall, ToolResult
from chatport._tool_runs import run_tools
from chatport._tools import tool


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
