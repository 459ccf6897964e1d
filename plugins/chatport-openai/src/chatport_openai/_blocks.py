"""Parts as content parts of messages to the model, one by one, and results of tools.

What one place cannot say is either left out with an adjustment, or refused with `UnsupportedError` where leaving it out
would make nonsense of the conversation. Messages of the model are `_assistant`.
"""

import json
from typing import Any, Final

from chatport.backend import (
    AdjustmentKind,
    Audio,
    CachePoint,
    Citation,
    Document,
    Image,
    Json,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport.backend.translation import PartPlace, is_object
from chatport_openai._media_blocks import is_text_like, media_blocks
from chatport_openai._scope import BACKEND, PLACES, Block, Scope

__all__ = ["joined_or_list", "json_text", "mark_last", "note_citations", "part_blocks", "result_message"]

_NO_OUTPUT: Final = "(no output)"
_NOT_SHOWN: Final = "(the result cannot be shown)"
_FAILED: Final = "The tool failed:"


def part_blocks(part: Part, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    """Return a part as content parts: one, none where it has to be left out, or a document with words before it.

    A cache point comes out as the content part `{}`: it marks the one before it.

    Args:
        part: The part.
        place: Where it is to stand.
        path: Where it stands in the caller's request, for adjustments and errors.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: The place or the server takes no such part.
    """
    match part:
        case Text():
            note_citations(part.citations, path, scope)
            return [{"type": "text", "text": part.text}] if part.text else []
        case Json():
            scope.note("lossless", "json-as-text", path, "JSON goes as text")
            return [{"type": "text", "text": json_text(part.value, path)}]
        case Image() | Document() | Audio() | Video():
            return media_blocks(part, place, path, scope)
        case Reasoning():
            why = f"the reasoning is left out: it can stand in an answer of the model only, not {PLACES[place]}"
            scope.note("dropped", "misplaced-reasoning", path, why)
            return []
        case CachePoint():
            return _cache_point(part, place, path, scope)
        case Opaque():
            return _opaque(part, path, scope)
        case _:  # also a kind of part that the core has learnt since
            raise UnsupportedError(f"{path}: Chat Completions take no {type(part).__name__} {PLACES[place]}")


def note_citations(citations: tuple[Citation, ...], path: str, scope: Scope) -> None:
    """Note that citations do not go back: the API gives them and does not take them."""
    for index, citation in enumerate(citations):
        is_own = BACKEND in citation.metadata
        kind: AdjustmentKind = "lossless" if is_own else "dropped"
        code = "citation-omitted" if is_own else "foreign-citation"
        scope.note(kind, code, f"{path}.citations[{index}]", "Chat Completions take no citations back")


def json_text(value: object, path: str) -> str:
    """Return a JSON value as text, for a place that takes words only.

    Raises:
        UnsupportedError: It is no JSON.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedError(f"{path}: it is no JSON: {error}") from None


def joined_or_list(blocks: list[Block], *, lists: bool = True) -> str | list[Block]:
    """Return content parts as the shortest form that says them: one text is a str.

    Args:
        blocks: The content parts.
        lists: Whether texts may stay apart; else they are joined with a line break.
    """
    if all(block.get("type") == "text" and len(block) == 2 for block in blocks) and (len(blocks) < 2 or not lists):  # noqa: PLR2004 - type and text; one text or several
        return "\n".join(block["text"] for block in blocks)
    return blocks


# --- results of tools ------------------------------------------------------------------------------------------------


def result_message(part: ToolResult, path: str, scope: Scope, beside: list[Block]) -> Block:
    """Return a result as a message of the role `tool`.

    Args:
        part: The result.
        path: Where it stands in the caller's request.
        scope: The request's scope; adjustments are noted there.
        beside: What the server does not take in a result is appended here, to follow behind the results.
    """
    content: list[Block] = []
    placeholder = _NO_OUTPUT
    for index, item in enumerate(part.content):
        where = f"{path}.content[{index}]"
        blocks = part_blocks(item, "tool_result", where, scope)
        if _stands_beside(item, scope) and blocks:
            blocks = _moved(item, blocks, where, scope, beside=beside, call_id=scope.ids.sent(part.id))
        content += blocks
        if not blocks:
            placeholder = _NOT_SHOWN
    if part.is_error:
        why = f"a result has no status: {_FAILED!r} is put before what the tool said"
        scope.note("lossless", "result-status-as-text", path, why)
        if not content or content[0].get("type") != "text" or not str(content[0]["text"]).startswith(_FAILED):
            content.insert(0, {"type": "text", "text": _FAILED})
    if not content:
        scope.note("lossless", "empty-result", path, f"a result must not be empty; this one says {placeholder!r}")
        content.append({"type": "text", "text": placeholder})
    said = joined_or_list(content, lists=scope.dialect.result_lists)
    return {"role": "tool", "tool_call_id": part.id, "content": said}


def _stands_beside(item: Part, scope: Scope) -> bool:
    if isinstance(item, Image):
        return not scope.dialect.result_media
    if isinstance(item, Document):
        return item.data is None or not is_text_like(item.media_type)
    return isinstance(item, (Audio, Video))


def _moved(
    item: Part, blocks: list[Block], path: str, scope: Scope, *, beside: list[Block], call_id: str
) -> list[Block]:
    """Put a medium behind the results; return the words that stand in its place."""
    kind = type(item).__name__.lower()
    name = (item.name if isinstance(item, Document) else None) or f"{kind} {len(beside) // 2 + 1}"
    why = f"{scope.server} takes no {kind} inside a result: it follows behind the results, as {name!r}"
    scope.note("changed", "result-media-moved", path, why)
    beside += [{"type": "text", "text": f"This is {name!r} of the result of the call {call_id}:"}, *blocks]
    return [{"type": "text", "text": f"(see {name!r}, which follows)"}]


# --- marks and the unknown -------------------------------------------------------------------------------------------


def mark_last(blocks: list[Block], marks: list[Block], path: str, scope: Scope) -> None:
    """Put a cache point on what stands before it in its message."""
    for mark in marks:
        if not blocks:
            scope.note("dropped", "misplaced-cache-point", path, "nothing stands before it in its message")
            continue
        if "cache_control" in blocks[-1]:
            scope.note("lossless", "cache-point-repeated", path, "it marks what another one has marked before it")
        blocks[-1] = {**blocks[-1], **mark}


def _cache_point(part: CachePoint, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    match scope.dialect.cache:
        case "control" if place == "tool_result":
            scope.note("dropped", "misplaced-cache-point", path, "a cache point cannot stand in a tool's result")
        case "control":
            return [{"cache_control": {"type": "ephemeral", **({} if part.ttl is None else {"ttl": part.ttl})}}]
        case "automatic":
            scope.note("lossless", "cache-point-omitted", path, f"{scope.server} caches by itself")
        case "unknown":
            scope.note("dropped", "cache-point-dropped", path, f"{scope.server} takes no marks for its cache")
    return []


def _opaque(part: Opaque, path: str, scope: Scope) -> list[Block]:
    if part.backend != BACKEND:
        scope.note("dropped", "foreign-opaque", path, f"it is left out: only {part.backend} understands it")
        return []
    data: Any = part.data
    if is_object(data) and isinstance(data.get("type"), str):
        return [data]
    raise UnsupportedError(f"{path}: a content part of Chat Completions is an object with a 'type'")
