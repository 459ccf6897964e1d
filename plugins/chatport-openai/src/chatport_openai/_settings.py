"""Settings as members of the body, those left out that server or model refuse."""

from typing import Any

from chatport.backend import Settings
from chatport_openai._scope import Scope

__all__ = ["setting_members"]


def setting_members(settings: Settings, scope: Scope, *, thinks: bool | None) -> dict[str, Any]:
    """Return the members of a body that say how to answer.

    Args:
        settings: What the caller set.
        scope: The request's scope; adjustments are noted there.
        thinks: Whether the model thinks before it answers; None where nobody knows.
    """
    members: dict[str, Any] = {}
    if settings.max_tokens is not None:
        # OpenAI's reasoning models take no other name, also behind a server that has another one for all else.
        takes_new_name = scope.model.known and scope.model.reasons is not False
        members["max_completion_tokens" if takes_new_name else scope.dialect.limit_member] = settings.max_tokens
    members |= _sampling(settings, scope, thinks=thinks)
    if settings.top_k is not None:
        if scope.dialect.top_k:
            members["top_k"] = settings.top_k
        else:
            scope.drop_setting("top_k", f"{scope.server} has none")
    members |= _stops(settings, scope)
    if settings.cache in {"5m", "1h"}:
        scope.drop_setting("cache", f"{scope.server} cannot be told for how long to keep what a request begins with")
    return members


def _sampling(settings: Settings, scope: Scope, *, thinks: bool | None) -> dict[str, Any]:
    given = {
        name: value
        for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p))
        if value is not None
    }
    samples = scope.model.samples
    if samples is True or (samples == "resting" and thinks is False):
        return given
    why = "this model refuses it" if samples is False else "this model refuses it while it reasons"
    for name in given:
        scope.drop_setting(name, why)
    return {}


def _stops(settings: Settings, scope: Scope) -> dict[str, Any]:
    stops = settings.stop_sequences
    if not stops:
        return {}
    if not scope.model.stops:
        scope.drop_setting("stop_sequences", "this model refuses them")
        return {}
    most = scope.dialect.max_stops
    if most is not None and len(stops) > most:
        why = f"{scope.server} takes {most}; the {len(stops) - most} behind them are left out"
        scope.note("dropped", "setting-dropped", "settings.stop_sequences", why)
    return {"stop": list(stops[:most])}
