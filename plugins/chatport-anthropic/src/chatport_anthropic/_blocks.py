"""Parts as the service's content blocks, one by one. The other direction is `_parts`, and the two agree.

What one place cannot say is either left out with an adjustment, or refused with `UnsupportedError` where leaving it
out would make nonsense of the conversation.
"""

from typing import Any, Final

from chatport.backend import (
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
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport.backend.translation import PART_PLACES, PartPlace, is_object, own_metadata
from chatport_anthropic._json_values import check_json, check_text, json_text
from chatport_anthropic._media_blocks import media_blocks
from chatport_anthropic._models import MAKER
from chatport_anthropic._scope import BACKEND, Block, Scope

__all__ = ["part_blocks"]

_CLIENT_CALL: Final = "tool_use"
_CLIENT_RESULT: Final = "tool_result"
# The key under which the service's documentation sends arguments back that are no JSON object.
_INVALID: Final = "INVALID_JSON"
_UNSIGNED: Final = "nothing proves which model wrote it, and Claude takes back only what it signed"
_NOT_SHOWN: Final = "(the result cannot be shown)"
# What the system prompt may hold in the service's own words.
_IN_SYSTEM: Final = frozenset({"text"})


def part_blocks(  # noqa: PLR0911 - one return for each kind of part
    part: Part, place: PartPlace, path: str, scope: Scope
) -> list[Block]:
    """Return a part as blocks: one, or none where it has to be left out.

    Reasoning that is half redacted gives two, and a failed result with media that have to stand beside it more. Cache
    points are no blocks here, but marks on the block before them.

    Args:
        part: The part.
        place: Where it is to stand.
        path: Where it stands in the caller's request, for adjustments and errors.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: The place cannot hold such a part, or the service does not read its media type.
    """
    match part:
        case Text():
            return _text_blocks(part, place, path, scope)
        case Json():
            scope.note("lossless", "json-as-text", path, "the service takes JSON as text")
            return [{"type": "text", "text": json_text(part.value, f"{path}.value")}]
        case Image() | Document() | Audio() | Video():
            return media_blocks(part, place, path, scope)
        case Reasoning():
            return _reasoning_blocks(part, place, path, scope)
        case ToolCall() if place == "assistant":
            return _call_blocks(part, path, scope)
        case ToolResult() if place == "user":
            return _result_blocks(part, path, scope)
        case ToolResult() if place == "assistant":
            return _own_result_blocks(part, path, scope)
        case CachePoint():
            raise AssertionError(path)  # pragma: no cover - whoever walks over parts makes marks of them
        case Opaque():
            return _opaque_blocks(part, place, path, scope)
        case _:  # also a kind of part that the core has learnt since
            raise UnsupportedError(f"{path}: the Messages API takes no {type(part).__name__} {PART_PLACES[place]}")


# --- words -----------------------------------------------------------------------------------------------------------


def _text_blocks(part: Text, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    check_text(part.text, f"{path}.text")
    # Words of the model may be blank (recorded), if there are any; elsewhere the service wants to see something.
    if not part.text or (place != "assistant" and not part.text.strip()):
        scope.note("lossless", "blank-text-omitted", path, "the service refuses text without a visible character")
        return []
    block: Block = {"type": "text", "text": part.text}
    kept: list[Any] = []
    for index, citation in enumerate(part.citations):
        raw = _raw_citation(citation) if place == "assistant" else None
        if raw is None:
            why = "only a citation that the service itself gave can go back to it, in an answer of the model"
            scope.note("dropped", "foreign-citation", f"{path}.citations[{index}]", why)
        else:
            check_json(raw, f"{path}.citations[{index}].metadata")
            kept.append(raw)
    return [{**block, "citations": kept} if kept else block]


def _raw_citation(citation: Citation) -> dict[str, Any] | None:
    raw = citation.metadata.get(BACKEND)
    return raw if is_object(raw) else None


# --- reasoning -------------------------------------------------------------------------------------------------------


def _reasoning_blocks(part: Reasoning, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    refusal = _reasoning_refusal(part, place, scope)
    if refusal is not None:
        code, why = refusal
        scope.note("dropped", code, path, f"the reasoning is left out: {why}")
        return []
    blocks: list[Block] = []
    if part.redacted is None or part.text or part.signature is not None:
        check_text(part.text, f"{path}.text")
        if part.signature or scope.family != MAKER:
            signature = {} if part.signature is None else {"signature": part.signature}
            blocks.append({"type": "thinking", "thinking": part.text, **signature})
        else:
            scope.note("dropped", "unsigned-reasoning", f"{path}.text", f"the reasoning is left out: {_UNSIGNED}")
    if part.redacted is not None:
        try:
            blocks.append({"type": "redacted_thinking", "data": part.redacted.decode()})
        except UnicodeDecodeError:
            why = "it is left out: this service writes text into redacted reasoning, so another one wrote it"
            scope.note("dropped", "foreign-reasoning", f"{path}.redacted" if blocks else path, why)
    return blocks


def _reasoning_refusal(part: Reasoning, place: PartPlace, scope: Scope) -> tuple[str, str] | None:
    """Return code and reason where reasoning must not be sent: signatures are checked, foreign thoughts leak."""
    if place != "assistant":
        return "misplaced-reasoning", f"it can stand in an answer of the model only, not {PART_PLACES[place]}"
    if BACKEND not in part.metadata and part.metadata:
        return "foreign-reasoning", f"it was written on {', '.join(sorted(part.metadata))}"
    family = own_metadata(part.metadata, BACKEND).get("family")
    is_signed = bool(part.signature) or part.redacted is not None
    if family is not None and family != scope.family:
        return "foreign-reasoning", f"a model of {family} wrote it"
    if not is_signed and (family is None or scope.family == MAKER):
        return "unsigned-reasoning", _UNSIGNED
    return None


# --- calls -----------------------------------------------------------------------------------------------------------


def _call_blocks(part: ToolCall, path: str, scope: Scope) -> list[Block]:
    marks = own_metadata(part.metadata, BACKEND)
    kind = _CLIENT_CALL
    if part.executed_by == "server":
        kind = marks.get("type", "")
        if not isinstance(kind, str) or not kind:
            why = f"the call of {part.name!r} is left out: another service has run it in an answer of its own"
            scope.note("dropped", "foreign-server-tool", path, why)
            return []
    rest = {name: value for name, value in marks.items() if name != "type"}
    check_json(rest, f"{path}.metadata")
    arguments: Any = part.arguments
    if part.invalid_json is None:
        if not is_object(arguments):
            raise UnsupportedError(f"{path}.arguments: they must be a dict, not {type(arguments).__name__}")
        check_json(arguments, f"{path}.arguments")
    else:
        check_text(part.invalid_json, f"{path}.invalid_json")
        arguments = {_INVALID: part.invalid_json}
        why = "arguments must be a JSON object; what the model wrote goes in one"
        scope.note("changed", "invalid-arguments", path, why)
    client = kind == _CLIENT_CALL
    call_id = scope.call_id(part.id, path) if client else part.id
    name = scope.tool_name(part.name, path) if client else part.name
    return [{"type": kind, "id": call_id, "name": name, "input": arguments, **rest}]


# --- results ---------------------------------------------------------------------------------------------------------


def _own_result_blocks(part: ToolResult, path: str, scope: Scope) -> list[Block]:
    """A result in an answer is the service's own, or none that it could take."""
    marks = own_metadata(part.metadata, BACKEND)
    if not isinstance(marks.get("type"), str):
        why = "the result is left out: another service has run its tool in an answer of its own"
        scope.note("dropped", "foreign-server-tool", path, why)
        return []
    values = [item.value for item in part.content if isinstance(item, Json)]
    block: Block = {**marks, "tool_use_id": part.id}
    if part.content:
        if len(part.content) != 1 or not values:
            raise UnsupportedError(f"{path}.content: the result of a tool of the service's own cannot be changed")
        block["content"] = values[0]
    check_json(block, path)
    return [block]


def _result_blocks(part: ToolResult, path: str, scope: Scope) -> list[Block]:
    content: list[Block] = []
    beside: list[Block] = []
    for index, item in enumerate(part.content):
        where = f"{path}.content[{index}]"
        if isinstance(item, CachePoint):
            scope.note("dropped", "misplaced-cache-point", where, "a cache point cannot stand in a tool's result")
            continue
        blocks = part_blocks(item, "tool_result", where, scope)
        if part.is_error and any(block["type"] != "text" for block in blocks):
            why = "a result that says that its tool failed takes words only: this follows behind the results"
            scope.note("changed", "result-media-moved", where, why)
            beside += blocks
        else:
            content += blocks
    if not content and part.content and any(not isinstance(item, Text | CachePoint) for item in part.content):
        content.append({"type": "text", "text": _NOT_SHOWN})
    block: Block = {"type": _CLIENT_RESULT, "tool_use_id": scope.ids.sent(part.id)}
    if content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return [block, *beside]


# --- the unknown -----------------------------------------------------------------------------------------------------


def _opaque_blocks(part: Opaque, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    if part.backend != BACKEND:
        scope.note("dropped", "foreign-opaque", path, f"it is left out: only {part.backend} understands it")
        return []
    if not is_object(part.data) or not isinstance(part.data.get("type"), str):
        raise UnsupportedError(f"{path}: a block of the Messages API is a JSON object with a type")
    if place == "system" and part.data["type"] not in _IN_SYSTEM:
        raise UnsupportedError(f"{path}: the Messages API takes no {part.data['type']} {PART_PLACES[place]}")
    check_json(part.data, f"{path}.data")
    return [part.data]
