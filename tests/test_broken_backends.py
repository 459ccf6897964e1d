"""Backends that break the rules are found out: the turn does not land, and the session can be used on."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest

import chatport
import chatport.backend
from chatport import Message, MessageEnd, MessageStart, TextDelta, ToolCall, ToolResult, Usage
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio

START = MessageStart("m")


class Backend:
    """A backend whose `stream` is whatever the test says."""

    name = "broken"

    def __init__(self, stream: Callable[[chatport.ChatRequest], Any]) -> None:
        self.stream: Any = stream

    async def aclose(self) -> None:
        pass


def session(*script: Any, **options: Any) -> chatport.Session:
    """Return a session on a scripted backend."""
    return chatport.Session(ScriptedBackend(*script), "m", **options)


make: Any = chatport.backend  # what a type checker would refuse is what this is about

GARBAGE: dict[str, list[Any]] = {
    "nothing": [START, None],
    "a str": [START, "hello"],
    "an event of the session": [START, chatport.ToolRunStart(ToolCall("1", "x"))],
    "text of None": [START, make.TextDelta(0, "so far"), make.TextDelta(0, None)],
    "bytes": [START, make.TextDelta(0, b"x")],
    "index of None": [START, make.TextDelta(None, "x")],
    "index of str": [START, make.TextDelta(0, "x"), make.PartEnd("1", chatport.Text("y"))],
    "reasoning of None": [START, make.ReasoningDelta(0, None)],
    "signature of bytes": [START, make.ReasoningDelta(0, "x", signature=b"x")],
    "redacted str": [START, make.ReasoningDelta(0, redacted="x")],
    "metadata of None": [START, make.ReasoningDelta(0, "x", None)],
    "citation of str": [START, make.CitationDelta(0, "x")],
    "part of str": [START, make.PartEnd(0, "x")],
    "id of None": [START, make.ToolCallStart(0, None, "x")],
    "name of None": [START, make.ToolCallStart(0, "1", None)],
    "call metadata of None": [START, make.ToolCallStart(0, "1", "x", "client", None)],
    "arguments as dict": [START, make.ToolCallStart(0, "1", "x"), make.ToolCallDelta(0, {})],
    "usage of None": [START, make.MessageEnd("stop", usage=None)],
    "stop reason": [START, make.TextDelta(0, "x"), make.MessageEnd("end_turn")],
}


@pytest.mark.parametrize("events", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_a_protocol_error_that_says_what_it_was(events: list[Any]) -> None:
    """It ends the turn where it comes, not where somebody looks at it; what was good before it is in `partial`."""

    async def stream(_request: chatport.ChatRequest) -> AsyncGenerator[Any, None]:
        for event in events:
            await anyio.lowlevel.checkpoint()
            yield event

    chat = chatport.Session(Backend(stream), "m")
    for _ in range(2):  # the session is free again
        with pytest.raises(chatport.ProtocolError, match=f"yielded {type(events[-1]).__name__} ") as caught:
            await chat.ask("go")
        assert caught.value.backend == "broken"
        assert caught.value.partial is not None
        assert caught.value.partial.messages[0] == Message.user("go")
    assert chat.messages == ()


async def _coroutine(_request: chatport.ChatRequest) -> list[Any]:
    return [START, MessageEnd("stop")]


class _NeverClosed:
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        raise StopAsyncIteration


@pytest.mark.parametrize(
    ("stream", "given"),
    [
        (_coroutine, "coroutine"),
        (lambda _: [START, MessageEnd("stop")], "list"),
        (lambda _: None, "NoneType"),
        (lambda _: _NeverClosed(), "_NeverClosed"),
    ],
    ids=["coroutine", "list", "None", "cannot be closed"],
)
async def test_a_stream_is_an_async_generator(stream: Callable[[chatport.ChatRequest], Any], given: str) -> None:
    """An `async def` that returns instead of yielding is soon written; the message says what is wrong with it."""
    with pytest.raises(chatport.ProtocolError, match=f"gave a {given}: it has to be an async generator"):
        await chatport.Session(Backend(stream), "m").ask("go")


async def test_every_error_of_a_turn_says_what_had_happened() -> None:
    """Also one that says nothing was sent: in the step before, tools have run."""

    def book(place: str) -> str:
        """Book."""
        return f"booked {place}"

    for error in (chatport.UnsupportedError("no"), chatport.ConfigurationError("where?"), chatport.ServiceError("x")):
        chat = session([ToolCall("1", "book", {"place": "Rome"})], error, tools=[book], retry=None)
        with pytest.raises(type(error)) as caught:
            await chat.ask("go")
        assert caught.value.partial is not None
        assert caught.value.partial.messages[-1] == Message("tool", (ToolResult("1", "booked Rome"),))
        assert chat.messages == ()


async def test_an_error_that_is_raised_again_tells_of_the_turn_it_ended() -> None:
    """A backend may keep an error, such as credentials that are missing; the turn it tells of is the caller's last."""
    error = chatport.AuthenticationError("no credentials")
    chat = session(error, error)
    for question in ("first", "second"):
        with pytest.raises(chatport.AuthenticationError) as caught:
            await chat.ask(question)
        assert caught.value.partial == chatport.Partial((Message.user(question),))


async def test_what_a_finished_message_has_cost_is_known_though_the_turn_does_not_land() -> None:
    """Left at `MessageEnd`, or failed right after it: the message is whole, and its figures are there."""
    chat = session(
        Answer("whole", usage=Usage(7, 3)),
        [START, TextDelta(0, "whole"), MessageEnd("stop", usage=Usage(7, 3)), TextDelta(0, "more")],
    )
    async with chat.stream("go") as stream:
        async for event in stream:
            if isinstance(event, MessageEnd):
                break
    with pytest.raises(chatport.ProtocolError) as caught:
        await chat.ask("go")
    whole = chatport.Partial((Message.user("go"), Message.assistant("whole")), Usage(7, 3))
    assert caught.value.partial == stream.partial == whole
    assert chat.messages == ()
    assert chat.usage == Usage(14, 6)
