"""What a request asks for besides words: tools, JSON, settings and reasoning, for servers and models that differ."""

from __future__ import annotations

from typing import Any

import pytest

from chatport.backend import ChatRequest, Message, Settings, Tool, UnsupportedError
from chatport_openai import OpenAIOptions
from chatport_openai._dialect_table import DIALECTS
from chatport_openai._models import model_facts, model_family
from chatport_openai._schemas import LooseSchemaError, strict_schema
from chatport_openai._translate import Translation, translate

OBJECT: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CLOSED = {**OBJECT, "additionalProperties": False}
ADD, SUB = Tool("add", "Add.", OBJECT), Tool("sub", "", OBJECT)


def said(*, dialect: str = "openai", model: str = "gpt-4.1", **members: Any) -> Translation:
    """Translate a request of one word."""
    return translate(ChatRequest(model, (Message.user("Hi"),), **members), dialect=DIALECTS[dialect])


def body_of(**members: Any) -> dict[str, Any]:
    """Its body without the message."""
    body = dict(said(**members).body)
    del body["model"], body["messages"]
    return body


def set_to(dialect: str, model: str, **settings: Any) -> tuple[dict[str, Any], list[str]]:
    """The members that settings come to, and the codes of what is reported."""
    members: dict[str, Any] = {"dialect": dialect, "model": model, "settings": Settings(**settings)}
    reported = [item.code for item in said(**members).adjustments if item.kind != "lossless"]
    return body_of(**members), reported


# --- tools -----------------------------------------------------------------------------------------------------------


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


# --- strict schemas --------------------------------------------------------------------------------------------------


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


# --- JSON ------------------------------------------------------------------------------------------------------------


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


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_by_server() -> None:
    """Under the names that it has for them."""
    settings: dict[str, Any] = {"max_tokens": 5, "temperature": 0, "top_p": 0.5, "stop_sequences": ["x"]}
    assert set_to("openai", "gpt-4.1", **settings) == (
        {"max_completion_tokens": 5, "temperature": 0, "top_p": 0.5, "stop": ["x"]},
        [],
    )
    assert set_to("mistral", "m", **settings, top_k=3) == (
        {"max_tokens": 5, "temperature": 0, "top_p": 0.5, "stop": ["x"]},
        ["setting-dropped"],
    )
    assert set_to("vllm", "m", top_k=3) == ({"top_k": 3}, [])
    assert set_to("groq", "llama", stop_sequences=list("abcdef")) == ({"stop": list("abcd")}, ["setting-dropped"])


@pytest.mark.parametrize(
    ("model", "reasoning", "samples", "stops"),
    [
        ("gpt-4.1", None, True, True),
        ("o3", None, False, False),
        ("o4-mini-2025-04-16", None, False, False),
        ("gpt-5", None, False, False),
        ("gpt-5-chat-latest", None, False, True),
        ("gpt-5.1", None, True, False),
        ("gpt-5.2", "off", True, False),
        ("gpt-5.2", "high", False, False),
        ("ft:gpt-4o-mini-2024-07-18:me::x", None, True, True),
    ],
)
def test_which_models_take_which_settings(model: str, reasoning: Any, samples: bool, stops: bool) -> None:
    """OpenAI's reasoning models refuse to be told how to sample; the others do not."""
    body, reported = set_to("openai", model, temperature=0.5, stop_sequences=["x"], reasoning=reasoning)
    assert ("temperature" in body, "stop" in body) == (samples, stops)
    assert len(reported) == (not samples) + (not stops)
    assert set_to("groq", model, temperature=0.5)[0] == {"temperature": 0.5}


@pytest.mark.parametrize(
    ("dialect", "model", "reasoning", "wanted", "reported"),
    [
        ("openai", "o3", "low", {"reasoning_effort": "low"}, []),
        ("openai", "o3", "minimal", {"reasoning_effort": "low"}, ["reasoning-level-changed"]),
        ("openai", "gpt-5", "minimal", {"reasoning_effort": "minimal"}, []),
        ("openai", "gpt-5", "max", {"reasoning_effort": "high"}, ["reasoning-level-changed"]),
        ("openai", "gpt-5", 8192, {"reasoning_effort": "medium"}, ["reasoning-budget-as-level"]),
        ("openai", "gpt-5", "off", {"reasoning_effort": "minimal"}, ["reasoning-not-off"]),
        ("openai", "gpt-5.1", "off", {"reasoning_effort": "none"}, []),
        ("openai", "gpt-5-pro", "low", {"reasoning_effort": "high"}, ["reasoning-level-changed"]),
        ("openai", "gpt-4o", "low", {}, ["setting-dropped"]),
        ("openai", "gpt-4o", "off", {}, []),
        ("openai", "my-own", "low", {}, ["setting-dropped"]),
        ("openai", "my-own", "off", {}, ["setting-dropped"]),
        ("groq", "openai/gpt-oss-20b", "high", {"reasoning_effort": "high"}, []),
        ("groq", "qwen/qwen3-32b", "off", {"reasoning_effort": "none"}, []),
        ("groq", "qwen/qwen3-32b", "high", {"reasoning_effort": "default"}, ["reasoning-level-changed"]),
        ("openrouter", "anthropic/claude-x", "high", {"reasoning": {"effort": "high"}}, []),
        ("openrouter", "anthropic/claude-x", 2000, {"reasoning": {"max_tokens": 2000}}, []),
        ("openrouter", "anthropic/claude-x", "off", {"reasoning": {"enabled": False}}, []),
        ("deepseek", "deepseek-v4", "high", {"thinking": {"type": "enabled"}}, ["reasoning-level-changed"]),
        ("deepseek", "deepseek-v4", "off", {"thinking": {"type": "disabled"}}, []),
        ("deepseek", "deepseek-reasoner", "high", {}, ["setting-dropped"]),
        ("deepseek", "deepseek-reasoner", "off", {}, ["reasoning-not-off"]),
        ("alibaba", "qwen3-max", 900, {"enable_thinking": True, "thinking_budget": 900}, []),
        ("alibaba", "qwen3-max", "low", {"enable_thinking": True, "thinking_budget": 2048}, []),
        ("alibaba", "qwen3-max", "off", {"enable_thinking": False}, []),
        ("vllm", "Qwen/Qwen3-8B", "off", {"chat_template_kwargs": {"enable_thinking": False}}, []),
        ("xai", "grok-3-mini", "medium", {"reasoning_effort": "low"}, ["reasoning-level-changed"]),
        ("compatible", "m", "high", {}, ["setting-dropped"]),
    ],
)
def test_reasoning_in_the_words_of_each_server(
    dialect: str, model: str, reasoning: Any, wanted: dict[str, Any], reported: list[str]
) -> None:
    """What comes nearest, and a report where that is not what was asked for."""
    assert set_to(dialect, model, reasoning=reasoning) == (wanted, reported)


def test_models_of_openai_behind_a_gateway() -> None:
    """Their names mean them at an address that says nothing; any other name is asked for as it is."""
    body, reported = set_to("compatible", "gpt-5-mini", max_tokens=5, temperature=0.5, reasoning="low")
    assert (body, reported) == ({"max_completion_tokens": 5, "reasoning_effort": "low"}, ["setting-dropped"])
    assert set_to("compatible", "gpt-4o", max_tokens=5, temperature=0.5)[0] == {"max_tokens": 5, "temperature": 0.5}
    assert set_to("compatible", "mine", max_tokens=5, temperature=0.5)[0] == {"max_tokens": 5, "temperature": 0.5}
    assert set_to("openai", "mine", max_tokens=5)[0] == {"max_completion_tokens": 5}


def test_families_of_models() -> None:
    """By their names, wherever they are asked for."""
    wanted = {
        "gpt-4o": "openai",
        "o3-mini": "openai",
        "openai/gpt-oss-20b": "gpt-oss",
        "openai.gpt-oss-20b-1:0": "gpt-oss",
        "anthropic/claude-x": "anthropic",
        "us.anthropic.claude-x": "anthropic",
        "Qwen/Qwen3-8B": "qwen",
        "magistral-small": "mistral",
        "mistral-large": "mistral",
        "my-own": "my-own",
    }
    assert {model: model_family(model) for model in wanted} == wanted
    assert model_facts("my-own").known is False


# --- the caller's own members ----------------------------------------------------------------------------------------


def test_own_members_are_laid_over_the_body() -> None:
    """Deeply, last, and with their case; tools stand behind those of the request."""
    own = {
        "seed": 7,
        "reasoning_effort": "low",
        "tools": [{"type": "web"}],
        "response_format": {"json_schema": {"name": "x"}},
    }
    body = body_of(settings=Settings(extra={"openai": own}), tools=(ADD,), output_schema=OBJECT)
    assert (body["seed"], body["reasoning_effort"], body["tools"][-1]) == (7, "low", {"type": "web"})
    assert body["response_format"]["json_schema"]["name"] == "x"
    assert body["response_format"]["type"] == "json_schema"
    assert body_of(settings=Settings(extra={"openai": {"tools": [{"type": "web"}]}}), tool_choice="any") == {
        "tool_choice": "required",
        "tools": [{"type": "web"}],
    }
    assert set_to("openai", "gpt-5.2", temperature=1, extra={"openai": {"reasoning_effort": "none"}})[1] == []


@pytest.mark.parametrize(
    ("extra", "kind", "why"),
    [
        ({"openai": {"n": 2}}, UnsupportedError, "one answer"),
        ({"openai": {"stream": True}}, UnsupportedError, "option `streaming`"),
        ({"openai": [1]}, TypeError, "must be a dict"),
        ({"openai": {"tools": 7}}, TypeError, "must be a list"),
        ({"seed": {}}, TypeError, "belongs into"),
    ],
)
def test_own_members_that_cannot_be(extra: Any, kind: type[Exception], why: str) -> None:
    """What would change how the answer is read, and what stands beside its place."""
    with pytest.raises(kind, match=why):
        said(settings=Settings(extra=extra))


def test_typed_options() -> None:
    """A mapping of what is set, by the API's names; ranges are checked."""
    options = OpenAIOptions(
        seed=0, top_logprobs=2, modalities=("text", "audio"), logit_bias={"50256": -100}, metadata={"a": "b"}
    )
    assert dict(options) == {
        "seed": 0,
        "logit_bias": {"50256": -100},
        "top_logprobs": 2,
        "metadata": {"a": "b"},
        "modalities": ["text", "audio"],
        "logprobs": True,
    }
    assert (len(options), options["seed"], "user" in options) == (6, 0, False)
    assert body_of(settings=Settings(extra={"openai": OpenAIOptions(seed=3)})) == {"seed": 3}
    wrongs: tuple[dict[str, Any], ...] = ({"frequency_penalty": 3}, {"presence_penalty": -2.5}, {"top_logprobs": 21})
    for wrong in wrongs:
        with pytest.raises(ValueError, match="is from"):
            OpenAIOptions(**wrong)
