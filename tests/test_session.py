"""A conversation: turns land whole or not at all, tools run, nothing is answered by halves."""

import gc
import weakref
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import (
    Image,
    Message,
    Settings,
    Text,
    TextDelta,
    Usage,
)
from chatport.backend import Adjustment, BackendEvent, ChatRequest, MessageEnd, MessageStart, PartEnd, events_from
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


async def test_ask_lands_the_turn_and_says_everything_about_it() -> None:
    """One question, one answer: the reply, the history and the sum agree."""
    usage = Usage(10, 5, total_tokens=15)
    chat, backend = session(Answer("I am a script.", usage=usage), system="Be brief.", settings=Settings(max_tokens=9))
    reply = await chat.ask("Who are you?")
    assert reply.text == "I am a script."
    assert (reply.stop_reason, reply.model, reply.usage, reply.attempts, reply.output) == (
        "stop",
        "model-1",
        usage,
        1,
        None,
    )
    assert reply.messages == chat.messages == (Message.user("Who are you?"), Message.assistant("I am a script."))
    assert reply.message == chat.messages[-1]
    assert (chat.usage.total_tokens, chat.usage.complete) == (15, True)
    assert reply.timing.first_event is not None
    assert reply.timing.total >= reply.timing.first_event
    (request,) = backend.requests
    assert request.system == (Text("Be brief."),)
    assert (request.settings.max_tokens, request.streaming, request.strict) == (9, False, False)
    assert isinstance(chat, chatport.ChatSession)


async def test_the_history_goes_along_and_content_may_be_mixed() -> None:
    """Strings, parts and sequences of them make one user message."""
    chat, backend = session("Hello.", "A cat.")
    await chat.ask("Hi")
    image = Image.from_bytes(PNG)
    await chat.ask("What is this?", image, ["Be", Text("brief")])
    assert backend.requests[1].messages == (
        Message.user("Hi"),
        Message.assistant("Hello."),
        Message("user", (Text("What is this?"), image, Text("Be"), Text("brief"))),
    )


async def test_settings_of_a_turn_lie_over_the_sessions() -> None:
    """Field by field; 0 is a value, and what nobody set is not there."""
    chat, backend = session("a", "b", settings=Settings(temperature=0.5, extra={"x": {"a": {"b": 1}}}))
    await chat.ask("1", settings=Settings(temperature=0, extra={"x": {"a": {"c": 2}}}))
    await chat.ask("2")
    first, second = (request.settings for request in backend.requests)
    assert (first.temperature, first.max_tokens) == (0, None)
    assert first.extra == {"x": {"a": {"b": 1, "c": 2}}}
    assert (second.temperature, second.extra) == (0.5, {"x": {"a": {"b": 1}}})


async def test_nothing_to_ask_is_an_error_unless_the_history_asks() -> None:
    """A history that ends with a user's message is a question already."""
    chat, _ = session("yes", messages=[Message.user("Are you there?")])
    reply = await chat.ask()
    assert (reply.text, len(reply.messages)) == ("yes", 1)
    with pytest.raises(ValueError, match="nothing to ask"):
        await chat.ask()


@pytest.mark.parametrize("error", [chatport.ServiceError("down"), RuntimeError("bug"), KeyError("x")], ids=repr)
async def test_after_any_exception_the_history_is_as_before(error: Exception) -> None:
    """Before the first word or after it, in the first step or a later one."""
    for script in ([error], [Answer("So far", error=error)], [[call()], error]):
        chat, _ = session("Hello.", *script, tools=[get_weather], retry=None)
        await chat.ask("Hi")
        before = chat.messages
        with pytest.raises(type(error)):
            await chat.ask("go")
        assert chat.messages == before
        with pytest.raises(AssertionError, match="the script has"):
            await chat.ask("the session is not busy any more")


async def test_an_error_of_the_exchange_carries_what_had_happened() -> None:
    """Completed steps with their results, then the unfinished message; usage says that it is not all."""
    error = chatport.StreamInterruptedError("cut")
    chat, _ = session(
        Answer([call()], usage=Usage(7, 3)), Answer("It is 2", error=error), "Go on.", tools=[get_weather]
    )
    with pytest.raises(chatport.StreamInterruptedError) as caught:
        await chat.ask("Weather?")
    partial = caught.value.partial
    assert partial is not None
    assert [message.role for message in partial.messages] == ["user", "assistant", "tool", "assistant"]
    assert (partial.text, partial.unfinished) == ("It is 2", True)
    assert (partial.usage.input_tokens, partial.usage.complete) == (7, False)
    assert (caught.value.backend, caught.value.model) == ("scripted", "model-1")
    assert (chat.usage.input_tokens, chat.usage.complete) == (7, False)
    chat.keep(partial)
    assert chat.messages == partial.messages
    assert (await chat.ask("go on")).text == "Go on."


async def test_one_session_holds_one_turn_at_a_time() -> None:
    """A second turn is an error, not a mixed-up history; afterwards the session is free again."""
    chat, _ = session("one", "two")
    async with chat.stream("first") as stream:
        with pytest.raises(chatport.BusyError):
            await chat.ask("second")
        with pytest.raises(chatport.BusyError):
            async with chat.stream("third"):
                pass
        with pytest.raises(chatport.BusyError):
            chat.keep(stream.partial)
        await stream.finish()
    assert (await chat.ask("second")).text == "two"


async def test_a_session_sends_only_inside_its_block() -> None:
    """History and usage stay readable after it."""
    with chatport.register_backend("scripted", lambda: ScriptedBackend("hi", "never")):
        async with chatport.open_session("scripted:m") as chat:
            await chat.ask("hi")
    with pytest.raises(chatport.StreamClosedError, match="closed"):
        await chat.ask("again")
    with pytest.raises(chatport.StreamClosedError, match="closed"):
        async with chat:
            pytest.fail("a block was entered in which nothing can be sent")
    assert len(chat.messages) == 2


async def test_open_session_owns_the_backend_and_session_borrows_it() -> None:
    """Who opens closes, and nobody else."""
    backend = ScriptedBackend("a", "b", "c")
    with chatport.register_backend("scripted", lambda: backend):
        async with chatport.open_backend("scripted") as opened:
            async with chatport.Session(opened, "m") as first:
                await first.ask("1")
            assert not backend.closed
            second = chatport.Session(opened, "n", messages=first.messages)
            await second.ask("2")
        assert backend.closed
    assert backend.requests[1].messages[:2] == first.messages


async def test_the_model_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`open_session(None)` reads CHATPORT_MODEL, and says so when it is not set."""
    with pytest.raises(chatport.ConfigurationError, match="CHATPORT_MODEL"):
        await chatport.ask(None, "hi")
    monkeypatch.setenv("CHATPORT_MODEL", "echo:any")
    assert (await chatport.ask(None, "hi")).text == "hi"


async def test_preview_says_what_would_be_sent_and_sends_nothing() -> None:
    """It passes through the backend; one without a preview says so."""
    chat, backend = session("never")
    preview = await chat.preview("hello")
    assert preview.request["messages"] == [{"role": "user", "text": "hello"}]
    assert (backend.requests, chat.messages) == ([], ())
    async with chatport.open_session("echo:any") as plain:
        with pytest.raises(chatport.UnsupportedError, match="no preview"):
            await plain.preview("hello")


async def test_adjustments_are_reported_once_and_lossless_ones_not() -> None:
    """A reader wants to know what was lost, not what was merged."""
    lossless = Adjustment("lossless", "merged", "messages[1]", "merged")
    dropped = Adjustment("dropped", "setting-dropped", "settings.top_k", "no such thing")

    def answer(request: ChatRequest) -> list[BackendEvent]:
        content = Message.assistant([call(str(len(request.messages)))] if len(request.messages) < 3 else "done")
        return list(events_from(content, model="m", adjustments=(lossless, dropped)))

    class Previewing(ScriptedBackend):
        async def preview(self, request: ChatRequest) -> chatport.Preview:
            return chatport.Preview({"model": request.model}, (lossless, dropped))

    chat = chatport.Session(Previewing(answer, answer), "m", tools=[get_weather])
    preview = await chat.preview("go")
    assert preview == chatport.Preview({"model": "m"}, (dropped,))
    async with chat.stream("go") as stream:
        starts = [event async for event in stream if isinstance(event, MessageStart)]
    assert [start.adjustments for start in starts] == [(dropped,)] * 2
    reply = stream.reply
    assert reply.adjustments == (dropped,)
    assert reply.steps[0].adjustments == reply.steps[1].adjustments == (dropped,)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"sytem": "x"}, {"messages": ["hi"]}, {"max_steps": 0}, {"system": 3}, {"tools": [3]}),
        {"settings": {"temperature": 1}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_wrong_options_are_found_when_the_session_is_made(wrong: dict[str, Any]) -> None:
    """A misspelt option must not be ignored in silence."""
    with pytest.raises((TypeError, ValueError)):
        session("x", **wrong)


async def test_a_history_may_come_from_anything_that_can_be_read_once() -> None:
    """Looked through first and taken then, it would be empty."""
    chat, _ = session("x", messages=(message for message in [Message.user("Hi"), Message.assistant("Hello.")]))
    assert [message.text for message in chat.messages] == ["Hi", "Hello."]


async def test_wrong_options_of_a_turn_are_found_before_anything_is_sent() -> None:
    """Also where typing is off."""
    chat, backend = session("x")
    options: dict[str, Any] = {"temprature": 1}
    with pytest.raises(TypeError, match=r"temprature.*settings"):
        await chat.ask("hi", **options)
    with pytest.raises(TypeError, match="a Settings, not a dict"):
        await chat.ask("hi", settings={"temperature": 1})  # type: ignore[call-overload]  # the mistake itself
    with pytest.raises(TypeError, match="int"):
        await chat.ask(3)  # type: ignore[call-overload]  # the mistake itself
    assert backend.requests == []


async def test_a_backend_that_goes_on_after_its_end_is_found_out() -> None:
    """Exactly one start and one end per step: the rest is a broken backend, and the turn does not land."""
    events = [MessageStart("m"), TextDelta(0, "a"), MessageEnd("stop"), TextDelta(0, "b")]
    chat, _ = session(events)
    with pytest.raises(chatport.ProtocolError, match="after MessageEnd"):
        await chat.ask("go")
    assert chat.messages == ()


async def test_a_backend_that_ends_without_its_end_is_an_interrupted_stream() -> None:
    """A cut connection never passes for a short answer."""
    chat, _ = session([MessageStart("m"), TextDelta(0, "so far")])
    with pytest.raises(chatport.StreamInterruptedError) as caught:
        await chat.ask("go")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "so far"


async def test_whole_text_parts_are_text_too() -> None:
    """A backend may give a text part whole; text readers see it, once."""
    events = [MessageStart("m"), PartEnd(0, Text("whole")), TextDelta(1, " and"), MessageEnd("stop")]
    chat, _ = session(events)
    async with chat.stream("go") as stream:
        assert [text async for text in stream.text] == ["whole", " and"]
    assert stream.reply.text == "whole and"


async def test_the_generators_of_a_backend_are_closed_by_the_turn() -> None:
    """Left early or failed: the backend's `finally` runs before the block is left."""
    closed: list[str] = []

    class Noting(ScriptedBackend):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
            try:
                yield MessageStart("m")
                yield TextDelta(0, "a")
                yield TextDelta(0, "b")
                yield MessageEnd("stop")
            finally:
                closed.append("closed")

    chat = chatport.Session(Noting(), "m")
    async with chat.stream("go") as stream:
        async for _ in stream.text:
            break
    assert closed == ["closed"]
    assert chat.messages == ()


async def test_a_turn_that_has_landed_is_not_kept_again() -> None:
    """`partial` is there after the end too; kept then, the turn would stand in the history twice."""
    chat, _ = session("one")
    async with chat.stream("go") as stream:
        await stream.finish()
    before = chat.messages
    with pytest.raises(ValueError, match="already"):
        chat.keep(stream.partial)
    assert chat.messages == before


async def test_a_turn_leaves_nothing_for_the_garbage_collector() -> None:
    """What a turn held, images in its request included, goes when the turn goes."""

    class Held(dict[str, Any]):
        """Something in a request that can be watched."""

    async def ask(extra: Held) -> None:
        async with chatport.open_session("echo:any") as chat:
            await chat.ask("go", settings=Settings(extra={"echo": extra}))

    async def stream(extra: Held) -> None:
        chat = chatport.Session(ScriptedBackend("ok"), "m", settings=Settings(extra={"echo": extra}))
        async with chat.stream("go") as events:
            await events.finish()

    gc.collect()
    gc.disable()
    try:
        for turn in (ask, stream):
            held = Held()
            reference = weakref.ref(held)
            await turn(held)
            del held
            assert reference() is None, turn.__name__
    finally:
        gc.enable()
