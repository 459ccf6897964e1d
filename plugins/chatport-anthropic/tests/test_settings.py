"""Settings, thinking and what is known about models: what is sent, what is left out and told."""

from dataclasses import replace
from typing import Any

import pytest

from chatport.backend import ChatRequest, Message, Reasoning, Settings, Tool, ToolCall, ToolResult, UnsupportedError
from chatport_anthropic._models import capabilities, model_family
from chatport_anthropic._translate import Translation, translate


def asked(model: str = "claude-sonnet-4-5", *, whole: bool = False, **settings: Any) -> Translation:
    """A request with these settings."""
    return translate(ChatRequest(model, (Message.user("hi"),), settings=Settings(**settings)), whole=whole)


def sent(translation: Translation) -> dict[str, Any]:
    """The members of the body that settings make."""
    return {name: value for name, value in translation.body.items() if name not in {"model", "messages"}}


def noted(translation: Translation) -> list[tuple[str, str]]:
    """What was adjusted, without what is no loss."""
    return [(each.code, each.path) for each in translation.adjustments if each.kind != "lossless"]


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "limit", "whole"),
    [
        ("claude-2.1", 4096, 4096),
        ("claude-3-haiku-20240307", 4096, 4096),
        ("claude-3-5-sonnet-20241022", 8192, 8192),
        ("claude-3-7-sonnet-latest", 64_000, 21_333),
        ("claude-sonnet-4-20250514", 64_000, 21_333),
        ("claude-opus-4-20250514", 32_000, 21_333),
        ("claude-opus-4-1-20250805", 32_000, 21_333),
        ("claude-opus-4-5", 64_000, 21_333),
        ("claude-haiku-4-5-20251001", 64_000, 21_333),
        ("claude-opus-4-10", 128_000, 21_333),
        ("claude-sonnet-4-6", 128_000, 21_333),
        ("claude-mythos-preview", 128_000, 21_333),
        ("claude-opus-5-5", 128_000, 21_333),
        ("anthropic/claude-haiku-4.5", 64_000, 21_333),
        ("gpt-oss:20b", 8192, 8192),
    ],
)
def test_the_limit_that_the_service_wants(model: str, limit: int, whole: int) -> None:
    """As many tokens as the model writes; of an answer that comes whole, as many as the service gives so."""
    assert sent(asked(model)) == {"max_tokens": limit}
    assert sent(asked(model, whole=True)) == {"max_tokens": whole}
    assert sent(asked(model, max_tokens=70_000, whole=True)) == {"max_tokens": 70_000}


def test_families() -> None:
    """Claude is one family, whatever stands before its name; any other id is a family of its own."""
    assert model_family("claude-opus-5") == model_family("anthropic/claude-haiku-4.5") == "anthropic"
    assert model_family("my-deployment") == "my-deployment"
    assert capabilities("my-deployment").known is False


# --- sampling --------------------------------------------------------------------------------------------------------


def test_what_the_caller_sets_is_sent() -> None:
    """0 is a value."""
    translation = asked(
        "claude-3-haiku-20240307", temperature=0, top_p=0.5, top_k=5, stop_sequences=["#"], max_tokens=1
    )
    assert sent(translation) == {"max_tokens": 1, "temperature": 0, "top_p": 0.5, "top_k": 5, "stop_sequences": ["#"]}
    assert noted(translation) == []


@pytest.mark.parametrize(
    ("model", "settings", "kept", "dropped"),
    [
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, ["top_p"]),
        ("claude-opus-4-1", {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, ["top_p"]),
        ("claude-opus-4-7", {"temperature": 0.5, "top_k": 5}, {}, ["temperature", "top_k"]),
        ("claude-sonnet-4-0", {"temperature": 0.5, "reasoning": 2000}, {}, ["temperature"]),
        ("claude-sonnet-4-0", {"temperature": 1.0, "reasoning": 2000}, {"temperature": 1.0}, []),
    ],
)
def test_what_models_refuse_is_left_out(
    model: str, settings: dict[str, Any], kept: dict[str, Any], dropped: list[str]
) -> None:
    """One of two, all of them, or all while it thinks."""
    translation = asked(model, **settings)
    found = {name: value for name, value in sent(translation).items() if name in {"temperature", "top_p", "top_k"}}
    assert found == kept
    assert noted(translation) == [("setting-dropped", f"settings.{name}") for name in dropped]


@pytest.mark.parametrize(
    "settings",
    [
        {"max_tokens": 0},
        {"max_tokens": True},
        {"top_k": 1.5},
        {"temperature": 1.5},
        {"temperature": float("nan")},
        {"top_p": "high"},
        {"stop_sequences": [" "]},
        {"stop_sequences": ["\ud800"]},
    ],
)
def test_settings_that_every_model_refuses(settings: dict[str, Any]) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(UnsupportedError, match=r"settings\."):
        asked(**settings)


# --- thinking --------------------------------------------------------------------------------------------------------


def budget(tokens: int) -> dict[str, Any]:
    """The member that asks for thinking within a budget."""
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def effort(level: str) -> dict[str, Any]:
    """The members that ask for an effort."""
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}}


@pytest.mark.parametrize(
    ("model", "reasoning", "members", "code"),
    [
        ("claude-sonnet-4-5", "medium", budget(8192), None),
        ("claude-sonnet-4-5", 5000, budget(5000), None),
        ("claude-sonnet-4-5", 10, budget(1024), "reasoning-budget-raised"),
        ("claude-sonnet-4-5", "off", {}, None),
        ("claude-opus-4-6", "high", effort("high"), None),
        ("claude-opus-4-6", "xhigh", effort("high"), "reasoning-level-changed"),
        ("claude-opus-4-6", 5000, budget(5000), None),
        ("claude-opus-4-8", 5000, effort("low"), "reasoning-budget-as-level"),
        ("claude-opus-4-8", 100, effort("low"), "reasoning-budget-as-level"),
        ("claude-opus-4-8", "minimal", effort("low"), "reasoning-level-changed"),
        ("claude-opus-4-8", "off", {}, None),
        ("claude-sonnet-5", "off", {"thinking": {"type": "disabled"}}, None),
        ("claude-sonnet-5-5", "off", {"thinking": {"type": "between_tools"}}, None),
        ("claude-fable-5", "off", effort("low"), "reasoning-not-off"),
        ("claude-3-haiku-20240307", "high", {}, "setting-dropped"),
        ("gpt-oss:20b", "high", {}, "setting-dropped"),
    ],
)
def test_the_knob_in_the_words_of_each_model(
    model: str, reasoning: Any, members: dict[str, Any], code: str | None
) -> None:
    """A budget, an effort, off, or not at all; what is not what was asked for is told."""
    translation = asked(model, reasoning=reasoning)
    assert {name: value for name, value in sent(translation).items() if name != "max_tokens"} == members
    assert noted(translation) == ([] if code is None else [(code, "settings.reasoning")])


def test_a_budget_is_a_part_of_the_limit() -> None:
    """What is left to answer is what the caller asked for, up to what the model writes."""
    assert sent(asked(max_tokens=500, reasoning=2000))["max_tokens"] == 2500
    lowered = asked("claude-opus-4-1", max_tokens=30_000, reasoning=4000)
    assert sent(lowered)["max_tokens"] == 32_000
    assert noted(lowered) == [("max-tokens-lowered", "settings.max_tokens")]
    assert sent(asked("claude-opus-4-1", reasoning=40_000))["max_tokens"] == 40_001
    assert sent(asked(reasoning=2000, whole=True))["max_tokens"] == 23_333
    own = asked(max_tokens=5000, extra={"anthropic": budget(2000)})
    assert sent(own) == {"max_tokens": 5000, **budget(2000)}


def loop(*answers: Message) -> tuple[Message, ...]:
    """A conversation that ends in a row of calls with their results."""
    rows = [(answer, Message("tool", tuple(ToolResult(c.id, "x") for c in answer.tool_calls))) for answer in answers]
    return (Message.user("?"), *(message for row in rows for message in row))


@pytest.mark.parametrize(
    ("model", "thought", "is_asked"),
    [
        ("claude-sonnet-4-5", Reasoning("Hm", "sig"), True),
        ("claude-sonnet-4-5", Reasoning(redacted=b"x"), True),
        ("claude-sonnet-4-5", Reasoning("Hm"), False),
        ("claude-sonnet-4-5", Reasoning("Hm", "sig", metadata={"bedrock": {"family": "anthropic"}}), False),
        ("claude-opus-4-8", Reasoning("Hm"), True),
    ],
)
def test_thinking_does_not_begin_between_calls(model: str, thought: Reasoning, is_asked: bool) -> None:
    """Where the first answer of a row of calls has no thoughts that go back, a budget would be refused."""
    calls = [Message.assistant(ToolCall(f"toolu_{number}", "f")) for number in (1, 2)]
    messages = loop(Message.assistant(thought, *calls[0].parts), calls[1])
    settings = Settings(reasoning=2000)
    request = ChatRequest(model, messages, tools=(Tool("f"),), settings=settings)
    translation = translate(request)
    assert ("thinking" in translation.body) is is_asked
    assert (("setting-dropped", "settings.reasoning") in noted(translation)) is not is_asked
    begun = translate(replace(request, messages=(*messages, Message.assistant("So."), Message.user("And?"))))
    assert "thinking" in begun.body


def test_a_model_that_thinks_between_tools_only() -> None:
    """With tools it is told that off is not quite off."""
    request = ChatRequest(
        "claude-sonnet-5-5", (Message.user("hi"),), tools=(Tool("x"),), settings=Settings(reasoning="off")
    )
    assert noted(translate(request)) == [("reasoning-not-off", "settings.reasoning")]


def test_the_callers_own_words_win() -> None:
    """Another form of thinking takes the place of the knob's, and sampling is judged by it."""
    own = {"anthropic": {"thinking": {"type": "disabled"}}}
    translation = asked("claude-sonnet-4-5", reasoning=2000, temperature=0.5, extra=own)
    assert sent(translation) == {"max_tokens": 64_000, "thinking": {"type": "disabled"}, "temperature": 0.5}
    shown = {"anthropic": {"thinking": {"type": "adaptive", "display": "summarized"}}}
    assert sent(asked("claude-opus-4-8", reasoning="low", extra=shown))["thinking"] == shown["anthropic"]["thinking"]


# --- extra -----------------------------------------------------------------------------------------------------------


def test_extra_is_laid_over_the_body() -> None:
    """Last, member by member; betas go into a header."""
    extra = {"betas": ["a", "b", "a"], "metadata": {"user_id": "u"}, "max_tokens": 7}
    translation = asked(extra={"anthropic": extra})
    assert sent(translation) == {"max_tokens": 7, "metadata": {"user_id": "u"}}
    assert translation.betas == ("a", "b")
    assert asked(extra={"anthropic": {"betas": "a, b"}}).betas == ("a", "b")


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"thinking": {"type": "adaptive"}}, "write it into settings.extra"),
        ({"anthropic": [1]}, "must be a dict"),
        ({"anthropic": {"betas": 5}}, "must be a list of str"),
    ],
)
def test_extra_that_is_held_wrong(extra: Any, reason: str) -> None:
    """What would say nothing is refused with what to write."""
    with pytest.raises(TypeError, match=reason):
        asked(extra=extra)


def test_a_model_needs_a_name() -> None:
    """An empty id, or one that nobody can see."""
    for model in ("", "a\nb"):
        with pytest.raises(UnsupportedError, match="model:"):
            asked(model)
