"""How a model is asked to reason: the neutral knob in the words of its family, and those words read back.

Pure: a setting and what is known about a model in, members of `additionalModelRequestFields` out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from chatport.backend.translation import is_object, reasoning_budget, reasoning_level
from chatport_bedrock._capabilities import ReasoningKind, ReasoningSupport
from chatport_bedrock._scope import Scope

__all__ = ["AskedReasoning", "asked_reasoning", "reasoning_fields"]

_PATH: Final = "settings.reasoning"


@dataclass(frozen=True, slots=True)
class AskedReasoning:
    """How a request asks its model to reason.

    Attributes:
        kind: In which way; None: it does not ask, and the model does not do so by itself.
        level: At which level, in the service's words, where one is said.
        budget: With how many tokens, where a number is said.
    """

    kind: ReasoningKind | None = None
    level: str | None = None
    budget: int | None = None


def asked_reasoning(fields: Mapping[str, Any], support: ReasoningSupport) -> AskedReasoning:
    """Return how `additionalModelRequestFields` ask to reason; where they do not say, what the model does unasked.

    Args:
        fields: The members, the caller's own among them.
        support: How the model reasons.
    """
    unasked = AskedReasoning(support.kind) if support.on_by_default else AskedReasoning()
    if not fields:
        return unasked
    thinking = _object(fields, "thinking") or _object(fields, "reasoning_config")  # both names are recorded
    kind = thinking.get("type")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        return AskedReasoning("budget", budget=budget if isinstance(budget, int) else None)
    if kind == "adaptive":
        return AskedReasoning("adaptive", _text(_object(fields, "output_config"), "effort"))
    nova = _object(fields, "reasoningConfig")
    if nova.get("type") == "enabled":
        return AskedReasoning("nova-effort", _text(nova, "maxReasoningEffort"))
    efforts: tuple[tuple[ReasoningKind, str | None], ...] = (
        ("effort", _text(fields, "reasoning_effort")),
        ("effort-object", _text(_object(fields, "reasoning"), "effort")),
        ("qwen-effort", _text(fields, "reasoning_config")),
    )
    for found, level in efforts:
        if level is not None:
            return AskedReasoning() if level == "none" else AskedReasoning(found, level)
    return unasked if kind is None else AskedReasoning()


def reasoning_fields(reasoning: str | int | None, scope: Scope, *, with_tools: bool) -> dict[str, Any]:
    """Return the members that ask a model to reason as the setting says, or come nearest to it.

    Args:
        reasoning: `Settings.reasoning`.
        scope: The request's scope; adjustments are noted there.
        with_tools: Whether the model may call tools.
    """
    if reasoning is None:
        return {}
    support = scope.capabilities.reasoning
    if reasoning == "off":
        return _switched_off(support, scope, with_tools=with_tools)
    if support.kind in {"unknown", "none", "fixed"}:
        _drop(support.kind, scope)
        return {}
    if "budget" in support.kinds and (isinstance(reasoning, int) or not support.levels):
        return _with_budget(reasoning, support, scope)
    return _words(support.kind, reasoning_level(reasoning, support.levels, scope))


# --- off -------------------------------------------------------------------------------------------------------------


def _switched_off(support: ReasoningSupport, scope: Scope, *, with_tools: bool) -> dict[str, Any]:
    if support.kind == "unknown" and not support.on_by_default:
        _drop(support.kind, scope)
        return {}
    match support.off:
        case "omit":
            return {}
        case "disabled":
            return {"thinking": {"type": "disabled"}}
        case "between-tools":
            if with_tools:
                why = "between calls of tools this model reasons whatever it is told; elsewhere it does not"
                scope.note("changed", "reasoning-not-off", _PATH, why)
            return {"thinking": {"type": "between_tools"}}
        case "none":
            return _words(support.kind, "none")
        case "impossible":
            nearest = f"at its lowest level, {support.levels[0]!r}" if support.levels else "as it sees fit"
            why = f"this model cannot be told not to reason: it does so {nearest}"
            scope.note("changed", "reasoning-not-off", _PATH, why)
            return _words(support.kind, support.levels[0]) if support.levels else {}
        case _:
            assert_never(support.off)


def _drop(kind: ReasoningKind, scope: Scope) -> None:
    """Say why nothing is asked for."""
    whys = {
        "none": "left out: this model does not reason",
        "fixed": "left out: this model always reasons, and cannot be told how much",
    }
    unknown = "left out: how this model is asked to reason is not known; settings.extra can say it in its own words"
    scope.note("dropped", "setting-dropped", _PATH, whys.get(kind, unknown))


# --- how much --------------------------------------------------------------------------------------------------------


def _with_budget(reasoning: str | int, support: ReasoningSupport, scope: Scope) -> dict[str, Any]:
    budget = reasoning_budget(reasoning, scope)
    least = support.minimum_budget
    if least is not None and budget < least:
        why = f"this model takes no budget below {least} tokens, so it gets that instead of {budget}"
        scope.note("changed", "reasoning-budget-raised", _PATH, why)
        budget = least
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _words(kind: ReasoningKind, level: str) -> dict[str, Any]:
    """A level as the family says it."""
    match kind:
        case "adaptive":
            return {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}}
        case "nova-effort":
            return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}
        case "effort":
            return {"reasoning_effort": level}
        case "effort-object":
            return {"reasoning": {"effort": level}}
        case "qwen-effort":
            return {"reasoning_config": level}
        case "unknown" | "none" | "fixed" | "budget":
            raise ValueError(f"a model that reasons in the way {kind!r} is given no level")
        case _:
            assert_never(kind)


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if is_object(value) else {}


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None
