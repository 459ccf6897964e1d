"""Calls and results brought together: what is said of them is said at their own place."""

import pytest

from chatport.backend import ChatRequest, Message, ToolCall, ToolResult
from chatport_openai._dialect_table import dialect_named
from chatport_openai._translate import Translation, translate

LONG = "tool_0_get_time_" + "x" * 40
QUESTION = Message.user("And now?")


def sent(*messages: Message) -> Translation:
    """Translate a conversation for OpenAI."""
    return translate(ChatRequest("gpt-4o", (Message.user("Hello!"), *messages)), dialect=dialect_named("openai"))


def notes(translation: Translation) -> list[tuple[str, str, str]]:
    """What was adjusted, and where."""
    return [(note.kind, note.code, note.path) for note in translation.adjustments]


def test_an_id_that_is_refused_is_renamed_where_its_call_stands() -> None:
    """Each call of a message is named by itself, and its result follows it."""
    called = Message.assistant("Let me see.", ToolCall("call_1", "clock"), ToolCall(LONG, "clock"))
    found = sent(called, Message("tool", (ToolResult("call_1", "noon"), ToolResult(LONG, "one"))), QUESTION)
    assert notes(found) == [("renamed", "call-id-renamed", "messages[1].parts[2]")]
    ids = [call["id"] for call in found.body["messages"][1]["tool_calls"]]
    assert ids[0] == "call_1"
    assert ids[1] != LONG
    assert [message["tool_call_id"] for message in found.body["messages"][2:4]] == ids


def test_an_id_that_stands_twice_is_renamed_where_it_stands_again() -> None:
    """The first call keeps it."""
    called = Message.assistant(ToolCall("call_1", "clock"), ToolCall("call_1", "clock"))
    found = sent(called, Message("tool", (ToolResult("call_1", "noon"), ToolResult("call_1", "one"))), QUESTION)
    assert notes(found) == [("renamed", "call-id-repeated", "messages[1].parts[1]")]
    assert [message["content"] for message in found.body["messages"][2:4]] == ["noon", "one"]


@pytest.mark.parametrize("calls", [1, 2])
def test_a_call_without_a_result_is_named(calls: int) -> None:
    """The last of them; a result says for it that it was interrupted."""
    called = Message.assistant("Hm.", *(ToolCall(f"call_{number}", "clock") for number in range(calls)))
    given = tuple(ToolResult(f"call_{number}", "noon") for number in range(calls - 1))
    found = sent(called, *([Message("tool", given)] if given else []), QUESTION)
    assert ("changed", "call-unanswered", f"messages[1].parts[{calls}]") in notes(found)
    results = [message for message in found.body["messages"] if message["role"] == "tool"]
    assert "interrupted" in results[-1]["content"]
