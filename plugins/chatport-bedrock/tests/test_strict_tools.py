"""Strict schemas, of tools and of any type: what the service takes, and what a model is told in words instead."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from bedrock_support.models import SAMPLES
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
from pydantic import BaseModel, TypeAdapter

from chatport.backend import ChatRequest, Message, Opaque, Text, Tool, ToolResult, UnsupportedError
from chatport_bedrock._body import encode_body
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import translate

# --- strict tools -----------------------------------------------------------------------------------------------------


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


# --- any type, any model ----------------------------------------------------------------------------------------------


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
