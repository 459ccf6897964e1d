"""Calls, results, marks and what is kept word for word, as blocks."""

from typing import Any

import pytest
from bedrock_support.blocks import CLAUDE, HELLO, answered, asked, summary

from chatport.backend import (
    Audio,
    CachePoint,
    ChatRequest,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_bedrock._translate import translate


def resulted(result: ToolResult) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """The block of a result, and what was reported about it."""
    messages = (Message.assistant(ToolCall(result.id, "t")), Message.user(result))
    translation = translate(ChatRequest(CLAUDE, messages, tools=(Tool("t"),)))
    (block,) = translation.body["messages"][1]["content"]
    return block["toolResult"], list(map(summary, translation.adjustments))


# --- calls and results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call_id", ["tooluse_1", "functions.get_temperature:0", "call_1", "x" * 64])
def test_ids_of_calls_go_as_they_are(call_id: str) -> None:
    """What the service issued it accepts, and so it does with ids of others that look alike."""
    assert answered(ToolCall(call_id, "t", {"a": 1}))[0] == [
        {"toolUse": {"toolUseId": call_id, "name": "t", "input": {"a": 1}}}
    ]
    assert resulted(ToolResult(call_id, "x"))[0] == {"toolUseId": call_id, "content": [{"text": "x"}]}


def test_a_call_that_the_service_ran_says_so() -> None:
    """The type is what tells the service that no result of the caller's is missing."""
    assert answered(ToolCall("s", "nova_grounding", {"q": "x"}, executed_by="server")) == (
        [{"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {"q": "x"}, "type": "server_tool_use"}}],
        [],
    )


def test_rule_35_arguments_that_are_no_object_go_inside_one() -> None:
    """The wire wants an object; what the model wrote is shown to it unrepaired, and the change is reported."""
    assert answered(ToolCall("c", "t", {}, '{"city": "Be')) == (
        [{"toolUse": {"toolUseId": "c", "name": "t", "input": {"invalid_json": '{"city": "Be'}}}],
        [("changed", "invalid-arguments", "messages[1].parts[1]")],
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text", [{"text": "text"}]),
        ({"a": [1]}, [{"json": {"a": [1]}}]),
        ([Text("t"), Json({}), Image("image/png", b"x")], None),
    ],
    ids=["text", "object", "several"],
)
def test_results_keep_their_parts(content: Any, expected: list[Any] | None) -> None:
    """Text, JSON objects and media stand in a result in the order in which the tool gave them."""
    several = [{"text": "t"}, {"json": {}}, {"image": {"format": "png", "source": {"bytes": b"x"}}}]
    assert resulted(ToolResult("c", content)) == ({"toolUseId": "c", "content": expected or several}, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [([1, "ä"], '[1, "ä"]'), (42, "42"), (None, "null"), (True, "true")],
    ids=["array", "number", "null", "boolean"],
)
def test_rule_29_json_that_is_no_object_goes_as_text(value: Any, text: str) -> None:
    """The service takes objects only."""
    assert resulted(ToolResult("c", value)) == (
        {"toolUseId": "c", "content": [{"text": text}]},
        [("lossless", "json-as-text", "messages[1].parts[0].content[0]")],
    )


@pytest.mark.parametrize(
    ("content", "text", "codes"),
    [
        ((), "(no output)", ["empty-result"]),
        ("", "(no output)", ["blank-text-omitted", "empty-result"]),
        (Opaque("other", {}), "(the result cannot be shown)", ["foreign-opaque", "empty-result"]),
    ],
    ids=["nothing", "blank", "foreign"],
)
def test_rule_28_an_empty_result_says_so(content: Any, text: str, codes: list[str]) -> None:
    """The service refuses results without content; a tool that has nothing to say still answers."""
    block, found = resulted(ToolResult("c", content))
    assert block["content"] == [{"text": text}]
    assert [code for _, code, _ in found] == codes


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ToolResult("c", "x"), {}),
        (ToolResult("c", "x", is_error=True), {"status": "error"}),
        (ToolResult("c", "x", metadata={"bedrock": {"status": "success"}}), {"status": "success"}),
        (ToolResult("c", "x", is_error=True, metadata={"bedrock": {"status": "success"}}), {"status": "error"}),
        (ToolResult("c", "x", metadata={"bedrock": {"status": "error"}}), {}),
        (
            ToolResult("c", "x", metadata={"bedrock": {"status": "success", "type": "t"}}),
            {"status": "success", "type": "t"},
        ),
        (ToolResult("c", "x", metadata={"openai": {"status": "success"}}), {}),
    ],
    ids=["good", "error", "kept", "turned-bad", "turned-good", "with-type", "foreign"],
)
def test_a_result_says_whether_it_failed(result: ToolResult, expected: dict[str, str]) -> None:
    """A failure has a status, a success none unless the service gave one; what the caller changed since counts."""
    block, _ = resulted(result)
    assert {name: value for name, value in block.items() if name in {"status", "type"}} == expected


def test_rule_81_names_in_the_callers_data_stay_as_they_are() -> None:
    """The wire's names are ours to write; those in arguments, results, schemas and extras are not ours to change."""
    data = {"user_name": 1, "userName": {"inner_key": [{"innerKey": None}]}, "toolUseId": "x", "tool_use_id": "y"}
    request = ChatRequest(
        CLAUDE,
        (
            HELLO,
            Message.assistant(ToolCall("1", "look_up", data)),
            Message("tool", (ToolResult("1", data),)),
        ),
        tools=(Tool("look_up", "Looks up.", {"type": "object", "properties": {"user_name": {"default": data}}}),),
        settings=Settings(extra={"bedrock": {"additionalModelRequestFields": data}}),
    )
    body = translate(request).body
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == data
    assert body["messages"][2]["content"][0]["toolResult"]["content"] == [{"json": data}]
    assert (
        body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]["properties"]["user_name"]["default"] == data
    )
    assert body["additionalModelRequestFields"] == data


def test_a_result_of_the_services_own_goes_back_as_it_came() -> None:
    """In an answer nothing of a result is touched: no blanks taken out, no placeholder put in, JSON of any kind."""
    metadata = {"bedrock": {"status": "success", "type": "nova_grounding_result"}}
    contents: list[tuple[tuple[Part, ...], list[Any]]] = [
        ((), []),
        ((Text(""),), [{"text": ""}]),
        ((Text("[HIDDEN]"), Json([1])), [{"text": "[HIDDEN]"}, {"json": [1]}]),
    ]
    for content, expected in contents:
        blocks, found = answered(ToolCall("s", "g", executed_by="server"), ToolResult("s", content, metadata=metadata))
        assert blocks[1] == {
            "toolResult": {"toolUseId": "s", "content": expected, "status": "success", "type": "nova_grounding_result"}
        }
        assert found == []


@pytest.mark.parametrize(
    ("part", "name"),
    [(Audio("audio/mpeg", b"x"), "audio"), (ToolCall("c", "t"), "ToolCall"), (ToolResult("c", "x"), "ToolResult")],
    ids=["audio", "call", "result"],
)
def test_what_a_result_cannot_hold_is_refused(part: Part, name: str) -> None:
    """The place is named down to the part inside the result."""
    with pytest.raises(UnsupportedError, match=rf"^messages\[1\]\.parts\[0\]\.content\[1\]: Bedrock takes no {name}"):
        resulted(ToolResult("c", [Text("t"), part]))


def test_a_call_in_a_question_is_refused() -> None:
    """Only a model calls."""
    with pytest.raises(UnsupportedError, match=r"^messages\[0\]\.parts\[1\]: Bedrock takes no ToolCall"):
        asked(ToolCall("c", "t"))


def test_json_that_is_no_json_is_refused_with_its_place() -> None:
    """A part made by hand may hold anything; what cannot be said is not sent."""
    with pytest.raises(UnsupportedError, match=r"^messages\[1\]\.parts\[0\]\.content\[0\]\.value: nan is no"):
        resulted(ToolResult("c", Json(float("nan"))))


# --- marks and what is kept word for word -----------------------------------------------------------------------------


def test_cache_points_stand_where_they_were_set() -> None:
    """With the service's own word for how long, or without."""
    assert asked(CachePoint("1h"), Text("x"), CachePoint())[0] == [
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"text": "x"},
        {"cachePoint": {"type": "default"}},
    ]


def test_a_cache_point_in_a_result_is_left_out() -> None:
    """The wire has no place for it there; the result itself is sent."""
    block, found = resulted(ToolResult("c", [Text("x"), CachePoint()]))
    assert block["content"] == [{"text": "x"}]
    assert found == [("dropped", "misplaced-cache-point", "messages[1].parts[0].content[1]")]


def test_opaque_blocks_of_ours_stand_word_for_word() -> None:
    """In questions, answers and results, whatever is in them: blank text and unknown members too."""
    raw = {"text": "", "unknownMember": {"camelCase": None, "snake_case": [1.0]}}
    assert asked(Opaque("bedrock", raw)) == ([raw], [])
    assert answered(Opaque("bedrock", raw)) == ([raw], [])
    assert resulted(ToolResult("c", Opaque("bedrock", raw)))[0]["content"] == [raw]


def test_opaque_blocks_of_others_are_left_out() -> None:
    """Only the backend that made it understands it; that and the place are reported."""
    assert asked(Opaque("openai", {"text": "x"})) == ([], [("dropped", "foreign-opaque", "messages[0].parts[1]")])


def test_an_opaque_block_that_is_no_object_is_refused() -> None:
    """It cannot have come from this service."""
    with pytest.raises(
        UnsupportedError, match=r"^messages\[0\]\.parts\[1\]: a block of Bedrock is a JSON object, not list"
    ):
        asked(Opaque("bedrock", [1]))
