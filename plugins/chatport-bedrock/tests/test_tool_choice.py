"""The choice among tools, as far as a model can be told of it."""

from typing import Any

import pytest
from bedrock_support.models import SAMPLES

from chatport.backend import ChatRequest, Message, Settings, Tool
from chatport_bedrock._models import capabilities
from chatport_bedrock._translate import translate

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_5 = "anthropic.claude-opus-4-8"
NOVA = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
NEWCOMER = "newcomer.model-1.5-v1:0"
FREELY = ("changed", "tool-choice-not-forced", "tool_choice")
THINKING = {"type": "enabled", "budget_tokens": 2000}


def chosen(model: str, choice: str, names: str = "ab", **extra: Any) -> tuple[Any, list[tuple[str, str, str]]]:
    """The choice on the wire, and what was adjusted."""
    tools = tuple(Tool(name) for name in names)
    settings = Settings(extra={"bedrock": extra})
    translation = translate(
        ChatRequest(model, (Message.user("Hello"),), tools=tools, tool_choice=choice, settings=settings)
    )
    found: list[tuple[str, str, str]] = [(item.kind, item.code, item.path) for item in translation.adjustments]
    return translation.body["toolConfig"].get("toolChoice"), found


@pytest.mark.parametrize(
    ("model", "choice", "expected"),
    [
        (CLAUDE, "auto", ({"auto": {}}, [])),
        (CLAUDE, "any", ({"any": {}}, [])),
        (CLAUDE, "a", ({"tool": {"name": "a"}}, [])),
        (NEWCOMER, "a", ({"tool": {"name": "a"}}, [])),
        (LLAMA, "auto", ({"auto": {}}, [])),
        (LLAMA, "any", ({"auto": {}}, [FREELY])),
        (LLAMA, "a", ({"auto": {}}, [FREELY])),
        (MISTRAL, "any", ({"any": {}}, [])),
        (MISTRAL, "a", ({"any": {}}, [("changed", "tool-choice-any", "tool_choice")])),
        (GPT, "auto", (None, [("lossless", "tool-choice-omitted", "tool_choice")])),
        (GPT, "any", (None, [FREELY])),
    ],
)
def test_rule_40_a_choice_is_sent_as_far_as_the_model_takes_it(model: str, choice: str, expected: Any) -> None:
    """What it does not take comes as near as possible, and is told."""
    assert chosen(model, choice) == expected


def test_rule_40_the_only_tool_is_any_tool() -> None:
    """Nothing is lost where there is no other."""
    assert chosen(MISTRAL, "a", "a") == ({"any": {}}, [])


@pytest.mark.parametrize("model", SAMPLES)
@pytest.mark.parametrize("choice", ["auto", "any", "a"])
def test_rule_40_no_model_gets_a_choice_that_it_refuses(model: str, choice: str) -> None:
    """The table has the last word, for each kind of model."""
    sent, found = chosen(model, choice)
    assert set(sent or ()) <= capabilities(model).tool_choices
    forced = {"auto": "auto", "any": "any"}.get(choice, "tool")
    assert (forced in (sent or ())) == (not found)


def test_rule_41_a_forced_call_is_not_asked_of_a_model_that_reasons() -> None:
    """Claude with a budget refuses it; adaptive reasoning takes it, and so does a model that is told not to reason."""
    for choice in ("any", "a"):
        assert chosen(CLAUDE, choice, additionalModelRequestFields={"thinking": THINKING}) == ({"auto": {}}, [FREELY])
    assert chosen(CLAUDE, "auto", additionalModelRequestFields={"thinking": THINKING}) == ({"auto": {}}, [])
    off = {"thinking": {"type": "disabled"}}
    assert chosen(CLAUDE, "any", additionalModelRequestFields=off) == ({"any": {}}, [])
    adaptive = {"thinking": {"type": "adaptive"}}
    assert chosen(CLAUDE_5, "any", additionalModelRequestFields=adaptive) == ({"any": {}}, [])
    assert chosen(NEWCOMER, "any", additionalModelRequestFields={"thinking": THINKING}) == ({"any": {}}, [])


def test_rule_41_effort_is_reasoning_too() -> None:
    """DeepSeek has its own words for it."""
    deepseek = "deepseek.v3-v1:0"
    assert chosen(deepseek, "any", additionalModelRequestFields={"reasoning_effort": "high"}) == (
        {"auto": {}},
        [FREELY],
    )
    assert chosen(deepseek, "any") == ({"any": {}}, [])


def test_rule_42_tools_of_the_services_own_are_not_forced_on_nova() -> None:
    """With one of the caller's tools on offer, a call can be asked for."""
    config = {"tools": [{"systemTool": {"name": "nova_grounding"}}]}
    assert chosen(NOVA, "any", "", toolConfig=config) == ({"auto": {}}, [FREELY])
    assert chosen(NOVA, "any", "a", toolConfig=config) == ({"any": {}}, [])
    assert chosen(NEWCOMER, "any", "", toolConfig=config) == ({"any": {}}, [])
