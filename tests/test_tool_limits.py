"""Tools within limits: how long a call may take, and how many run at once."""

import logging
import math
from collections.abc import Callable
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from tests.conversations import call, session

from chatport import Tool, ToolResult, tool

pytestmark = pytest.mark.anyio

_SHORT = 0.05  # seconds
_LONG = 5.0  # seconds until a test that hangs is broken off


async def _result(function: Any, **options: Any) -> ToolResult:
    chat, _ = session([call("1", "work", any=1)], "done", tools=[function], **options)
    with anyio.fail_after(_LONG):
        await chat.ask("go")
    (result,) = chat.messages[2].parts
    assert isinstance(result, ToolResult)
    return result


def _hanging(timeout: float | None = None) -> Callable[..., Any]:
    """Return a tool of its own that never ends."""

    @tool(name="work", timeout=timeout)
    async def hang(**_: Any) -> str:
        """Hang."""
        await anyio.sleep_forever()
        return "never"

    return hang


@pytest.mark.parametrize(
    ("offered", "options"),
    [
        (_hanging(_SHORT), {}),
        (_hanging(), {"tool_timeout": _SHORT}),
        (_hanging(_SHORT), {"tool_timeout": 60}),
        (Tool("work", function=_hanging(), timeout=_SHORT), {}),
    ],
    ids=["the tool's", "the session's", "the tool's before the session's", "by hand"],
)
async def test_a_tool_that_takes_too_long_is_stopped(
    offered: Any, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The model reads it, the program's kind is timeout, the log has a line."""
    result = await _result(offered, **options)
    assert (result.is_error, result.error_kind) == (True, "timeout")
    assert result.text == "work took longer than 0.05 seconds, and was stopped."
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_turn_says_how_long() -> None:
    """Its limit goes before the session's."""
    chat, _ = session([call("1", "work")], "done", tools=[_hanging()], tool_timeout=60)
    with anyio.fail_after(_LONG):
        await chat.ask("go", tool_timeout=_SHORT)
    (result,) = chat.messages[2].parts
    assert isinstance(result, ToolResult)
    assert result.error_kind == "timeout"


async def test_infinity_is_no_limit() -> None:
    """A tool may need longer than all the others."""
    chat, _ = session([call("1", "work")], tools=[_hanging(math.inf)], tool_timeout=_SHORT)
    with anyio.move_on_after(4 * _SHORT) as scope:
        await chat.ask("go")
    assert scope.cancelled_caught


async def test_the_others_go_on() -> None:
    """Only the call that takes too long has no other result."""

    @tool(timeout=_SHORT)
    async def slow() -> None:
        """Be slow."""
        await anyio.sleep_forever()

    async def quick() -> str:
        """Be quick."""
        return "done"

    calls = [call("1", "slow"), call("2", "quick")]
    for each in calls:
        each.arguments.clear()
    chat, _ = session(calls, "ok", tools=[slow, quick])
    with anyio.fail_after(_LONG):
        await chat.ask("go")
    first, second = (part for part in chat.messages[2].parts if isinstance(part, ToolResult))
    assert (first.error_kind, second) == ("timeout", ToolResult("2", "done"))


async def test_a_tools_own_timeout_is_its_failure() -> None:
    """A `TimeoutError` that it raises is told as any exception."""

    async def work(**_: Any) -> None:
        with anyio.fail_after(0):
            await anyio.sleep_forever()

    result = await _result(work, tool_timeout=_LONG)
    assert (result.text, result.error_kind) == ("TimeoutError", "exception")


async def test_a_thread_hears_of_its_limit() -> None:
    """`check_cancelled` raises; then the call took too long."""

    def work(**_: Any) -> str:
        while True:
            anyio.from_thread.run(anyio.lowlevel.checkpoint)
            anyio.from_thread.check_cancelled()

    result = await _result(work, tool_timeout=_SHORT)
    assert result.error_kind == "timeout"


async def test_what_a_thread_gives_back_late_is_its_result(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing could stop it, so what it did is done: the model has to know, or it would ask for it again."""
    over = anyio.Event()

    def work(**_: Any) -> str:
        anyio.from_thread.run(_wait_shielded, over)
        return "transferred"

    async def release() -> None:
        await anyio.sleep(3 * _SHORT)
        over.set()

    results: list[ToolResult] = []
    async with anyio.create_task_group() as group:
        group.start_soon(release)
        results.append(await _result(work, tool_timeout=_SHORT))
    assert [(result.text, result.is_error) for result in results] == [("transferred", False)]
    assert "nothing could stop it" in caplog.text


async def _wait_shielded(event: anyio.Event) -> None:
    with anyio.CancelScope(shield=True):
        await event.wait()


async def test_the_callers_cancellation_is_no_timeout() -> None:
    """It ends the turn."""
    chat, _ = session([call("1", "work")], tools=[_hanging(60)])
    with anyio.move_on_after(_SHORT) as scope:
        await chat.ask("go")
    assert scope.cancelled_caught
    assert chat.messages == ()


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2, 2), (None, 5)])
@pytest.mark.parametrize("place", ["session", "turn"])
async def test_so_many_tools_run_at_once(limit: int | None, most: int, place: str) -> None:
    """Never more, and as many as may; results in the order of the calls."""
    running, peak = 0, 0

    async def work(number: int) -> int:
        """Work."""
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await anyio.wait_all_tasks_blocked()
        running -= 1
        return number

    options = {"max_parallel_tools": limit}
    calls = [call(str(number), "work", number=number) for number in range(5)]
    chat, _ = session(calls, "done", tools=[work], **(options if place == "session" else {"max_parallel_tools": 3}))
    with anyio.fail_after(_LONG):
        if place == "session" or limit is None:
            await chat.ask("go")
        else:
            await chat.ask("go", max_parallel_tools=limit)
    assert peak == (3 if place == "turn" and limit is None else most)
    assert [part.id for part in chat.messages[2].parts if isinstance(part, ToolResult)] == [str(n) for n in range(5)]


@pytest.mark.parametrize("wrong", [0, -1, "5", True])
@pytest.mark.parametrize(
    "say",
    [
        lambda value: session(tool_timeout=value),
        lambda value: session(max_parallel_tools=value),
        _hanging,
        lambda value: Tool("work", timeout=value),
    ],
    ids=["tool_timeout", "max_parallel_tools", "@tool", "Tool"],
)
def test_limits_that_make_no_sense_are_refused(say: Callable[[Any], Any], wrong: Any) -> None:
    """Where they are given."""
    with pytest.raises((TypeError, ValueError), match=r"timeout|max_parallel_tools"):
        say(wrong)


def test_a_fraction_of_a_tool_is_refused() -> None:
    """Tools are whole."""
    with pytest.raises(TypeError, match="whole number"):
        session(max_parallel_tools=1.5)
