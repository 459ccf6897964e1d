"""Tools and JSON as a request asks for them, for servers and models that differ."""

from __future__ import annotations

from typing import Any

import pytest
from openai_support.asking import ADD, OBJECT, SUB, body_of, said

from chatport.backend import ChatRequest, Message, Settings, Tool
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._schemas import LooseSchemaError, strict_schema
from chatport_openai._translate import translate

CLOSED = {**OBJECT, "additionalProperties": False}


# --- tools ------------------------------------------------------------------------------------------------------------


def test_tools_as_functions() -> None:
    """A description where there is one; an object schema has properties."""
    body = body_of(tools=(ADD, Tool("now", "", {"type": "object"}), Tool("any", "", {})))
    assert body["tools"] == [
        {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": OBJECT}},
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
        {"type": "function", "function": {"name": "any", "parameters": {"type": "object", "properties": {}}}},
    ]


@pytest.mark.parametrize(
    ("dialect", "choice", "wanted", "code"),
    [
        ("openai", "auto", "auto", None),
        ("openai", "none", "none", None),
        ("openai", "any", "required", None),
        ("openai", "add", {"type": "function", "function": {"name": "add"}}, None),
        ("mistral", "any", "any", None),
        ("azure-foundry", "add", "required", "tool-choice-any"),
        ("zai", "any", "auto", "tool-choice-not-forced"),
        ("zai", "add", "auto", "tool-choice-not-forced"),
        ("alibaba", "add", {"type": "function", "function": {"name": "add"}}, None),
        ("alibaba", "any", "auto", "tool-choice-not-forced"),
    ],
)
def test_the_choice_among_tools(dialect: str, choice: str, wanted: object, code: str | None) -> None:
    """In the server's words; what it cannot be told is reported."""
    translation = said(dialect=dialect, tools=(ADD, SUB), tool_choice=choice)
    assert translation.body["tool_choice"] == wanted
    assert [item.code for item in translation.adjustments] == ([] if code is None else [code])


def test_a_choice_of_one_tool() -> None:
    """Any of one is that one; nothing is lost."""
    assert body_of(dialect="alibaba", tools=(ADD,), tool_choice="any")["tool_choice"]["function"]["name"] == "add"
    translation = said(dialect="azure-foundry", tools=(ADD,), tool_choice="add")
    assert (translation.body["tool_choice"], translation.adjustments) == ("required", ())


def test_a_forced_choice_while_it_thinks() -> None:
    """DeepSeek refuses it."""
    for model, settings in (("deepseek-reasoner", Settings()), ("deepseek-v4", Settings(reasoning="high"))):
        translation = said(dialect="deepseek", model=model, tools=(ADD,), tool_choice="any", settings=settings)
        assert translation.body["tool_choice"] == "auto"
        assert "tool-choice-not-forced" in [item.code for item in translation.adjustments]
    assert (
        body_of(dialect="deepseek", model="deepseek-chat", tools=(ADD,), tool_choice="any")["tool_choice"] == "required"
    )


def test_a_choice_that_cannot_be_met() -> None:
    """It is a mistake of the caller."""
    with pytest.raises(ValueError, match="'mul' cannot be met: on offer: add"):
        said(tools=(ADD,), tool_choice="mul")
    with pytest.raises(ValueError, match="there are no tools"):
        said(tool_choice="any")
    assert body_of(tool_choice="none") == {}


def test_strict_tools() -> None:
    """Enforced where the server can; else reported."""
    strict = Tool(
        "add",
        "",
        {**OBJECT, "properties": {**OBJECT["properties"], "b": {"type": "string", "minLength": 1}}},
        strict=True,
    )
    translation = said(tools=(strict,))
    function = translation.body["tools"][0]["function"]
    assert function["strict"] is True
    assert function["parameters"] == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string", "description": "minLength: 1"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    assert [(item.kind, item.code, item.path) for item in translation.adjustments] == [
        ("changed", "schema-loosened", "tools[0].schema.properties.b"),
        ("lossless", "schema-tightened", "tools[0].schema.properties.b"),
    ]
    for dialect, tool in (
        ("groq", strict),
        ("openai", Tool("x", "", {"type": "object", "additionalProperties": {"type": "string"}}, strict=True)),
    ):
        translation = said(dialect=dialect, tools=(tool,))
        assert "strict" not in translation.body["tools"][0]["function"]
        assert [(item.code, item.path) for item in translation.adjustments] == [("tool-not-strict", "tools[0].strict")]


# --- strict schemas ---------------------------------------------------------------------------------------------------


def test_what_a_strict_schema_says() -> None:
    """References stand alone, definitions and choices are walked, what nobody enforces is said in words."""
    schema = {
        "$schema": "x",
        "type": "object",
        "$defs": {
            "P": {
                "type": "object",
                "title": "P",
                "properties": {"n": {"type": "string", "format": "uri", "default": "x"}},
            }
        },
        "properties": {
            "p": {"$ref": "#/$defs/P", "description": "who"},
            "q": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "r": {"type": "array", "items": {"type": "integer", "minimum": 1}, "uniqueItems": True},
            "s": {"type": ["string", "null"], "format": "date"},
        },
        "required": ["p"],
    }
    made = strict_schema(schema)
    assert made.schema == {
        "type": "object",
        "$defs": {
            "P": {
                "type": "object",
                "title": "P",
                "properties": {"n": {"type": "string", "description": "format: 'uri'; default: 'x'"}},
                "required": ["n"],
                "additionalProperties": False,
            }
        },
        "properties": {
            "p": {"$ref": "#/$defs/P"},
            "q": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "default: None"},
            "r": {"type": "array", "items": {"type": "integer", "minimum": 1}, "description": "uniqueItems: True"},
            "s": {"type": ["string", "null"], "format": "date"},
        },
        "required": ["p", "q", "r", "s"],
        "additionalProperties": False,
    }
    assert made.loosened == [(".$defs.P.properties.n", "format"), (".properties.r", "uniqueItems")]
    assert made.tightened == [".$defs.P.properties.n", ".properties.r"]


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        ({"oneOf": [{"type": "string"}]}, "no oneOf at properties.x"),
        ({"type": "object"}, "properties of any name at properties.x"),
        ({"type": "object", "additionalProperties": True, "properties": {}}, "properties of any name"),
        ({}, "takes anything at properties.x"),
        ({"type": "array", "items": True}, "takes anything at properties.x.items"),
    ],
)
def test_what_cannot_be_strict(inner: dict[str, Any], why: str) -> None:
    """Without it the schema would mean something else."""
    with pytest.raises(LooseSchemaError, match=why):
        strict_schema({"type": "object", "properties": {"x": inner}})


def test_schemas_without_an_end_and_without_an_object() -> None:
    """Neither can be strict."""
    endless: dict[str, Any] = {"type": "array"}
    endless["items"] = endless
    with pytest.raises(LooseSchemaError, match="nested too deeply"):
        strict_schema({"type": "object", "properties": {"x": endless}})
    with pytest.raises(LooseSchemaError, match="no object"):
        strict_schema({"type": "array", "items": {"type": "string"}})


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_by_schema() -> None:
    """Strict where it can be, as it is where it cannot."""
    translation = said(output_schema={**OBJECT, "description": "A sum"}, output_name="sum")
    assert translation.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "sum",
            "description": "A sum",
            "schema": {**CLOSED, "description": "A sum"},
            "strict": True,
        },
    }
    loose = {"type": "object", "additionalProperties": {"type": "integer"}}
    translation = said(output_schema=loose)
    assert translation.body["response_format"]["json_schema"] == {"name": "output", "schema": loose, "strict": False}
    assert [(item.kind, item.code) for item in translation.adjustments] == [("lossless", "output-not-strict")]
    narrow = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]}
    assert [item.code for item in said(output_schema=narrow).adjustments] == ["schema-loosened"]
    kept = said(output_schema=narrow, strict=True)
    assert kept.body["response_format"]["json_schema"]["schema"] == narrow
    assert [item.kind for item in kept.adjustments] == ["lossless"]


@pytest.mark.parametrize(
    ("dialect", "model", "response_format"),
    [
        ("deepseek", "deepseek-chat", {"type": "json_object"}),
        ("openai", "gpt-4-turbo", {"type": "json_object"}),
        ("openai", "gpt-4-0613", None),
        ("anthropic-compatible", "claude-x", None),
    ],
)
def test_json_by_words(dialect: str, model: str, response_format: object) -> None:
    """The schema stands in the instructions, behind the caller's own."""
    request = ChatRequest(model, (Message.user("Hi"),), output_schema=OBJECT)
    translation = translate(request, dialect=DIALECTS[dialect])
    system = translation.body["messages"][0]
    assert system["role"] == "system"
    assert '"required":["a"]' in system["content"]
    assert translation.body.get("response_format") == response_format
    assert [(item.kind, item.code) for item in translation.adjustments] == [("changed", "output-prompted")]
