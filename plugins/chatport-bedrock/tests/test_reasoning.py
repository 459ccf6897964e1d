"""The knob for reasoning: what it becomes for each family, what is reported, and what the emulator says to it."""

from typing import Any, get_args

import botocore.session
import pytest
from bedrock_support.models import SAMPLES
from botocore.validate import ParamValidator

from chatport.backend import ChatRequest, Message, ReasoningLevel, Settings, Tool, ToolCall, ToolResult
from chatport.backend.translation import LEVEL_BUDGETS
from chatport_bedrock._body import plain_body
from chatport_bedrock._models import capabilities
from chatport_bedrock._reasoning import asked_reasoning
from chatport_bedrock._translate import Translation, translate
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import check_rules

_CONVERSE: Any = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")

BUDGET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BOTH = "us.anthropic.claude-sonnet-4-6"
ADAPTIVE = "us.anthropic.claude-opus-4-8"
BY_DEFAULT = "us.anthropic.claude-sonnet-5"
ALWAYS = "us.anthropic.claude-fable-5"
BETWEEN_TOOLS = "anthropic.claude-sonnet-5-5"
OLD_CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA_1 = "us.amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
GPT = "openai.gpt-5.6-sol"
QWEN = "qwen.qwen3-32b-v1:0"
DEEPSEEK_R1 = "us.deepseek.r1-v1:0"
DEEPSEEK = "deepseek.v3.2"
MINIMAX = "minimax.minimax-m2"
NEWCOMER = "newcomer.model-1.5-v1:0"
HELLO = Message.user("Hello")
LEVELS: list[Any] = list(get_args(ReasoningLevel))
PATH = "settings.reasoning"
CHANGED = ("changed", "reasoning-level-changed", PATH)
AS_LEVEL = ("changed", "reasoning-budget-as-level", PATH)
AS_BUDGET = ("lossless", "reasoning-level-as-budget", PATH)
NOT_OFF = ("changed", "reasoning-not-off", PATH)
DROPPED = ("dropped", "setting-dropped", PATH)


def translated(
    model: str, *messages: Message, tools: str = "", choice: str | None = None, **settings: Any
) -> Translation:
    """Translate a conversation with settings."""
    found = tuple(Tool(name) for name in tools)
    request = ChatRequest(model, messages or (HELLO,), tools=found, tool_choice=choice, settings=Settings(**settings))
    return translate(request)


def fields(translation: Translation) -> Any:
    """What goes past the common settings."""
    return translation.body.get("additionalModelRequestFields", {})


def codes(translation: Translation) -> list[tuple[str, str, str]]:
    """Kind, code and path of what was adjusted."""
    return [(item.kind, item.code, item.path) for item in translation.adjustments]


def thinking(tokens: int) -> dict[str, Any]:
    """Claude with a budget."""
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def adaptive(effort: str) -> dict[str, Any]:
    """Claude at a level."""
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def nova(effort: str) -> dict[str, Any]:
    """Nova at a level."""
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


@pytest.mark.parametrize(
    ("model", "reasoning", "expected", "adjusted"),
    [
        (BUDGET, "high", thinking(16_384), [AS_BUDGET]),
        (BUDGET, "minimal", thinking(1024), [AS_BUDGET]),
        (BUDGET, 3000, thinking(3000), []),
        (BUDGET, 1, thinking(1024), [("changed", "reasoning-budget-raised", PATH)]),
        (BOTH, "high", adaptive("high"), []),
        (BOTH, "max", adaptive("max"), []),
        (BOTH, "xhigh", adaptive("high"), [CHANGED]),
        (BOTH, "minimal", adaptive("low"), [CHANGED]),
        (BOTH, 3000, thinking(3000), []),
        (ADAPTIVE, "xhigh", adaptive("xhigh"), []),
        (ADAPTIVE, 3000, adaptive("low"), [AS_LEVEL]),
        (ADAPTIVE, 10_000, adaptive("medium"), [AS_LEVEL]),
        (ADAPTIVE, 1_000_000, adaptive("max"), [AS_LEVEL]),
        (ADAPTIVE, 1, adaptive("low"), [AS_LEVEL]),
        (NOVA_2, "medium", nova("medium"), []),
        (NOVA_2, "max", nova("high"), [CHANGED]),
        (GPT_OSS, "low", {"reasoning_effort": "low"}, []),
        (GPT_OSS, 16_384, {"reasoning_effort": "high"}, [AS_LEVEL]),
        (GPT, "xhigh", {"reasoning": {"effort": "xhigh"}}, []),
        (QWEN, "high", {"reasoning_config": "high"}, []),
        (QWEN, "medium", {"reasoning_config": "low"}, [CHANGED]),
        (DEEPSEEK, "low", {"reasoning_effort": "high"}, [CHANGED]),
        (DEEPSEEK_R1, "low", {}, [DROPPED]),
        (OLD_CLAUDE, "low", {}, [DROPPED]),
        (NOVA_1, 2000, {}, [DROPPED]),
        (MINIMAX, "low", {}, [DROPPED]),
        (NEWCOMER, "low", {}, [DROPPED]),
    ],
)
def test_rule_64_reasoning_in_the_words_of_the_family(
    model: str, reasoning: Any, expected: dict[str, Any], adjusted: list[Any]
) -> None:
    """A level, or a budget, whichever the model takes; what it does not have comes as near as possible, and is told."""
    translation = translated(model, reasoning=reasoning)
    assert fields(translation) == expected
    assert codes(translation) == adjusted
    assert "inferenceConfig" not in translation.body


@pytest.mark.parametrize(
    ("model", "expected", "adjusted"),
    [
        (BUDGET, {}, []),
        (BOTH, {}, []),
        (BY_DEFAULT, {"thinking": {"type": "disabled"}}, []),
        (ALWAYS, adaptive("low"), [NOT_OFF]),
        (BETWEEN_TOOLS, {"thinking": {"type": "between_tools"}}, []),
        (OLD_CLAUDE, {}, []),
        (NOVA_1, {}, []),
        (NOVA_2, {}, []),
        (GPT_OSS, {"reasoning_effort": "low"}, [NOT_OFF]),
        (GPT, {"reasoning": {"effort": "none"}}, []),
        (QWEN, {}, []),
        (DEEPSEEK_R1, {}, [NOT_OFF]),
        (MINIMAX, {}, [DROPPED]),
        (NEWCOMER, {}, [DROPPED]),
    ],
)
def test_rule_65_off_is_said_where_a_model_reasons_unasked(
    model: str, expected: dict[str, Any], adjusted: list[Any]
) -> None:
    """Elsewhere nothing has to be said; where it cannot be done, or is not known, that is reported."""
    translation = translated(model, reasoning="off")
    assert (fields(translation), codes(translation)) == (expected, adjusted)


def test_rule_65_between_calls_of_tools_one_model_goes_on_reasoning() -> None:
    """Which is reported where there are tools that it may call."""
    off = {"thinking": {"type": "between_tools"}}
    translation = translated(BETWEEN_TOOLS, tools="a", reasoning="off")
    assert (fields(translation), codes(translation)) == (off, [NOT_OFF])
    assert codes(translated(BETWEEN_TOOLS, tools="a", choice="none", reasoning="off")) == [
        ("lossless", "tools-withheld", "tool_choice")
    ]


def test_rule_64_a_budget_is_added_to_the_tokens_to_write() -> None:
    """`max_tokens` says how long the answer may be; the service counts reasoning with it."""
    translation = translated(BUDGET, max_tokens=500, reasoning=2000)
    assert translation.body["inferenceConfig"] == {"maxTokens": 2500}
    assert codes(translation) == [("lossless", "budget-added", "settings.max_tokens")]
    translation = translated(BOTH, max_tokens=500, reasoning="low")
    assert (translation.body["inferenceConfig"], codes(translation)) == ({"maxTokens": 500}, [])


def test_rule_64_what_a_caller_says_in_the_models_words_is_sent_as_it_is() -> None:
    """`extra` wins over the knob; with the knob the limit follows what is sent, without it the caller has counted."""
    extra = {"bedrock": {"additionalModelRequestFields": thinking(4000)}}
    translation = translated(BUDGET, max_tokens=5000, extra=extra)
    assert (translation.body["inferenceConfig"], fields(translation)) == ({"maxTokens": 5000}, thinking(4000))
    translation = translated(BUDGET, max_tokens=500, reasoning=2000, extra=extra)
    assert (translation.body["inferenceConfig"], fields(translation)) == ({"maxTokens": 4500}, thinking(4000))
    strange = {"bedrock": {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": "many"}}}}
    assert translated(BUDGET, max_tokens=500, extra=strange).body["inferenceConfig"] == {"maxTokens": 500}


@pytest.mark.parametrize("form", [{"type": "adaptive"}, {"type": "disabled"}])
def test_rule_64_another_form_of_the_caller_takes_the_place_of_ours(form: dict[str, Any]) -> None:
    """Both merged would be neither: no other form has a budget."""
    extra = {"bedrock": {"additionalModelRequestFields": {"thinking": form}}}
    assert fields(translated(BUDGET, reasoning=4096, extra=extra)) == {"thinking": form}


def test_rule_64_no_sampling_while_claude_reasons() -> None:
    """Each setting that would be refused is left out and named, whoever asked for the reasoning."""
    everything: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}
    dropped = [("dropped", "setting-dropped", f"settings.{name}") for name in everything]
    translation = translated(BUDGET, reasoning=2000, **everything)
    assert codes(translation) == dropped
    assert (fields(translation), "inferenceConfig" in translation.body) == (thinking(2000), False)
    translation = translated(BUDGET, extra={"bedrock": {"additionalModelRequestFields": thinking(2000)}}, **everything)
    assert codes(translation) == dropped
    assert codes(translated(BOTH, reasoning="low", **everything)) == dropped
    assert codes(translated(BOTH, reasoning="off", temperature=0.5, top_k=5)) == []
    assert codes(translated(GPT_OSS, reasoning="low", temperature=0.5)) == []


def test_rule_64_newer_claude_takes_no_sampling_at_all() -> None:
    """Reasoning or not; one generation before takes one of the two, and the second one is left out."""
    translation = translated(ADAPTIVE, temperature=0, top_p=0.9, top_k=5)
    assert "inferenceConfig" not in translation.body
    assert codes(translation) == [
        ("dropped", "setting-dropped", f"settings.{name}") for name in ("temperature", "top_p", "top_k")
    ]
    translation = translated(BUDGET, temperature=0, top_p=0.9)
    assert translation.body["inferenceConfig"] == {"temperature": 0}
    assert codes(translation) == [("dropped", "setting-dropped", "settings.top_p")]
    assert translated(NEWCOMER, temperature=0, top_p=0.9).body["inferenceConfig"] == {"temperature": 0, "topP": 0.9}


def test_rule_64_nova_at_its_highest_level_sets_its_own_limits() -> None:
    """`maxTokens` and sampling are refused there, and only there."""
    settings: dict[str, Any] = {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_k": 5}
    translation = translated(NOVA_2, reasoning="high", stop_sequences=["END"], **settings)
    assert translation.body["inferenceConfig"] == {"stopSequences": ["END"]}
    assert fields(translation) == nova("high")
    assert codes(translation) == [("dropped", "setting-dropped", f"settings.{name}") for name in settings]
    translation = translated(NOVA_2, reasoning="medium", **settings)
    assert translation.body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5, "topP": 0.9}
    assert fields(translation) == {**nova("medium"), "inferenceConfig": {"topK": 5}}
    extra = {"bedrock": {"additionalModelRequestFields": nova("high")}}
    assert "inferenceConfig" not in translated(NOVA_2, max_tokens=100, extra=extra).body


@pytest.mark.parametrize(
    ("model", "reasoning", "forced"),
    [
        (BUDGET, "low", False),
        (BUDGET, "off", True),
        (BOTH, "low", True),
        (BOTH, 2000, False),
        (ADAPTIVE, "low", True),
        (BY_DEFAULT, "off", True),
        (NOVA_2, "high", True),
        (DEEPSEEK, "high", False),
        (DEEPSEEK, "off", True),
    ],
)
def test_rule_41_a_forced_call_goes_with_some_reasoning(model: str, reasoning: Any, *, forced: bool) -> None:
    """The knob counts as the model's own words do: with a budget, and with DeepSeek, the choice is not forced."""
    translation = translated(model, tools="a", choice="any", reasoning=reasoning)
    assert translation.body["toolConfig"]["toolChoice"] == ({"any": {}} if forced else {"auto": {}})
    assert (("changed", "tool-choice-not-forced", "tool_choice") in codes(translation)) is not forced


def test_levels_are_in_order_and_every_model_has_only_these() -> None:
    """Coming nearest needs an order: every level of the table is in it, and a higher one never costs less."""
    assert ["off", *LEVEL_BUDGETS] == LEVELS
    assert list(LEVEL_BUDGETS.values()) == sorted(LEVEL_BUDGETS.values())
    assert {level for model in SAMPLES for level in capabilities(model).reasoning.levels} <= set(LEVEL_BUDGETS)
    smallest = {capabilities(model).reasoning.minimum_budget for model in SAMPLES} - {None}
    assert all(budget <= LEVEL_BUDGETS["minimal"] for budget in smallest if budget)


@pytest.mark.parametrize("model", SAMPLES)
@pytest.mark.parametrize("reasoning", [level for level in LEVELS if level != "off"])
def test_what_is_asked_is_read_back(model: str, reasoning: Any) -> None:
    """The words that are written are understood by the reader that settings and choices of tools go by."""
    support = capabilities(model).reasoning
    translation = translated(model, reasoning=reasoning)
    asked = asked_reasoning(fields(translation), support)
    if support.kind in {"none", "unknown"}:
        assert asked.kind is None
        assert codes(translation) == [DROPPED]
    elif support.kind == "fixed":
        assert (asked.kind, asked.level) == ("fixed", None)
    else:
        assert asked.kind == support.kind
        assert asked.level in (support.levels or (None,))
        assert (asked.budget is not None) is (asked.kind == "budget")


# --- the second opinion ----------------------------------------------------------------------------------------------

CALL = Message.assistant("Let me see.", ToolCall("tooluse_1", "a"))
RESULT = Message("tool", (ToolResult("tooluse_1", "done"),))
SHAPES: list[tuple[tuple[Message, ...], str, str | None, dict[str, Any]]] = [
    ((HELLO,), "", None, {}),
    ((HELLO,), "", None, {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_k": 5}),
    ((HELLO,), "a", None, {"max_tokens": 5}),
    ((HELLO,), "ab", "any", {}),
    ((HELLO,), "ab", "a", {}),
    ((HELLO, CALL, RESULT), "a", "none", {"stop_sequences": ["END"]}),
    ((HELLO, CALL, RESULT, Message.assistant("So."), HELLO), "a", "auto", {"temperature": 1}),
]


@pytest.mark.parametrize("model", SAMPLES)
@pytest.mark.parametrize("reasoning", [None, *LEVELS, 1, 1024, 5000, 30_000])
def test_what_is_sent_for_any_level_is_accepted(model: str, reasoning: Any) -> None:
    """With any settings and tools beside it: the emulator's rules, which know nothing of ours, have no complaint."""
    can = capabilities(model)
    for messages, tools, choice, settings in SHAPES:
        if tools and not can.tools:
            continue
        translation = translated(model, *messages, tools=tools, choice=choice, reasoning=reasoning, **settings)
        report = ParamValidator().validate({"modelId": model, **translation.body}, _CONVERSE.input_shape)
        assert not report.has_errors(), report.generate_report()
        body = plain_body(translation.body)
        check_rules(Conversation(f"us.{model}", body))
        if can.streaming_tools or not tools:
            check_rules(Conversation(f"us.{model}", body, "ConverseStream"))
