"""Whatever closes is closed to its end or to the end of patience, and what went wrong first is what is raised."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import pytest

import chatport
from chatport._closing import close_in_time
from chatport.backend import BackendEvent, ChatRequest, MessageStart, TextDelta

pytestmark = pytest.mark.anyio


class Leaving:
    """A backend that does something of its own when its stream, or itself, is closed."""

    name = "leaving"

    def __init__(self, leave: Callable[[], Awaitable[object]]) -> None:
        self.leave = leave

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        try:
            yield MessageStart(request.model)
            yield TextDelta(0, "one")
            yield TextDelta(0, "two")
        finally:
            await self.leave()

    async def aclose(self) -> None:
        await self.leave()


async def fail() -> None:
    """Fail as a socket does."""
    message = "reset by peer"
    raise OSError(message)


async def leave_stream(leave: Callable[[], Awaitable[object]], body: Callable[[], Awaitable[object]]) -> None:
    """Do something inside the block of a stream, and leave it."""
    session = chatport.Session(Leaving(leave), "m")
    try:
        async with session.stream("go") as stream:
            await anext(stream)
            await anext(stream)
            await body()
    finally:
        assert session.messages == ()
        session.keep(chatport.Partial())  # it is not busy any more


async def leave_backend(leave: Callable[[], Awaitable[object]], body: Callable[[], Awaitable[object]]) -> None:
    """Do something inside the block of a backend, and leave it."""
    with chatport.register_backend("leaving", lambda: Leaving(leave)):
        async with chatport.open_backend("leaving"):
            await body()


async def leave_nothing(leave: Callable[[], Awaitable[object]], body: Callable[[], Awaitable[object]]) -> None:
    """The same without a block."""
    try:
        await body()
    except BaseException as error:
        await close_in_time(leave, "the backend 'leaving'", error)
        raise
    await close_in_time(leave, "the backend 'leaving'", None)


each_block = pytest.mark.parametrize("leave_block", [leave_stream, leave_backend, leave_nothing])


@each_block
async def test_closing_is_bounded(
    leave_block: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What hangs while it closes holds nobody for ever, and is said."""
    monkeypatch.setattr("chatport._closing.CLOSE_SECONDS", 0.01)
    with anyio.fail_after(5):
        await leave_block(anyio.sleep_forever, anyio.lowlevel.checkpoint)
    assert "'leaving' did not close within 0.01 seconds" in caplog.text


@each_block
async def test_closing_goes_on_in_a_task_that_is_cancelled(leave_block: Any) -> None:
    """Or the service would go on writing to nobody."""
    closed: list[bool] = []

    async def leave() -> None:
        await anyio.lowlevel.checkpoint()
        closed.append(True)

    async def cancel() -> None:
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        await leave_block(leave, cancel)
    assert (scope.cancelled_caught, closed) == (True, [True])


@each_block
async def test_an_error_is_not_hidden_by_what_goes_wrong_while_closing(
    leave_block: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller's handler is for the error that came first; the other one is logged."""

    async def body() -> None:
        message = "mine"
        raise LookupError(message)

    with pytest.raises(LookupError, match="mine"):
        await leave_block(fail, body)
    assert "'leaving' could not be closed" in caplog.text
    assert "reset by peer" in caplog.text


@each_block
async def test_a_cancellation_does_not_become_what_goes_wrong_while_closing(leave_block: Any) -> None:
    """A time limit stays a time limit."""
    with anyio.move_on_after(0.01) as scope:
        await leave_block(fail, anyio.sleep_forever)
    assert scope.cancelled_caught


@each_block
async def test_where_nothing_else_is_wrong_the_failure_to_close_is_raised(leave_block: Any) -> None:
    """It is nobody's veil then, and nothing is passed over in silence."""
    with pytest.raises(OSError, match="reset by peer"):
        await leave_block(fail, anyio.lowlevel.checkpoint)
