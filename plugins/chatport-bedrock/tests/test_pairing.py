"""Calls and results: one result for each call, in the turn after it, and nothing that answers no call."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import (
    ChatRequest,
    Document,
    Message,
    Opaque,
    Part,
    Text,
    ToolCall,
    ToolResult,
    UnsupportedError,
    refuse_losses,
)
from chatport_bedrock._body import encode_body
from chatport_bedrock._translate import Translation, translate

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = Message.user("Hello")
NEXT = Message.user("And now?")


def translated(*messages: Message) -> Translation:
    """Translate a conversation."""
    return translate(ChatRequest(CLAUDE, messages), check_limits=False)


def found(*messages: Message) -> list[tuple[str, str, str]]:
    """Kind, code and path of what is reported, but that no tools are on offer."""
    adjustments = [item for item in translated(*messages).adjustments if item.kind != "lossless"]
    return [(item.kind, item.code, item.path) for item in adjustments if item.code != "tools-from-history"]


def contents(*messages: Message) -> list[list[dict[str, Any]]]:
    """The blocks of each turn."""
    return [turn["content"] for turn in translated(*messages).body["messages"]]


def result(call_id: str) -> dict[str, Any]:
    """A result of "done"."""
    return {"toolResult": {"toolUseId": call_id, "content": [{"text": "done"}]}}


def interrupted(call_id: str) -> dict[str, Any]:
    """The result that a call without one gets."""
    words = "The call of this tool was interrupted: there is no result."
    return {"toolResult": {"toolUseId": call_id, "content": [{"text": words}], "status": "error"}}


def calls(*ids: str) -> Message:
    """An answer with these calls."""
    return Message.assistant(*(ToolCall(call_id, "t") for call_id in ids))


def results(*ids: str) -> Message:
    """A message with results of these calls."""
    return Message("tool", tuple(ToolResult(call_id, "done") for call_id in ids))


def test_rule_09_a_result_without_a_call_is_left_out_and_reported() -> None:
    """A result whose call stands nowhere, or not in the turn before, would be refused."""
    messages = (HELLO, calls("a"), results("a", "x"), Message.assistant("Well."), results("a"), NEXT)
    assert contents(*messages)[2:] == [[result("a")], [{"text": "Well."}], [{"text": "And now?"}]]
    assert found(*messages) == [
        ("dropped", "orphan-result", "messages[2].parts[1]"),
        ("dropped", "orphan-result", "messages[4].parts[0]"),
    ]


def test_rule_09_a_second_result_of_a_call_is_left_out() -> None:
    """One call has one result, the first."""
    again = Message("tool", (ToolResult("a", "again"),))
    messages = (HELLO, calls("a"), results("a"), again, NEXT)
    assert contents(*messages)[2] == [result("a"), {"text": "And now?"}]
    assert found(*messages) == [("dropped", "duplicate-result", "messages[3].parts[0]")]


def test_rule_09_a_turn_of_orphans_vanishes_and_its_neighbours_meet() -> None:
    """What the model said before and after it is one turn then."""
    messages = (HELLO, Message.assistant("One."), results("x"), Message.assistant("Two.", ToolCall("b", "t")))
    assert contents(*messages, results("b")) == [
        [{"text": "Hello"}],
        [{"text": "One."}, {"text": "Two."}, {"toolUse": {"toolUseId": "b", "name": "t", "input": {}}}],
        [result("b")],
    ]


@pytest.mark.parametrize("before", [(HELLO,), (HELLO, Message.assistant("Yes?")), ()])
def test_rule_09_a_newest_message_of_orphans_is_refused(before: tuple[Message, ...]) -> None:
    """Another question would be answered than the one that was asked."""
    with pytest.raises(UnsupportedError, match=rf"messages\[{len(before)}\]: there is nothing in the newest message"):
        translated(*before, results("x"))


def test_rule_09_an_orphan_goes_under_strict() -> None:
    """Who wants no loss is told of it instead."""
    translation = translated(HELLO, Message.assistant("Yes?"), results("x"), NEXT)
    with pytest.raises(UnsupportedError, match=r"messages\[2\]\.parts\[0\]: the result is left out"):
        refuse_losses(translation.adjustments)


def test_rule_10_a_call_without_a_result_gets_one_that_says_so() -> None:
    """It stands where the result would stand: in the order of the calls, before all words."""
    messages = (HELLO, calls("a", "b", "c"), results("b"), NEXT)
    assert contents(*messages)[2] == [interrupted("a"), result("b"), interrupted("c"), {"text": "And now?"}]
    assert found(*messages) == [
        ("changed", "call-unanswered", "messages[1].parts[0]"),
        ("changed", "call-unanswered", "messages[1].parts[2]"),
    ]


def test_rule_10_a_conversation_that_ends_in_calls() -> None:
    """The turn that answers them is added."""
    assert contents(HELLO, calls("a"))[2:] == [[interrupted("a")]]


def test_rule_10_an_empty_message_does_not_hide_the_missing_result() -> None:
    """Between two answers of the model nothing was said: the call is answered behind both."""
    messages = (HELLO, calls("a"), Message.user(" "), Message.assistant("Never mind."), NEXT)
    assert contents(*messages)[2] == [interrupted("a"), {"text": "And now?"}]


def test_rule_10_the_beginning_stays_when_the_conversation_goes_on() -> None:
    """The service's prompt cache finds it again, and what was done once is done alike the next time."""
    first = (HELLO, calls("a"), NEXT)
    assert contents(*first, Message.assistant("So."), NEXT)[:3] == contents(*first)


def test_rule_10_calls_that_the_service_ran_need_nothing() -> None:
    """Their results stand beside them, in the answer."""
    answer = Message.assistant(ToolCall("s", "search", executed_by="server"), ToolResult("s", "found"), "Found.")
    assert contents(HELLO, answer, NEXT)[2] == [{"text": "And now?"}]
    assert found(HELLO, answer, NEXT) == []


def test_rule_10_calls_and_results_in_blocks_of_the_service_count_too() -> None:
    """Blocks that were kept word for word are paired like parts, and not changed."""
    call = Opaque("bedrock", {"toolUse": {"toolUseId": "a", "name": "t", "input": {}}})
    answer = Opaque("bedrock", result("a"))
    assert contents(HELLO, Message.assistant(call), Message("tool", (answer,)))[2] == [result("a")]
    assert contents(HELLO, Message.assistant(call), NEXT)[2][0] == interrupted("a")


def test_rule_10_an_id_that_stands_twice_in_a_turn() -> None:
    """The service would not know which call is answered: the second one and its result get another id."""
    messages = (HELLO, calls("a"), calls("a"), results("a"), Message("tool", (ToolResult("a", "two"),)))
    _, answer, user = contents(*messages)
    first, second = (block["toolUse"]["toolUseId"] for block in answer)
    assert (first, second != "a") == ("a", True)
    assert [block["toolResult"]["toolUseId"] for block in user] == [first, second]
    assert user[1]["toolResult"]["content"] == [{"text": "two"}]
    assert found(*messages) == [("renamed", "call-id-repeated", "messages[2].parts[0]")]


_ids = st.sampled_from(["a", "b", "c", ""])
_said: st.SearchStrategy[Part] = st.builds(Text, st.sampled_from(["yes", " "])) | st.just(
    Document("text/plain", b"x", name="d")
)
_answers = st.lists(st.builds(ToolCall, _ids, st.just("t")) | _said, min_size=1, max_size=3)
_replies = st.lists(st.builds(ToolResult, _ids, st.just("done")) | _said, min_size=1, max_size=3)
_histories = st.lists(
    st.builds(Message, st.just("assistant"), _answers.map(tuple))
    | st.builds(Message, st.just("tool"), _replies.map(tuple)),
    max_size=6,
)


@given(_histories)
def test_rules_09_and_10_hold_in_any_conversation(history: list[Message]) -> None:
    """Every turn of the user begins with one result for each call before it, in their order, and has no other."""
    messages = (HELLO, *history, NEXT)
    translation = translated(*messages)
    turns = translation.body["messages"]
    for before, turn in pairwise(turns):
        wanted = [block["toolUse"]["toolUseId"] for block in before["content"] if "toolUse" in block]
        got = [block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block]
        assert len(set(wanted)) == len(wanted)
        assert got == wanted
        assert ["toolResult" in block for block in turn["content"]][: len(got)] == [True] * len(got)
    assert encode_body(translated(*messages).body) == encode_body(translation.body)
