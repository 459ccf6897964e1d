"""Calls that a model gives one id: each call has an id of its own in the history, and each its own result."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversations import call, get_weather, session

from chatport import (
    Allow,
    Decision,
    Message,
    Part,
    PartEnd,
    Pause,
    Text,
    ToolCall,
    ToolCallStart,
    ToolResult,
    ToolRunEnd,
    ToolRunStart,
    repair_messages,
    validate_messages,
)
from chatport._call_ids import CallIds, with_distinct_ids
from chatport.testing import Answer

pytestmark = pytest.mark.anyio

PARIS, ROME = call("1", location="Paris"), call("1", location="Rome")
ROME_APART = call("1-2", location="Rome")


def result_ids(messages: tuple[Message, ...]) -> list[str]:
    """The ids of all results, in their order."""
    return [part.id for message in messages for part in message.parts if isinstance(part, ToolResult)]


async def test_each_call_and_each_result_has_an_id_of_its_own() -> None:
    """In the history and in the next request; a note says so, which a strict turn takes."""
    chat, backend = session([PARIS, ROME], "done", tools=[get_weather], strict=True)
    reply = await chat.ask("go")
    assert validate_messages(chat.messages) == ()
    assert chat.messages[1].parts == (PARIS, ROME_APART)
    assert result_ids(chat.messages) == ["1", "1-2"]
    assert result_ids(backend.requests[1].messages) == ["1", "1-2"]
    (note,) = reply.adjustments
    assert (note.kind, note.code, note.path) == ("renamed", "duplicate-call-id", "message.parts[1]")
    assert "'1'" in note.message
    assert "'1-2'" in note.message


async def test_what_was_passed_on_says_what_the_model_said() -> None:
    """The service's events keep its id; who is asked, and what runs, has the one in the history."""
    asked: list[str] = []

    async def approve(pending: ToolCall) -> Decision:
        asked.append(pending.id)
        return Allow()

    chat, _ = session([PARIS, ROME], "done", tools=[get_weather], approve=approve)
    async with chat.stream("go") as stream:
        events = [event async for event in stream]
    assert [event.id for event in events if isinstance(event, ToolCallStart)] == ["1", "1"]
    ended = [event.part for event in events if isinstance(event, PartEnd)]
    assert [part.id for part in ended if isinstance(part, ToolCall)] == ["1", "1"]
    assert [event.call.id for event in events if isinstance(event, ToolRunStart)] == ["1", "1-2"]
    ends = [event for event in events if isinstance(event, ToolRunEnd)]
    assert [(event.call.id, event.result.id) for event in ends] == [("1", "1"), ("1-2", "1-2")]
    assert asked == ["1", "1-2"]


async def test_a_result_that_is_given_answers_one_call() -> None:
    """After a pause the calls can be told apart: the other one is run."""

    async def approve(_: ToolCall) -> Decision:
        return Pause()

    chat, _ = session([PARIS, ROME], "done", tools=[get_weather])
    reply = await chat.ask("go", approve=approve)
    assert [pending.id for pending in reply.pending_calls] == ["1", "1-2"]
    await chat.resume(ToolResult("1", "by hand"))
    first, second = chat.messages[2].parts
    assert first == ToolResult("1", "by hand")
    assert isinstance(second, ToolResult)
    assert second.id == "1-2"
    assert "Rome" in str(second.content)


@pytest.mark.parametrize("how", ["ask", "resume"])
async def test_a_result_for_one_of_two_calls_of_an_old_history_is_refused(how: str) -> None:
    """Nobody knows which of them it answers; repaired, they can be told apart."""
    history = (Message.user("go"), Message("assistant", (PARIS, ROME)))
    chat, _ = session("done", messages=history, tools=[get_weather])
    with pytest.raises(ValueError, match=r"two calls wait under the id '1'.*repair_messages"):
        await getattr(chat, how)(ToolResult("1", "by hand"))
    chat.edit(repair_messages(chat.messages, allow_pending=True).messages)
    await getattr(chat, how)(ToolResult("1", "by hand"), ToolResult("1-2", "as well"))
    assert validate_messages(chat.messages) == ()


async def test_what_is_left_of_a_turn_can_be_kept() -> None:
    """Also where the answer broke off behind the second call."""
    broken = Answer([PARIS, ROME], error=RuntimeError("gone"))
    chat, _ = session(broken, tools=[get_weather])
    with pytest.raises(RuntimeError):
        await chat.ask("go")
    assert chat.partial is not None
    chat.keep(chat.partial)
    assert validate_messages(chat.messages) == ()
    assert result_ids(chat.messages) == ["1", "1-2"]


def test_a_message_without_such_ids_is_the_same_object() -> None:
    """And calls that the service has run itself keep what they have: their results stand in the message."""
    served = ToolCall("1", "search", {}, executed_by="server")
    several: list[tuple[Part, ...]] = [(), (Text("x"), PARIS), (PARIS, call("2"))]
    for parts in (*several, (served, ToolResult("1", "found"), PARIS)):
        message = Message("assistant", parts)
        assert with_distinct_ids(message) == (message, ())
        assert with_distinct_ids(message)[0] is message


@given(st.lists(st.sampled_from(["", "a", "a-2", "a-2-2", "a-3", "b"]), max_size=12))
def test_any_ids_become_distinct_and_the_first_ones_stay(ids: list[str]) -> None:
    """An id that stands once is never changed, also where another one could become the same."""
    message, notes = with_distinct_ids(Message("assistant", tuple(call(id_) for id_ in ids)))
    fresh = [made.id for made in message.tool_calls]
    assert len(set(fresh)) == len(ids)
    first = {ids.index(id_) for id_ in ids}
    assert all(fresh[position] == ids[position] for position in first)
    assert len(notes) == len(ids) - len(first)


class Looks(set[str]):
    """Ids that count how often somebody looks whether one is there."""

    count = 0

    def __contains__(self, id_: object) -> bool:
        """Count, and say."""
        self.count += 1
        return super().__contains__(id_)


def test_many_of_one_id_take_as_many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each number is tried once: a message with thousands of such calls is no reason to wait, in a repair neither."""
    looks: list[Looks] = []

    def watch(self: CallIds, taken: Iterable[str]) -> None:
        begin(self, taken)
        looks.append(Looks(self._taken))
        self._taken = looks[-1]

    begin = CallIds.__init__
    monkeypatch.setattr(CallIds, "__init__", watch)
    message = Message("assistant", (*[call("x")] * 1000, call("x-5")))
    made, notes = with_distinct_ids(message)
    assert (len({found.id for found in made.tool_calls}), len(notes)) == (1001, 999)
    repaired = repair_messages([Message.user("go"), message])
    assert validate_messages(repaired.messages) == ()
    assert [table.count for table in looks] == [1000, 1000, 0]  # the last one is that of the check
