"""Tools that the caller says in the service's own words, beside the neutral ones: pure.

`extra` is laid over the request last, and a list in it replaces a list. Tools are the exception: those of the request
stay on offer, and the others come behind them. Otherwise a tool of the service's own would take all others away.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeGuard

from chatport.backend.translation import is_array, is_object
from chatport_bedrock._scope import Scope

__all__ = ["offers_tools", "own_names", "with_own_tools"]

_POINT: Final = "cachePoint"
_PLACE: Final = 'settings.extra["bedrock"]["toolConfig"]'


def offers_tools(own: object) -> bool:
    """Whether there is a tool among the caller's own entries; a cache point is none."""
    return any(not _is_point(entry) for entry in own) if is_array(own) else bool(own)


def own_names(own: object) -> tuple[str, ...]:
    """Return what the tools among the caller's own entries are called, as far as they have names here."""
    return tuple(name for entry in own if (name := _name(entry)) is not None) if is_array(own) else ()


def with_own_tools(body: dict[str, Any], planned: dict[str, Any], own: object, scope: Scope) -> dict[str, Any]:
    """Return a body with all tools on offer: the planned ones, and behind them the caller's own entries.

    An own tool with the name of a planned one takes its place. A cache point that the model does not take here is left
    out, and so is one without a tool, with the `toolConfig` that holds nothing else.

    Args:
        body: The body as `extra` made it.
        planned: The `toolConfig` without `extra`.
        own: The entries of `toolConfig.tools` in `extra`, as the caller wrote them.
        scope: The request's scope; adjustments are noted there.
    """
    if not is_array(own):
        return body
    replaced = {_name(entry) for entry in own} - {None}
    kept = [entry for entry in planned.get("tools", ()) if _name(entry) not in replaced]
    entries = [*kept, *_taken(own, scope)]
    if all(_is_point(entry) for entry in entries) and any(_is_point(entry) for entry in own):
        if entries:
            scope.note("lossless", "cache-point-omitted", _PLACE, "left out: there is no tool that could be cached")
        return {name: value for name, value in body.items() if name != "toolConfig"}
    return {**body, "toolConfig": {**body["toolConfig"], "tools": entries}}


def _taken(own: Iterable[Any], scope: Scope) -> Iterator[Any]:
    """The caller's entries, their cache points as the model takes them."""
    cache = scope.capabilities.cache
    for entry in own:
        if not _is_point(entry):
            yield entry
        elif not (cache.supported and cache.in_tools):
            why = "the cache point is left out: this model takes none among the tools"
            scope.note("dropped", "cache-point-refused", _PLACE, why)
        elif is_object(entry[_POINT]) and entry[_POINT].get("ttl") not in (None, *cache.ttls):
            why = "this model keeps what it caches as long as it does by itself"
            scope.note("changed", "cache-life-omitted", _PLACE, why)
            yield {_POINT: {name: value for name, value in entry[_POINT].items() if name != "ttl"}}
        else:
            yield entry


def _is_point(entry: object) -> TypeGuard[dict[str, Any]]:
    return is_object(entry) and entry.keys() == {_POINT}


def _name(entry: object) -> str | None:
    spec = entry.get("toolSpec") if is_object(entry) else None
    name = spec.get("name") if is_object(spec) else None
    return name if isinstance(name, str) else None
