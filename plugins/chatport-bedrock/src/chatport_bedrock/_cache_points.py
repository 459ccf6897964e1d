"""Cache points where the service takes them: how many, behind what, how long, and with which models at all.

The service refuses a request for one misplaced point. A point asks for something cheaper, not for something else, so
what cannot stand is left out and told, and the request goes on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatport.backend import UnsupportedError
from chatport.backend.translation import is_array, is_object
from chatport_bedrock._capabilities import MAX_CACHE_POINTS
from chatport_bedrock._scope import Block, Scope
from chatport_bedrock._turn import Turn, is_tool_change

__all__ = ["LONG_LIFE", "POINT", "drop_lone_points", "fit_cache_points", "point_life", "point_refusal"]

POINT: Final = "cachePoint"
"""What a cache point is called on the wire."""
LONG_LIFE: Final = "1h"
"""The life that has to be asked for."""
_LIVES: Final = ("5m", LONG_LIFE)  # the shorter one first; the first is the service's own
_TOOLS: Final = ["toolUse", "toolResult"]


@dataclass(slots=True)
class _List:
    """Blocks that are cached in one go: the system prompt, or a turn."""

    blocks: list[tuple[str, Block]]
    is_turn: bool = True


def fit_cache_points(system: list[tuple[str, Block]], turns: Sequence[Turn], tools: object, scope: Scope) -> None:
    """Leave out the cache points that the service or the model refuses, and shorten lives that are out of order.

    Args:
        system: The blocks of the system prompt with their places; changed.
        turns: The turns; their lists of blocks are changed.
        tools: The tools that the caller sends in the service's words; their points count, but stay as they are.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: A point names a life that the service does not know.
    """
    places = [_List(system, is_turn=False), *(_List(turn.blocks) for turn in turns)]
    if not any(POINT in block for place in places for _, block in place.blocks):
        return
    for place in places:
        place.blocks[:] = list(_placed(place, scope))
    before = list(_points_of_tools(tools))
    _limit(places, len(before), scope)
    _order(places, before, scope)


def drop_lone_points(turn: Turn, scope: Scope) -> None:
    """Leave out the cache points of a turn that has nothing else: they have nothing to cache up to."""
    if not all(POINT in block for _, block in turn.blocks):
        return
    for path, _ in turn.blocks:
        why = "the cache point is left out: nothing else is in its turn"
        scope.note("dropped", "cache-point-refused", path, why)
    turn.blocks = []


def _points_of_tools(tools: object) -> Iterator[str | None]:
    for tool in tools if is_array(tools) else ():
        if is_object(tool) and POINT in tool:
            yield point_life(tool)


def _placed(place: _List, scope: Scope) -> Iterator[tuple[str, Block]]:
    """The blocks without the points that may not stand where they stand."""
    has_tools = any(kind in block for _, block in place.blocks for kind in _TOOLS)
    previous: str | None = None
    for path, block in place.blocks:
        if POINT not in block:
            # What follows a change of the tools begins a message.
            previous = None if is_tool_change(block) else next(iter(block), None)
            yield path, block
            continue
        _check_life(block, path)
        refusal = point_refusal(previous, scope, beside_tools=place.is_turn and has_tools)
        if refusal is None:
            previous = POINT
            yield path, block
        else:
            scope.note("dropped", "cache-point-refused", path, f"the cache point is left out: {refusal}")


def point_refusal(previous: str | None, scope: Scope, *, beside_tools: bool) -> str | None:
    """Return why a point may not stand somewhere, or None if it may.

    Args:
        previous: The kind of the block before it; None where it would be the first.
        scope: The request's scope.
        beside_tools: Whether it would stand in a turn with calls or results of tools.
    """
    cache = scope.capabilities.cache
    if not cache.supported:
        return "this model does not cache"
    if beside_tools and not cache.beside_tool_blocks:
        return "this model takes none in a turn with calls or results of tools"
    if previous is None:
        return "nothing stands before it"
    if previous == POINT:
        return "another one stands right before it"
    if previous in cache.never_after:
        return f"this model takes none right behind a block of the kind {previous}"
    return None


def point_life(block: Block) -> str | None:
    """Return the life that a cache point names."""
    point = block[POINT]
    return point.get("ttl") if is_object(point) else None


def _check_life(block: Block, path: str) -> None:
    life = point_life(block)
    if life is not None and life not in _LIVES:
        raise UnsupportedError(f"{path}: Bedrock caches for {' or '.join(_LIVES)}, not for {life!r}")


def _limit(places: Sequence[_List], before: int, scope: Scope) -> None:
    """Keep as many points as there may be: those of tools and system prompt first, then the newest."""
    allowed = MAX_CACHE_POINTS - before
    kept: set[tuple[int, int]] = set()
    newest_first = [(number, index) for number, index, _ in _points(places[1:], 1)][::-1]
    for spot in [*((number, index) for number, index, _ in _points(places[:1], 0)), *newest_first]:
        if len(kept) < allowed:
            kept.add(spot)
    for number, place in enumerate(places):
        remaining: list[tuple[str, Block]] = []
        for index, (path, block) in enumerate(place.blocks):
            if POINT in block and (number, index) not in kept:
                why = f"the cache point is left out: a request has {MAX_CACHE_POINTS} at most, and later ones are kept"
                scope.note("dropped", "cache-point-limit", path, why)
            else:
                remaining.append((path, block))
        place.blocks[:] = remaining


def _order(places: Sequence[_List], before: Iterable[str | None], scope: Scope) -> None:
    """Give each point a life that the model knows, and none a longer one than a point before it has."""
    lives = scope.capabilities.cache.ttls
    is_short = any(life != LONG_LIFE for life in before)
    for number, index, (path, block) in list(_points(places, 0)):
        point: dict[str, Any] = block[POINT]
        life = point_life(block)
        if life is not None and life not in lives:
            why = f"this model keeps what it caches as long as it does by itself: {life!r} is not said"
        elif life == LONG_LIFE and is_short:
            why = "no point may last longer than one before it: this one lasts as long as the service has it last"
        else:
            is_short = is_short or life != LONG_LIFE
            continue
        is_short = True
        scope.note("lossless" if life == _LIVES[0] else "changed", "cache-life-omitted", path, why)
        rest = {name: value for name, value in point.items() if name != "ttl"}
        places[number].blocks[index] = (path, {POINT: rest})


def _points(places: Sequence[_List], first: int) -> Iterator[tuple[int, int, tuple[str, Block]]]:
    for number, place in enumerate(places, first):
        for index, entry in enumerate(place.blocks):
            if POINT in entry[1]:
                yield number, index, entry
