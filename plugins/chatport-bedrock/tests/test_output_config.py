"""How JSON is asked for: the best way that the model is known to take, and what the caller's tools mean for it."""

import json
from typing import Any

import pytest
from bedrock_support.output_asking import (
    CALLED,
    CLAUDE,
    CLOSED,
    HELLO,
    LLAMA,
    NEWCOMER,
    NOVA,
    OLD_CLAUDE,
    OPEN,
    SCHEMA,
    TITAN,
    WEATHER,
    asked,
    refusal,
    told,
    way,
)

from chatport.backend import ChatRequest, Document, Message, Settings, Text, Tool, ToolCall
from chatport_bedrock._body import encode_body
from chatport_bedrock._translate import translate

MISTRAL = "mistral.mistral-large-2407-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
GROK = "xai.grok-4-6"
COMMAND = "cohere.command-r-plus-v1:0"


# --- the ways ---------------------------------------------------------------------------------------------------------


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


# --- beside tools -----------------------------------------------------------------------------------------------------


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
