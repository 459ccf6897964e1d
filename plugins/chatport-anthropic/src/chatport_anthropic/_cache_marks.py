"""Cache points as the service takes them: `cache_control` on the block that they follow.

A mark asks for something cheaper, not for something else, so what cannot be said is left out and told, and the request
goes on. The service caches tools, then the system prompt, then the messages; at most four blocks may bear a mark, and a
longer life never follows a shorter one. Documented.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatport.backend import CachePoint, UnsupportedError
from chatport.backend.translation import is_array, is_object
from chatport_anthropic._capabilities import MAX_CACHE_MARKS
from chatport_anthropic._scope import Block, Scope

__all__ = ["fit_cache_marks", "mark_before", "with_cache_marks"]

_MARK: Final = "cache_control"
_LONG: Final = "1h"
_LIVES: Final = ("5m", _LONG)  # the shorter one first; it is the service's own
_UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking"})  # documented
_SETTING: Final = "settings.cache"
_ROLLING: Final = 2


@dataclass(slots=True)
class _Spot:
    """A block that may bear a mark: the list it stands in, and where."""

    holder: list[Any]
    index: int
    path: str
    level: int  # 0 tools, 1 system prompt, 2 messages

    @property
    def block(self) -> Block:
        block: Block = self.holder[self.index]
        return block

    def put(self, block: Block) -> None:
        self.holder[self.index] = block


def mark_before(blocks: list[tuple[str, Block]], point: CachePoint, path: str, scope: Scope) -> None:
    """Put a cache point as a mark on the last block.

    Args:
        blocks: What stands before the point, with places; changed.
        point: The point.
        path: Where it stands in the caller's request.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: It names a life that the service does not know.
    """
    if point.ttl is not None and point.ttl not in _LIVES:
        raise UnsupportedError(f"{path}: the service caches for {' or '.join(_LIVES)}, not for {point.ttl!r}")
    refusal = None
    if not scope.capabilities.caches:
        refusal = "this model does not cache"
    elif not blocks:
        refusal = "nothing stands before it"
    elif blocks[-1][1].get("type") in _UNMARKABLE:
        refusal = "the service takes none behind reasoning"
    if refusal is not None:
        scope.note("dropped", "cache-point-refused", path, f"the cache point is left out: {refusal}")
        return
    where, block = blocks[-1]
    blocks[-1] = (where, {**block, _MARK: _mark(point.ttl)})


def _mark(ttl: str | None) -> dict[str, str]:
    return {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}


# --- the whole request -----------------------------------------------------------------------------------------------


def with_cache_marks(body: dict[str, Any], choice: str | None, scope: Scope) -> dict[str, Any]:
    """Return a body with the marks that `Settings.cache` asks for. Those that the caller set stay, and win.

    Marks stand where they are worth most: on the newest turn of the user, for the next request to read; at the end of
    the system prompt; on the turn of the user before, where the last request wrote; on the last tool.

    Args:
        body: The body; it is not changed.
        choice: `Settings.cache`.
        scope: The request's scope; adjustments are noted there.
    """
    if choice is None:
        return body
    if not scope.capabilities.known or not scope.capabilities.caches:
        why = "this model does not cache" if scope.capabilities.known else "whether this model caches is not known"
        if choice == "auto":
            scope.note("lossless", "cache-omitted", _SETTING, f"nothing is marked: {why}")
        else:
            scope.note("dropped", "setting-dropped", _SETTING, f"left out: {why}")
        return body
    body = _copied(body)
    spots = list(_spots(body))
    own = [position for position, spot in enumerate(spots) if _MARK in spot.block]
    # The mark at the top of a request is one of the four too: the service puts it on the last block itself.
    room = MAX_CACHE_MARKS - len(own) - (_MARK in body)
    wanted = [position for position in _wanted(body, spots) if position not in own]
    if choice != _LONG:
        # A longer life must not follow a shorter one: before a longer one of the caller's nothing is added.
        last_long = max((position for position in own if _life(spots[position].block) == _LONG), default=-1)
        wanted = [position for position in wanted if position > last_long]
    wanted = wanted[: max(0, room)]
    if not wanted and choice != "auto":
        why = f"nothing is marked: the caller's marks are the {MAX_CACHE_MARKS} that a request may have"
        scope.note("changed", "cache-omitted", _SETTING, why)
    for position in wanted:
        spot = spots[position]
        spot.put({**spot.block, _MARK: _mark(_LONG if choice == _LONG else None)})
    return body


def fit_cache_marks(body: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """Return a body without marks that are too many, and with no life longer than one before it."""
    spots = [spot for spot in _spots(body) if _MARK in spot.block]
    if not spots:
        return body
    body = _copied(body)
    spots = [spot for spot in _spots(body) if _MARK in spot.block]
    allowed = MAX_CACHE_MARKS - (_MARK in body)
    # Those of tools and system prompt stay first, then the newest.
    ranked = [*(spot for spot in spots if spot.level < 2), *reversed([spot for spot in spots if spot.level == 2])]  # noqa: PLR2004 - messages
    for spot in ranked[allowed:]:
        why = f"the cache point is left out: a request has {MAX_CACHE_MARKS} at most, and later ones are kept"
        scope.note("dropped", "cache-point-limit", spot.path, why)
        spot.put({name: value for name, value in spot.block.items() if name != _MARK})
    is_short = False
    for spot in (spot for spot in spots if _MARK in spot.block):
        life = _life(spot.block)
        if life == _LONG and is_short:
            why = "no cache point may last longer than one before it: this one lasts as long as the service has it last"
            scope.note("changed", "cache-life-omitted", spot.path, why)
            mark = {name: value for name, value in spot.block[_MARK].items() if name != "ttl"}
            spot.put({**spot.block, _MARK: mark})
        is_short = is_short or life != _LONG
    return body


def _life(block: Block) -> str | None:
    """The life that a block's mark names."""
    mark = block[_MARK]
    return mark.get("ttl") if is_object(mark) else None


def _copied(body: dict[str, Any]) -> dict[str, Any]:
    """The body with lists of its own wherever a mark may be put."""
    copied = dict(body)
    for name in ("tools", "system"):
        if is_array(body.get(name)):
            copied[name] = list(body[name])
    copied["messages"] = [
        {**turn, "content": list(turn["content"])} if is_object(turn) and is_array(turn.get("content")) else turn
        for turn in body.get("messages", ())
    ]
    return copied


def _spots(body: dict[str, Any]) -> Iterator[_Spot]:
    """All blocks in the order in which the service caches."""
    for level, name in enumerate(("tools", "system")):
        entries = body.get(name)
        if isinstance(entries, list):
            yield from _spots_in(entries, name, level)
    for number, turn in enumerate(body.get("messages", ())):
        content = turn.get("content") if is_object(turn) else None
        if isinstance(content, list):
            yield from _spots_in(content, f"request.messages[{number}].content", 2)


def _spots_in(entries: list[Any], path: str, level: int) -> Iterator[_Spot]:
    for index, block in enumerate(entries):
        if is_object(block):
            yield _Spot(entries, index, f"{path}[{index}]", level)


def _wanted(body: dict[str, Any], spots: Sequence[_Spot]) -> Iterator[int]:
    """The positions of the blocks to be marked, the best first."""
    ends: list[int] = []
    for turn in reversed(body["messages"]):
        if is_object(turn) and turn.get("role") == "user" and len(ends) < _ROLLING:
            ends += [p for p, spot in enumerate(spots) if spot.holder is turn.get("content")][-1:]
    yield from ends[:1]
    yield from _last_of(spots, 1)
    yield from ends[1:]
    yield from _last_of(spots, 0)


def _last_of(spots: Sequence[_Spot], level: int) -> Iterator[int]:
    """The end of the tools or of the system prompt; a mark of the caller's in it says where the lasting part ends."""
    found = [position for position, spot in enumerate(spots) if spot.level == level]
    if found and not any(_MARK in spots[position].block for position in found):
        yield found[-1]
