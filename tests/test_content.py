"""What a caller says fits the history, and what is left of a turn does too."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import reasoning, text_parts, tool_calls

from chatport._content import kept_messages, pending_calls, turn_messages
from chatport._fold import Fold
from chatport._messages import Message, Part, Reasoning, Text, ToolCall, ToolResult
from chatport._repair import validate_messages
from chatport._reply import Partial
from chatport._tool_errors import interrupted_result, unbegun_result
from chatport._unfold import events_from

ASKED = Message.user("go")
CALLED = Message.assistant(ToolCall("1", "a"), ToolCall("2", "b"))
SERVED = ToolCall("s", "search", executed_by="server")


def interrupted(id_: str) -> ToolResult:
    """Return the result of a call that was not run to its end."""
    return interrupted_result(ToolCall(id_, "any", {}))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([ToolResult("1", "x")], "waits for the result of 'b' \\(id '2'\\): give"),
        ([ToolResult("1", "x"), ToolResult("2", "y"), ToolResult("3", "z")], "no call waits for the result '3'"),
        ([ToolResult("1", "x"), ToolResult("2", "y"), ToolResult("2", "z")], "carry the same id: '2'$"),
    ],
    ids=["too few", "too many", "twice"],
)
def test_results_answer_the_calls_that_wait(given: list[Any], reason: str) -> None:
    """Each call once and nothing else; the message names the one that is wrong."""
    with pytest.raises(ValueError, match=reason):
        turn_messages([ASKED, CALLED], given)


def test_one_result_answers_no_two_calls_that_share_an_id() -> None:
    """In a history from elsewhere: what one call came to is not what the other one did."""
    twice = Message.assistant(ToolCall("1", "a"), ToolCall("1", "a"), ToolCall("2", "a"))
    with pytest.raises(ValueError, match="two calls wait under the id '1'"):
        turn_messages([ASKED, twice], [ToolResult("1", "x"), ToolResult("2", "x")])


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ((), None),
        ((Text(""),), None),
        ((Reasoning("plain"), Text("so")), (Text("so"),)),
        ((Reasoning("signed", "s"), Text("so")), (Reasoning("signed", "s"), Text("so"))),
        ((Reasoning(redacted=b"x"), ToolCall("1", "a")), (Reasoning(redacted=b"x"), ToolCall("1", "a"))),
        ((Text("so"), Reasoning("signed", "s")), (Text("so"),)),
        ((Reasoning("signed", "s"), Reasoning("cut", "s"), Text("")), None),
        ((Text("so"), SERVED), (Text("so"),)),
        ((SERVED, ToolResult("s", "found"), Text("so")), (SERVED, ToolResult("s", "found"), Text("so"))),
    ],
    ids=["nothing", "empty", "unsigned", "signed", "redacted", "last", "only", "server's cut", "server's whole"],
)
def test_what_is_kept_of_an_unfinished_message(parts: tuple[Part, ...], kept: tuple[Part, ...] | None) -> None:
    """What a service would refuse is left out, and the whole message where nothing else is in it."""
    messages = kept_messages((), Partial((ASKED, Message("assistant", parts)), unfinished=True))
    assert messages[0] is ASKED
    assert [message.parts for message in messages if message.role == "assistant"] == ([] if kept is None else [kept])


def test_calls_are_closed_whether_some_have_run_or_none() -> None:
    """In the order of the calls, and what has run keeps its result."""
    closed = tuple(unbegun_result(ToolCall(id_, "any", {})) for id_ in "12")
    assert kept_messages((), Partial((ASKED, CALLED)))[-1] == Message("tool", closed)
    ran = Message("tool", (ToolResult("2", "done"),))
    assert kept_messages((), Partial((ASKED, CALLED, ran)))[2:] == (
        Message("tool", (interrupted("1"), ToolResult("2", "done"))),
    )


@pytest.mark.parametrize(
    "partial",
    [Partial(), Partial(unfinished=True), Partial((ASKED,)), Partial((ASKED,), unfinished=True)],
    ids=["nothing", "nothing unfinished", "a question", "a question unfinished"],
)
def test_where_nothing_was_answered_nothing_is_made_up(partial: Partial) -> None:
    """A question alone is a valid history, and nothing at all is nothing."""
    assert kept_messages((), partial) == partial.messages


def test_a_turn_is_kept_once() -> None:
    """Kept again, or kept though it has landed, it would stand in the history twice."""
    for partial in (
        Partial((ASKED, Message.assistant("so"))),
        Partial((ASKED, Message.assistant("s")), unfinished=True),
    ):
        history = kept_messages((), partial)
        with pytest.raises(ValueError, match="already"):
            kept_messages(history, partial)
        assert kept_messages(history, Partial((Message.user("go"),))) == (ASKED,), "the same words in another turn"


def test_a_turn_is_kept_where_it_belongs() -> None:
    """Behind calls that wait, the turn that answers them; where none waits, no results."""
    answer = Message("tool", (ToolResult("1", "x"), ToolResult("2", "y")))
    assert kept_messages((ASKED, CALLED), Partial((answer,))) == (answer,)
    for history, first in [((ASKED, CALLED), Message.user("again")), ((ASKED,), answer)]:
        with pytest.raises(ValueError, match="another history"):
            kept_messages(history, Partial((first,)))


@given(st.lists(text_parts() | reasoning() | tool_calls(), max_size=5), st.data())
def test_however_a_message_is_cut_what_is_kept_is_valid(parts: list[Part], data: st.DataObject) -> None:
    """Every call of ours has a result behind it, nothing ends with thoughts, and the next question can be asked."""
    events = list(events_from(Message("assistant", tuple(parts)), model="m"))
    fold = Fold()
    for event in events[: data.draw(st.integers(1, len(events) - 1))]:
        fold.feed(event)
    question = Message.user("go")
    history = kept_messages((), Partial((question, fold.snapshot()), unfinished=True))
    assert history[0] is question
    assert pending_calls(history) == ()
    for message in history[1:]:
        assert message.parts
        if message.role == "assistant":
            assert not isinstance(message.parts[-1], Reasoning)
            assert all(
                part.signature is not None or part.redacted is not None
                for part in message.parts
                if isinstance(part, Reasoning)
            )
            assert Text("") not in message.parts
    # Two calls with one id are the model's mistake, and go back to it as they came.
    assert {problem.kind for problem in validate_messages(history)} <= {"duplicate-call-id"}
    assert turn_messages(history, ["go on"]) == (Message.user("go on"),)
