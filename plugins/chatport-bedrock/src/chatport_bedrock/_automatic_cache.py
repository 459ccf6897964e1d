"""Cache points that the caller did not set: where `Settings.cache` asks for them and the model is known to cache.

A point says "keep everything up to here". One stands behind the tools and one behind the system prompt, which are the
same from request to request; one stands at the end of the newest turn of the user, for the next request to read, and
one at the end of the turn of the user before it, where the last request wrote. As the conversation grows the last two
move on, and nothing else changes: what a request begins with has the same bytes in the next one.

Pure: a body in, a body out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from chatport.backend.translation import is_array, is_object
from chatport_bedrock._cache_points import LONG_LIFE, POINT, point_life, point_refusal
from chatport_bedrock._capabilities import MAX_CACHE_POINTS
from chatport_bedrock._scope import Block, Scope

__all__ = ["with_cache_points"]

_PATH: Final = "settings.cache"
_ROLLING: Final = 2

_Place: TypeAlias = Literal["tools", "system", "user", "assistant"]
_Spot: TypeAlias = tuple[int, int]
"""The number of a list of blocks in the order in which the service caches, and the index that a point has in it."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks that are cached in one go."""

    place: _Place
    blocks: list[Block]


def with_cache_points(body: dict[str, Any], choice: str | None, scope: Scope) -> dict[str, Any]:
    """Return a body with the points that `Settings.cache` asks for.

    Those that the caller set stay, and win where not all can be.

    Args:
        body: The body; it is not changed, and neither are the lists in it.
        choice: `Settings.cache`.
        scope: The request's scope; adjustments are noted there.
    """
    if choice is None:
        return body
    refusal = _refusal(scope)
    if refusal is not None:
        if choice == "auto":
            scope.note("lossless", "cache-omitted", _PATH, f"no cache point is set: {refusal}")
        else:
            scope.note("dropped", "setting-dropped", _PATH, f"left out: {refusal}")
        return body
    lists = list(_lists(body))
    own = list(_own_points(lists))
    spots = list(_spots(lists, scope))
    life = _life(choice, scope)
    if life is None:
        # A longer life must not follow a shorter one: before a longer one of the caller's nothing is added.
        last_long = max((spot for spot, lasts in own if lasts == LONG_LIFE), default=(-1, -1))
        spots = [spot for spot in spots if spot > last_long]
    first_short = min((spot for spot, lasts in own if lasts != LONG_LIFE), default=(len(lists), 0))
    chosen = sorted(spots[: max(0, MAX_CACHE_POINTS - len(own))], reverse=True)
    for number, index in chosen:
        lasts = life if (number, index) <= first_short else None
        lists[number].blocks.insert(index, {POINT: {"type": "default", **({} if lasts is None else {"ttl": lasts})}})
    if choice != "auto" and spots and not chosen:
        why = f"no cache point is set: the caller's are the {MAX_CACHE_POINTS} that a request may have"
        scope.note("changed", "cache-omitted", _PATH, why)
    if life is not None and any(spot > first_short for spot in chosen):
        why = f"no cache point may last longer than one before it: behind the caller's, {life!r} is not said"
        scope.note("changed", "cache-life-omitted", _PATH, why)
    return _rebuilt(body, lists)


def _refusal(scope: Scope) -> str | None:
    if not scope.capabilities.known:
        return "whether this model caches is not known; cache points among the parts are sent as they are"
    return None if scope.capabilities.cache.supported else "this model does not cache"


def _life(choice: str, scope: Scope) -> str | None:
    """The life to name: five minutes is what the service does by itself, and is not said."""
    if choice != LONG_LIFE:
        return None
    if choice in scope.capabilities.cache.ttls:
        return choice
    why = f"this model keeps what it caches as long as it does by itself: {choice!r} is not said"
    scope.note("changed", "cache-life-omitted", _PATH, why)
    return None


# --- the body as lists -----------------------------------------------------------------------------------------------


def _lists(body: dict[str, Any]) -> Iterator[_Blocks]:
    """The lists of blocks in the order in which the service caches, copied; there may be none for tools and system."""
    config = body.get("toolConfig")
    yield _Blocks("tools", _entries(config, "tools"))
    yield _Blocks("system", _entries(body, "system"))
    for turn in _entries(body, "messages"):
        yield _Blocks("user" if turn.get("role") == "user" else "assistant", _entries(turn, "content"))


def _entries(holder: object, name: str) -> list[Block]:
    """The objects of a list; of what is none, nothing: it is for the service to say what it makes of it."""
    value = holder.get(name) if is_object(holder) else None
    return list(value) if is_array(value) and all(map(is_object, value)) else []


def _rebuilt(body: dict[str, Any], lists: Sequence[_Blocks]) -> dict[str, Any]:
    """The body with these lists in the places they came from."""
    tools, system, *turns = (each.blocks for each in lists)
    changed: dict[str, Any] = {}
    if tools:
        changed["toolConfig"] = {**body["toolConfig"], "tools": tools}
    if system:
        changed["system"] = system
    if turns:
        messages = zip(body["messages"], turns, strict=True)
        changed["messages"] = [{**turn, "content": blocks} if blocks else turn for turn, blocks in messages]
    return {**body, **changed}


# --- where points go -------------------------------------------------------------------------------------------------


def _own_points(lists: Sequence[_Blocks]) -> Iterator[tuple[_Spot, str | None]]:
    """The points that the caller set, and how long each of them lasts."""
    for number, each in enumerate(lists):
        for index, block in enumerate(each.blocks):
            if POINT in block:
                yield (number, index), point_life(block)


def _spots(lists: Sequence[_Blocks], scope: Scope) -> Iterator[_Spot]:
    """Where points are worth most, the best first: there may be room for some of them only."""
    rolling = list(_rolling_spots(lists, scope))
    yield from rolling[:1]
    yield from _end_of(lists, "system")
    yield from rolling[1:]
    if scope.capabilities.cache.in_tools:
        yield from _end_of(lists, "tools")


def _end_of(lists: Sequence[_Blocks], place: _Place) -> Iterator[_Spot]:
    """The end of the tools or of the system prompt; a point of the caller's in it says where the lasting part ends."""
    for number, each in enumerate(lists):
        if each.place == place and each.blocks and not any(POINT in block for block in each.blocks):
            yield number, len(each.blocks)


def _rolling_spots(lists: Sequence[_Blocks], scope: Scope) -> Iterator[_Spot]:
    """The ends of the newest turns of the user that take a point, the newest first, but for those that have one."""
    found = 0
    for number, each in reversed(list(enumerate(lists))):
        index = _last_place(each.blocks, scope) if each.place == "user" and found < _ROLLING else 0
        if index:
            found += 1
            if POINT not in each.blocks[index - 1]:
                yield number, index


def _last_place(blocks: Sequence[Block], scope: Scope) -> int:
    """The last index at which a point may stand, or stands right before; 0 where there is none."""
    has_tools = any(kind in block for block in blocks for kind in ("toolUse", "toolResult"))
    for index in range(len(blocks), 0, -1):
        kind = next(iter(blocks[index - 1]), None)
        if kind == POINT or point_refusal(kind, scope, beside_tools=has_tools) is None:
            return index
    return 0
