"""Calls of a stored session that somebody has claimed."""

from collections.abc import Sequence
from typing import Any

import anyio
from tests.conversations import TWO, get_weather
from tests.stores.support import stored

import chatport
from chatport import Claim, Pause, SessionStore, ToolCall, tool


async def wait(_: ToolCall) -> Pause:
    """Somebody has to be asked first."""
    return Pause()


async def pause(store: SessionStore, calls: Sequence[ToolCall] = TWO) -> None:
    """Leave calls that wait."""
    async with stored(store, list(calls), tools=[get_weather]) as session:
        await session.ask("Hi", approve=wait)


async def claim_of(store: SessionStore) -> Claim | None:
    """Return the claim that is stored."""
    return (await load(store)).claim


def noted(ran: list[str], *, begun: anyio.Event | None = None, may_end: anyio.Event | None = None) -> Any:
    """Return a weather tool that notes its runs."""

    async def run(location: str) -> str:
        ran.append(location)
        if begun is not None and may_end is not None:
            begun.set()
            await may_end.wait()
        return f"sunny in {location}"

    return tool(name="get_weather", description="Weather.")(run)


async def load(store: SessionStore) -> chatport.StoredSession:
    """Return what is stored."""
    found = await store.load("a")
    assert found is not None
    return found
