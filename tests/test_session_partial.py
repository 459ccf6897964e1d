"""What a session has of a turn that an exception of the caller's own, or a cancellation, has ended."""

import anyio
import pytest
from tests.conversations import PARIS, ROME, TWO, call, get_weather, session

import chatport
from chatport import (
    Allow,
    Decision,
    Message,
    ToolCall,
    ToolResult,
)

pytestmark = pytest.mark.anyio


async def test_an_exception_of_the_callers_own_leaves_what_had_happened() -> None:
    """It comes out as it is, and has no place for it: the session has, tools that ran included."""
    failure = LookupError("the window")
    asked = 0

    async def approve(_: ToolCall) -> Decision:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise failure
        return Allow()

    chat, _ = session(TWO, TWO, "ok", tools=[get_weather], approve=approve)
    before = chat.partial
    assert before is None
    with pytest.raises(LookupError) as caught:
        await chat.ask("go")
    assert caught.value is failure
    assert not hasattr(failure, "partial")
    assert chat.messages == ()
    partial = chat.partial
    assert partial is not None
    assert [message.role for message in partial.messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert partial.messages[2].parts == (PARIS, ROME)
    with pytest.raises(ValueError, match="give some content"):
        await chat.ask()  # no turn has begun
    assert chat.partial is partial
    chat.keep(partial)
    assert (await chat.ask("go on")).text == "ok"
    assert chat.partial is None


async def test_a_window_that_fails_leaves_what_had_happened() -> None:
    """After the first step, whose tools have run."""

    def window(messages: tuple[Message, ...]) -> chatport.Revision:
        if len(messages) > 1:
            raise LookupError
        return chatport.Revision(messages, ())

    chat, _ = session(TWO, tools=[get_weather], window=window)
    with pytest.raises(LookupError):
        await chat.ask("go")
    assert chat.partial is not None
    assert chat.partial.messages[-1].parts == (PARIS, ROME)


async def test_a_turn_that_was_cancelled_leaves_what_had_happened() -> None:
    """`ask` gives nobody a stream to look at."""
    begun = anyio.Event()

    @chatport.tool
    async def wait() -> None:
        begun.set()
        await anyio.sleep_forever()

    chat, _ = session([call("1"), ToolCall("2", "wait", {})], tools=[get_weather, wait])
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(chat.ask, "go")
            await begun.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert chat.partial is not None
    ran, interrupted = chat.partial.messages[-1].parts
    assert ran == PARIS
    assert isinstance(interrupted, ToolResult)
    assert interrupted.error_kind == "interrupted"
