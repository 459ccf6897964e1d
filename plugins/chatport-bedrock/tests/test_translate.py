"""Requests as Converse bodies: system prompt, settings, tools and the choice among them, and what is reported."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from chatport.backend import (
    CachePoint,
    ChatRequest,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_bedrock._translate import Translation, translate

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
HELLO = Message.user("Hello")
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
WEATHER_SPEC = {
    "toolSpec": {
        "name": "weather",
        "description": "Tells the weather.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
TOOL_TURNS = (
    HELLO,
    Message.assistant(ToolCall("c1", "weather", {"city": "Bern"})),
    Message("tool", (ToolResult("c1", "sunny"),)),
)


def translated(*messages: Message, model: str = CLAUDE, **fields: Any) -> Translation:
    """Translate a conversation."""
    return translate(ChatRequest(model, messages or (HELLO,), **fields))


def codes(translation: Translation, *, lossless: bool = False) -> list[tuple[str, str, str]]:
    """Kind, code and path of each adjustment; by default of the reported ones only."""
    return [
        (item.kind, item.code, item.path) for item in translation.adjustments if lossless or item.kind != "lossless"
    ]


def test_a_bare_question_is_nothing_but_a_message() -> None:
    """What the caller did not say is not sent."""
    translation = translated()
    assert translation.model == CLAUDE
    assert translation.body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert translation.adjustments == ()


# --- system ----------------------------------------------------------------------------------------------------------


def test_a_system_prompt_keeps_its_parts() -> None:
    """Texts, cache points and blocks of the service's own stand in the prompt as they were given."""
    guard = {"guardContent": {"text": {"text": "only facts"}}}
    system = (Text("Be brief."), CachePoint("1h"), Opaque("bedrock", guard), CachePoint())
    translation = translated(system=system)
    assert translation.body["system"] == [
        {"text": "Be brief."},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        guard,
        {"cachePoint": {"type": "default"}},
    ]
    assert translation.adjustments == ()


def test_a_blank_system_prompt_is_not_sent() -> None:
    """The service refuses blank text; an empty system prompt says nothing anyway."""
    translation = translated(system=(Text(""), Text(" \n")))
    assert "system" not in translation.body
    assert codes(translation, lossless=True) == [
        ("lossless", "blank-text-omitted", "system[0]"),
        ("lossless", "blank-text-omitted", "system[1]"),
    ]


def test_system_messages_that_begin_a_history_join_the_prompt() -> None:
    """They mean the same there, after the prompt of the request itself."""
    translation = translated(Message.system("One."), Message.system("Two."), HELLO, system=(Text("Zero."),))
    assert translation.body["system"] == [{"text": "Zero."}, {"text": "One."}, {"text": "Two."}]
    assert translation.body["messages"] == [{"role": "user", "content": [{"text": "Hello"}]}]
    assert codes(translation, lossless=True) == [
        ("lossless", "system-message-moved", "messages[0]"),
        ("lossless", "system-message-moved", "messages[1]"),
    ]


@pytest.mark.parametrize(
    ("part", "name"),
    [(Image("image/png", b"x"), "image"), (ToolCall("c", "t"), "ToolCall"), (ToolResult("c", "x"), "ToolResult")],
    ids=["image", "call", "result"],
)
def test_what_a_system_prompt_cannot_hold_is_refused(part: Any, name: str) -> None:
    """Leaving it out would change what the caller asked for, so nothing is sent."""
    with pytest.raises(UnsupportedError, match=rf"^system\[1\]: Bedrock takes no {name} in the system prompt$"):
        translated(system=(Text("See:"), part))


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(max_tokens=5), {"maxTokens": 5}),
        (Settings(temperature=0), {"temperature": 0}),
        (Settings(top_p=0), {"topP": 0}),
        (Settings(temperature=0.5, stop_sequences=("END", "\n")), {"temperature": 0.5, "stopSequences": ["END", "\n"]}),
        (Settings(stop_sequences=()), {"stopSequences": []}),
    ],
    ids=["max-tokens", "zero", "zero-share", "stop", "no-stop"],
)
def test_only_what_is_set_is_sent_and_zero_is_a_value(settings: Settings, expected: dict[str, Any]) -> None:
    """The common settings go under the service's names."""
    translation = translated(settings=settings)
    assert translation.body["inferenceConfig"] == expected
    assert "additionalModelRequestFields" not in translation.body


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (CLAUDE, {"top_k": 0}),
        (NOVA, {"inferenceConfig": {"topK": 0}}),
        ("amazon.titan-text-express-v1", None),
        ("meta.llama3-70b-instruct-v1:0", None),
        (PROFILE, None),
    ],
    ids=["claude", "nova", "titan", "llama", "hidden"],
)
def test_top_k_goes_the_way_of_its_family(model: str, expected: dict[str, Any] | None) -> None:
    """Converse has no top_k: families that have one take it past Converse; for others it is reported as dropped."""
    translation = translated(model=model, settings=Settings(top_k=0))
    assert translation.body.get("additionalModelRequestFields") == expected
    dropped = [("dropped", "setting-dropped", "settings.top_k")]
    assert codes(translation) == ([] if expected is not None else dropped)


def test_extra_is_laid_over_the_body_last_and_as_it_stands() -> None:
    """Names keep their case, objects merge, values replace; other backends' extras are not ours to mention."""
    extra: dict[str, dict[str, Any]] = {
        "bedrock": {
            "inferenceConfig": {"topP": 0.5, "maxTokens": 7},
            "additionalModelRequestFields": {"anthropic_beta": ["context-1m-2025-08-07"]},
            "requestMetadata": {"user_name": "x", "camelCase": "y"},
        },
        "openai": {"store": True},
    }
    translation = translated(settings=Settings(max_tokens=1, temperature=1, top_k=3, extra=extra))
    assert translation.body["inferenceConfig"] == {"maxTokens": 7, "temperature": 1, "topP": 0.5}
    assert translation.body["additionalModelRequestFields"] == {
        "top_k": 3,
        "anthropic_beta": ["context-1m-2025-08-07"],
    }
    assert translation.body["requestMetadata"] == {"user_name": "x", "camelCase": "y"}
    assert "store" not in translation.body
    assert translation.adjustments == ()


def test_extra_that_is_no_dict_is_refused() -> None:
    """A list of members is a mistake, not something to send."""
    extra: Any = {"bedrock": ["inferenceConfig"]}
    with pytest.raises(TypeError, match=r"settings\.extra\['bedrock'\] must be a dict, not list"):
        translated(settings=Settings(extra=extra))


# --- tools -----------------------------------------------------------------------------------------------------------


def test_tools_go_with_their_schema_as_it_is() -> None:
    """Name, description and JSON schema, unchanged; no choice means no choice is sent."""
    translation = translated(tools=(WEATHER,))
    assert translation.body["toolConfig"] == {"tools": [WEATHER_SPEC]}


@pytest.mark.parametrize("description", ["", " \n"])
def test_rule_39_an_empty_description_is_left_out(description: str) -> None:
    """The service wants at least one character, or no description at all."""
    tools = translated(tools=(replace(WEATHER, description=description),)).body["toolConfig"]["tools"]
    assert tools == [{"toolSpec": {"name": "weather", "inputSchema": {"json": WEATHER.schema}}}]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("auto", {"auto": {}}), ("any", {"any": {}}), ("weather", {"tool": {"name": "weather"}})],
    ids=["auto", "any", "named"],
)
def test_a_choice_is_sent_in_the_services_words(choice: str, expected: dict[str, Any]) -> None:
    """Three choices exist on the wire."""
    translation = translated(tools=(WEATHER,), tool_choice=choice)
    assert translation.body["toolConfig"] == {"tools": [WEATHER_SPEC], "toolChoice": expected}
    assert translation.adjustments == ()


@pytest.mark.parametrize(
    ("tools", "choice", "message"),
    [
        ((WEATHER,), "whether", r"tool_choice 'whether' cannot be met: on offer: weather"),
        ((), "weather", r"tool_choice 'weather' cannot be met: there are no tools"),
        ((), "any", r"tool_choice 'any' cannot be met: there are no tools"),
    ],
    ids=["misspelt", "none-offered", "any-of-none"],
)
def test_a_choice_that_cannot_be_met_is_an_error(tools: tuple[Tool, ...], choice: str, message: str) -> None:
    """It is the caller's slip, found before anything is sent; a history that knows the tool does not heal it."""
    for messages in ((HELLO,), TOOL_TURNS):
        with pytest.raises(ValueError, match=message):
            translated(*messages, tools=tools, tool_choice=choice)


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_that_needs_no_tool_is_met_without_tools(choice: str) -> None:
    """Without tools there is nothing to choose, and nothing to say about it."""
    translation = translated(tool_choice=choice)
    assert "toolConfig" not in translation.body
    assert translation.adjustments == ()


def test_rule_12_no_tool_may_be_called_means_none_is_offered() -> None:
    """The service has no choice "none"; withholding the tools is exactly that."""
    translation = translated(tools=(WEATHER,), tool_choice="none")
    assert "toolConfig" not in translation.body
    assert codes(translation, lossless=True) == [("lossless", "tools-withheld", "tool_choice")]


def test_rule_12_the_tools_stay_when_the_history_has_calls() -> None:
    """A history with calls is refused without tools: Claude is told in its own words, of others it is reported."""
    translation = translated(*TOOL_TURNS, tools=(WEATHER,), tool_choice="none")
    assert translation.body["toolConfig"] == {"tools": [WEATHER_SPEC]}
    assert translation.body["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert codes(translation) == []
    translation = translated(*TOOL_TURNS, tools=(WEATHER,), tool_choice="none", model=NOVA)
    assert translation.body["toolConfig"] == {"tools": [WEATHER_SPEC]}
    assert "additionalModelRequestFields" not in translation.body
    assert codes(translation) == [("changed", "tool-choice-none", "tool_choice")]


def test_rule_12_the_tools_of_a_caller_in_the_services_words_stay() -> None:
    """What `extra` offers is sent, so Claude has to be told not to call it; other choices are said in `toolConfig`."""
    settings = Settings(extra={"bedrock": {"toolConfig": {"tools": [WEATHER_SPEC]}}})
    forbidden = {"tool_choice": {"type": "none"}}
    assert translated(tool_choice="none", settings=settings).body["additionalModelRequestFields"] == forbidden
    assert "additionalModelRequestFields" not in translated(tool_choice="auto", settings=settings).body


def test_rule_11_a_history_with_calls_brings_its_tools_along() -> None:
    """Without a toolConfig the service refuses the history: the names in it are offered again, and that is reported."""
    more = (
        *TOOL_TURNS,
        Message.assistant(ToolCall("c2", "clock"), ToolCall("c3", "weather")),
        Message("tool", (ToolResult("c2", "noon"), ToolResult("c3", "rain"))),
    )
    translation = translated(*more)
    assert translation.body["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}},
            {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}},
        ]
    }
    assert codes(translation) == [("changed", "tools-from-history", "tools")]


def test_rule_11_the_services_own_calls_are_no_tools_of_the_caller() -> None:
    """A call that the service ran itself must not come back as a tool for the caller to run."""
    answer = Message.assistant(
        ToolCall("s1", "nova_grounding", {}, executed_by="server"),
        ToolResult("s1", "found", metadata={"bedrock": {"type": "nova_grounding_result", "status": "success"}}),
        "It is sunny.",
    )
    translation = translated(HELLO, answer, HELLO, model=NOVA)
    assert "toolConfig" not in translation.body
    assert translation.adjustments == ()


def test_tools_of_the_services_own_come_through_extra() -> None:
    """What has no neutral name is taken as it stands, with a choice beside it and without made-up tools."""
    extra = {"bedrock": {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}}
    translation = translated(*TOOL_TURNS, model=NOVA, tool_choice="auto", settings=Settings(extra=extra))
    assert translation.body["toolConfig"] == {
        "tools": [{"systemTool": {"name": "nova_grounding"}}],
        "toolChoice": {"auto": {}},
    }
    assert translation.adjustments == ()


# --- the whole -------------------------------------------------------------------------------------------------------

EVERYTHING = ChatRequest(
    CLAUDE,
    (
        Message.system("Lead."),
        Message.user("", Document("application/pdf", b"%PDF-", name="a.pdf"), CachePoint()),
        Message.user(Opaque("bedrock", {"guardContent": {"text": {"text": "x"}}}), Opaque("other", 1)),
        Message.assistant(ToolCall("c1", "weather", {}, "[1]"), ToolCall("c2", "weather", {"deep": {"list": [1]}})),
        Message("tool", (ToolResult("c2", {"k": [1]}), ToolResult("c1", [1, 2], is_error=True))),
        Message.system("Late."),
        Message.user(Json({"n": 1}), Image("image/png", b"\x89PNG")),
    ),
    system=(Text("Be brief."),),
    tools=(WEATHER,),
    tool_choice="auto",
    settings=Settings(max_tokens=5, top_k=2, extra={"bedrock": {"inferenceConfig": {"topP": 1}}}),
)


def test_a_request_is_never_changed() -> None:
    """Translating reads; the request is afterwards what it was, and the same call gives the same again."""
    before = copy.deepcopy(EVERYTHING)
    first, second = translate(EVERYTHING), translate(EVERYTHING)
    assert before == EVERYTHING
    assert first == second


def test_every_adjustment_says_what_where_and_why() -> None:
    """Paths are in the caller's terms: messages and parts of the request, not turns and blocks of the wire."""
    found = [(item.kind, item.code, item.path) for item in translate(EVERYTHING).adjustments]
    assert found == [
        ("lossless", "system-message-moved", "messages[0]"),
        ("renamed", "document-renamed", "messages[1].parts[1]"),
        ("lossless", "blank-text-omitted", "messages[1].parts[0]"),
        ("dropped", "foreign-opaque", "messages[2].parts[1]"),
        ("lossless", "turns-merged", "messages[2]"),
        ("changed", "invalid-arguments", "messages[3].parts[0]"),
        ("lossless", "json-as-text", "messages[4].parts[1].content[0]"),
        ("changed", "system-message-wrapped", "messages[5]"),
        ("lossless", "turns-merged", "messages[5]"),
        ("lossless", "json-as-text", "messages[6].parts[0]"),
        ("lossless", "turns-merged", "messages[6]"),
        ("lossless", "results-reordered", "messages[4].parts[1]"),
        ("dropped", "cache-point-refused", "messages[1].parts[2]"),
        ("changed", "document-text-added", "messages[1].parts[1]"),
    ]
    assert all(item.message for item in translate(EVERYTHING).adjustments)
