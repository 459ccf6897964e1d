"""How tools end that do not return: cancelled, interrupted, with the process."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import date
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from tests.tool_calls import TOO_LONG, City, Unit, by_name, log_records

from chatport._messages import ToolCall, ToolResult
from chatport._tool_runs import run_tools


@pytest.fixture
def warnings() -> Iterator[list[logging.LogRecord]]:
    """What is logged for developers, from DEBUG upwards."""
    with log_records() as records:
        yield records


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

        calls = [ToolCall("0", "wait", {"number": 0}), ToolCall("1", "quick"), ToolCall("2", "wait", {"number": 1})]
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
