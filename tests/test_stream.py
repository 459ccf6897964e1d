"""Reading a turn as it happens: text or events, early leaving, late reading, what is left."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

import chatport
from chatport import Message, PartEnd, Reasoning, ReplyEnd, Text, TextDelta, ToolCall
from chatport.backend import (
    BackendEvent,
    ChatRequest,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ToolCallDelta,
    ToolCallStart,
)
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio


def session(*script: Any, **options: Any) -> chatport.Session:
    """Return a session on a scripted backend."""
    return chatport.Session(ScriptedBackend(*script), "m", **options)


async def test_text_comes_in_pieces_and_the_reply_afterwards() -> None:
    """The pieces join to the reply's text; the turn has landed by then."""
    chat = session("Once upon a time.")
    async with chat.stream("Tell me a story.") as stream:
        pieces = [text async for text in stream.text]
    assert pieces == ["Once", " upon", " a", " time."]
    assert stream.reply.text == "Once upon a time."
    assert chat.messages == stream.reply.messages
    assert stream.partial.messages == stream.reply.messages


async def test_events_come_typed_and_in_order() -> None:
    """Each streamed part ends once; the reply comes last and is the stream's reply."""
    chat = session([Reasoning("Hm", "sig"), Text("Hello.")])
    async with chat.stream("Hi") as stream:
        events = [event async for event in stream]
    assert [type(event).__name__ for event in events] == [
        *("MessageStart", "ReasoningDelta", "TextDelta", "PartEnd", "PartEnd", "MessageEnd", "ReplyEnd")
    ]
    assert [event.part for event in events if isinstance(event, PartEnd)] == [Reasoning("Hm", "sig"), Text("Hello.")]
    last = events[-1]
    assert isinstance(last, ReplyEnd)
    assert last.reply is stream.reply
    match events[2]:
        case TextDelta(index, text):
            assert (index, text) == (1, "Hello.")
        case _:
            pytest.fail("the third event is not the text")


async def test_finish_reads_what_is_left() -> None:
    """From the start, from the middle, and again at the end."""
    chat = session("one two three", "one two three")
    async with chat.stream("go") as stream:
        assert (await stream.finish()).text == "one two three"
        assert await stream.finish() is stream.reply
    async with chat.stream("go") as stream:
        async for _ in stream.text:
            break
        assert (await stream.finish()).text == "one two three"
    assert len(chat.messages) == 4


async def test_text_and_events_are_not_read_from_one_stream() -> None:
    """Each would miss what the other took."""
    chat = session("one two", "one two")
    async with chat.stream("go") as stream:
        assert await stream.text.__anext__() == "one"
        with pytest.raises(chatport.StreamClosedError, match="not both"):
            await stream.__anext__()
        assert [text async for text in stream.text] == [" two"]
    async with chat.stream("go") as stream:
        async for _ in stream:
            break
        with pytest.raises(chatport.StreamClosedError, match="not both"):
            async for _ in stream.text:
                pass


async def test_a_stream_is_read_inside_its_block() -> None:
    """Too early, too late, twice: an error that says which."""
    chat = session("one two", "three")
    stream = chat.stream("go")
    assert stream.partial == chatport.Partial()
    with pytest.raises(chatport.StreamClosedError, match="not open yet"):
        await stream.__anext__()
    with pytest.raises(chatport.StreamClosedError, match="not open yet"):
        await stream.finish()
    async with stream:
        with pytest.raises(chatport.StreamClosedError, match="read to its end"):
            _ = stream.reply
    with pytest.raises(chatport.StreamClosedError, match="is closed"):
        await stream.__anext__()
    with pytest.raises(chatport.StreamClosedError, match="entered once"):
        async with stream:
            pass
    assert chat.messages == ()


async def test_after_the_end_a_stream_is_simply_over() -> None:
    """Iterating again gives nothing, and no error, while the block is open."""
    chat = session("one")
    async with chat.stream("go") as stream:
        assert [text async for text in stream.text] == ["one"]
        assert [text async for text in stream.text] == []
    with pytest.raises(chatport.StreamClosedError, match="is closed"):
        await stream.text.__anext__()


async def test_nothing_is_sent_before_the_block_is_entered() -> None:
    """Making a stream costs nothing, and one never entered leaves nothing behind."""
    backend = ScriptedBackend("one")
    chat = chatport.Session(backend, "m")
    chat.stream("never entered")
    assert backend.requests == []
    assert (await chat.ask("go")).text == "one"


async def test_what_the_service_refuses_leaves_the_entering() -> None:
    """Request errors are raised where the request is made, and the session is free again."""
    chat = session(chatport.RateLimitError("slow down", retry_after=2.0), "ok", retry=None)
    with pytest.raises(chatport.RateLimitError) as caught:
        async with chat.stream("go"):
            pytest.fail("the block was entered")
    assert caught.value.partial is not None
    assert caught.value.partial.messages == (Message.user("go"),)
    assert (await chat.ask("go")).text == "ok"


@pytest.mark.parametrize("way", ["break", "exception", "unread", "cancel"])
async def test_left_early_the_turn_does_not_land(way: str) -> None:
    """However the block is left: history as before, `partial` holds what came, the session is free."""
    chat = session("one two three", "ok")
    stream = chat.stream("go")

    async def read() -> None:
        async with stream:
            if way == "unread":
                return
            async for _ in stream.text:
                if way == "exception":
                    raise LookupError
                if way == "cancel":
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()
                break

    with anyio.CancelScope() as scope:
        if way == "exception":
            with pytest.raises(LookupError):
                await read()
        else:
            await read()
    assert scope.cancelled_caught == (way == "cancel")
    assert chat.messages == ()
    expected = () if way == "unread" else (Message.assistant("one"),)
    assert stream.partial.messages == (Message.user("go"), *expected)
    assert not chat.usage.complete
    assert (await chat.ask("go")).text == "ok"


async def test_a_stream_that_failed_does_not_end_as_if_all_were_well() -> None:
    """Who swallows the error and reads on gets another error, not a short answer."""
    chat = session(Answer("one two", error=chatport.ServiceError("down")))
    async with chat.stream("go") as stream:
        with pytest.raises(chatport.ServiceError) as caught:
            async for _ in stream.text:
                pass
        with pytest.raises(chatport.StreamClosedError, match="failed"):
            async for _ in stream.text:
                pass
        with pytest.raises(chatport.StreamClosedError, match="failed"):
            await stream.finish()
    assert caught.value.partial == stream.partial
    assert stream.partial.text == "one two"


async def test_keep_lands_an_interrupted_turn_as_a_valid_one() -> None:
    """Unsigned reasoning and empty text go, signed reasoning stays, half a call is closed as interrupted."""
    events = [
        MessageStart("m"),
        ReasoningDelta(0, "unsigned"),
        ReasoningDelta(1, "signed", {}, "sig"),
        TextDelta(2, ""),
        TextDelta(3, "Let me look."),
        ToolCallStart(4, "1", "get_weather"),
        ToolCallDelta(4, '{"loc'),
    ]
    chat = session(events, "On we go.")
    with pytest.raises(chatport.StreamInterruptedError) as caught:
        await chat.ask("go")
    partial = caught.value.partial
    assert partial is not None
    chat.keep(partial)
    user, assistant, tool = chat.messages
    assert user == Message.user("go")
    assert assistant.parts == (
        Reasoning("signed", "sig"),
        Text("Let me look."),
        ToolCall("1", "get_weather", {}, '{"loc'),
    )
    assert [part.is_error for part in tool.parts if isinstance(part, chatport.ToolResult)] == [True]
    assert (await chat.ask("go on")).text == "On we go."


async def test_keep_leaves_out_reasoning_that_may_be_cut() -> None:
    """A signature at the very end may be half a signature, which a service would refuse for ever."""
    chat = session([MessageStart("m"), ReasoningDelta(0, "thinking", {}, "half a signat")])
    with pytest.raises(chatport.StreamInterruptedError) as caught:
        await chat.ask("go")
    assert caught.value.partial is not None
    chat.keep(caught.value.partial)
    assert chat.messages == (Message.user("go"),)


async def test_streaming_is_what_the_caller_reads() -> None:
    """The backend is told whether the answer is read as it comes."""
    seen: list[bool] = []

    def note(request: ChatRequest) -> str:
        seen.append(request.streaming)
        return "ok"

    chat = session(note, note)
    await chat.ask("1")
    async with chat.stream("2") as stream:
        await stream.finish()
    assert seen == [False, True]


async def test_metadata_and_the_services_time_reach_the_reply() -> None:
    """What the backend says at the end is on the reply, in the caller's units."""
    chat = session(
        [MessageStart("m2", "id-1"), MessageEnd("stop", "end_turn", metadata={"x": {"y": 1}}, service_seconds=0.25)]
    )
    reply = await chat.ask("go")
    assert (reply.model, reply.request_id, reply.raw_stop_reason) == ("m2", "id-1", "end_turn")
    assert (reply.metadata, reply.timing.service) == ({"x": {"y": 1}}, 0.25)


class Waiting:
    """A backend whose stream begins, and waits before its first word until it is told to go on."""

    name = "waiting"

    def __init__(self) -> None:
        self.waits = anyio.Event()
        self.go_on = anyio.Event()
        self.closed = anyio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        try:
            yield MessageStart(request.model)
            yield TextDelta(0, "")
            self.waits.set()
            await self.go_on.wait()
            yield TextDelta(0, "word")
            yield MessageEnd("stop")
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        pass


async def test_two_tasks_do_not_read_one_stream_at_once() -> None:
    """The second is refused, and the first notices nothing."""
    backend = Waiting()
    chat = chatport.Session(backend, "m")
    texts: list[str] = []

    async def read() -> None:
        texts.extend([text async for text in stream.text])

    with anyio.fail_after(5):
        async with chat.stream("go") as stream:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await backend.waits.wait()
                with pytest.raises(chatport.BusyError, match="another task"):
                    await stream.finish()
                backend.go_on.set()
            assert texts == ["word"]
            assert (await stream.finish()).text == "word"
    assert len(chat.messages) == 2


@pytest.mark.parametrize("fails", [False, True], ids=["left", "failed"])
async def test_a_block_that_is_left_while_another_task_reads_is_closed_by_that_task(fails: bool) -> None:
    """Nobody else can close what is running; the session is busy until then, and nothing stays open."""
    backend = Waiting()
    chat = chatport.Session(backend, "m")
    before, stream = chat.messages, chat.stream("go")
    refused: list[BaseException] = []

    async def read() -> None:
        try:
            await stream.finish()
        except chatport.StreamClosedError as error:
            refused.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(LookupError if fails else chatport.BusyError):
                async with stream:
                    tasks.start_soon(read)
                    await backend.waits.wait()
                    if fails:
                        raise LookupError
            assert not backend.closed.is_set()
            with pytest.raises(chatport.BusyError):
                await chat.ask("too early")
            backend.go_on.set()
            await backend.closed.wait()
    assert [str(error) for error in refused] == ["the stream is closed; read it inside its `async with` block"]
    assert chat.messages == before
    chat.keep(stream.partial)
    assert [message.text for message in chat.messages] == ["go", "word"]


async def test_a_read_that_is_cancelled_after_its_block_was_left_frees_the_session() -> None:
    """The other way for that read to end."""
    backend = Waiting()
    chat = chatport.Session(backend, "m")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(chatport.BusyError):
                async with chat.stream("go") as stream:
                    tasks.start_soon(stream.finish)
                    await backend.waits.wait()
            tasks.cancel_scope.cancel()
    assert backend.closed.is_set()
    chat.keep(chatport.Partial())  # it is not busy any more


async def test_an_event_of_a_derived_class_is_that_event() -> None:
    """A backend may have more to say with its events than others; readers of text miss nothing of it."""

    class Start(MessageStart):
        pass

    class Delta(TextDelta):
        pass

    class End(MessageEnd):
        pass

    chat = session([Start("m"), Delta(0, "one"), TextDelta(0, " two"), End("stop")])
    async with chat.stream("go") as stream:
        assert [text async for text in stream.text] == ["one", " two"]
    assert stream.reply.text == "one two"
