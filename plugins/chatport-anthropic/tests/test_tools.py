"""Tools, the choice among them, strict schemas, and answers that have to be JSON."""

import json
from typing import Any

import pytest
from anthropic_support.decoding import decoded, decoded_whole, folded, stream_events

from chatport.backend import (
    BackendEvent,
    ChatRequest,
    Document,
    Message,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
)
from chatport_anthropic._schemas import LooseSchemaError, strict_schema
from chatport_anthropic._translate import Translation, translate

SONNET = "claude-sonnet-4-5"
CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTION = (Message.user("hi"),)
WEATHER = Tool("weather", "The weather.", CITY)
CALLED = (
    Message.user("?"),
    Message.assistant(ToolCall("toolu_1", "weather", {})),
    Message("tool", (ToolResult("toolu_1", "x"),)),
)


def asked(model: str = SONNET, messages: tuple[Message, ...] = QUESTION, **members: Any) -> Translation:
    """A request with these members."""
    return translate(ChatRequest(model, messages, **members))


def noted(translation: Translation) -> list[tuple[str, str]]:
    """What was adjusted, without what is no loss."""
    return [(each.code, each.path) for each in translation.adjustments if each.kind != "lossless"]


def own(**members: Any) -> Settings:
    """Settings with members in the service's words."""
    return Settings(extra={"anthropic": members})


# --- tools -----------------------------------------------------------------------------------------------------------


def test_tools_as_the_service_takes_them() -> None:
    """A description only where it says something; a schema says that it is an object."""
    body = asked(tools=(WEATHER, Tool("now", " ", {"properties": {}}))).body
    assert body["tools"] == [
        {"name": "weather", "description": "The weather.", "input_schema": CITY},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", {"type": "auto"}),
        ("any", {"type": "any"}),
        ("none", {"type": "none"}),
        ("weather", {"type": "tool", "name": "weather"}),
    ],
)
def test_choices(choice: str, said: dict[str, Any]) -> None:
    """All four, each as itself."""
    translation = asked(tools=(WEATHER,), tool_choice=choice)
    assert translation.body["tool_choice"] == said
    assert len(translation.body["tools"]) == 1
    assert noted(translation) == []


def test_choices_that_cannot_be_met() -> None:
    """A tool that is not on offer, or any of none."""
    for choice in ("any", "weather"):
        with pytest.raises(ValueError, match="there are no tools"):
            asked(tool_choice=choice)
    with pytest.raises(ValueError, match="on offer: weather"):
        asked(tools=(WEATHER,), tool_choice="other")


@pytest.mark.parametrize(("model", "reasoning"), [("claude-sonnet-4-5", 2000), ("claude-opus-5-5", None)])
def test_models_that_cannot_be_forced(model: str, reasoning: int | None) -> None:
    """While they think within a budget, or at all: the model chooses freely, which is told."""
    translation = asked(model, tools=(WEATHER,), tool_choice="any", settings=Settings(reasoning=reasoning))
    assert translation.body["tool_choice"] == {"type": "auto"}
    assert noted(translation) == [("tool-choice-not-forced", "tool_choice")]


def test_parallel_calls_are_switched_off_beside_the_choice() -> None:
    """With the caller's choice, with none, and where there is nothing to choose from."""
    settings = own(tool_choice={"disable_parallel_tool_use": True})
    body = asked(tools=(WEATHER,), tool_choice="any", settings=settings).body
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    body = asked(tools=(WEATHER,), settings=settings).body
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in asked(settings=settings).body
    whole = own(tool_choice={"type": "none"})
    assert asked(tools=(WEATHER,), tool_choice="any", settings=whole).body["tool_choice"] == {"type": "none"}


def test_tools_of_a_conversation_stay_on_offer() -> None:
    """Without tools of the request those that were called are offered again, and forbidden: nothing is lost."""
    translation = asked(messages=CALLED)
    assert translation.body["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert translation.body["tool_choice"] == {"type": "none"}
    assert noted(translation) == []


def test_tools_in_the_services_own_words() -> None:
    """They stand behind the request's; an entry with the name of one says more about it."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    eager = {"name": "weather", "eager_input_streaming": True}
    body = asked(tools=(WEATHER,), settings=own(tools=[search, eager])).body
    assert body["tools"] == [
        {"name": "weather", "description": "The weather.", "input_schema": CITY, "eager_input_streaming": True},
        search,
    ]
    alone = asked(settings=own(tools=[search]), tool_choice="web_search").body
    assert alone["tools"] == [search]
    assert alone["tool_choice"] == {"type": "tool", "name": "web_search"}
    assert asked(messages=CALLED, settings=own(tools=[search])).body["tools"] == [search]


@pytest.mark.parametrize(
    "tools",
    [(WEATHER, WEATHER), (Tool("x", "", {"type": "array"}),), (Tool("x", "", {"type": "object", "n": float("inf")}),)],
    ids=["twice", "no object", "no JSON"],
)
def test_tools_that_every_model_refuses(tools: tuple[Tool, ...]) -> None:
    """Refused by name before anything is sent."""
    with pytest.raises(UnsupportedError, match=r"tools\[\d\]"):
        asked(tools=tools)


# --- strict schemas --------------------------------------------------------------------------------------------------


def test_a_strict_tool_is_closed_and_says_in_words_what_is_refused() -> None:
    """Every object is closed; bounds, lengths and unknown formats move into the description, which is told."""
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 1, "description": "Years"},
            "name": {"type": "string", "maxLength": 5, "pattern": "^(?=a)"},
            "day": {"type": "string", "format": "date"},
            "kind": {"type": "string", "format": "colour"},
            "rows": {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {}}},
        },
    }
    translation = asked(tools=(Tool("t", "", schema, strict=True),))
    (tool,) = translation.body["tools"]
    assert tool["strict"] is True
    made = tool["input_schema"]
    assert made["additionalProperties"] is False
    properties = made["properties"]
    assert properties["age"] == {"type": "integer", "description": "Years (minimum: 1)"}
    assert properties["name"] == {"type": "string", "description": "maxLength: 5; pattern: ^(?=a)"}
    assert properties["day"] == {"type": "string", "format": "date"}
    assert properties["kind"] == {"type": "string", "description": "format: colour"}
    assert properties["rows"]["minItems"] == 1
    assert properties["rows"]["items"]["additionalProperties"] is False
    assert [path for _, path in noted(translation)] == [
        f"tools[0].schema.properties.{name}" for name in ("age", "name", "kind", "rows")
    ]


def test_one_of_becomes_any_of() -> None:
    """Without a discriminator that says less, which is told."""
    plain = {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}}
    made = strict_schema(plain)
    assert made.schema["properties"]["a"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert (made.loosened, made.unions, made.optional) == (((".properties.a", "oneOf"),), 1, 1)
    told = {"oneOf": [{"type": "null"}], "discriminator": {"propertyName": "kind"}}
    assert strict_schema(told).loosened == ()


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "object"}, "an object with any members"),
        ({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}, "any members"),
        ({"type": "object", "properties": {"a": {}}}, "lets anything through"),
        ({"type": "object", "properties": {"a": True}}, "lets anything through"),
        ({"type": "object", "properties": []}, "nothing that a schema can say"),
        ({"type": "array"}, "a list of anything"),
        ({"type": "string", "not": {"const": "a"}}, "has no 'not'"),
        ({"enum": [{}]}, "no choice among objects"),
        ({"allOf": [{"properties": {}}]}, "from several"),
        ({"$ref": "#/$defs/a"}, "no definition of its own"),
        ({"$ref": "https://a.b/c"}, "no definition of its own"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}, "refers to itself"),
    ],
)
def test_schemas_that_cannot_be_strict(schema: dict[str, Any], reason: str) -> None:
    """Such a tool goes out as it is, which is told with the reason."""
    with pytest.raises(LooseSchemaError, match=reason):
        strict_schema(schema)


def test_a_schema_that_is_nested_without_end() -> None:
    """It is no reason to break."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(3000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(LooseSchemaError, match="too deeply"):
        strict_schema(deep)


def test_tools_that_are_not_strict_are_told() -> None:
    """With an old model, with an open schema, and beyond the limits of a request."""
    strict = Tool("t", "", CITY, strict=True)
    assert noted(asked("claude-opus-4-1", tools=(strict,))) == [("tool-not-strict", "tools[0].strict")]
    assert noted(asked(tools=(Tool("t", "", {"type": "object"}, strict=True),))) == [
        ("tool-not-strict", "tools[0].strict")
    ]
    many = tuple(Tool(f"t{number}", "", CITY, strict=True) for number in range(21))
    assert noted(asked(tools=many)) == [("tool-not-strict", "tools[20].strict")]
    optional = {"type": "object", "properties": {str(number): {"type": "string"} for number in range(25)}}
    assert noted(asked(tools=(Tool("t", "", optional, strict=True),))) == [("tool-not-strict", "tools[0].strict")]
    unions = {"type": "object", "properties": {str(n): {"type": ["string", "null"]} for n in range(17)}}
    assert noted(asked(tools=(Tool("t", "", unions, strict=True),))) == [("tool-not-strict", "tools[0].strict")]


# --- answers that are JSON -------------------------------------------------------------------------------------------

OPEN: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}


def restored(translation: Translation, events: list[BackendEvent]) -> Message:
    """The message that the caller sees."""
    restorer = translation.restorer()
    return folded(each for event in events for each in restorer.feed(event))[1]


def test_the_service_enforces_the_schema() -> None:
    """By `output_config.format`, beside an effort where there is one."""
    translation = asked(output_schema=CITY)
    closed = {**CITY, "additionalProperties": False}
    assert translation.body["output_config"] == {"format": {"type": "json_schema", "schema": closed}}
    assert noted(translation) == []
    both = asked("claude-opus-4-8", output_schema=CITY, settings=Settings(reasoning="high"))
    assert set(both.body["output_config"]) == {"effort", "format"}
    bounded = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    assert noted(asked(output_schema=bounded)) == [("schema-loosened", "output_schema.properties.n")]


@pytest.mark.parametrize(
    ("model", "schema"), [("claude-opus-4-1", CITY), (SONNET, OPEN)], ids=["an old model", "an open schema"]
)
def test_else_the_answer_is_the_input_of_a_tool(model: str, schema: dict[str, Any]) -> None:
    """It has to be called; what comes of it is text, streamed and whole, and the message ends as one of words."""
    translation = asked(model, output_schema=schema)
    (tool,) = translation.body["tools"]
    assert (tool["name"], tool["input_schema"]) == ("final_answer", schema)
    assert translation.body["tool_choice"] == {"type": "tool", "name": "final_answer"}
    assert noted(translation) == []
    block = {"type": "tool_use", "id": "toolu_1", "name": "final_answer", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"city": ', '"Bonn"}')]
    streamed = decoded(stream_events((block, pieces), stop_reason="tool_use"))
    whole = decoded_whole([{**block, "input": {"city": "Bonn"}}], stop_reason="tool_use")
    for events in (streamed, whole):
        message = restored(translation, events)
        assert json.loads(message.text) == {"city": "Bonn"}
        assert message.tool_calls == ()


@pytest.mark.parametrize(
    ("pieces", "stop", "text", "reason"),
    [
        ([""], "tool_use", "{}", "stop"),
        (["", " {", "}"], "tool_use", " {}", "stop"),
        ([""], "max_tokens", "", "length"),
        (["", "{"], "max_tokens", "{", "length"),
        (["", '{"a"', ": 1}"], "end_turn", '{"a": 1}', "stop"),
    ],
)
def test_an_answer_of_nothing_and_one_that_was_cut(pieces: list[str], stop: str, text: str, reason: str) -> None:
    """A call without arguments is an empty object, unless it was cut before its first word."""
    translation = asked(output_schema=OPEN)
    block = {"type": "tool_use", "id": "toolu_1", "name": "final_answer", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    restorer = translation.restorer()
    events = decoded(stream_events((block, deltas), stop_reason=stop))
    _, message, end = folded(each for event in events for each in restorer.feed(event))
    assert (message.text, message.tool_calls, end.stop_reason) == (text, (), reason)
    assert end.metadata["anthropic"]["output"] == "forced-tool"


def test_an_answer_beside_a_call() -> None:
    """The call is the caller's to run; the message waits for its result."""
    translation = asked(output_schema=OPEN, tools=(WEATHER,))
    blocks = [
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bonn"}},
        {"type": "tool_use", "id": "toolu_2", "name": "final_answer", "input": {"a": 1}},
    ]
    restorer = translation.restorer()
    _, message, end = folded(
        each for event in decoded_whole(blocks, stop_reason="tool_use") for each in restorer.feed(event)
    )
    assert (message.text, [call.name for call in message.tool_calls]) == ('{"a":1}', ["weather"])
    assert end.stop_reason == "tool_calls"


def test_the_tool_of_the_answer_beside_others() -> None:
    """One of them has to be called; which is told where the caller forced one of theirs."""
    free = asked(output_schema=OPEN, tools=(WEATHER, Tool("final_answer")))
    assert [tool["name"] for tool in free.body["tools"]] == ["weather", "final_answer", "final_answer_2"]
    assert free.body["tool_choice"] == {"type": "any"}
    forced = asked(output_schema=OPEN, tools=(WEATHER,), tool_choice="any")
    assert forced.body["tool_choice"] == {"type": "any"}
    assert noted(forced) == [("tool-choice-any", "tool_choice")]
    named = asked(output_schema=OPEN, tools=(WEATHER,), tool_choice="weather")
    assert named.body["tool_choice"] == {"type": "tool", "name": "weather"}
    forbidden = asked(output_schema=OPEN, tools=(WEATHER,), tool_choice="none")
    assert [tool["name"] for tool in forbidden.body["tools"]] == ["final_answer"]


@pytest.mark.parametrize(
    "members",
    [
        {"model": "gpt-oss:20b"},
        {"model": "claude-opus-4-1", "settings": Settings(reasoning=2000)},
        {"model": "claude-opus-4-1", "messages": CALLED, "tools": (WEATHER,), "tool_choice": "none"},
    ],
    ids=["unknown", "thinking", "forbidden"],
)
def test_else_it_is_asked_for_in_words(members: dict[str, Any]) -> None:
    """Which the model may not heed, and that is told."""
    translation = asked(output_schema=CITY, system=(Text("Be brief."),), **members)
    first, second = translation.body["system"]
    assert first["text"] == "Be brief."
    assert json.dumps(CITY) in second["text"]
    assert ("output-prompted", "output_schema") in noted(translation)


def test_documents_that_are_to_be_cited_take_no_schema() -> None:
    """The service does not give both; a tool does."""
    cited = Document("text/plain", b"x", citations=True)
    translation = asked(messages=(Message.user(cited, "?"),), output_schema=CITY)
    assert "output_config" not in translation.body
    assert translation.body["tool_choice"]["name"] == "final_answer"


def test_who_wants_no_loss_gets_the_whole_schema() -> None:
    """As the input of a tool, where enforcing it would loosen it."""
    bounded = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    translation = asked(output_schema=bounded, strict=True)
    assert translation.body["tools"][0]["input_schema"] == bounded
    assert noted(translation) == []


def test_names_come_back() -> None:
    """A renamed tool is called by the caller's name; an id that does not look like the service's gets our mark."""
    translation = asked(tools=(Tool("get.weather"),))
    (tool,) = translation.body["tools"]
    block = {"type": "tool_use", "id": "functions.get:0", "name": tool["name"], "input": {}}
    message = restored(translation, decoded_whole([block], stop_reason="tool_use"))
    assert message.parts == (ToolCall("functions.get:0", "get.weather", {}, metadata={"anthropic": {}}),)
