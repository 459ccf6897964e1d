"""Calls that somebody is asked about before they run: allowed, denied, changed, or left to wait."""

import json
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from tests.conversations import call, get_weather, session

import chatport
from chatport import (
    Allow,
    Decision,
    Deny,
    Json,
    Message,
    MessageEnd,
    PartEnd,
    Pause,
    Reply,
    Session,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    ToolRunEnd,
    ToolRunStart,
    dump_messages,
    load_messages,
)
from chatport.testing import Answer, MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio

TWO = [call("1", location="Paris"), call("2", location="Rome")]
PARIS = ToolResult("1", {"location": "Paris", "celsius": 21})
ROME = ToolResult("2", {"location": "Rome", "celsius": 21})


class Asked:
    """Says of each call what a table has for its id, and notes whom it was asked about."""

    def __init__(self, decisions: Mapping[str, Any] | None = None) -> None:
        """Take the table; what is not in it is allowed."""
        self.calls: list[ToolCall] = []
        self._decisions = decisions or {}

    async def __call__(self, asked: ToolCall) -> Decision:
        """Say it."""
        self.calls.append(asked)
        await anyio.lowlevel.checkpoint()
        decision: Decision = self._decisions.get(asked.id, Allow())
        return decision

    @property
    def ids(self) -> list[str]:
        """Whom it was asked about."""
        return [asked.id for asked in self.calls]


def results(reply: Reply[Any]) -> list[ToolResult]:
    """Return the results in a reply."""
    return [part for message in reply.messages for part in message.parts if isinstance(part, ToolResult)]


# --- decisions -------------------------------------------------------------------------------------------------------


async def test_what_is_allowed_runs_and_what_is_denied_does_not() -> None:
    """One is asked about each call, in the model's order; the model reads the reason."""
    approve = Asked({"2": Deny("Rome is closed.")})
    chat, backend = session(TWO, "done", tools=[get_weather])
    async with chat.stream("go", approve=approve) as stream:
        events = [event async for event in stream]
    paris, rome = results(stream.reply)
    assert approve.calls == TWO
    assert paris == PARIS
    assert (rome.is_error, rome.error_kind) == (True, "denied")
    assert rome.text == "Not run: this call was not allowed. Rome is closed."
    assert [event.call.id for event in events if isinstance(event, ToolRunStart)] == ["1"]
    assert [event.call.id for event in events if isinstance(event, ToolRunEnd)] == ["1", "2"]
    assert backend.requests[1].messages[-1].parts == (paris, rome)


async def test_everyone_is_asked_before_anything_runs() -> None:
    """While somebody still thinks about the second call, the first has not run."""
    ran: list[str] = []

    async def note(location: str) -> str:
        """Note."""
        ran.append(location)
        return location

    async def approve(asked: ToolCall) -> Decision:
        assert not ran
        return Allow()

    chat, _ = session([call("1", "note"), call("2", "note")], "done", tools=[note])
    await chat.ask("go", approve=approve)
    assert ran == ["Paris", "Paris"]


async def test_changed_arguments_run_and_everyone_can_see_it() -> None:
    """The model's call stays as it was; event, result and metadata say what it was run with."""
    approve = Asked({"1": Allow({"location": "Oslo"})})
    chat, backend = session([call("1")], "done", tools=[get_weather])
    async with chat.stream("go", approve=approve) as stream:
        starts = [event async for event in stream if isinstance(event, ToolRunStart)]
    assert starts == [ToolRunStart(call("1"), {"location": "Oslo"})]
    asked, (result,) = chat.messages[1], results(stream.reply)
    assert asked.tool_calls == (call("1"),)
    assert result.content == (
        Text('The arguments of this call were changed before it ran, to {"location": "Oslo"}'),
        Json({"location": "Oslo", "celsius": 21}),
    )
    assert (result.is_error, result.error_kind) == (False, None)
    assert result.metadata == {"chatport": {"arguments": {"location": "Oslo"}}}
    assert load_messages(dump_messages(chat.messages)) == chat.messages
    assert backend.requests[1].messages[-1].parts == (result,)


async def test_changed_arguments_are_checked_as_the_models_are() -> None:
    """What does not fit is not run; the model reads that the arguments were not its own."""
    chat, _ = session([call("1")], "done", tools=[get_weather])
    (result,) = results(await chat.ask("go", approve=Asked({"1": Allow({"place": "Oslo"})})))
    assert (result.is_error, result.error_kind) == (True, "invalid-arguments")
    assert result.metadata["chatport"] == {"error": "invalid-arguments", "arguments": {"place": "Oslo"}}
    assert result.text.startswith("The arguments of this call were changed")
    assert "location: required" in result.text


async def test_nobody_is_asked_about_what_cannot_run() -> None:
    """Unknown tools, arguments that do not fit, JSON that is broken, messages that were cut."""

    def picky(value: int) -> int:
        """Be picky."""
        return value

    calls = [
        call("1", "unheard_of"),
        call("2", "picky", value="many"),
        ToolCall("3", "picky", {}, invalid_json='{"val'),
        call("4", "picky", value=4),
    ]
    approve = Asked()
    chat, _ = session(calls, Answer([call("5", "picky", value=5)], stop_reason="length"), tools=[picky])
    reply = await chat.ask("go", approve=approve)
    assert approve.ids == ["4"]
    kinds = [result.error_kind for result in results(reply)]
    assert kinds == ["unknown-tool", "invalid-arguments", "invalid-arguments", None, "cut"]


async def test_what_the_one_who_is_asked_does_to_a_call_changes_nothing() -> None:
    """Neither the history nor what runs."""

    async def approve(asked: ToolCall) -> Decision:
        asked.arguments["location"] = "Oslo"
        return Allow()

    chat, _ = session([call("1")], "done", tools=[get_weather])
    assert results(await chat.ask("go", approve=approve)) == [PARIS]
    assert chat.messages[1].tool_calls == (call("1"),)


async def test_the_session_has_somebody_to_ask_and_a_turn_may_have_another() -> None:
    """The turn's goes before the session's; None in a turn is no way around it."""
    everyone, nobody = Asked(), Asked({"1": Deny()})
    chat, _ = session([call("1")], "a", [call("1")], "b", tools=[get_weather], approve=nobody)
    assert results(await chat.ask("go", approve=None))[0].error_kind == "denied"
    assert results(await chat.ask("go", approve=everyone)) == [PARIS]
    assert (nobody.ids, everyone.ids) == (["1"], ["1"])


@pytest.mark.parametrize("said", [True, None, "yes", Allow])
async def test_what_is_no_decision_ends_the_turn(said: object) -> None:
    """Whether a call may run is not to be guessed."""
    chat, _ = session(TWO, tools=[get_weather])
    with pytest.raises(TypeError, match="Allow, Deny or Pause"):
        await chat.ask("go", approve=Asked({"1": said}))
    assert chat.messages == ()


async def test_an_error_of_the_one_who_is_asked_ends_the_turn() -> None:
    """It is the caller's and comes out as itself; what is left of the turn has a result for each call."""

    async def approve(_: ToolCall) -> Decision:
        raise LookupError

    chat, _ = session(TWO, "ok", tools=[get_weather])
    stream = chat.stream("go", approve=approve)
    with pytest.raises(LookupError):
        async with stream:
            await stream.finish()
    assert chat.messages == ()
    closed = stream.partial.messages[-1].parts
    assert [part.error_kind for part in closed if isinstance(part, ToolResult)] == ["interrupted"] * 2
    chat.keep(stream.partial)
    assert (await chat.ask("and now?")).text == "ok"


@pytest.mark.parametrize("arguments", [[], "text", {1: object()}, {"a": float("nan")}, {"a": {1, 2}}])
def test_arguments_that_are_no_json_object_are_refused(arguments: Any) -> None:
    """Where they are made, not in the middle of a turn."""
    with pytest.raises(TypeError, match="arguments must be a dict of JSON values"):
        Allow(arguments)


def test_arguments_are_copied() -> None:
    """What is done to them later changes nothing."""
    given: dict[str, Any] = {"a": []}
    allowed = Allow(given)
    given["a"].append(1)
    assert allowed.arguments == {"a": []}


def test_a_wrong_option_is_refused_where_it_is_given() -> None:
    """Not in the middle of a turn."""
    with pytest.raises(TypeError, match="approve must be"):
        session(approve="everybody")


# --- pausing and resuming --------------------------------------------------------------------------------------------


async def test_a_turn_is_paused_saved_and_resumed_elsewhere() -> None:
    """The history is all that a second process needs; the tools run there, once."""
    ran: list[str] = []

    async def pay(amount: int) -> str:
        """Pay."""
        ran.append(f"{amount}")
        return f"paid {amount}"

    calls = [Text("I will pay."), call("1", "pay", amount=1), call("2", "pay", amount=2)]
    approve = Asked({"2": Pause()})
    chat, _ = session(calls, tools=[pay])
    reply = await chat.ask("go", approve=approve)
    assert (ran, approve.ids) == ([], ["1", "2"])
    assert (reply.stop_reason, reply.pending_calls, len(reply.steps)) == ("tool_calls", tuple(calls[1:]), 1)
    assert chat.pending_calls == reply.pending_calls
    assert [message.role for message in chat.messages] == ["user", "assistant"]
    assert chatport.validate_messages(chat.messages, allow_pending=True) == ()

    text = dump_messages(chat.messages)
    other, backend = session("Both are paid.", messages=load_messages(text), tools=[pay])
    later = Asked({"2": Deny("too much")})
    reply = await other.resume(approve=later)
    assert (reply.text, ran, later.ids) == ("Both are paid.", ["1"], ["1", "2"])
    assert [message.role for message in other.messages] == ["user", "assistant", "tool", "assistant"]
    assert [message.role for message in reply.messages] == ["tool", "assistant"]
    assert backend.requests[0].messages == other.messages[:3]
    waited, answered = reply.steps
    assert (waited.message, waited.attempts, waited.tool_message) == (other.messages[1], 0, other.messages[2])
    assert (answered.attempts, reply.attempts, reply.pending_calls, other.pending_calls) == (1, 1, (), ())


async def test_a_resumed_turn_that_still_waits_changes_nothing() -> None:
    """The reply has the calls again; a store is not written."""
    store, approve = MemoryStore(), Asked({"1": Pause()})
    backend = ScriptedBackend(TWO)
    async with Session(backend, "m", tools=[get_weather], store=store, id="trip") as chat:
        await chat.ask("go", approve=approve)
    before = await store.load("trip")
    async with Session(backend, "m", tools=[get_weather], store=store, id="trip") as chat:
        reply = await chat.resume(approve=approve)
        assert (reply.messages, reply.pending_calls, reply.attempts) == ((), tuple(TWO), 0)
        assert len(chat.messages) == 2
    assert await store.load("trip") == before
    assert before is not None
    assert len(before.turns) == 1


async def test_a_stored_turn_goes_on_in_another_session() -> None:
    """What was paused is stored as it is; what follows is a turn of its own behind it."""
    store = MemoryStore()
    backend = ScriptedBackend(TWO, "done")
    async with Session(backend, "m", tools=[get_weather], store=store, id="trip") as chat:
        await chat.ask("go", approve=Asked({"1": Pause()}))
    async with Session(backend, "m", tools=[get_weather], store=store, id="trip") as chat:
        assert (await chat.resume()).text == "done"
    stored = await store.load("trip")
    assert stored is not None
    assert [len(turn.messages) for turn in stored.turns] == [2, 2]


async def test_resuming_streams_events() -> None:
    """The runs, then the answer; left before the end, the calls still wait."""
    chat, _ = session("done", messages=[Message.user("go"), Message.assistant(*TWO)], tools=[get_weather])
    before = chat.messages
    async with chat.resume_stream() as stream:
        async for event in stream:
            if isinstance(event, ToolRunEnd):
                break
    assert (chat.messages, chat.pending_calls) == (before, tuple(TWO))
    async with chat.resume_stream() as stream:
        events = [event async for event in stream]
    kinds = [type(event) for event in events]
    assert kinds[:4] == [ToolRunStart, ToolRunStart, ToolRunEnd, ToolRunEnd]
    assert PartEnd in kinds
    assert stream.reply.text == "done"


async def test_results_may_be_given_for_some_of_the_calls() -> None:
    """What the caller owes is given, the rest runs; results go back in the order of the calls."""
    manual = Tool("ask_owner", "Ask.")
    calls = [call("1"), call("2", "ask_owner"), call("3")]
    chat, backend = session(calls, [call("2", location="Rome")], "done", tools=[get_weather, manual])
    reply = await chat.ask("go")
    assert len(reply.pending_calls) == 3
    with pytest.raises(ValueError, match="'ask_owner' \\(id '2'\\)"):
        await chat.resume()
    with pytest.raises(ValueError, match="no call waits for the result '9'"):
        await chat.resume(ToolResult("9", "x"))
    with pytest.raises(TypeError, match="results of tools, not a str"):
        await chat.resume("yes")  # type: ignore[call-overload]
    approve = Asked()
    reply = await chat.resume(ToolResult("2", "granted"), ToolResult("3", "known"), approve=approve)
    first = backend.requests[1].messages[-1].parts
    assert first == (PARIS, ToolResult("2", "granted"), ToolResult("3", "known"))
    assert approve.ids == ["1", "2"]  # the second is of the next step, where its id means another call
    assert results(reply)[-1] == ROME


async def test_there_is_nothing_to_resume() -> None:
    """Said before anything is sent; a session without tools would tell the model that there are none."""
    chat, backend = session(tools=[get_weather])
    with pytest.raises(ValueError, match="nothing to resume"):
        await chat.resume()
    closed = [Message.user("go"), Message.assistant(*TWO), Message("tool", (PARIS, ROME))]
    with pytest.raises(ValueError, match="nothing to resume"):
        await session(messages=closed, tools=[get_weather])[0].resume()
    with pytest.raises(ValueError, match="waits for the result of 'get_weather'"):
        await session(messages=closed[:2])[0].resume()
    assert not backend.requests


async def test_all_results_by_hand_need_no_tools() -> None:
    """It is what `ask` with results does."""
    chat, _ = session("done", messages=[Message.user("go"), Message.assistant(*TWO)])
    assert (await chat.resume(ROME, PARIS)).text == "done"
    assert chat.messages[2].parts == (PARIS, ROME)


async def test_a_paused_turn_can_be_answered_by_hand_too() -> None:
    """`ask` with results goes on as it always did."""
    chat, _ = session(TWO, "done", tools=[get_weather])
    await chat.ask("go", approve=Asked({"1": Pause()}))
    assert (await chat.ask(PARIS, ROME)).text == "done"


async def test_max_steps_counts_requests_of_the_resumed_turn() -> None:
    """The step that was waited at was counted in its own turn."""
    messages = [Message.user("go"), Message.assistant(*TWO)]
    chat, _ = session("done", messages=messages, tools=[get_weather], max_steps=1)
    assert (await chat.resume()).text == "done"
    chat, _ = session([call("3")], messages=messages, tools=[get_weather], max_steps=1)
    with pytest.raises(chatport.ToolLoopError) as caught:
        await chat.resume()
    assert caught.value.partial is not None
    chat.keep(caught.value.partial)
    assert [message.role for message in chat.messages[2:]] == ["tool", "assistant", "tool"]
    assert chatport.validate_messages(chat.messages) == ()


async def test_a_resumed_turn_that_is_cancelled_can_be_kept() -> None:
    """Each call has a result then; not kept, they still wait."""
    started = anyio.Event()

    async def hang() -> None:
        """Hang."""
        started.set()
        await anyio.sleep_forever()

    calls = [call("1", "hang"), call("2", "unheard_of")]
    calls[0].arguments.clear()
    chat, _ = session("ok", messages=[Message.user("go"), Message.assistant(*calls)], tools=[hang])
    stream = chat.resume_stream()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:

            async def read() -> None:
                async with stream:
                    await stream.finish()

            group.start_soon(read)
            await started.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert chat.pending_calls == tuple(calls)
    chat.keep(stream.partial)
    closed = chat.messages[-1].parts
    assert [part.error_kind for part in closed if isinstance(part, ToolResult)] == ["interrupted", "unknown-tool"]
    assert (await chat.ask("and now?")).text == "ok"


@pytest.mark.parametrize("saved", [False, True])
async def test_calls_of_a_message_that_was_cut_are_not_run_later_either(saved: bool) -> None:
    """Whoever resumes them cannot see that from the calls: the message says so."""
    chat, _ = session(Answer([call("1")], stop_reason="length"), "done", tools=[get_weather])
    reply = await chat.ask("go", run_tools=False)
    assert reply.pending_calls == (call("1"),)
    if saved:
        text = dump_messages(chat.messages)
        assert "length" in json.dumps(json.loads(text))
        chat, _ = session("done", messages=load_messages(text), tools=[get_weather])
    (result,) = results(await chat.resume())
    assert (result.error_kind, result.is_error) == ("cut", True)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "asked without"])
async def test_a_turn_that_is_to_have_a_type_pauses_by_its_error(kept: bool) -> None:
    """The error says how: what was paid for is kept with its calls open, and the type is said once more."""
    chat, backend = session(TWO, '{"a": 5}', tools=[get_weather])
    approve = Asked({"1": Pause()})
    if kept:
        with pytest.raises(
            chatport.OutputError, match=r"keep\(error.partial, allow_pending=True\).*resume\(output"
        ) as error:
            await chat.ask("go", output=dict[str, int], approve=approve)
        assert error.value.partial is not None
        chat.keep(error.value.partial, allow_pending=True)
    else:
        await chat.ask("go", approve=approve)
    assert chat.pending_calls == tuple(TWO)
    with pytest.raises(chatport.OutputError) as still:
        await chat.resume(output=dict[str, int], approve=approve)
    assert still.value.partial is not None
    chat.keep(still.value.partial, allow_pending=True)  # nothing new, and nothing lost
    assert chat.pending_calls == tuple(TWO)
    reply = await chat.resume(output=dict[str, int])
    assert reply.output == {"a": 5}
    assert [part.content for part in results(reply)] == [PARIS.content, ROME.content]
    assert len(backend.requests) == 2
    assert chatport.validate_messages(chat.messages) == ()


async def test_a_kept_turn_that_is_stored_waits_in_the_store() -> None:
    """As a paused one does: another session goes on with it."""
    store = MemoryStore()
    backend = ScriptedBackend(TWO, '{"a": 5}')
    approve = Asked({"1": Pause()})
    async with Session(backend, "m", tools=[get_weather], store=store, id="a") as chat:
        with pytest.raises(chatport.OutputError) as error:
            await chat.ask("go", output=dict[str, int], approve=approve)
        assert error.value.partial is not None
        chat.keep(error.value.partial, allow_pending=True)
    async with Session(backend, "m", tools=[get_weather], store=store, id="a") as chat:
        assert chat.pending_calls == tuple(TWO)
        assert (await chat.resume(output=dict[str, int])).output == {"a": 5}


async def test_what_has_begun_does_not_wait() -> None:
    """Calls that may have run, and those of a message that broke off, are closed whatever is allowed."""
    chat, _ = session(Answer(TWO, error=RuntimeError("gone")), TWO, tools=[get_weather])
    with pytest.raises(RuntimeError):
        await chat.ask("go")
    assert chat.partial is not None
    chat.keep(chat.partial, allow_pending=True)
    assert chat.pending_calls == ()
    with pytest.raises(TypeError):
        await chat.ask("go", approve=Asked({"2": None}))
    assert chat.partial is not None
    chat.keep(chat.partial, allow_pending=True)
    assert chat.pending_calls == ()
    assert chatport.validate_messages(chat.messages) == ()


async def test_a_cut_message_that_was_left_at_its_end_is_not_run_later() -> None:
    """Its calls look whole: whoever keeps them open has them closed by `resume`."""
    chat, _ = session(Answer(TWO, stop_reason="length"), "done", tools=[get_weather])
    async with chat.stream("go") as stream:
        async for event in stream:
            if isinstance(event, MessageEnd):
                break
    chat.keep(stream.partial, allow_pending=True)
    assert chat.pending_calls == tuple(TWO)
    reply = await chat.resume()
    assert [part.error_kind for part in results(reply)] == ["cut", "cut"]


# --- what an exception of the caller's own leaves --------------------------------------------------------------------


async def test_an_exception_of_the_callers_own_leaves_what_had_happened() -> None:
    """It comes out as it is, and has no place for it: the session has, tools that ran included."""
    failure = LookupError("the window")
    asked = 0

    async def approve(_: ToolCall) -> Decision:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise failure
        return Allow()

    chat, _ = session(TWO, TWO, "ok", tools=[get_weather], approve=approve)
    before = chat.partial
    assert before is None
    with pytest.raises(LookupError) as caught:
        await chat.ask("go")
    assert caught.value is failure
    assert not hasattr(failure, "partial")
    assert chat.messages == ()
    partial = chat.partial
    assert partial is not None
    assert [message.role for message in partial.messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert partial.messages[2].parts == (PARIS, ROME)
    with pytest.raises(ValueError, match="give some content"):
        await chat.ask()  # no turn has begun
    assert chat.partial is partial
    chat.keep(partial)
    assert (await chat.ask("go on")).text == "ok"
    assert chat.partial is None


async def test_a_window_that_fails_leaves_what_had_happened() -> None:
    """After the first step, whose tools have run."""

    def window(messages: tuple[Message, ...]) -> chatport.Revision:
        if len(messages) > 1:
            raise LookupError
        return chatport.Revision(messages, ())

    chat, _ = session(TWO, tools=[get_weather], window=window)
    with pytest.raises(LookupError):
        await chat.ask("go")
    assert chat.partial is not None
    assert chat.partial.messages[-1].parts == (PARIS, ROME)


async def test_a_turn_that_was_cancelled_leaves_what_had_happened() -> None:
    """`ask` gives nobody a stream to look at."""
    begun = anyio.Event()

    @chatport.tool
    async def wait() -> None:
        begun.set()
        await anyio.sleep_forever()

    chat, _ = session([call("1"), ToolCall("2", "wait", {})], tools=[get_weather, wait])
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(chat.ask, "go")
            await begun.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert chat.partial is not None
    ran, interrupted = chat.partial.messages[-1].parts
    assert ran == PARIS
    assert isinstance(interrupted, ToolResult)
    assert interrupted.error_kind == "interrupted"


async def test_a_function_that_is_not_async_is_named() -> None:
    """The error says which option is wrong, and nothing runs."""
    chat, backend = session(TWO, tools=[get_weather])
    with pytest.raises(TypeError, match=r"approve= has to be an async function.*Allow\("):
        await chat.ask("go", approve=lambda _: Allow())  # type: ignore[arg-type,return-value]  # what is refused
    assert len(backend.requests) == 1
