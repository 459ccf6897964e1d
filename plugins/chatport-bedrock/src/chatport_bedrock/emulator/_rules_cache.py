"""Rules about cache points: whether, where, how many, for how long.

Each function returns the message of the service, or of the model, if the request breaks its rule, else None.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatport_bedrock.emulator._conversation import Conversation

_MAX_POINTS: Final = 4


@dataclass(frozen=True, slots=True)
class _Point:
    """A cache point: its place as a JSON pointer without the first slash, what kind of place, how long it lasts."""

    pointer: str
    area: str
    ttl: str | None
    before: str | None
    """The kind of block in front of it, None at the beginning."""

    @property
    def dotted(self) -> str:
        return self.pointer.replace("/", ".")


def no_caching(conversation: Conversation) -> str | None:
    """Many models have no cache; the service calls that a question of access."""
    if conversation.traits.cache or not any(_points(conversation)):
        return None
    return "You invoked an unsupported model or your request did not allow prompt caching."


def point_after(conversation: Conversation) -> str | None:
    """A point has something in front of it, and that is nothing that cannot be cached up to."""
    for point in _points(conversation):
        if point.before is None or point.before == "cachePoint":
            return f"{point.dotted}: A cache point must follow a content block. Move the cache point and try again."
        if point.before in _NOT_BEFORE and conversation.family in _KNOWN_TO_CACHE:
            return f"{point.dotted}: Cache point cannot be inserted after {_NOT_BEFORE[point.before]} block."
    return None


# Of a model that nobody has described nothing is refused that a model might take.
_KNOWN_TO_CACHE: Final = frozenset({"amazon", "anthropic"})
_NOT_BEFORE: Final[Mapping[str, str]] = {
    "document": "document",
    "reasoningContent": "reasoning",
    "video": "video",
}


def too_many_points(conversation: Conversation) -> str | None:
    """Four points are enough."""
    count = sum(1 for _ in _points(conversation))
    if count <= _MAX_POINTS:
        return None
    return f"A maximum of {_MAX_POINTS} blocks with cache_control may be provided. Found {count}."


def point_ttl_order(conversation: Conversation) -> str | None:
    """What lasts longer stands in front, in the order in which the model reads."""
    short = False
    for point in _points(conversation):
        if point.ttl == "1h" and short:
            return (
                f"{point.dotted}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            )
        short = short or point.ttl != "1h"
    return None


def point_place(conversation: Conversation) -> str | None:
    """Models that cache do not do so everywhere."""
    allowed = conversation.traits.cache
    for point in _points(conversation):
        if allowed and point.area not in allowed:
            return _extraneous(point, "cachePoint")
    return None


def point_ttl(conversation: Conversation) -> str | None:
    """Some models have one time for all."""
    if conversation.traits.cache_ttl:
        return None
    for point in _points(conversation):
        if point.ttl is not None:
            return _extraneous(point, "ttl")
    return None


def _extraneous(point: _Point, key: str) -> str:
    return (
        f"Malformed input request: #/{point.pointer}: extraneous key [{key}] is not permitted, please reformat your "
        "input and try again."
    )


def _points(conversation: Conversation) -> Iterator[_Point]:
    """All cache points in the order in which a model reads: tools, system, messages."""
    body = conversation.body
    tools = (body.get("toolConfig") or {}).get("tools") or ()
    yield from _listed(tools, "toolConfig/tools", "tools")
    yield from _listed(body.get("system") or (), "system", "system")
    for turn in conversation.turns:
        with_tools = any(placed.kind in {"toolUse", "toolResult"} for placed in turn.blocks)
        area = "tool messages" if with_tools else "messages"
        before: str | None = None
        for placed in turn.blocks:
            if placed.kind == "cachePoint":
                pointer = f"messages/{placed.message}/content/{placed.index}"
                yield _Point(pointer, area, placed.block["cachePoint"].get("ttl"), before)
            before = placed.kind


def _listed(blocks: Any, pointer: str, area: str) -> Iterator[_Point]:
    before: str | None = None
    for index, block in enumerate(blocks):
        if "cachePoint" in block:
            yield _Point(f"{pointer}/{index}", area, block["cachePoint"].get("ttl"), before)
        before = next(iter(block))
