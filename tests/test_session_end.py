"""The end of a session's block while a stream is open: nothing of it lands any more, and nothing is left running."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.conversations import TWO, get_weather

from chatport import (
    BusyError,
    Event,
    Message,
    Partial,
    ReplyEnd,
    ReplyStream,
    Session,
    SessionOptions,
    StreamClosedError,
    ToolRunEnd,
    Usage,
)
from chatport.backend import BackendEvent, ChatRequest
from chatport.testing import Answer, MemoryStore, ScriptedBackend

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("is_stored", [False, True], ids=["memory", "stored"])]


class Watched(ScriptedBackend):
    """A scripted backend whose answers wait where they are told to, and that knows which are open."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self.open = 0
        self.holds: anyio.Event | None = None
        self.waits = anyio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        self.open += 1
        events = super().stream(request)
        try:
            async for event in events:
                yield event
                if self.holds is not None:
                    self.waits.set()
                    await self.holds.wait()
        finally:
            await events.aclose()
            self.open -= 1


def session(backend: ScriptedBackend, is_stored: bool, **options: Any) -> tuple[Session, MemoryStore]:
    """Return a session that may have a store, and the store."""
    store = MemoryStore()
    place: SessionOptions = {"store": store, "id": "a"} if is_stored else {}
    return Session(backend, "m", **place, **options), store


async def _finish(stream: ReplyStream[Any]) -> object:
    return await stream.finish()


async def _next_event(stream: ReplyStream[Any]) -> Event:
    return await anext(stream)


async def _next_text(stream: ReplyStream[Any]) -> str:
    return await anext(stream.text)


READERS: list[Callable[[ReplyStream[Any]], Awaitable[object]]] = [_finish, _next_event, _next_text]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("begun", [0, 2])
async def test_an_open_stream_ends_with_its_session(
    is_stored: bool, read: Callable[[ReplyStream[Any]], Awaitable[object]], begun: int
) -> None:
    """Its backend is told, the turn lands nowhere, and who reads on is told why; what has come is in `partial`."""
    backend = Watched(Answer("Once upon a time.", usage=Usage(1, 1, total_tokens=2)), "Never.")
    chat, store = session(backend, is_stored)
    async with chat:
        stream = chat.stream("A story.")
        await stream.__aenter__()
        for _ in range(begun):
            await (_next_text(stream) if read is _next_text else _next_event(stream))
    assert backend.open == 0
    with pytest.raises(StreamClosedError, match="the block of the session has ended, and its stream with it"):
        await read(stream)
    with pytest.raises(StreamClosedError, match="has not been read to its end"):
        _ = stream.reply
    await stream.__aexit__(None, None, None)
    assert (chat.messages, await store.load("a")) == ((), None)
    assert stream.partial.messages[0] == Message.user("A story.")
    assert chat.partial == stream.partial
    with pytest.raises(StreamClosedError, match="the session is closed"):
        await chat.ask("And?")
    late = chat.stream("And?")
    with pytest.raises(StreamClosedError, match="the session is closed"):
        await late.__aenter__()
    assert len(backend.requests) == 1


async def test_tools_that_ran_are_in_the_partial_turn(is_stored: bool) -> None:
    """The stream is left in the second step; nothing lands, and nothing is lost that had an effect."""
    backend = Watched(TWO, "Sunny.")
    chat, store = session(backend, is_stored, tools=[get_weather])
    async with chat:
        stream = chat.stream("How is it?")
        await stream.__aenter__()
        while not isinstance(await anext(stream), ToolRunEnd):
            pass
    assert (chat.messages, backend.open) == ((), 0)
    assert [message.role for message in stream.partial.messages] == ["user", "assistant", "tool"]
    found = await store.load("a")
    assert found is None or not found.messages


async def test_a_stream_that_was_read_to_its_end_has_landed(is_stored: bool) -> None:
    """Its block may end later: the reply stays, and iterating ends as it does."""
    chat, store = session(Watched("Hello."), is_stored)
    async with chat:
        stream = chat.stream("Hi")
        await stream.__aenter__()
        async for event in stream:
            if isinstance(event, ReplyEnd):
                break
    assert [event async for event in stream] == []
    assert (await stream.finish()).text == stream.reply.text == "Hello."
    await stream.__aexit__(None, None, None)
    assert [message.text for message in chat.messages] == ["Hi", "Hello."]
    if is_stored:
        found = await store.load("a")
        assert found is not None
        assert found.messages == chat.messages


async def test_a_stream_that_has_failed_ends_too(is_stored: bool) -> None:
    """What it raised was raised; what it has cost is in the sum."""
    backend = Watched(Answer("Half", error=LookupError()))
    chat, _ = session(backend, is_stored)
    async with chat:
        stream = chat.stream("Hi")
        await stream.__aenter__()
        with pytest.raises(LookupError):
            await stream.finish()
    assert backend.open == 0
    with pytest.raises(StreamClosedError, match="the stream has failed"):
        await stream.finish()
    assert chat.partial is not None


@pytest.mark.parametrize("where", ["entering", "reading", "asking"])
async def test_another_task_that_is_in_the_middle_of_it_is_told(is_stored: bool, where: str) -> None:
    """Only it can close what it waits for: the block says so, and the turn lands nowhere when it goes on."""
    backend = Watched("Once upon a time.")
    holds = backend.holds = anyio.Event()
    chat, store = session(backend, is_stored)
    refused: list[str] = []

    async def use() -> None:
        with pytest.raises(StreamClosedError, match="the block of the session has ended"):
            if where == "asking":
                await chat.ask("Hi")
            else:
                async with chat.stream("Hi") as stream:
                    await stream.finish()
        refused.append(where)

    async with anyio.create_task_group() as tasks:
        with pytest.raises(BusyError, match="while another task is in the middle of its turn"):
            async with chat:
                if where == "reading":
                    backend.holds = None
                    tasks.start_soon(use)
                    while not backend.requests:
                        await anyio.lowlevel.checkpoint()
                    backend.holds = holds
                else:
                    tasks.start_soon(use)
                with anyio.fail_after(5):
                    await backend.waits.wait()
        holds.set()
    assert (refused, backend.open) == ([where], 0)
    assert (chat.messages, await store.load("a")) == ((), None)
    assert chat.partial is not None


async def test_an_error_goes_before_the_hint_that_a_task_still_reads(
    is_stored: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What is raised already comes out as it is, and the hint is logged."""
    backend = Watched("Hello.")
    backend.holds = anyio.Event()
    chat, _ = session(backend, is_stored)

    async def use() -> None:
        with pytest.raises(StreamClosedError):
            await chat.ask("Hi")

    async with anyio.create_task_group() as tasks:
        with pytest.raises(LookupError):
            async with chat:
                tasks.start_soon(use)
                await backend.waits.wait()
                raise LookupError
        backend.holds.set()
    assert "another task is in the middle of its turn" in caplog.text


async def test_a_connection_that_cannot_be_closed_costs_nothing_of_what_was_kept(is_stored: bool) -> None:
    """What ends the session's stream fails: that comes out, and what was kept is in the store before it does."""

    class Clinging(ScriptedBackend):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
            async with aclosing(super().stream(request)) as events:
                try:
                    async for event in events:
                        yield event
                except GeneratorExit:
                    raise OSError("it clings") from None

    chat, store = session(Clinging("Hello.", "Once upon a time."), is_stored)
    with pytest.raises(OSError, match="it clings"):
        async with chat:
            await chat.ask("Hi")
            chat.keep(Partial((Message.user("Kept"), Message.assistant("too."))))
            stream = chat.stream("A story.")
            await stream.__aenter__()
    assert [message.text for message in chat.messages] == ["Hi", "Hello.", "Kept", "too."]
    found = await store.load("a")
    assert (found.messages if found else None) == (chat.messages if is_stored else None)
