"""Answers, calls and results on their way back to a server: what goes where, and what is adjusted for whom."""

from __future__ import annotations

from typing import Any

import pytest
from openai_support.translating import PNG, answered, asked, body_of, codes, said

from chatport.backend import (
    Audio,
    Citation,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport.backend.http import plain_json

# --- answers on their way back ----------------------------------------------------------------------------------------


def thought(text: str = "I see", **mark: Any) -> Reasoning:
    """Reasoning with a mark of ours."""
    return Reasoning(
        text, metadata={"openai": {"server": "deepseek", "family": "deepseek", "member": "reasoning_content", **mark}}
    )


def test_reasoning_goes_back_to_its_own_server_and_family_only() -> None:
    """In the member in which it came."""
    message = answered(thought(), Text("a"), dialect="deepseek", model="deepseek-v4")
    assert message == {"role": "assistant", "content": "a", "reasoning_content": "I see"}
    for part, dialect, model, code in (
        (thought(server="groq"), "deepseek", "deepseek-v4", "foreign-reasoning"),
        (thought(family="qwen"), "deepseek", "deepseek-v4", "foreign-reasoning"),
        (Reasoning("x", "sig"), "deepseek", "deepseek-v4", "foreign-reasoning"),
        (Reasoning("x"), "deepseek", "deepseek-v4", "unsigned-reasoning"),
        (Reasoning("x", metadata={"bedrock": {}}), "deepseek", "deepseek-v4", "foreign-reasoning"),
    ):
        translation = said(
            Message.user("a"), Message.assistant(part, "b"), Message.user("c"), dialect=dialect, model=model
        )
        assert codes(translation) == [code]
        assert set(translation.body["messages"][1]) == {"role", "content"}
    forgetful = thought(server="openai", family="openai")
    translation = said(Message.user("a"), Message.assistant(forgetful, "b"), Message.user("c"))
    assert (codes(translation), codes(translation, "lossless")) == ([], ["reasoning-omitted"])


def test_details_go_back_whole_where_they_are_read() -> None:
    """Else the text does, in the member that it came in."""
    details = [{"type": "reasoning.text", "text": "I see", "signature": "s", "index": 0}]
    mark: dict[str, Any] = {"server": "openrouter", "family": "anthropic", "member": "reasoning", "details": details}
    message = answered(thought(**mark), Text("a"), dialect="openrouter", model="anthropic/claude-x")
    assert message["reasoning_details"] == details
    assert "reasoning" not in message
    message = answered(thought(**{**mark, "server": "doubleword"}), Text("a"), dialect="doubleword", model="claude-x")
    assert (message["reasoning"], "reasoning_details" in message) == ("I see", False)


def test_thoughts_inside_the_content() -> None:
    """Mistral's."""
    part = thought(server="mistral", family="mistral", member="content")
    message = answered(part, Text("a"), dialect="mistral", model="magistral-small")
    assert message["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "I see"}]},
        {"type": "text", "text": "a"},
    ]


def test_reasoning_elsewhere_is_left_out() -> None:
    """A message of the user has none."""
    assert codes(said(Message.user("a", Reasoning("x")))) == ["misplaced-reasoning"]


def test_citations_do_not_go_back() -> None:
    """Nothing is lost of our own, as the server does not read them; others are reported."""
    own, other = Citation("T", metadata={"openai": {}}), Citation("T")
    translation = said(Message.user("a"), Message.assistant(Text("b", (own, other))), Message.user("c"))
    assert (codes(translation), codes(translation, "lossless")) == (["foreign-citation"], ["citation-omitted"])


def test_opaque_parts() -> None:
    """Content parts and members of messages go back as they came; those of others are left out."""
    strange = {"type": "reference", "reference_ids": [1]}
    custom = {"id": "c9", "type": "custom", "custom": {"name": "m", "input": "4 + 4"}}
    assert answered(Text("a"), Opaque("openai", strange))["content"] == [{"type": "text", "text": "a"}, strange]
    turns = [
        Message.user("a"),
        Message.assistant(Opaque("openai", {"tool_calls": [custom]})),
        Message("tool", (ToolResult("c9", "8"),)),
    ]
    assert body_of(*turns)["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [custom]},
        {"role": "tool", "tool_call_id": "c9", "content": "8"},
    ]
    message = answered(Opaque("openai", {"content": [strange], "name": "x"}))
    assert (message["content"], message["name"]) == ([strange], "x")
    assert asked("a", Opaque("openai", strange))[-1] == strange
    for messages in (
        (Message.user(Opaque("openai", {"x": 1})),),
        (Message.user("a"), Message.assistant(Opaque("openai", 1))),
    ):
        with pytest.raises(UnsupportedError, match=r"messages\[\d\]\.parts\[0\]"):
            said(*messages)
    assert codes(said(Message.user("a"), Message.assistant("b", Opaque("x", 1)), Message.user("c"))) == [
        "foreign-opaque"
    ]


def test_sound_of_the_model() -> None:
    """OpenAI remembers what it said by its id; others get the words."""
    mark = {"openai": {"server": "openai", "audio": {"id": "a1", "transcript": "Hi"}}}
    part = Audio("audio/wav", b"x", metadata=mark)
    assert answered(part)["audio"] == {"id": "a1"}
    translation = said(Message.user("a"), Message("assistant", (part,)), Message.user("b"), dialect="groq")
    assert (translation.body["messages"][1]["content"], codes(translation)) == ("Hi", ["audio-as-transcript"])
    silent = Audio("audio/wav", b"x", metadata={"openai": {"server": "x", "audio": {}}})
    assert codes(said(Message.user("a"), Message.assistant(silent, "b"), Message.user("c"))) == ["assistant-media"]


# --- calls and results ------------------------------------------------------------------------------------------------


def test_calls_and_results() -> None:
    """A result is a message of its own, right behind the calls, in their order, before what the user says."""
    turns = (
        Message.user("a"),
        Message.assistant("b", ToolCall("c1", "add", {"a": 1}), ToolCall("c2", "add", {})),
        Message("tool", (ToolResult("c2", {"sum": 2}), ToolResult("c1", [Text("x"), Text("y")]))),
        Message.user("c"),
    )
    translation = said(*turns)
    assert plain_json(translation.body)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "b",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
        },
        {"role": "tool", "tool_call_id": "c2", "content": '{"sum":2}'},
        {"role": "user", "content": "c"},
    ]
    assert (codes(translation), "results-reordered" in codes(translation, "lossless")) == ([], True)
    assert body_of(*turns, dialect="groq")["messages"][2]["content"] == "x\ny"


def test_results_without_calls_and_calls_without_results() -> None:
    """What has no call is left out, with all that came of it; what has no result gets one that says so."""
    image = Image("image/png", PNG)
    turns = (
        Message("tool", (ToolResult("c0", [image]),)),
        Message.user("a"),
        Message.assistant(ToolCall("c1", "add"), ToolCall("c2", "add")),
        Message("tool", (ToolResult("c1", "x"), ToolResult("c1", "again"))),
        Message.user("b"),
    )
    translation = said(*turns)
    assert [(each["role"], each["content"]) for each in translation.body["messages"]] == [
        ("user", "a"),
        ("assistant", None),
        ("tool", "x"),
        ("tool", "The call of this tool was interrupted: there is no result."),
        ("user", "b"),
    ]
    assert codes(translation) == ["result-media-moved", "orphan-result", "duplicate-result", "call-unanswered"]
    assert said(Message.user("a"), Message.assistant(ToolCall("c1", "add"))).body["messages"][-1]["role"] == "tool"


def test_media_in_results() -> None:
    """Where the server takes none in a result, they follow behind all results, and the result says so."""
    turns = (
        Message.user("a"),
        Message.assistant(ToolCall("c1", "look"), ToolCall("c2", "look")),
        Message(
            "tool",
            (
                ToolResult("c1", ["see", Image("image/png", PNG)]),
                ToolResult("c2", [Document("application/pdf", b"%PDF", name="a.pdf")]),
            ),
        ),
    )
    translation = said(*turns)
    first, second, beside = plain_json(translation.body)["messages"][2:]
    assert first["content"][-1]["text"] == "(see 'image 1', which follows)"
    assert second["content"] == "(see 'a.pdf', which follows)"
    assert [item["type"] for item in beside["content"]] == ["text", "image_url", "text", "file"]
    assert codes(translation) == ["result-media-moved"] * 2
    inside = said(
        *turns[:2],
        Message("tool", (ToolResult("c1", [Image("image/png", PNG)]), ToolResult("c2", "x"))),
        dialect="openrouter",
    )
    assert inside.body["messages"][2]["content"][0]["type"] == "image_url"
    assert codes(inside) == []


def test_failed_and_empty_results() -> None:
    """The wire has no place for a failure but the words."""
    turns = (Message.user("a"), Message.assistant(ToolCall("c1", "add"), ToolCall("c2", "add"), ToolCall("c3", "add")))
    results = (ToolResult("c1", "boom", is_error=True), ToolResult("c2", ()), ToolResult("c3", [Opaque("x", 1)]))
    contents = [each["content"] for each in body_of(*turns, Message("tool", results), dialect="groq")["messages"][2:]]
    assert contents == ["The tool failed:\nboom", "(no output)", "(the result cannot be shown)"]


def test_arguments_that_are_no_json() -> None:
    """They go back as the model wrote them where that is taken, else inside an object."""
    bad = ToolCall("c1", "add", invalid_json='{"a')
    assert answered(bad)["tool_calls"][0]["function"]["arguments"] == '{"a'
    assert answered(bad, dialect="vllm")["tool_calls"][0]["function"]["arguments"] == '{"invalid_json":"{\\"a"}'


def test_calls_that_a_service_ran_itself_are_left_out() -> None:
    """There is no place for them."""
    parts = (Text("b"), ToolCall("c1", "search", executed_by="server"), ToolResult("c1", "found"))
    assert codes(said(Message.user("a"), Message("assistant", parts), Message.user("c"))) == ["foreign-server-tool"] * 2


def test_names_and_ids_that_a_server_refuses() -> None:
    """They go as others, made from them alone; the caller's names are known on the way back."""
    call = ToolCall("functions.x:0", "math.add")
    turns = (Message.user("a"), Message.assistant(call), Message("tool", (ToolResult(call.id, "1"),)))
    translation = said(*turns, dialect="mistral", tools=(Tool("math.add"),), tool_choice="math.add")
    body = translation.body
    sent = body["messages"][1]["tool_calls"][0]
    assert (len(sent["id"]), body["messages"][2]["tool_call_id"]) == (9, sent["id"])
    name = sent["function"]["name"]
    assert body["tools"][0]["function"]["name"] == body["tool_choice"]["function"]["name"] == name
    assert translation.tool_names == {name: "math.add"}
    assert codes(translation) == ["tool-renamed", "call-id-renamed"]
    assert said(*turns, dialect="mistral", tools=(Tool("math.add"),)).body["messages"] == body["messages"]
    own = ToolCall("odd", "add", metadata={"openai": {"server": "mistral", "call": {"extra": 1}}})
    assert answered(own, dialect="mistral")["tool_calls"][0] == {
        "id": "odd",
        "type": "function",
        "function": {"name": "add", "arguments": "{}"},
        "extra": 1,
    }
    assert "extra" not in answered(own, dialect="openai")["tool_calls"][0]


def test_one_id_twice_in_a_message() -> None:
    """The second call gets another, and so does its result."""
    turns = (
        Message.user("a"),
        Message.assistant(ToolCall("c", "add"), ToolCall("c", "add")),
        Message("tool", (ToolResult("c", "1"), ToolResult("c", "2"))),
    )
    translation = said(*turns)
    first, second = (call["id"] for call in translation.body["messages"][1]["tool_calls"])
    assert first != second
    assert [(each["tool_call_id"], each["content"]) for each in translation.body["messages"][2:]] == [
        (first, "1"),
        (second, "2"),
    ]
    assert codes(translation) == ["call-id-repeated"]
