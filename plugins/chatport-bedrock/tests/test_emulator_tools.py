"""The scripted brain and tools: when it calls them, with what, and how it reads their results."""

import json
from typing import Any

import pytest
from bedrock_support.brain import answer, content
from bedrock_support.emulation import (
    CLAUDE,
    NOVA,
    OLD_CLAUDE,
    TOOLS,
    assistant,
    document,
    image,
    png,
    tool_result,
    tool_use,
    user,
)
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock.emulator._arguments import fill_arguments, fill_value


def calls(prompt: str, *, tools: dict[str, Any] = TOOLS, **members: Any) -> list[tuple[str, dict[str, Any]]]:
    """The calls of an answer to one message: name and arguments."""
    body = answer(user(prompt), toolConfig=tools, **members)
    uses = [block["toolUse"] for block in content(body) if "toolUse" in block]
    assert body["stopReason"] == ("tool_use" if uses else "end_turn")
    assert len({use["toolUseId"] for use in uses}) == len(uses)
    return [(use["name"], use["input"]) for use in uses]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What's the weather in Paris?", [("get_weather", {"location": "Paris"})]),
        ("What's the weather in San Francisco, CA?", [("get_weather", {"location": "San Francisco, CA"})]),
        ("weather in paris please", [("get_weather", {"location": "paris"})]),
        ("The weather in Rome, in celsius?", [("get_weather", {"location": "Rome", "unit": "celsius"})]),
        (
            "How is the weather in Paris, New York and London?",
            [("get_weather", {"location": place}) for place in ("Paris", "New York", "London")],
        ),
        (
            "Tell me the weather and the time in Oslo.",
            [("get_weather", {"location": "Oslo"}), ("get_time", {"city": "Oslo"})],
        ),
        ("Call get_time for Lima", [("get_time", {"city": "Lima"})]),
        ("Hello!", []),
        ("Tell me a story about Paris.", []),
    ],
)
def test_tools_are_called_when_the_prompt_is_about_them(
    prompt: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    """Tools by words of the prompt, arguments by the schema, one call for each place that is named."""
    assert calls(prompt) == expected


def test_a_tool_choice_is_obeyed() -> None:
    """A tool that has to be called is called, without words around it; with `any`, the best one or the first."""
    forced = {**TOOLS, "toolChoice": {"tool": {"name": "get_time"}}}
    assert calls("Hello there", tools=forced) == [("get_time", {"city": "hello"})]
    any_of = {**TOOLS, "toolChoice": {"any": {}}}
    assert calls("What time is it in Rome?", tools=any_of) == [("get_time", {"city": "Rome"})]
    assert [name for name, _ in calls("Hello there", tools=any_of)] == ["get_weather"]
    assert [list(block) for block in content(answer(user("Hello"), toolConfig=any_of))] == [["toolUse"]]
    assert [list(block) for block in content(answer(user("The weather in Rome?"), toolConfig=TOOLS))] == [
        ["text"],
        ["toolUse"],
    ]


def test_newer_models_name_the_type_of_a_call() -> None:
    """Recorded: newer Claude models do, older ones and Nova do not."""
    for model, typed in [
        (CLAUDE, True),
        (OLD_CLAUDE, False),
        (NOVA, False),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", True),
    ]:
        body = answer(user("The weather in Rome?"), toolConfig=TOOLS, model=model)
        assert ("type" in content(body)[1]["toolUse"]) is typed


def test_results_are_read() -> None:
    """The answer to tool results says which call returned what; without new calls, unless the choice forces one."""
    history = [
        user("The weather in Paris and Rome?"),
        assistant(tool_use("a", location="Paris"), tool_use("b", location="Rome")),
        user(
            tool_result("a", {"json": {"temperature": 21, "sky": {"clouds": ["few", "white"]}}}),
            tool_result("b", {"text": "no such place"}, status="error"),
        ),
    ]
    text = content(answer(*history, toolConfig=TOOLS))[0]["text"]
    assert "get_weather(Paris) says: temperature 21, sky.clouds few, sky.clouds white." in text
    assert "get_weather(Rome) failed: no such place." in text
    forced = answer(*history, toolConfig={**TOOLS, "toolChoice": {"any": {}}})
    assert forced["stopReason"] == "tool_use"


def test_claude_can_be_told_not_to_call() -> None:
    """In its own words, past the service's; other families do not know them."""
    forbidden = {"additionalModelRequestFields": {"tool_choice": {"type": "none"}}}
    asked = user("What's the weather in Paris?")
    assert answer(asked, toolConfig=TOOLS, model=CLAUDE)["stopReason"] == "tool_use"
    assert answer(asked, toolConfig=TOOLS, model=CLAUDE, **forbidden)["stopReason"] == "end_turn"
    assert answer(asked, toolConfig=TOOLS, model=NOVA, **forbidden)["stopReason"] == "tool_use"


def test_results_of_other_kinds_are_read() -> None:
    """JSON inside text, pictures, documents, found pages, and nothing at all."""
    found = {"searchResult": {"source": "https://example.com", "title": "An example", "content": [{"text": "x"}]}}
    results = [
        tool_result("a", {"text": '{"temperature": 21}'}, image(png()), document("report")),
        tool_result("b", found),
        {"toolResult": {"toolUseId": "c", "content": []}},
        tool_result("d", {"json": {str(n): n for n in range(20)}}),
    ]
    uses = [tool_use(identifier) for identifier in "abcd"]
    text = content(answer(user("Go."), assistant(*uses), user(*results), toolConfig=TOOLS))[0]["text"]
    assert "get_weather() says: temperature 21; The image is a PNG of 3 x 2 pixels" in text
    assert "The document “report” is TXT" in text
    assert "An example (https://example.com)" in text
    assert "says: nothing." in text
    assert "and 8 more" in text


@pytest.mark.parametrize(
    ("schema", "prompt", "expected"),
    [
        ({"type": "integer"}, "Take 5 of 7", 5),
        ({"type": "number"}, "Take 1.5", 1.5),
        ({"type": "integer", "minimum": 3, "maximum": 4}, "Take 9", 4),
        ({"type": "integer", "default": 8}, "Take some", 8),
        ({"type": "boolean"}, "Do it", True),
        ({"type": "boolean"}, "Do not do it", False),
        ({"enum": ["red", "blue"]}, "Paint it blue", "blue"),
        ({"enum": [0, 1]}, "With 0 please", 0),
        ({"enum": ["red", "blue"]}, "Paint it", "red"),
        ({"const": 7}, "Anything", 7),
        ({"type": ["null", "integer"]}, "Take 2", 2),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "Take 2", 2),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "Take 2", 2),
        ({"type": "array", "items": {"type": "integer"}}, "Add 1, 2 and 3", [1, 2, 3]),
        ({"type": "array", "items": {"type": "string"}}, 'Join "a b" and "c"', ["a b", "c"]),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, "Do", [True, True]),
        ({"type": "array", "maxItems": 0}, "Do", []),
        ({"type": "string", "format": "date"}, "Book it on 2026-01-05 at noon", "2026-01-05"),
        ({"type": "string", "format": "email"}, "Write to ada@example.com.", "ada@example.com"),
        ({"type": "string", "maxLength": 3}, "Please spell Constantinople", "Con"),
        ({"type": "string", "minLength": 12}, "Spell Rome", "Spell Rome.."),
        ({"type": "string", "format": "date"}, "Book it", "2000-01-01"),
        ({"type": "string", "format": "uuid"}, "Name it", "00000000-0000-4000-8000-000000000000"),
        ({"type": "integer", "exclusiveMinimum": 3}, "Take 1", 4),
        ({"type": "integer", "exclusiveMaximum": 3}, "Take 9", 2),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, "Take 2 to Rome", [2, "Rome"]),
        ({"type": "null"}, "Nothing", None),
    ],
)
def test_values_are_picked_by_type(schema: dict[str, Any], prompt: str, expected: object) -> None:
    """Numbers, truths, choices, lists and formats are found in the prompt, and limits are kept."""
    assert fill_value(schema, prompt) == expected


def test_arguments_have_what_is_required() -> None:
    """Every required property is there, nested ones too; others only where one of their values is named."""
    schema = {
        "type": "object",
        "properties": {
            "first": {"type": "integer"},
            "second": {"type": "integer"},
            "query": {"type": "string"},
            "inside": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
            "mode": {"enum": ["fast", "slow"]},
            "left": {"type": "string"},
        },
        "required": ["first", "second", "query", "inside"],
    }
    assert fill_arguments(schema, "Multiply 2741 by 389 in Rome, slow!") == {
        "first": 2741,
        "second": 389,
        "query": "Multiply 2741 by 389 in Rome, slow",
        "inside": {"place": "Rome"},
        "mode": "slow",
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYWORDS = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "anyOf",
    "allOf",
    "$ref",
    "minItems",
    "maxItems",
    "format",
    "prefixItems",
    "minLength",
    "exclusiveMinimum",
    "exclusiveMaximum",
]


@given(st.dictionaries(st.sampled_from([*KEYWORDS, "minimum", "maxLength", "default"]), JSON), st.text(max_size=40))
def test_schemas_that_make_no_sense_are_no_trouble(schema: dict[str, Any], prompt: str) -> None:
    """Whatever stands where in a schema, there are arguments, and they are JSON."""
    assert json.dumps(fill_arguments({"type": "object", **schema}, prompt))
    assert json.dumps(fill_value({"type": "object", "properties": {"a": schema}, "required": ["a"]}, prompt))


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    """Depth and number of values are bounded."""
    node = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}, "required": list("abcdefgh")}
    assert len(json.dumps(fill_arguments(node, "Go"))) < 100_000
