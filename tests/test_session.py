"""A conversation: turns land whole or not at all, tools run, nothing is answered by halves."""

import gc
import weakref
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

import chatport
from chatport import (
    Image,
    Message,
    Settings,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    ToolRunEnd,
    ToolRunStart,
    Usage,
    tool,
)
from chatport.backend import Adjustment, BackendEvent, ChatRequest, MessageEnd, MessageStart, PartEnd, events_from
from chatport.testing import Answer, ScriptedBackend

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@tool
async def get_weather(location: str) -> dict[str, Any]:
    """Get the current weather in a location."""
    return {"location": location, "celsius": 21}


def call(id_: str = "1", name: str = "get_weather", /, **arguments: Any) -> ToolCall:
    """Return a call of the weather tool."""
    return ToolCall(id_, name, arguments or {"location": "Paris"})


def session(*script: Any, **options: Any) -> tuple[chatport.Session, ScriptedBackend]:
    """Return a session and the scripted backend behind it."""
    backend = ScriptedBackend(*script)
    return chatport.Session(backend, "model-1", **options), backend


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


async def test_tools_run_and_the_loop_goes_on_until_the_model_is_done() -> None:
    """Call, result, answer: one turn of two steps, and the history holds it all."""
    chat, backend = session([call()], "21 degrees.", tools=[get_weather])
    reply = await chat.ask("Weather in Paris?")
    assert reply.text == "21 degrees."
    assert [message.role for message in chat.messages] == ["user", "assistant", "tool", "assistant"]
    assert chat.messages[2] == Message("tool", (ToolResult("1", {"location": "Paris", "celsius": 21}),))
    assert (len(reply.steps), reply.steps[0].stop_reason, reply.attempts) == (2, "tool_calls", 2)
    assert reply.steps[0].tool_message == chat.messages[2]
    assert backend.requests[1].messages == chat.messages[:3]
    assert [offered.name for offered in backend.requests[0].tools] == ["get_weather"]


async def test_results_go_back_in_call_order_in_one_message() -> None:
    """Whoever finishes first, the model reads results as it wrote the calls."""
    second_ran = anyio.Event()

    async def wait(name: str) -> str:
        """Wait for the other."""
        if name == "first":
            await second_ran.wait()
        else:
            second_ran.set()
        return name

    calls = [call("1", "wait", name="first"), call("2", "wait", name="second")]
    chat, _ = session(calls, "done", tools=[wait])
    with anyio.fail_after(5):
        await chat.ask("go")
    assert chat.messages[2].parts == (ToolResult("1", "first"), ToolResult("2", "second"))


async def test_what_goes_wrong_in_a_tool_goes_back_to_the_model() -> None:
    """An exception, bad arguments, an unknown tool, broken JSON: error results, and the conversation goes on."""

    def fail(location: str) -> str:
        """Fail."""
        message = f"no weather in {location}"
        raise LookupError(message)

    calls = [
        call("1", "fail"),
        call("2", "fail", place="Paris"),
        call("3", "unheard_of"),
        ToolCall("4", "fail", {}, invalid_json='{"location": "Par'),
    ]
    chat, _ = session(calls, "sorry", tools=[fail])
    reply = await chat.ask("go")
    results = [part for part in reply.messages[2].parts if isinstance(part, ToolResult)]
    assert [result.is_error for result in results] == [True] * 4
    assert "no weather in Paris" in results[0].text
    assert "location" in results[1].text
    assert "unheard_of" in results[2].text
    assert reply.text == "sorry"


@pytest.mark.parametrize("reason", ["length", "content_filter", "context_window", "other"])
async def test_a_call_in_a_message_that_was_cut_is_never_run(reason: Any) -> None:
    """Its arguments may be half of what was meant; the turn ends, the history stays usable."""
    ran: list[str] = []

    def record(location: str) -> str:
        """Record."""
        ran.append(location)
        return location

    chat, _ = session(Answer([Text("Let me"), call("1", "record")], stop_reason=reason), "on we go", tools=[record])
    reply = await chat.ask("go")
    assert (ran, reply.stop_reason, len(reply.steps)) == ([], reason, 1)
    (result,) = chat.messages[-1].parts
    assert isinstance(result, ToolResult)
    assert result.is_error
    assert (await chat.ask("and now?")).text == "on we go"


async def test_a_model_that_stops_with_calls_pending_means_them() -> None:
    """Some models say "stop" beside a call; the call is run all the same."""
    chat, _ = session(Answer([call()], stop_reason="stop"), "21", tools=[get_weather])
    assert (await chat.ask("?")).text == "21"


async def test_max_steps_ends_a_loop_with_what_had_happened() -> None:
    """The error carries the turn, the history is as before, and the turn can be kept."""
    chat, backend = session(*[[call(str(number))] for number in range(5)], tools=[get_weather], max_steps=2)
    with pytest.raises(chatport.ToolLoopError, match="max_steps=2") as caught:
        await chat.ask("go")
    partial = caught.value.partial
    assert partial is not None
    assert [message.role for message in partial.messages] == ["user", "assistant", "tool", "assistant"]
    assert (chat.messages, len(backend.requests)) == ((), 2)
    chat.keep(partial)
    assert [message.role for message in chat.messages] == ["user", "assistant", "tool", "assistant", "tool"]
    (closed,) = chat.messages[-1].parts
    assert isinstance(closed, ToolResult)
    assert (closed.is_error, "Interrupted" in closed.text) == (True, True)


async def test_run_tools_false_hands_the_calls_to_the_caller() -> None:
    """Answered by hand, with results as dicts, strings or errors."""
    chat, backend = session([call("1"), call("2")], "thanks", tools=[get_weather])
    reply = await chat.ask("go", run_tools=False)
    assert [pending.id for pending in reply.tool_calls] == ["1", "2"]
    answer = await chat.ask(
        ToolResult(id="2", content="sunny"), ToolResult(id="1", content={"temperature": 78}), "go on"
    )
    assert answer.text == "thanks"
    assert [message.role for message in answer.messages] == ["tool", "user", "assistant"]
    assert backend.requests[1].messages[2] == Message(
        "tool", (ToolResult("1", {"temperature": 78}), ToolResult("2", "sunny"))
    )


async def test_who_runs_a_call_by_hand_does_not_change_the_history() -> None:
    """Arguments are taken apart and filled up; the model is shown what it wrote."""
    chat, backend = session([call("1", place={"city": "Paris"})], "sunny", tools=[get_weather])
    (pending,) = (await chat.ask("go", run_tools=False)).tool_calls
    pending.arguments.pop("place")["city"] = "Rome"
    await chat.ask(ToolResult("1", "sun"))
    assert backend.requests[1].messages[1] == Message.assistant(call("1", place={"city": "Paris"}))


async def test_a_tool_without_a_function_is_the_callers() -> None:
    """One such call in a step leaves the whole step to the caller: results go back together."""
    by_hand = Tool("ask_human", "Ask a person.", {"type": "object", "properties": {}})
    chat, _ = session([call("1"), call("2", "ask_human")], "ok", tools=[get_weather, by_hand])
    reply = await chat.ask("go")
    assert [pending.name for pending in reply.tool_calls] == ["get_weather", "ask_human"]
    assert (await chat.ask(ToolResult("1", "x"), ToolResult("2", "y"))).text == "ok"


async def test_calls_without_tools_are_the_callers() -> None:
    """Where nothing could run them, the calls are simply part of the reply."""
    chat, backend = session([call("1")])
    assert (await chat.ask("go")).tool_calls == (call("1"),)
    assert len(backend.requests) == 1


async def test_calls_that_the_service_ran_itself_are_not_run_again() -> None:
    """A server's call is part of the message and nobody's to answer."""
    served = ToolCall("1", "get_weather", {"location": "Oslo"}, executed_by="server")
    chat, backend = session([served, ToolResult("1", "cold"), Text("Cold.")], "yes", tools=[get_weather])
    reply = await chat.ask("go")
    assert (reply.text, reply.tool_calls, len(backend.requests)) == ("Cold.", (), 1)
    await chat.ask("sure?")


async def test_a_pending_call_without_a_result_is_a_value_error_that_names_it() -> None:
    """Nothing is sent, and the history is as before."""
    chat, backend = session([call("abc")], tools=[get_weather])
    await chat.ask("go", run_tools=False)
    for content in (["never mind"], [ToolResult("other", "x")], [ToolResult("abc", "x"), ToolResult("abc", "y")]):
        with pytest.raises(ValueError, match=r"abc|other"):
            await chat.ask(*content)
    with pytest.raises(ValueError, match=r"'get_weather' \(id 'abc'\)"):
        chat.request("never mind")
    assert (len(backend.requests), len(chat.messages)) == (1, 2)


async def test_a_forced_choice_is_forced_in_the_first_step_only() -> None:
    """Kept on, it would force a call for ever."""
    chat, backend = session([call()], "21", "ok", tools=[get_weather])
    await chat.ask("go", tool_choice="get_weather")
    await chat.ask("go", tool_choice="none")
    assert [request.tool_choice for request in backend.requests] == ["get_weather", None, "none"]
    with pytest.raises(ValueError, match="get_wether"):
        await chat.ask("go", tool_choice="get_wether")
    with pytest.raises(ValueError, match="there are none"):
        await chat.ask("go", tool_choice="any", tools=[])


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
        chat, _ = session("Hello.", *script, tools=[get_weather])
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
        await chat.ask("hi", settings={"temperature": 1})  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(TypeError, match="int"):
        await chat.ask(3)  # type: ignore[arg-type]  # the mistake itself
    assert backend.requests == []


async def test_tool_events_stand_between_the_steps() -> None:
    """Starts, then ends in call order; the last event of the turn is its reply."""
    calls = [call("1"), call("2", "unheard_of")]
    chat, _ = session(calls, "done", tools=[get_weather])
    async with chat.stream("go") as stream:
        seen = [event async for event in stream]
    kinds = [type(event).__name__ for event in seen]
    assert kinds == [
        *("MessageStart", "ToolCallStart", "ToolCallDelta", "ToolCallStart", "ToolCallDelta"),
        *("PartEnd", "PartEnd", "MessageEnd"),
        *("ToolRunStart", "ToolRunEnd", "ToolRunEnd"),
        *("MessageStart", "TextDelta", "PartEnd", "MessageEnd", "ReplyEnd"),
    ]
    assert [event.call.id for event in seen if isinstance(event, ToolRunStart)] == ["1"]
    assert [event.result.is_error for event in seen if isinstance(event, ToolRunEnd)] == [False, True]


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


async def test_cancelling_a_tool_cancels_the_turn_and_frees_the_session() -> None:
    """Cancellation is never an error result."""
    started = anyio.Event()

    async def hang() -> str:
        """Hang."""
        started.set()
        await anyio.sleep_forever()
        return "never"

    chat, _ = session([ToolCall("1", "hang")], "free", tools=[hang])
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def cancel_when_started() -> None:
                await started.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel_when_started)
            await chat.ask("go")
            pytest.fail("ask returned although its task was cancelled")
    assert chat.messages == ()
    assert (await chat.ask("go")).text == "free"


async def test_tools_that_ran_before_a_turn_broke_off_are_not_forgotten() -> None:
    """Their effects are in the world: `partial` has their results, and kept they stand beside the interrupted ones."""
    started, ran = anyio.Event(), anyio.Event()

    async def hang(location: str) -> str:
        """Hang."""
        started.set()
        await anyio.sleep_forever()
        return location

    async def book(location: str) -> str:
        """Book."""
        ran.set()
        return f"booked {location}"

    chat, _ = session([call("1", "hang"), call("2", "book")], "ok", tools=[hang, book])
    before, stream = chat.messages, chat.stream("go")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                async with stream:
                    await stream.finish()

            tasks.start_soon(read)
            await started.wait()
            await ran.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert chat.messages == before
    assert [message.role for message in stream.partial.messages] == ["user", "assistant", "tool"]
    assert stream.partial.messages[-1].parts == (ToolResult("2", "booked Paris"),)
    chat.keep(stream.partial)
    first, second = (part for part in chat.messages[-1].parts if isinstance(part, ToolResult))
    assert (first.id, first.is_error, second) == ("1", True, ToolResult("2", "booked Paris"))
    assert (await chat.ask("go on")).text == "ok"


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
