"""The neutral settings as the service's `inferenceConfig` and `additionalModelRequestFields`.

How freely to choose is not for every model to be told, and for some not while they reason; a budget for reasoning is a
part of what a model may write. What cannot be sent is left out and told.
"""

from typing import Any, Final

from chatport.backend import Settings
from chatport_bedrock._capabilities import Sampling
from chatport_bedrock._reasoning import AskedReasoning
from chatport_bedrock._scope import Scope

__all__ = ["inference_members"]

_SAMPLING: Final[tuple[Sampling, ...]] = ("temperature", "top_p", "top_k")


def inference_members(
    settings: Settings, reasoning: AskedReasoning, scope: Scope
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `inferenceConfig`, and what goes past it into `additionalModelRequestFields`.

    Args:
        settings: The settings of the request.
        reasoning: How the request asks its model to reason.
        scope: The request's scope; adjustments are noted there.
    """
    max_tokens = _max_tokens(settings, reasoning, scope)
    sampling = _taken_sampling(settings, reasoning, scope)
    members = {
        "maxTokens": max_tokens,
        "temperature": sampling.get("temperature"),
        "topP": sampling.get("top_p"),
        "stopSequences": None if settings.stop_sequences is None else list(settings.stop_sequences),
    }
    config = {name: value for name, value in members.items() if value is not None}
    return config, _top_k_fields(sampling.get("top_k"), scope)


def _max_tokens(settings: Settings, reasoning: AskedReasoning, scope: Scope) -> int | None:
    limit = settings.max_tokens
    if limit is None:
        return None
    if _is_bare(reasoning, scope):
        scope.drop_setting("max_tokens", f"reasoning at the level {reasoning.level!r} this model sets its own limit")
        return None
    if reasoning.kind == "budget" and reasoning.budget is not None and settings.reasoning is not None:
        why = (
            f"the service counts reasoning too: it may write {limit} + {reasoning.budget} tokens, so that "
            f"{limit} are left for the answer"
        )
        scope.note("lossless", "budget-added", "settings.max_tokens", why)
        return limit + reasoning.budget
    return limit


def _taken_sampling(settings: Settings, reasoning: AskedReasoning, scope: Scope) -> dict[Sampling, Any]:
    """The settings that say how freely to choose, without those that the model refuses here."""
    can = scope.capabilities
    given: dict[Sampling, Any] = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
    }
    kept: dict[Sampling, Any] = {}
    for name in _SAMPLING:
        if given[name] is None:
            continue
        rival = next((other for other in kept if {name, other} <= can.exclusive_settings), None)
        if name in can.refused_settings:
            scope.drop_setting(name, "this model refuses it")
        elif reasoning.kind is not None and name in can.reasoning.refuses:
            scope.drop_setting(name, "this model refuses it while it reasons")
        elif _is_bare(reasoning, scope):
            scope.drop_setting(name, f"this model refuses it while it reasons at the level {reasoning.level!r}")
        elif rival is not None:
            scope.drop_setting(name, f"this model takes it or settings.{rival}, not both")
        else:
            kept[name] = given[name]
    return kept


def _is_bare(reasoning: AskedReasoning, scope: Scope) -> bool:
    return reasoning.level is not None and reasoning.level in scope.capabilities.reasoning.bare_levels


def _top_k_fields(top_k: Any, scope: Scope) -> dict[str, Any]:
    """`top_k` where the maker of the model has it: Converse itself does not know it."""
    if top_k is None:
        return {}
    path = scope.capabilities.top_k
    if not path:
        why = "Converse has none, and how this model takes it is not known; settings.extra can say it"
        scope.drop_setting("top_k", why)
        return {}
    value: Any = top_k
    for name in reversed(path):
        value = {name: value}
    fields: dict[str, Any] = value
    return fields
