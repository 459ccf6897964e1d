"""Observers see a turn as it goes: each start has one end, however the turn ends, and nothing runs per delta."""

from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import Message, MessageStart, ToolCall, ToolResult, Usage
from chatport.backend import ChatRequest
from chatport.hooks import ObserverSpecs, TurnInfo, hookimpl, observe
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


class Recorder:
    """Writes down every hook and its values."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        """The hooks in the order of their calls, without what they have in common."""
        return [name.removeprefix("chatport_") for name, _ in self.seen]

    def of(self, name: str) -> list[dict[str, Any]]:
        """The values of each call of one hook."""
        return [values for seen, values in self.seen if seen == f"chatport_{name}"]

    def see(self, name: str, **values: Any) -> None:
        self.seen.append((f"chatport_{name}", values))

    @hookimpl
    def chatport_turn_start(self, turn: TurnInfo, request: ChatRequest) -> None:
        self.see("turn_start", turn=turn, request=request)

    @hookimpl
    def chatport_request_start(self, turn: TurnInfo, request: ChatRequest, step: int, attempt: int) -> None:
        self.see("request_start", turn=turn, request=request, step=step, attempt=attempt)

    @hookimpl
    def chatport_message_start(self, turn: TurnInfo, start: MessageStart, seconds: float) -> None:
        self.see("message_start", turn=turn, start=start, seconds=seconds)

    @hookimpl
    def chatport_step_end(self, turn: TurnInfo, request: ChatRequest, step: chatport.Step) -> None:
        self.see("step_end", turn=turn, request=request, step=step)

    @hookimpl
    def chatport_request_fail(
        self, turn: TurnInfo, request: ChatRequest, reason: str, error: Any, seconds: Any
    ) -> None:
        self.see("request_fail", turn=turn, request=request, reason=reason, error=error, seconds=seconds)

    @hookimpl
    def chatport_retry_start(self, turn: TurnInfo, attempt: int, delay: float, error: Any) -> None:
        self.see("retry_start", turn=turn, attempt=attempt, delay=delay, error=error)

    @hookimpl
    def chatport_tool_run_start(self, turn: TurnInfo, call: ToolCall) -> None:
        self.see("tool_run_start", turn=turn, call=call)

    @hookimpl
    def chatport_tool_run_end(self, turn: TurnInfo, call: ToolCall, result: ToolResult | None, seconds: float) -> None:
        self.see("tool_run_end", turn=turn, call=call, result=result, seconds=seconds)

    @hookimpl
    def chatport_turn_end(self, turn: TurnInfo, reply: chatport.Reply[None]) -> None:
        self.see("turn_end", turn=turn, reply=reply)

    @hookimpl
    def chatport_turn_fail(self, turn: TurnInfo, reason: str, error: Any, partial: chatport.Partial) -> None:
        self.see("turn_fail", turn=turn, reason=reason, error=error, partial=partial)


def test_the_recorder_has_every_hook() -> None:
    """What the tests below say of all hooks they say of all."""
    hooks = {name for name in vars(ObserverSpecs) if name.startswith("chatport_")}
    assert hooks == {name for name in vars(Recorder) if name.startswith("chatport_")}


async def test_a_turn_with_tools_is_seen_from_begin_to_end() -> None:
    """Start and end of the turn, of each request and of each tool run, with the session's own values."""
    recorder = Recorder()
    chat, backend = session(
        Answer([call("1"), call("2", "unheard_of")], usage=Usage(7, 3)), "It is 21.", tools=[get_weather]
    )
    with observe(recorder):
        reply = await chat.ask("Weather?")
    assert recorder.names == [
        *("turn_start", "request_start", "message_start", "step_end"),
        *("tool_run_start", "tool_run_end", "tool_run_start", "tool_run_end"),
        *("request_start", "message_start", "step_end", "turn_end"),
    ]
    (turn,) = {values["turn"] for _, values in recorder.seen}
    assert (turn.backend, turn.model, turn.streaming, turn.message_count) == ("scripted", "model-1", False, 1)
    assert len(turn.id) == 32
    requests = recorder.of("request_start")
    assert [values["request"] for values in requests] == backend.requests
    assert [(values["step"], values["attempt"]) for values in requests] == [(1, 1), (2, 1)]
    assert recorder.of("turn_start")[0]["request"] == backend.requests[0]
    ends = recorder.of("step_end")
    assert [values["request"] for values in ends] == backend.requests
    assert [values["step"].message for values in ends] == [step.message for step in reply.steps]
    assert ends[0]["step"].usage == Usage(7, 3)
    assert [values["start"].model for values in recorder.of("message_start")] == ["model-1", "model-1"]
    runs = recorder.of("tool_run_end")
    assert sorted(values["result"].id for values in runs) == ["1", "2"]
    assert {values["call"].id: values["result"].is_error for values in runs} == {"1": False, "2": True}
    assert recorder.of("turn_end")[0]["reply"] is reply
    timed = [values["seconds"] for _, values in recorder.seen if "seconds" in values]
    assert timed
    assert min(timed) >= 0


async def test_no_hook_runs_per_delta() -> None:
    """A long answer is as many hooks as a short one."""
    counts: list[int] = []
    for text in ("short", "a very long answer " * 100):
        recorder = Recorder()
        chat, _ = session(text)
        with observe(recorder):
            async with chat.stream("go") as stream:
                events = [event async for event in stream]
        assert len(events) >= len(text.split())
        counts.append(len(recorder.seen))
    assert counts == [5, 5]


async def test_turns_are_told_apart() -> None:
    """Each has an id of its own, so that what two sessions do at once can be sorted out."""
    recorder = Recorder()
    one, _ = session("a", "b")
    two, _ = session("c")
    with observe(recorder):
        await one.ask("first")
        async with one.stream("second") as stream:
            await two.ask("between")
            await stream.finish()
    starts = recorder.of("turn_start")
    assert [values["turn"].message_count for values in starts] == [1, 3, 1]
    assert [values["turn"].streaming for values in starts] == [False, True, False]
    first, second, third = (values["turn"] for values in starts)
    assert len({first.id, second.id, third.id}) == 3
    assert [values["turn"] for values in recorder.of("turn_end")] == [first, third, second]


@pytest.mark.parametrize("error", [chatport.ServiceError("down"), RuntimeError("bug")], ids=repr)
async def test_an_error_ends_the_request_and_the_turn(error: Exception) -> None:
    """Whatever class it is of; the request's end comes first, and the turn's has what had happened."""
    recorder = Recorder()
    chat, _ = session([call()], Answer("It is 2", error=error), tools=[get_weather])
    with observe(recorder), pytest.raises(type(error)):
        await chat.ask("go")
    assert recorder.names[-4:] == ["request_start", "message_start", "request_fail", "turn_fail"]
    (request_fail,), (turn_fail,) = recorder.of("request_fail"), recorder.of("turn_fail")
    assert (request_fail["reason"], request_fail["error"]) == ("error", error)
    assert (turn_fail["reason"], turn_fail["error"]) == ("error", error)
    assert [message.role for message in turn_fail["partial"].messages] == ["user", "assistant", "tool", "assistant"]
    assert turn_fail["partial"].text == "It is 2"


async def test_an_error_between_requests_ends_the_turn_alone() -> None:
    """No request is open while the loop gives up: none is told to fail."""
    recorder = Recorder()
    chat, _ = session([call()], tools=[get_weather], max_steps=1)
    with observe(recorder), pytest.raises(chatport.ToolLoopError):
        await chat.ask("go")
    assert recorder.names == ["turn_start", "request_start", "message_start", "step_end", "turn_fail"]


async def test_a_stream_that_is_left_early_is_told() -> None:
    """Nothing raised, and still the turn has an end: the caller left."""
    recorder = Recorder()
    chat, _ = session("a long story")
    with observe(recorder):
        async with chat.stream("go") as stream:
            async for _ in stream.text:
                break
        assert recorder.names == ["turn_start", "request_start", "message_start", "request_fail", "turn_fail"]
    for values in (*recorder.of("request_fail"), *recorder.of("turn_fail")):
        assert (values["reason"], values["error"]) == ("left", None)
    assert recorder.of("turn_fail")[0]["partial"].text == "a"


async def test_a_cancelled_turn_is_told() -> None:
    """In a request and in a tool; the tool's run has an end too, without a result. The cancellation goes on."""
    started = anyio.Event()

    async def hang() -> str:
        """Hang."""
        started.set()
        await anyio.sleep_forever()
        return "never"

    recorder = Recorder()
    chat, _ = session([ToolCall("1", "hang")], tools=[hang])
    with anyio.fail_after(5), observe(recorder):
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await started.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel)
            await chat.ask("go")
            pytest.fail("ask returned although its task was cancelled")
    assert recorder.names[-3:] == ["tool_run_start", "tool_run_end", "turn_fail"]
    assert recorder.of("tool_run_end")[0]["result"] is None
    assert recorder.of("turn_fail")[0]["reason"] == "cancelled"
    recorder = Recorder()
    chat, _ = session("never")
    with anyio.CancelScope() as scope, observe(recorder):
        scope.cancel()
        await chat.ask("go")
    assert recorder.names == ["turn_start", "request_start", "request_fail", "turn_fail"]
    assert {values["reason"] for values in recorder.of("request_fail") + recorder.of("turn_fail")} == {"cancelled"}


async def test_a_finished_turn_ends_once() -> None:
    """What is done to a stream after its reply changes nothing of what was told."""
    recorder = Recorder()
    chat, _ = session("ok")
    with observe(recorder):
        async with chat.stream("go") as stream:
            await stream.finish()
    assert recorder.names == ["turn_start", "request_start", "message_start", "step_end", "turn_end"]
    assert chat.messages == (Message.user("go"), Message.assistant("ok"))


async def test_calls_that_were_cut_short_are_not_told_as_runs() -> None:
    """They are answered, not run."""
    recorder = Recorder()
    chat, _ = session(Answer([call()], stop_reason="length"), tools=[get_weather])
    with observe(recorder):
        await chat.ask("go")
    assert recorder.names == ["turn_start", "request_start", "message_start", "step_end", "turn_end"]


async def test_context_that_a_hook_sets_reaches_the_tool() -> None:
    """A tracer makes its span the current one, and what the tool does is below it; it is the tool's task alone."""
    import contextvars

    current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="nothing")
    seen: list[str] = []

    class Tracer:
        @hookimpl
        def chatport_tool_run_start(self, call: ToolCall) -> None:
            current.set(f"span of {call.id}")

        @hookimpl
        def chatport_tool_run_end(self, call: ToolCall) -> None:
            seen.append(f"end of {call.id} in {current.get()}")

    async def look() -> str:
        """Look."""
        return current.get()

    def look_in_thread() -> str:
        """Look."""
        return current.get()

    calls = [ToolCall("1", "look"), ToolCall("2", "look_in_thread")]
    chat, _ = session(calls, "done", tools=[look, look_in_thread])
    with observe(Tracer()):
        reply = await chat.ask("go")
    assert reply.steps[0].tool_message == Message("tool", (ToolResult("1", "span of 1"), ToolResult("2", "span of 2")))
    assert sorted(seen) == ["end of 1 in span of 1", "end of 2 in span of 2"]
    assert current.get() == "nothing"
