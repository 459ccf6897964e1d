"""Calls that somebody is asked about before they run: allowed, denied, changed."""

from typing import Any

import pytest
from tests.conversations import PARIS, ROME, TWO, Asked, call, get_weather, results, session

from chatport import (
    Allow,
    Decision,
    Deny,
    Json,
    Text,
    ToolCall,
    ToolResult,
    ToolRunEnd,
    ToolRunStart,
    dump_messages,
    load_messages,
)
from chatport.hooks import hookimpl, observe
from chatport.testing import Answer

pytestmark = pytest.mark.anyio


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


async def test_observers_see_the_call_that_is_run_and_what_the_model_asked_for() -> None:
    """What was done to the world is what ran; the result that they see is the one in the history."""
    seen: list[tuple[Any, ...]] = []

    class Watcher:
        @hookimpl
        def chatport_tool_run_start(self, call: ToolCall, asked: ToolCall) -> None:
            seen.append((call.id, call.arguments, asked.arguments))

        @hookimpl
        def chatport_tool_run_end(self, call: ToolCall, asked: ToolCall, result: ToolResult | None) -> None:
            seen.append((call.id, call is asked, call.arguments["location"], result))

    chat, _ = session(TWO, "done", tools=[get_weather], max_parallel_tools=1)
    with observe(Watcher()):
        reply = await chat.ask("go", approve=Asked({"1": Allow({"location": "Oslo"})}))
    first, second = results(reply)
    assert second == ROME
    assert sorted(seen, key=lambda row: (row[0], len(row))) == [
        ("1", {"location": "Oslo"}, {"location": "Paris"}),
        ("1", False, "Oslo", first),
        ("2", {"location": "Rome"}, {"location": "Rome"}),
        ("2", True, "Rome", second),
    ]


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
    unbegun = ("interrupted", "Interrupted before this call was begun: it was not run.", False)
    assert [
        (part.error_kind, part.text, part.metadata["chatport"]["begun"])
        for part in closed
        if isinstance(part, ToolResult)
    ] == [unbegun] * 2
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


async def test_a_function_that_is_not_async_is_named() -> None:
    """The error says which option is wrong, and nothing runs."""
    chat, backend = session(TWO, tools=[get_weather])
    with pytest.raises(TypeError, match=r"approve= has to be an async function.*Allow\("):
        await chat.ask("go", approve=lambda _: Allow())  # type: ignore[arg-type,return-value]  # what is refused
    assert len(backend.requests) == 1
