"""How a model is asked to reason: the neutral knob in the words of its server."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from chatport.backend.translation import is_object, reasoning_budget, reasoning_level
from chatport_openai._dialects import ReasoningKnob
from chatport_openai._scope import Scope

__all__ = ["knob_of", "reasoning_members", "thinks"]

_PATH: Final = "settings.reasoning"


def knob_of(model: str, scope: Scope) -> ReasoningKnob:
    """Return how a model is told how much to think: by its own name where that is known, else by its server's table."""
    found = scope.dialect.knob(model)
    facts = scope.model
    if not facts.known or found.kind == "object":
        return found
    if facts.reasons is False:
        return ReasoningKnob(kind="none", off="omit")
    if not facts.levels:
        return ReasoningKnob(kind="fixed")
    return ReasoningKnob(kind="effort", levels=facts.levels, off="none" if facts.can_rest else "impossible")


def reasoning_members(reasoning: str | int | None, model: str, scope: Scope) -> dict[str, Any]:
    """Return the members that ask a model to reason as the setting says, or come nearest to it.

    Args:
        reasoning: `Settings.reasoning`.
        model: The model id.
        scope: The request's scope; adjustments are noted there.
    """
    if reasoning is None:
        return {}
    knob = knob_of(model, scope)
    if reasoning == "off":
        return _switched_off(knob, scope)
    match knob.kind:
        case "unknown":
            scope.drop_setting(
                "reasoning",
                "how this model is asked to reason is not known; settings.extra can say it in its own words",
            )
        case "none":
            scope.drop_setting("reasoning", "this model does not reason")
        case "fixed":
            scope.drop_setting("reasoning", "this model reasons as it sees fit, and cannot be told how much")
        case _:
            return _asked(reasoning, knob, scope)
    return {}


def thinks(members: Mapping[str, Any], model: str, scope: Scope) -> bool | None:
    """Return whether a model thinks before it answers, by what a body says; None where nobody knows.

    Args:
        members: The members of the body that may say it, the caller's own among them.
        model: The model id.
        scope: The request's scope.
    """
    effort = members.get("reasoning_effort")
    if isinstance(effort, str):
        return effort != "none"
    thinking = members.get("thinking")
    if is_object(thinking):
        return thinking.get("type") != "disabled"
    reasoning = members.get("reasoning")
    if is_object(reasoning):
        return reasoning.get("enabled") is not False and reasoning.get("effort") != "none"
    if scope.model.known:
        return scope.model.reasons is not False and not scope.model.rests
    kind = knob_of(model, scope).kind
    return {"fixed": True, "none": False}.get(kind)


def _switched_off(knob: ReasoningKnob, scope: Scope) -> dict[str, Any]:
    if knob.kind == "unknown":
        scope.drop_setting("reasoning", "how this model is told not to reason is not known; settings.extra can say it")
        return {}
    match knob.off:
        case "omit":
            return {}
        case "none":
            return _words(knob, "none")
        case "disabled":
            return _switch(knob, on=False)
        case "impossible":
            nearest = f"at its lowest level, {knob.levels[0]!r}" if knob.levels else "as it sees fit"
            why = f"this model cannot be told not to reason: it does so {nearest}"
            scope.note("changed", "reasoning-not-off", _PATH, why)
            return _words(knob, knob.levels[0]) if knob.levels else {}
        case _:
            assert_never(knob.off)


def _asked(reasoning: str | int, knob: ReasoningKnob, scope: Scope) -> dict[str, Any]:
    if isinstance(reasoning, int) and knob.budgets:
        return _budget(knob, reasoning)
    if not knob.levels:
        if knob.budgets and isinstance(reasoning, str):
            return _budget(knob, reasoning_budget(reasoning, scope))
        why = f"this model thinks or does not, and cannot be told how much: {reasoning!r} lets it think"
        scope.note("changed", "reasoning-level-changed", _PATH, why)
        return _switch(knob, on=True)
    return _words(knob, reasoning_level(reasoning, knob.levels, scope))


def _words(knob: ReasoningKnob, level: str) -> dict[str, Any]:
    """A level as the server says it."""
    if knob.kind == "object":
        return {"reasoning": {"enabled": False}} if level == "none" else {"reasoning": {"effort": level}}
    return {"reasoning_effort": level}


def _budget(knob: ReasoningKnob, tokens: int) -> dict[str, Any]:
    if knob.kind == "object":
        return {"reasoning": {"max_tokens": tokens}}
    return {"enable_thinking": True, "thinking_budget": tokens}


def _switch(knob: ReasoningKnob, *, on: bool) -> dict[str, Any]:
    match knob.kind:
        case "thinking":
            return {"thinking": {"type": "enabled" if on else "disabled"}}
        case "enable-thinking":
            return {"enable_thinking": on}
        case "template":
            return {"chat_template_kwargs": {"enable_thinking": on}}
        case "object":
            return {"reasoning": {"enabled": on}}
        case "effort":
            return {"reasoning_effort": "default" if on else "none"}
        case "none" | "fixed" | "unknown":
            return {}
        case _:
            assert_never(knob.kind)
