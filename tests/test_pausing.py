"""Turns that end at calls that wait: in a history, in a store, with a type; and how they go on."""

import json

import anyio
import pytest
from tests.conversations import PARIS, ROME, TWO, Asked, call, get_weather, results, session

import chatport
from chatport import (
    Deny,
    Message,
    MessageEnd,
    PartEnd,
    Pause,
    Session,
    Text,
    Tool,
    ToolResult,
    ToolRunEnd,
    ToolRunStart,
    dump_messages,
    load_messages,
)
from chatport.testing import Answer, MemoryStore, ScriptedBackend

pytestmark = pytest.mark.anyio


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
