"""Turns with tools: calls run or are handed over, results go back, and every call is answered once."""

from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import Message, Text, Tool, ToolCall, ToolResult, ToolRunEnd, ToolRunStart
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


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
async def test_rule_37_a_call_in_a_message_that_was_cut_is_never_run(reason: Any) -> None:
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


async def test_rule_38_a_model_that_stops_with_calls_pending_means_them() -> None:
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
    of_a_vendor: Any = {"tool": {"name": "get_weather"}}
    with pytest.raises(TypeError, match="or the name of a tool, not a dict"):
        await chat.ask("go", tool_choice=of_a_vendor)


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
    hung, booked = (part for part in stream.partial.messages[-1].parts if isinstance(part, ToolResult))
    assert (hung.id, hung.error_kind, booked) == ("1", "interrupted", ToolResult("2", "booked Paris"))
    chat.keep(stream.partial)
    first, second = (part for part in chat.messages[-1].parts if isinstance(part, ToolResult))
    assert (first.id, first.is_error, second) == ("1", True, ToolResult("2", "booked Paris"))
    assert (await chat.ask("go on")).text == "ok"
