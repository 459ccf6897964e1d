"""Parts as blocks: words and citations, media, reasoning both ways, calls, results, and what is kept word for word."""

from typing import Any

import pytest

from chatport.backend import (
    Adjustment,
    Audio,
    CachePoint,
    ChatRequest,
    Citation,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_bedrock._models import model_family
from chatport_bedrock._translate import translate

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
HELLO = Message.user("Hello")


def translated(message: Message, *, model: str = CLAUDE) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Blocks of a message of the user, or of one of the model between two of the user, and what was reported."""
    if message.role == "user":
        translation = translate(ChatRequest(model, (message,)))
    else:
        results = [ToolResult(call.id, "done") for call in message.tool_calls]
        translation = translate(ChatRequest(model, (HELLO, message, Message.user(*results, "Go on."))))
    turn = 0 if message.role == "user" else 1
    return translation.body["messages"][turn]["content"], list(map(summary, translation.adjustments))


def summary(adjustment: Adjustment) -> tuple[str, str, str]:
    """Kind, code and path."""
    return adjustment.kind, adjustment.code, adjustment.path


def asked(*parts: Any) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Blocks of a user's message with a word before the parts, without that word."""
    blocks, found = translated(Message.user("Look:", *parts))
    return blocks[1:], found


def answered(*parts: Any, model: str = CLAUDE) -> tuple[list[Any], list[tuple[str, str, str]]]:
    """Blocks of an answer with a word before the parts, without that word."""
    blocks, found = translated(Message.assistant("So:", *parts), model=model)
    return blocks[1:], [(kind, code, path) for kind, code, path in found if code != "tools-from-history"]


def resulted(result: ToolResult) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """The block of a result, and what was reported about it."""
    messages = (Message.assistant(ToolCall(result.id, "t")), Message.user(result))
    translation = translate(ChatRequest(CLAUDE, messages, tools=(Tool("t"),)))
    (block,) = translation.body["messages"][1]["content"]
    return block["toolResult"], list(map(summary, translation.adjustments))


# --- words and citations ---------------------------------------------------------------------------------------------

RAW = {"title": "T", "sourceContent": [{"text": "q"}], "location": {"documentChar": {"start": 0, "end": 1}}}
OWN = Citation("T", None, ("q",), metadata={"bedrock": RAW})


def test_citations_go_back_as_the_service_gave_them() -> None:
    """The raw citation is sent again; where a block had citations only, it has citations only again."""
    assert answered(Text("word", (OWN,)))[0] == [
        {"citationsContent": {"content": [{"text": "word"}], "citations": [RAW]}}
    ]
    assert answered(Text("", (OWN,))) == ([{"citationsContent": {"citations": [RAW]}}], [])


def test_citations_of_others_are_left_out_and_the_words_stay() -> None:
    """The service takes back only what it knows; each loss is reported."""
    foreign = Citation("Elsewhere", "https://example.com", metadata={"openai": {}})
    assert answered(Text("word", (foreign,))) == (
        [{"text": "word"}],
        [("dropped", "foreign-citation", "messages[1].parts[1].citations[0]")],
    )
    blocks, found = answered(Text("word", (foreign, OWN)))
    assert blocks == [{"citationsContent": {"content": [{"text": "word"}], "citations": [RAW]}}]
    assert found == [("dropped", "foreign-citation", "messages[1].parts[1].citations[0]")]


def test_a_quotation_by_the_user_carries_no_citations() -> None:
    """Blocks with citations are the model's; in a question and in a result the words go alone."""
    assert asked(Text("word", (OWN,))) == (
        [{"text": "word"}],
        [("dropped", "foreign-citation", "messages[0].parts[1].citations[0]")],
    )


def test_a_raw_block_with_citations_goes_back_while_its_words_stand() -> None:
    """What the parts cannot say is kept beside them; words that the caller has edited are what is sent."""
    raw = {"content": [{"text": "two "}, {"text": "entries"}], "citations": []}
    metadata = {"bedrock": {"citationsContent": raw}}
    assert answered(Text("two entries", metadata=metadata)) == ([{"citationsContent": raw}], [])
    assert answered(Text("edited", metadata=metadata)) == ([{"text": "edited"}], [])


def test_json_among_words_goes_as_text() -> None:
    """Only results of tools have JSON on the wire; nothing is escaped that need not be."""
    assert asked(Json({"Ort": "Zürich"})) == (
        [{"text": '{"Ort": "Zürich"}'}],
        [("lossless", "json-as-text", "messages[0].parts[1]")],
    )


# --- reasoning -------------------------------------------------------------------------------------------------------

MARKED = {"bedrock": {"family": "anthropic"}}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Reasoning("t", "s", metadata=MARKED), [{"reasoningText": {"text": "t", "signature": "s"}}]),
        (Reasoning("", "s", metadata=MARKED), [{"reasoningText": {"text": "", "signature": "s"}}]),
        (Reasoning(redacted=b"\xff\x00", metadata=MARKED), [{"redactedContent": b"\xff\x00"}]),
        (Reasoning("t", "s"), [{"reasoningText": {"text": "t", "signature": "s"}}]),
        (Reasoning(redacted=b"r"), [{"redactedContent": b"r"}]),
        (Reasoning("t", "s", b"r"), [{"reasoningText": {"text": "t", "signature": "s"}}, {"redactedContent": b"r"}]),
    ],
    ids=["signed", "signature-only", "redacted", "by-hand", "by-hand-redacted", "both"],
)
def test_rules_57_62_and_63_reasoning_goes_back_to_its_family_as_it_was(part: Reasoning, expected: list[Any]) -> None:
    """Text and signature unchanged, also when one of them is empty; bytes as bytes."""
    assert answered(part) == ([{"reasoningContent": content} for content in expected], [])


@pytest.mark.parametrize("part", [Reasoning("t", "s"), Reasoning(redacted=b"r")], ids=["signed", "redacted"])
def test_rule_57_reasoning_made_by_hand_goes_to_models_that_sign(part: Reasoning) -> None:
    """A signature is Claude's: other families refuse the member. Of a model that nobody described nothing is known."""
    assert len(answered(part)[0]) == len(answered(part, model="newcomer.model-1.5-v1:0")[0]) == 1
    for model in ("us.amazon.nova-2-lite-v1:0", "us.meta.llama3-3-70b-instruct-v1:0", "openai.gpt-oss-120b-1:0"):
        assert answered(part, model=model) == ([], [("dropped", "foreign-reasoning", "messages[1].parts[1]")])


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (Reasoning("t", "s", metadata={"bedrock": {"family": "deepseek"}}), "foreign-reasoning"),
        (Reasoning("t", "s", metadata={"anthropic": {}}), "foreign-reasoning"),
        (Reasoning(redacted=b"r", metadata={"openai": {"id": 1}}), "foreign-reasoning"),
        (Reasoning("t"), "unsigned-reasoning"),
        (Reasoning("t", metadata={"bedrock": {}}), "unsigned-reasoning"),
    ],
    ids=["other-family", "other-backend", "redacted-elsewhere", "unsigned", "without-family"],
)
def test_rules_58_and_59_foreign_and_unsigned_reasoning_stays_out(part: Reasoning, code: str) -> None:
    """A foreign signature is refused by the service, and thoughts of another must not become words of this model."""
    assert answered(part) == ([], [("dropped", code, "messages[1].parts[1]")])


@pytest.mark.parametrize(
    ("model", "family", "kind"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic", "dropped"),
        ("openai.gpt-oss-120b-1:0", "openai", "lossless"),
        ("us.deepseek.r1-v1:0", "deepseek", "lossless"),
        ("deepseek.v3.2", "deepseek", "lossless"),
        ("qwen.qwen3-32b-v1:0", "qwen", None),
        ("us.amazon.nova-2-lite-v1:0", "amazon", None),
        ("minimax.minimax-m2", "minimax", None),
        ("newcomer.model-1.5-v1:0", "newcomer", None),
    ],
)
def test_rules_58_and_60_unsigned_reasoning_stays_out_where_it_is_refused_or_leaks(
    model: str, family: str, kind: str | None
) -> None:
    """Claude and DeepSeek R1 refuse it, gpt-oss says it aloud; but for Claude they would not read it anyway."""
    part = Reasoning("t", metadata={"bedrock": {"family": family}})
    sent = {"reasoningContent": {"reasoningText": {"text": "t"}}}
    expected = ([sent], []) if kind is None else ([], [(kind, "unsigned-reasoning", "messages[1].parts[1]")])
    assert answered(part, model=model) == expected


def test_rule_58_of_half_redacted_reasoning_the_sealed_half_goes_back() -> None:
    """It is as good as signed; the readable half is left out, unless there is nothing in it."""
    sealed = [{"reasoningContent": {"redactedContent": b"r"}}]
    dropped = [("dropped", "unsigned-reasoning", "messages[1].parts[1].text")]
    assert answered(Reasoning("t", None, b"r", metadata=MARKED)) == (sealed, dropped)
    assert answered(Reasoning("t", "", b"r", metadata=MARKED)) == (sealed, dropped)
    assert answered(Reasoning("", "", metadata=MARKED)) == (
        [],
        [("lossless", "unsigned-reasoning", "messages[1].parts[1]")],
    )


def test_reasoning_of_a_hidden_model_goes_back_to_that_id_only() -> None:
    """An id that hides its model is its own family."""
    part = Reasoning("t", "s", metadata={"bedrock": {"family": model_family(PROFILE)}})
    assert len(answered(part, model=PROFILE)[0]) == 1
    assert answered(part, model=CLAUDE)[1] == [("dropped", "foreign-reasoning", "messages[1].parts[1]")]


def test_reasoning_in_a_question_is_left_out() -> None:
    """Only a model reasons on the wire."""
    assert asked(Reasoning("t", "s")) == ([], [("dropped", "misplaced-reasoning", "messages[0].parts[1]")])


# --- calls and results -----------------------------------------------------------------------------------------------


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


# --- marks and what is kept word for word ----------------------------------------------------------------------------


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
