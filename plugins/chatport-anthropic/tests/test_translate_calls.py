"""Calls, results and cache points in requests: what is paired, renamed, marked, and what is left out."""

from typing import Any

import pytest
from anthropic_support.translating import CALL, PNG, WEATHER, asked, noted, turns, words

from chatport.backend import (
    CachePoint,
    Citation,
    Image,
    Json,
    Message,
    Opaque,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_anthropic import search_result, tool_addition
from chatport_anthropic._translate import Translation

# --- calls and results ------------------------------------------------------------------------------------------------


def test_results_hold_what_the_service_takes() -> None:
    """Words, JSON as words, images, documents, search results; nothing at all."""
    found = search_result("s", "T", "x")
    result = ToolResult("toolu_1", (Text("a"), Text(" "), Json({"b": 1}), Image("image/png", PNG), found, CachePoint()))
    translation = asked("?", Message.assistant(CALL), Message("tool", (result,)), tools=(WEATHER,))
    (block,) = turns(translation)[2]["content"]
    assert [each["type"] for each in block["content"]] == ["text", "text", "image", "search_result"]
    assert block["content"][1] == words('{"b": 1}')
    assert noted(translation) == [("dropped", "misplaced-cache-point", "messages[2].parts[0].content[5]")]
    empty = asked("?", Message.assistant(CALL), Message("tool", (ToolResult("toolu_1"),)), tools=(WEATHER,))
    assert turns(empty)[2]["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1"}]
    hidden = ToolResult("toolu_1", (Opaque("bedrock", {}),))
    lost = asked("?", Message.assistant(CALL), Message("tool", (hidden,)), tools=(WEATHER,))
    assert turns(lost)[2]["content"][0]["content"] == [words("(the result cannot be shown)")]


def test_a_failed_result_takes_words_only() -> None:
    """What else it holds follows behind the results."""
    second = ToolCall("toolu_2", "weather", {})
    results = (ToolResult("toolu_1", ("No", Image("image/png", PNG)), is_error=True), ToolResult("toolu_2", "rain"))
    translation = asked("?", Message.assistant(CALL, second), Message("tool", results), tools=(WEATHER,))
    first, other, image = turns(translation)[2]["content"]
    assert first == {"type": "tool_result", "tool_use_id": "toolu_1", "content": [words("No")], "is_error": True}
    assert (other["tool_use_id"], image["type"]) == ("toolu_2", "image")
    assert noted(translation) == [("changed", "result-media-moved", "messages[2].parts[0].content[1]")]


def test_calls_and_results_are_paired() -> None:
    """Results in the order of the calls, before all else; what has no partner is closed or left out, and told."""
    calls = Message.assistant(CALL, ToolCall("toolu_2", "weather", {}))
    mixed = Message("user", (Text("And?"), ToolResult("toolu_2", "b"), ToolResult("toolu_1", "a")))
    ordered = asked("?", calls, mixed, tools=(WEATHER,))
    assert [each.get("tool_use_id") for each in turns(ordered)[2]["content"]] == ["toolu_1", "toolu_2", None]
    assert noted(ordered) == []
    lonely = asked("?", calls, Message("tool", (ToolResult("toolu_1", "a"), ToolResult("x", "y"))), tools=(WEATHER,))
    assert turns(lonely)[2]["content"][1]["is_error"] is True
    assert noted(lonely) == [
        ("dropped", "orphan-result", "messages[2].parts[1]"),
        ("changed", "call-unanswered", "messages[1].parts[1]"),
    ]
    last = asked("?", Message.assistant(CALL), tools=(WEATHER,))
    assert turns(last)[-1]["content"][0]["tool_use_id"] == "toolu_1"
    twice = Message("tool", (ToolResult("toolu_1", "a"), ToolResult("toolu_1", "b")))
    assert noted(asked("?", Message.assistant(CALL), twice, tools=(WEATHER,))) == [
        ("dropped", "duplicate-result", "messages[2].parts[1]")
    ]
    between = asked("?", calls, Message.system("Be kind."), "Go on", model="claude-opus-4-8", tools=(WEATHER,))
    assert [turn["role"] for turn in turns(between)] == ["user", "assistant", "user"]


def test_a_system_message_behind_results() -> None:
    """Recorded so: calls, results, then the system; without results the calls are closed before it."""
    calls, results = Message.assistant(CALL), Message("tool", (ToolResult("toolu_1", "a"),))
    change = Message("system", (tool_addition("weather"),))
    roles = ["user", "assistant", "user", "system"]
    whole = asked("?", calls, results, change, model="claude-fable-5", tools=(WEATHER,))
    assert [turn["role"] for turn in turns(whole)] == roles
    open_call = asked("?", calls, change, model="claude-fable-5", tools=(WEATHER,))
    assert [turn["role"] for turn in turns(open_call)] == roles
    assert noted(open_call) == [("changed", "call-unanswered", "messages[1].parts[0]")]


def test_calls_of_two_answers_in_a_row() -> None:
    """What was left of the turn between them is nothing; calls of one id are told apart."""
    calls = (Message.assistant(CALL), Message.user(""), Message.assistant(CALL))
    results = Message("tool", (ToolResult("toolu_1", "a"), ToolResult("toolu_1", "b")))
    translation = asked("?", *calls, results, tools=(WEATHER,))
    first, second = turns(translation)[1]["content"]
    assert (first["id"], second["id"].startswith("toolu_")) == ("toolu_1", True)
    assert first["id"] != second["id"]
    assert [each["tool_use_id"] for each in turns(translation)[2]["content"]] == [first["id"], second["id"]]
    assert noted(translation) == [("renamed", "call-id-repeated", "messages[3].parts[0]")]
    orphan = Message("tool", (ToolResult("gone", "a"),))
    joined = asked("?", Message.assistant("a"), orphan, Message.assistant("b"), "!")
    assert turns(joined)[1]["content"] == [words("a"), words("b")]


def test_ids_and_names_that_the_service_refuses() -> None:
    """They get others, the same in every request; results follow, and the way back is kept."""
    foreign = ToolCall("functions.get:0", "get.weather", {})
    tool = Tool("get.weather", "W", {"type": "object"})
    translation = asked(
        "?", Message.assistant(foreign), Message("tool", (ToolResult("functions.get:0", "x"),)), tools=(tool,)
    )
    (call,), (result,) = (turn["content"] for turn in turns(translation)[1:])
    assert call["id"] == result["tool_use_id"] != "functions.get:0"
    assert call["name"] == translation.body["tools"][0]["name"]
    assert translation.tool_names == {call["name"]: "get.weather"}
    assert {code for _, code, _ in noted(translation)} == {"call-id-renamed", "tool-renamed"}
    own = ToolCall("functions.get:0", "weather", {}, metadata={"anthropic": {}})
    kept = asked("?", Message.assistant(own), tools=(WEATHER,))
    assert turns(kept)[1]["content"][0]["id"] == "functions.get:0"


def test_arguments_that_are_no_object() -> None:
    """They go in one, under the name that the service's pages use."""
    broken = ToolCall("toolu_1", "weather", {}, '{"a": ')
    translation = asked("?", Message.assistant(broken), tools=(WEATHER,))
    assert turns(translation)[1]["content"][0]["input"] == {"INVALID_JSON": '{"a": '}
    assert ("changed", "invalid-arguments", "messages[1].parts[0]") in noted(translation)
    with pytest.raises(UnsupportedError, match="must be a dict"):
        asked("?", Message.assistant(ToolCall("1", "x", [])), "!")  # type: ignore[arg-type]  # what a caller may do


def test_tools_that_another_service_has_run() -> None:
    """Calls and results inside an answer are that service's own: left out, and told."""
    call = ToolCall("s1", "nova_grounding", {}, executed_by="server", metadata={"bedrock": {}})
    translation = asked("?", Message.assistant(call, ToolResult("s1", "x"), "So"), "!")
    assert turns(translation)[1]["content"] == [words("So")]
    assert [code for _, code, _ in noted(translation)] == ["foreign-server-tool", "foreign-server-tool"]
    changed = ToolResult("s1", "changed", metadata={"anthropic": {"type": "web_search_tool_result"}})
    with pytest.raises(UnsupportedError, match="cannot be changed"):
        asked("?", Message.assistant(changed), "!")


def test_citations_go_back_to_who_gave_them() -> None:
    """Others, and those in words of the user, are left out."""
    own = Citation("T", metadata={"anthropic": {"type": "page_location"}})
    cited = Text("So.", (own, Citation("B", metadata={"bedrock": {}})))
    translation = asked(Message.user(Text("Hi", (own,))), Message.assistant(cited), "!")
    assert turns(translation)[1]["content"] == [{**words("So."), "citations": [{"type": "page_location"}]}]
    assert [path for _, code, path in noted(translation) if code == "foreign-citation"] == [
        "messages[0].parts[0].citations[0]",
        "messages[1].parts[0].citations[1]",
    ]


# --- cache ------------------------------------------------------------------------------------------------------------


SHORT = {"type": "ephemeral"}
LONG = {"type": "ephemeral", "ttl": "1h"}


def marks(translation: Translation) -> list[Any]:
    """The marks of tools, system prompt and messages, in order."""
    body = translation.body
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    blocks += (block for turn in body["messages"] for block in turn["content"])
    return [block.get("cache_control") for block in blocks]


def test_a_cache_point_is_a_mark_on_the_block_before_it() -> None:
    """Behind reasoning, at the beginning and with old models there is none."""
    translation = asked(Message.user("a", CachePoint("1h"), "b", CachePoint()), system=(Text("s"), CachePoint("1h")))
    assert marks(translation) == [LONG, LONG, SHORT]
    signed = Reasoning("Hm", "sig")
    refused = asked(Message.user(CachePoint(), "a"), Message.assistant(signed, CachePoint()), "b")
    assert [code for _, code, _ in noted(refused)] == ["cache-point-refused"] * 2
    assert noted(asked(Message.user("a", CachePoint()), model="claude-2.1")) == [
        ("dropped", "cache-point-refused", "messages[0].parts[1]")
    ]


def test_at_most_four_marks_and_no_long_life_behind_a_short_one() -> None:
    """The newest stay; what is shortened is told."""
    many = Message.user(*(part for word in "abcde" for part in (word, CachePoint())))
    translation = asked(many, system=(Text("s"), CachePoint()))
    assert marks(translation) == [SHORT, None, None, SHORT, SHORT, SHORT]
    assert [code for _, code, _ in noted(translation)] == ["cache-point-limit", "cache-point-limit"]
    late = asked(Message.user("a", CachePoint(), "b", CachePoint("1h")))
    assert marks(late) == [SHORT, SHORT]
    assert [code for _, code, _ in noted(late)] == ["cache-life-omitted"]


def test_the_cache_setting_marks_what_lasts() -> None:
    """The newest turn of the user, the one before, the system prompt and the last tool; the caller's marks stay."""
    history = ("a", Message.assistant("b"), "c", Message.assistant("d"), "e")
    given: dict[str, Any] = {"system": (Text("s"),), "tools": (WEATHER, Tool("other"))}
    auto = asked(*history, **given, settings=Settings(cache="auto"))
    assert marks(auto) == [None, SHORT, SHORT, None, None, SHORT, None, SHORT]
    long = asked(*history, **given, settings=Settings(cache="1h"))
    assert marks(long) == [None, LONG, LONG, None, None, LONG, None, LONG]
    own = asked(Message.user("a", CachePoint("1h"), "b"), system=(Text("s"),), settings=Settings(cache="auto"))
    assert marks(own) == [None, LONG, SHORT]
    top = asked("a", **given, settings=Settings(cache="auto", extra={"anthropic": {"cache_control": SHORT}}))
    assert marks(top) == [None, SHORT, SHORT, SHORT]
    assert noted(auto) == noted(long) == noted(own) == noted(top) == []


def test_the_cache_setting_where_it_cannot_be_had() -> None:
    """A wish is no loss, a demand is one."""
    assert noted(asked("a", model="gpt-oss:20b", settings=Settings(cache="auto"))) == []
    assert noted(asked("a", model="gpt-oss:20b", settings=Settings(cache="5m"))) == [
        ("dropped", "setting-dropped", "settings.cache")
    ]
    assert [code for _, code, _ in noted(asked("a", model="claude-2.1", settings=Settings(cache="1h")))] == [
        "setting-dropped"
    ]
    full = Message.user(*(part for word in "abcd" for part in (word, CachePoint())))
    assert [code for _, code, _ in noted(asked(full, settings=Settings(cache="1h")))] == ["cache-omitted"]
