"""Settings, reasoning and the caller's own members, for servers and models that differ."""

from __future__ import annotations

from typing import Any

import pytest
from openai_support.asking import ADD, OBJECT, body_of, said

from chatport.backend import Settings, UnsupportedError
from chatport_openai import OpenAIOptions
from chatport_openai._models import model_facts, model_family


def set_to(dialect: str, model: str, **settings: Any) -> tuple[dict[str, Any], list[str]]:
    """The members that settings come to, and the codes of what is reported."""
    members: dict[str, Any] = {"dialect": dialect, "model": model, "settings": Settings(**settings)}
    reported = [item.code for item in said(**members).adjustments if item.kind != "lossless"]
    return body_of(**members), reported


# --- settings ---------------------------------------------------------------------------------------------------------


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


# --- the caller's own members -----------------------------------------------------------------------------------------


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
