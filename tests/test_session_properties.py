"""However turns end, a session keeps what it promises: whole turns, a valid history, nothing left open."""

import warnings
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatport
from chatport import Message, Reasoning, Text, ToolCall, ToolResult
from chatport._content import pending_calls
from chatport.backend import BackendEvent, ChatRequest, events_from
from chatport.testing import Answer, ScriptedBackend

ENDS = ["read", "text", "finish", "break", "raise", "cancel"]
ERRORS = [chatport.StreamInterruptedError("cut"), chatport.UnsupportedError("no"), RuntimeError("bug")]


class Counting(ScriptedBackend):
    """Counts the streams that were opened and those that were closed, and takes its time for both."""

    streams_opened = 0
    streams_closed = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        self.streams_opened += 1
        try:
            async with aclosing(super().stream(request)) as events:
                async for event in events:
                    yield event
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            self.streams_closed += 1


async def work(times: int = 1) -> str:
    """Take some time."""
    for _ in range(times):
        await anyio.lowlevel.checkpoint()
    return "done"


def in_thread() -> str:
    """Run somewhere else."""
    return "done"


def fail() -> str:
    """Fail."""
    raise LookupError


@st.composite
def parts(draw: st.DrawFn) -> list[Any]:
    """What a model may say."""
    text = st.sampled_from(["", "hello there", "a b c"]).map(Text)
    thoughts = st.builds(Reasoning, st.just("hm"), st.sampled_from([None, "signed"]))
    names = st.sampled_from(["work", "in_thread", "fail", "unknown"])
    arguments = st.sampled_from([{}, {"times": 3}, {"wrong": 1}])
    calls = st.builds(ToolCall, st.uuids().map(str), names, arguments)
    served = st.builds(ToolCall, st.uuids().map(str), st.just("search"), executed_by=st.just("server"))
    return draw(st.lists(text | thoughts | calls | served, max_size=3))


@st.composite
def answers(draw: st.DrawFn) -> Any:
    """An answer: whole, cut by the service, broken off by an error, ended too early, or refused."""
    said = draw(parts())
    match draw(st.sampled_from(["whole", "whole", "whole", "length", "error", "short", "refused"])):
        case "length":
            return Answer(said, "length")
        case "error":
            return Answer(said, error=draw(st.sampled_from(ERRORS)))
        case "short":
            events = list(events_from(Message("assistant", tuple(said)), model="m"))
            return events[: draw(st.integers(1, len(events)))]
        case "refused":
            return draw(st.sampled_from(ERRORS))
        case _:
            return said


async def take_turn(chat: chatport.Session, end: str, after: int, *, run_tools: bool) -> chatport.Partial:
    """Take one turn, end it after some events in some way, and return what had happened."""
    results = [ToolResult(call.id, "by hand") for call in pending_calls(chat.messages)]
    stream = chat.stream(*results, "go", run_tools=run_tools)
    with suppress(chatport.ChatError, RuntimeError, KeyError), anyio.CancelScope() as scope:
        async with stream:
            if end == "text":
                assert all([text async for text in stream.text])
            elif end == "finish":
                await stream.finish()
            else:
                async for _ in stream:
                    after -= 1
                    if after == 0 and end == "break":
                        break
                    if after == 0 and end == "raise":
                        raise KeyError
                    if after == 0 and end == "cancel":
                        scope.cancel()
    return stream.partial


def check_history(messages: tuple[Message, ...]) -> None:
    """Each message says something or is a model's, and each call of ours has its result right behind it."""
    for message, following in pairwise(messages):
        assert message.parts or message.role == "assistant"
        answered = [part.id for part in following.parts if isinstance(part, ToolResult)]
        assert answered == [call.id for call in message.tool_calls]
    assert chatport.validate_messages(messages, allow_pending=True) == ()
    assert chatport.load_messages(chatport.dump_messages(messages)) == messages


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@given(data=st.data())
def test_however_turns_end(loop: str, data: st.DataObject) -> None:
    """The history grows by whole turns or by what is kept, what was opened is closed, and one can always go on."""
    script = data.draw(st.lists(answers(), max_size=6))
    turns = data.draw(st.lists(st.tuples(st.sampled_from(ENDS), st.integers(1, 12), st.booleans()), max_size=4))
    backend = Counting(*script, *["fine"] * 5)
    chat = chatport.Session(backend, "m", tools=[work, in_thread, fail], max_steps=data.draw(st.integers(1, 4)))

    async def talk() -> None:
        for end, after, run_tools in turns:
            before = chat.messages
            partial = await take_turn(chat, end, after, run_tools=run_tools)
            assert backend.streams_opened == backend.streams_closed == len(backend.requests)
            if chat.messages == before:
                chat.keep(partial)
                assert pending_calls(chat.messages) == ()
            else:
                assert chat.messages == before + partial.messages
            check_history(chat.messages)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anyio.run(talk, backend=loop)
