"""The backend of tests says what it is told to, and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

import chatport
from chatport import Message, Text, TextDelta, ToolCall
from chatport.backend import ChatRequest, MessageEnd, MessageStart
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("entry", "parts", "stop_reason"),
    [
        ("Hello.", (Text("Hello."),), "stop"),
        ([Text("a"), ToolCall("1", "x", {"y": 1})], (Text("a"), ToolCall("1", "x", {"y": 1})), "tool_calls"),
        ([], (), "stop"),
        (Message.assistant("whole"), (Text("whole"),), "stop"),
        (Answer("cut", "length"), (Text("cut"),), "length"),
        ([MessageStart("m"), TextDelta(0, "raw"), MessageEnd("other")], (Text("raw"),), "other"),
        (lambda request: Answer(request.model), (Text("m"),), "stop"),
        (lambda _: lambda _: "twice", (Text("twice"),), "stop"),
    ],
    ids=["str", "parts", "nothing", "message", "answer", "events", "function", "function of a function"],
)
async def test_an_entry_of_the_script_is_an_answer(entry: Any, parts: tuple[Any, ...], stop_reason: str) -> None:
    """In whatever form it is written."""
    reply = await chatport.Session(ScriptedBackend(entry), "m").ask("go")
    assert (reply.message.parts, reply.stop_reason) == (parts, stop_reason)


@pytest.mark.parametrize("text", ["one two", " one  two ", "\n", "", "a\nb\tc", "one"])
async def test_text_comes_word_by_word_and_whole(text: str) -> None:
    """The pieces are the text, each with a word in it, so that readers have something to join."""
    async with chatport.Session(ScriptedBackend(text), "m").stream("go") as stream:
        pieces = [piece async for piece in stream.text]
    assert "".join(pieces) == text == stream.reply.text
    assert len(pieces) >= len(text.split())


async def test_a_script_ends() -> None:
    """A question too many is the test's mistake, and says so."""
    chat = chatport.Session(ScriptedBackend("one"), "m")
    await chat.ask("go")
    for number in (2, 3):
        with pytest.raises(AssertionError, match=f"has 1 answers, and this is request {number}"):
            await chat.ask("go")


def test_threads_that_ask_at_once_get_an_answer_each() -> None:
    """One backend may serve several event loops; no answer is given twice, none is skipped."""
    barrier = threading.Barrier(2)

    class Together(list[ChatRequest]):
        def append(self, request: ChatRequest) -> None:
            super().append(request)
            barrier.wait(10)

    backend = ScriptedBackend("a", "b")
    backend.requests = Together()

    async def ask() -> str:
        return (await chatport.Session(backend, "m").ask("go")).text

    with ThreadPoolExecutor(2) as pool:
        said = {pool.submit(anyio.run, ask).result for _ in range(2)}
        assert {result(20) for result in said} == {"a", "b"}
