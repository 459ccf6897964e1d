"""How JSON is asked for: the best way that the model is known to take, and what is told of it."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from bedrock_support.models import SAMPLES
from pydantic import BaseModel, TypeAdapter

from chatport.backend import (
    ChatRequest,
    Document,
    Message,
    Opaque,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_bedrock._body import encode_body
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import RULES
from chatport_bedrock.emulator._shapes import find_violations, input_shape

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "anthropic.claude-3-7-sonnet-20250219-v1:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
GROK = "xai.grok-4-6"
COMMAND = "cohere.command-r-plus-v1:0"
TITAN = "amazon.titan-text-express-v1"
NEWCOMER = "newcomer.model-1.5-v1:0"

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "size": {"type": "integer", "minimum": 0}},
    "required": ["name", "size"],
    "description": "A city.",
}
CLOSED = {
    **SCHEMA,
    "properties": {"name": {"type": "string"}, "size": {"type": "integer", "description": "minimum: 0"}},
    "additionalProperties": False,
}
OPEN = {"type": "object", "additionalProperties": {"type": "integer"}}
HELLO = Message.user("Which city?")
WEATHER = Tool("get_weather", "Get the weather.", {"type": "object", "properties": {"place": {"type": "string"}}})
CALLED = (
    HELLO,
    Message.assistant(ToolCall("tooluse_1", "get_weather", {"place": "Rome"})),
    Message("tool", (ToolResult("tooluse_1", "21 degrees"),)),
)


def asked(model: str, *messages: Message, schema: Any = SCHEMA, **members: Any) -> Translation:
    """Translate a request for JSON."""
    request = ChatRequest(model, messages or (HELLO,), output_schema=schema, output_name="City", **members)
    return translate(request)


def way(translation: Translation) -> str:
    """Which way was chosen."""
    assert translation.output is not None
    return translation.output.way


def told(translation: Translation) -> list[tuple[str, str, str]]:
    """What is reported."""
    return [(item.kind, item.code, item.path) for item in translation.adjustments if item.kind != "lossless"]


def refusal(translation: Translation) -> str | None:
    """Why the emulator would refuse it."""
    body = json.loads(encode_body(translation.body))
    violations = list(find_violations(body, input_shape("Converse")))
    if violations:
        return violations[0].text
    conversation = Conversation(translation.model, body)
    return next(
        (
            f"{rule.name}: {found}"
            for rule in RULES
            if rule.applies_to(conversation) and (found := rule.find(conversation)) and rule.name != "on-demand"
        ),
        None,
    )


# --- the ways --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (CLAUDE, "native"),
        (GPT, "native"),
        (GROK, "strict-tool"),
        (OLD_CLAUDE, "forced-tool"),
        (NOVA, "forced-tool"),
        (MISTRAL, "forced-tool"),
        (LLAMA, "prompt"),
        (COMMAND, "prompt"),
        (TITAN, "prompt"),
        (NEWCOMER, "prompt"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "prompt"),
    ],
)
def test_the_way_is_the_best_that_the_model_is_known_to_take(model: str, expected: str) -> None:
    """What nobody knows is asked in words, which no model refuses."""
    assert way(asked(model)) == expected


@pytest.mark.parametrize("model", [CLAUDE, GROK])
def test_strict_requests_ask_by_a_tool_where_a_schema_would_be_loosened(model: str) -> None:
    """A way without a loss is better than a refusal; what need not be loosened is enforced as ever."""
    translation = asked(model, strict=True)
    assert way(translation) == "forced-tool"
    assert told(translation) == []
    (tool,) = translation.body["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"]["json"] == SCHEMA
    assert "strict" not in tool["toolSpec"]
    assert refusal(translation) is None
    plain = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    assert way(asked(model, schema=plain, strict=True)) == way(asked(model, schema=plain)) != "forced-tool"


def test_a_schema_that_does_not_go_out_strict_takes_no_room() -> None:
    """The room for variety that it would have taken is left to the strict tools of the request."""
    several = {f"field_{number}": {"type": ["string", "null"]} for number in range(16)}
    varied = {"type": "object", "properties": several, "required": list(several)}
    loose = {**varied, "properties": {**several, "size": {"type": "integer", "minimum": 0}}}
    tool = Tool("save", "Save it.", varied, strict=True)
    translation = asked(CLAUDE, schema=loose, tools=(tool,), strict=True)
    assert (way(translation), told(translation)) == ("forced-tool", [])
    assert translation.body["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True


def test_without_a_schema_nothing_is_added() -> None:
    """A request for words is as it was."""
    translation = translate(ChatRequest(CLAUDE, (HELLO,)))
    assert translation.output is None
    assert translation.body.keys() == {"messages"}


def test_rule_48_the_service_is_given_the_schema_as_a_string() -> None:
    """`outputConfig` goes out whatever botocore is installed: its serializer is not asked."""
    translation = asked(CLAUDE)
    text_format = translation.body["outputConfig"]["textFormat"]
    definition = text_format["structure"]["jsonSchema"]
    assert text_format["type"] == "json_schema"
    assert (definition["name"], definition["description"]) == ("City", "A city.")
    assert json.loads(definition["schema"]) == CLOSED
    assert "toolConfig" not in translation.body
    assert b'"outputConfig"' in encode_body(translation.body)


def test_rule_46_what_the_service_does_not_enforce_is_told() -> None:
    """With the place in the schema that was asked for."""
    expected = [("changed", "schema-loosened", "output_schema.properties.size")]
    assert told(asked(CLAUDE)) == told(asked(GROK)) == expected
    assert told(asked(NOVA)) == []


def test_a_tool_that_has_to_be_called() -> None:
    """Where only "any" is taken, it is the only one on offer; strict where the model has that."""
    config = asked(NOVA).body["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": "final_answer"}}
    (spec,) = [tool["toolSpec"] for tool in config["tools"]]
    assert (spec["name"], spec["inputSchema"], "strict" in spec) == ("final_answer", {"json": SCHEMA}, False)
    assert asked(MISTRAL).body["toolConfig"]["toolChoice"] == {"any": {}}
    (strict,) = [tool["toolSpec"] for tool in asked(GROK).body["toolConfig"]["tools"]]
    assert (strict["strict"], strict["inputSchema"]) == (True, {"json": CLOSED})


def test_words_in_the_system_prompt() -> None:
    """Behind what stands there, so that it stays cached; reported, as nothing enforces them."""
    translation = asked(LLAMA, system=(Text("Be brief."),))
    first, second = translation.body["system"]
    assert first == {"text": "Be brief."}
    assert second["text"].endswith(json.dumps(SCHEMA))
    assert "toolConfig" not in translation.body
    assert told(translation) == [("changed", "output-prompted", "output_schema")]
    assert "Call tools first" in asked(LLAMA, tools=(WEATHER,)).body["system"][0]["text"]


def test_words_to_a_model_without_a_system_prompt() -> None:
    """They stand behind what the user says last."""
    request = ChatRequest(TITAN, (HELLO,), output_schema=SCHEMA)
    translation = translate(request)
    assert "system" not in translation.body
    (message,) = translation.body["messages"]
    assert [block["text"][:11] for block in message["content"]] == ["Which city?", "Your final "]
    assert request.messages == (HELLO,)


def test_rule_41_a_model_that_reasons_is_not_forced() -> None:
    """Claude with a budget refuses a forced tool: words remain. The native way is not in the way of reasoning."""
    thinking = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}}
    settings = Settings(extra={"bedrock": thinking})
    assert way(asked(OLD_CLAUDE, settings=settings)) == "prompt"
    assert way(asked(CLAUDE, settings=settings)) == "native"
    assert refusal(asked(OLD_CLAUDE, settings=settings, tools=(WEATHER,))) is None


def test_a_schema_that_cannot_be_strict_goes_another_way() -> None:
    """An object with any members: a tool takes it, where one can be forced."""
    assert way(asked(CLAUDE, schema=OPEN)) == "forced-tool"
    assert way(asked(GROK, schema=OPEN)) == "forced-tool"
    assert way(asked(GPT, schema=OPEN)) == "prompt"
    assert told(asked(CLAUDE, schema=OPEN)) == []


def test_a_schema_is_not_enforced_beside_citations() -> None:
    """Citations stand between the words of an answer; the input of a tool has none."""
    report = Document.from_bytes(b"The city of Rome.", media_type="text/plain", name="report", citations=True)
    assert way(asked(CLAUDE, Message.user("Which city?", report))) == "strict-tool"
    assert way(asked(GPT, Message.user("Which city?", report))) == "prompt"
    plain = Document.from_bytes(b"The city of Rome.", media_type="text/plain", name="report")
    assert way(asked(CLAUDE, Message.user("Which city?", plain))) == "native"


# --- beside tools ----------------------------------------------------------------------------------------------------


def test_the_callers_tools_stay_on_offer() -> None:
    """The model calls one of them, or answers; either way it calls something."""
    config = asked(NOVA, tools=(WEATHER,)).body["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["get_weather", "final_answer"]
    assert config["toolChoice"] == {"any": {}}
    assert asked(NOVA, *CALLED, tools=(WEATHER,)).body["toolConfig"] == config
    native = asked(CLAUDE, tools=(WEATHER,)).body
    assert [tool["toolSpec"]["name"] for tool in native["toolConfig"]["tools"]] == ["get_weather"]
    assert "outputConfig" in native


def test_rule_44_a_choice_leaves_the_tools_where_they_are() -> None:
    """A forced tool is chosen, not filtered: the same tools go out whatever is chosen, so what is cached stays so."""
    for model in (NOVA, CLAUDE):
        offered = [
            asked(model, *CALLED, tools=(WEATHER, Tool("b")), tool_choice=choice).body["toolConfig"]["tools"]
            for choice in (None, "auto", "any", "none", "get_weather", "b")
        ]
        assert all(tools == offered[0] for tools in offered)


@pytest.mark.parametrize(
    ("model", "choice", "expected", "losses"),
    [
        (NOVA, "auto", {"any": {}}, []),
        (NOVA, "get_weather", {"tool": {"name": "get_weather"}}, []),
        (NOVA, "any", {"tool": {"name": "get_weather"}}, []),
        (NOVA, "none", {"tool": {"name": "final_answer"}}, []),
        (MISTRAL, "any", {"any": {}}, ["tool-choice-any"]),
        (MISTRAL, "get_weather", {"any": {}}, ["tool-choice-any"]),
        (MISTRAL, "none", {"any": {}}, ["tool-choice-none"]),
        (OLD_CLAUDE, "none", {"tool": {"name": "final_answer"}}, []),
    ],
)
def test_the_callers_choice_holds_as_far_as_it_can(
    model: str, choice: str, expected: dict[str, Any], losses: list[str]
) -> None:
    """A forced tool goes first, and the answer comes in a later step; "none" forbids the caller's tools only."""
    translation = asked(model, *CALLED, tools=(WEATHER,), tool_choice=choice)
    assert translation.body["toolConfig"]["toolChoice"] == expected
    assert [code for _, code, _ in told(translation)] == losses
    assert "additionalModelRequestFields" not in translation.body
    assert refusal(translation) is None


def test_none_withholds_tools_that_nothing_needs() -> None:
    """Then the answer is all that can be called."""
    translation = asked(MISTRAL, tools=(WEATHER,), tool_choice="none")
    assert [tool["toolSpec"]["name"] for tool in translation.body["toolConfig"]["tools"]] == ["final_answer"]
    assert told(translation) == []


def test_any_of_several_tools_may_be_the_answer() -> None:
    """There is no choice for "any but one"."""
    translation = asked(NOVA, tools=(WEATHER, Tool("b")), tool_choice="any")
    assert translation.body["toolConfig"]["toolChoice"] == {"any": {}}
    assert told(translation) == [("changed", "tool-choice-any", "tool_choice")]


def test_the_name_of_the_answer_is_nobody_elses() -> None:
    """Not that of a tool on offer, of a call in the conversation, or of a tool in the service's own words."""
    spoken = (HELLO, Message.assistant(ToolCall("tooluse_1", "final_answer_2", {})), *CALLED[2:])
    own = {"toolConfig": {"tools": [{"toolSpec": {"name": "final_answer_3", "inputSchema": {"json": {}}}}]}}
    settings = Settings(extra={"bedrock": own})
    translation = asked(NOVA, *spoken, tools=(Tool("final_answer"),), settings=settings)
    names = [tool["toolSpec"]["name"] for tool in translation.body["toolConfig"]["tools"]]
    assert names == ["final_answer", "final_answer_4", "final_answer_3"]
    assert translation.body["toolConfig"]["toolChoice"] == {"any": {}}


# --- strict tools ----------------------------------------------------------------------------------------------------


def specs(*tools: Tool, model: str = CLAUDE, **members: Any) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    """What tools become, and what is told."""
    translation = translate(ChatRequest(model, (HELLO,), tools=tools, **members))
    assert refusal(translation) is None
    return [tool["toolSpec"] for tool in translation.body["toolConfig"]["tools"]], told(translation)


def test_rule_48_strict_tools_go_out_strict() -> None:
    """Closed, without what is refused, and told."""
    (spec,), found = specs(Tool("a", "", SCHEMA, strict=True))
    assert (spec["strict"], spec["inputSchema"]["json"]) == (True, CLOSED)
    assert found == [("changed", "schema-loosened", "tools[0].schema.properties.size")]
    (plain,), found = specs(Tool("a", "", SCHEMA))
    assert (plain.get("strict"), plain["inputSchema"]["json"], found) == (None, SCHEMA, [])


def test_a_tool_that_cannot_be_strict_is_told() -> None:
    """Because of the model, or because of its schema; the schema is then as the caller wrote it."""
    for model, schema in ((NOVA, SCHEMA), (CLAUDE, OPEN)):
        (spec,), found = specs(Tool("a", "", schema, strict=True), model=model)
        assert (spec.get("strict"), spec["inputSchema"]["json"]) == (None, schema)
        assert found == [("changed", "tool-not-strict", "tools[0].strict")]


def test_rule_45_at_most_twenty_tools_are_strict() -> None:
    """Those beyond are offered all the same."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    found, reported = specs(*(Tool(f"t{n}", "", schema, strict=True) for n in range(22)))
    assert [spec.get("strict", False) for spec in found] == [True] * 20 + [False] * 2
    assert [path for _, _, path in reported] == ["tools[20].strict", "tools[21].strict"]


def test_rule_45_at_most_sixteen_unions_and_the_answer_counts() -> None:
    """All strict schemas of a request together; the answer goes first."""

    def unions(count: int) -> dict[str, Any]:
        names = [f"u{n}" for n in range(count)]
        properties = {name: {"anyOf": [{"type": "string"}, {"type": "null"}]} for name in names}
        return {"type": "object", "properties": properties, "required": names}

    tools = (Tool("a", "", unions(10), strict=True), Tool("b", "", unions(7), strict=True))
    assert [spec.get("strict") for spec in specs(*tools)[0]] == [True, None]
    translation = asked(CLAUDE, schema=unions(7), tools=tools)
    assert way(translation) == "native"
    offered = translation.body["toolConfig"]["tools"]
    assert [tool["toolSpec"].get("strict") for tool in offered] == [None, True]
    assert way(asked(CLAUDE, schema=unions(17))) == "forced-tool"


def test_rule_45_at_most_twenty_four_properties_may_be_absent() -> None:
    """Each of them doubles what the service has to be ready for."""

    def optional(count: int) -> dict[str, Any]:
        return {"type": "object", "properties": {f"o{n}": {"type": "string"} for n in range(count)}}

    assert way(asked(CLAUDE, schema=optional(24))) == "native"
    assert way(asked(CLAUDE, schema=optional(25))) == "forced-tool"


def test_rule_47_definitions_are_written_out_for_models_that_do_not_see_them() -> None:
    """For answers and for ordinary tools; what refers to itself stays, and is told."""
    definition = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": definition}}
    written = {"type": "object", "properties": {"a": definition}}
    (spec,), found = specs(Tool("t", "", schema), model=NOVA)
    assert (spec["inputSchema"]["json"], found) == (written, [])
    assert asked(NOVA, schema=schema).body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == written
    assert specs(Tool("t", "", schema), model=CLAUDE)[0][0]["inputSchema"]["json"] == schema
    endless = {**schema, "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}}}
    (spec,), found = specs(Tool("t", "", endless), model=NOVA)
    assert spec["inputSchema"]["json"] == endless
    assert found == [("changed", "schema-references", "tools[0].schema")]
    assert told(asked(NOVA, schema=endless)) == [("changed", "schema-references", "output_schema")]


# --- any type, any model ---------------------------------------------------------------------------------------------


class Point(BaseModel):
    """A point."""

    x: float
    label: str | None = None


class Tree(BaseModel):
    """A tree."""

    value: int
    children: "list[Tree]" = []


@dataclass
class Shape:
    points: list[Point]
    kind: Literal["open", "closed"]
    sizes: tuple[int, int] = (1, 1)


@dataclass
class Plain:
    point: Point
    names: dict[str, int]


TYPES = [Point, Tree, Shape, Plain, dict[str, Point], dict[str, Any]]


@pytest.mark.parametrize("model", SAMPLES)
@pytest.mark.parametrize("has_tools", [False, True])
def test_whatever_is_asked_of_whom_it_is_accepted(model: str, *, has_tools: bool) -> None:
    """Every kind of model, with tools of the caller's and without, and every kind of schema: no rule is broken."""
    tools = (WEATHER, Tool("s", "", SCHEMA, strict=True)) if has_tools and capabilities(model).tools else ()
    for asked_type in TYPES:
        schema = TypeAdapter(asked_type).json_schema()
        if "$ref" in schema:
            schema = {**schema["$defs"]["Tree"], "$defs": schema["$defs"]}
        for choice in (None, "none", *(["any", "s"] if tools else [])):
            translation = asked(model, schema=schema, tools=tools, tool_choice=choice)
            assert refusal(translation) is None
            again = asked(model, schema=schema, tools=tools, tool_choice=choice)
            assert encode_body(translation.body) == encode_body(again.body)


def test_the_answers_tool_has_a_name_of_its_own() -> None:
    """Also where a call in the service's own words has the name: two tools of one name would be refused."""
    call = Opaque("bedrock", {"toolUse": {"toolUseId": "tooluse_1", "name": "final_answer", "input": {}}})
    messages = (HELLO, Message.assistant(call), Message("tool", (ToolResult("tooluse_1", "Rome"),)))
    translation = asked(OLD_CLAUDE, *messages)
    names = [tool["toolSpec"]["name"] for tool in translation.body["toolConfig"]["tools"]]
    assert names == ["final_answer", "final_answer_2"]
    assert refusal(translation) is None


def test_words_ask_for_no_calls_that_are_forbidden() -> None:
    """The tools stay on offer, as the conversation has calls; but none is to be called."""
    forbidden = asked(LLAMA, *CALLED, tools=(WEATHER,), tool_choice="none")
    assert "Call tools first" not in forbidden.body["system"][-1]["text"]
    assert "Call tools first" in asked(LLAMA, *CALLED, tools=(WEATHER,)).body["system"][-1]["text"]


@pytest.mark.parametrize("model", [CLAUDE, OLD_CLAUDE, LLAMA, NEWCOMER])
def test_a_schema_that_nobody_can_write_is_refused(model: str) -> None:
    """Deeper than Python's own limit, whichever way it goes."""
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for _ in range(5000):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(UnsupportedError, match=r"nested|recursion"):
        encode_body(asked(model, schema=schema).body)


def test_words_for_a_model_without_a_system_prompt_stand_before_what_it_goes_on_writing() -> None:
    """Behind what the user said last, which is not the end of the conversation."""
    translation = asked(TITAN, HELLO, Message.assistant("{"), system=(Text("Be brief."),))
    user, assistant = translation.body["messages"]
    assert [block["text"].partition(" ")[0] for block in user["content"]] == ["<system>\nBe", "Which", "Your"]
    assert assistant["role"] == "assistant"
    assert "system" not in translation.body
    assert refusal(translation) is None
