"""How a model is asked to think: the neutral knob in the service's words, and those words read back. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from chatport.backend.translation import is_object, reasoning_budget, reasoning_level
from chatport_anthropic._capabilities import ThinkingKind, ThinkingSupport
from chatport_anthropic._scope import Scope

__all__ = ["MINIMUM_BUDGET", "AskedThinking", "asked_thinking", "can_begin", "thinking_members"]

MINIMUM_BUDGET: Final = 1024
"""The fewest tokens that a budget may have. Documented."""

_PATH: Final = "settings.reasoning"
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


@dataclass(frozen=True, slots=True)
class AskedThinking:
    """How a request asks its model to think.

    Attributes:
        kind: In which way; None: it does not ask, and the model does not do so by itself.
        budget: With how many tokens, where a number is said.
    """

    kind: ThinkingKind | None = None
    budget: int | None = None


def asked_thinking(members: Mapping[str, Any], support: ThinkingSupport) -> AskedThinking:
    """Return how a request asks to think; where it does not say, what the model does unasked.

    Args:
        members: The members of the body, the caller's own among them.
        support: How the model thinks.
    """
    thinking = members.get("thinking")
    kind = thinking.get("type") if is_object(thinking) else None
    if is_object(thinking) and kind == "enabled":
        budget = thinking.get("budget_tokens")
        return AskedThinking("budget", budget if isinstance(budget, int) else None)
    if kind == "adaptive" or (kind is None and support.on_by_default):
        return AskedThinking("adaptive")
    return AskedThinking()


def can_begin(turns: Sequence[dict[str, Any]]) -> bool:
    """Whether a model may be asked to think within a budget at the end of a conversation.

    Where results of tools come last, the answer that asked for the first of them has to begin with thoughts: the
    service refuses the request otherwise. Reported of all models that take budgets.
    """
    first: dict[str, Any] | None = None
    end = len(turns) - 1
    while end > 0 and turns[end]["role"] == "user" and turns[end - 1]["role"] == "assistant":
        if not any(block.get("type") == "tool_result" for block in turns[end]["content"]):
            break
        first = turns[end - 1]
        end -= 2
    return first is None or first["content"][0].get("type") in _THOUGHTS


def thinking_members(  # noqa: PLR0911 - one return for each way of thinking
    reasoning: str | int | None, scope: Scope, *, with_tools: bool
) -> dict[str, Any]:
    """Return the members that ask a model to think as the setting says, or come nearest to it.

    Args:
        reasoning: `Settings.reasoning`.
        scope: The request's scope; adjustments are noted there.
        with_tools: Whether the model may call tools.
    """
    if reasoning is None:
        return {}
    support = scope.capabilities.thinking
    if reasoning == "off":
        return _switched_off(support, scope, with_tools=with_tools)
    match support.kind:
        case "none":
            scope.note("dropped", "setting-dropped", _PATH, "left out: this model does not think before it answers")
            return {}
        case "unknown":
            why = "left out: how this model is asked to think is not known; settings.extra can say it in its own words"
            scope.note("dropped", "setting-dropped", _PATH, why)
            return {}
        case "budget":
            return _with_budget(reasoning, scope)
        case "adaptive":
            if "budget" in support.kinds and isinstance(reasoning, int):
                return _with_budget(reasoning, scope)
            return _with_effort(reasoning_level(reasoning, support.levels, scope))
        case _:
            assert_never(support.kind)


def _switched_off(support: ThinkingSupport, scope: Scope, *, with_tools: bool) -> dict[str, Any]:
    match support.off:
        case "omit":
            return {}
        case "disabled":
            return {"thinking": {"type": "disabled"}}
        case "between-tools":
            if with_tools:
                why = "between calls of tools this model thinks whatever it is told; elsewhere it does not"
                scope.note("changed", "reasoning-not-off", _PATH, why)
            return {"thinking": {"type": "between_tools"}}
        case "impossible":
            lowest = support.levels[0]
            why = f"this model cannot be told not to think: it does so at its lowest effort, {lowest!r}"
            scope.note("changed", "reasoning-not-off", _PATH, why)
            return _with_effort(lowest)
        case _:
            assert_never(support.off)


def _with_effort(level: str) -> dict[str, Any]:
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}}


def _with_budget(reasoning: str | int, scope: Scope) -> dict[str, Any]:
    budget = reasoning_budget(reasoning, scope)
    if budget < MINIMUM_BUDGET:
        why = f"the service takes no budget below {MINIMUM_BUDGET} tokens, so it gets that instead of {budget}"
        scope.note("changed", "reasoning-budget-raised", _PATH, why)
        budget = MINIMUM_BUDGET
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}
