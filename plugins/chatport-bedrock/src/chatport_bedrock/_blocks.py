"""Parts as the service's content blocks, one by one.

What a block may hold is in the service model of Bedrock Runtime: `ContentBlock`, `SystemContentBlock` and
`ToolResultContentBlock`. What one place cannot say is either left out with an adjustment, or refused with
`UnsupportedError` where leaving it out would make nonsense of the conversation.
"""

from collections.abc import Iterable
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
    ToolCall,
    ToolResult,
    UnsupportedError,
    Video,
)
from chatport.backend.translation import PART_PLACES, PartPlace, is_array, is_object, own_metadata
from chatport_bedrock._json_limits import check_json, check_text, json_text
from chatport_bedrock._media_blocks import media_blocks
from chatport_bedrock._scope import BACKEND, Block, Scope

__all__ = ["is_blank", "is_signed_reasoning", "part_blocks"]

_NO_OUTPUT: Final = "(no output)"
_NOT_SHOWN: Final = "(the result cannot be shown)"
_FAILED: Final = "The tool failed:"
_SERVER_TOOL: Final = "server_tool_use"
# Kinds of block that messages have and the system prompt has not; kinds that came later are the service's to judge.
NOT_IN_SYSTEM: Final = frozenset(
    {
        *{"audio", "citationsContent", "document", "image", "reasoningContent", "searchResult", "toolAddition"},
        *{"toolRemoval", "toolResult", "toolUse", "video"},
    }
)
_STATUSES: Final = ("error", "success")  # `ToolResultStatus` in the service model


def is_blank(part: Part, blocks: Iterable[Block]) -> bool:
    """Whether a part has become nothing but a text block without a visible character, which the service refuses."""
    return isinstance(part, Text) and not part.text.strip() and all(set(block) == {"text"} for block in blocks)


def is_signed_reasoning(block: Block) -> bool:
    """Whether a block is reasoning that the service can tell from a changed copy: its message must keep its shape."""
    content = block.get("reasoningContent")
    if not is_object(content):
        return False
    text = content.get("reasoningText")
    return "redactedContent" in content or (is_object(text) and "signature" in text)


def part_blocks(  # noqa: PLR0911 - one return for each kind of part
    part: Part, place: PartPlace, path: str, scope: Scope
) -> list[Block]:
    """Return a part as blocks: one, or none where it has to be left out.

    Reasoning that is half redacted gives two, and a result with media that have to stand beside it more.

    Args:
        part: The part.
        place: Where it is to stand.
        path: Where it stands in the caller's request, for adjustments and errors.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: The place cannot hold such a part, or the service has no name for its media type.
    """
    match part:
        case Text():
            return [_text_block(part, place, path, scope)]
        case Json():
            return [_json_block(part, place, path, scope)]
        case Image() | Document() | Audio() | Video():
            return media_blocks(part, place, path, scope)
        case Reasoning():
            return _reasoning_blocks(part, place, path, scope)
        case ToolCall() if place == "assistant":
            if part.executed_by == "server" and _refuses_service_run(part, path, scope):
                return []
            return [_tool_use_block(part, path, scope)]
        case ToolResult() if place in {"user", "assistant"}:
            if place == "assistant" and _refuses_service_run(part, path, scope):
                return []
            return _tool_result_blocks(part, place, path, scope)
        case CachePoint():
            return _cache_point_blocks(part, place, path, scope)
        case Opaque():
            return _opaque_blocks(part, place, path, scope)
        case _:  # also a kind of part that the core has learnt since
            raise UnsupportedError(f"{path}: Bedrock takes no {type(part).__name__} {PART_PLACES[place]}")


# --- words -----------------------------------------------------------------------------------------------------------


def _text_block(part: Text, place: PartPlace, path: str, scope: Scope) -> Block:
    check_text(part.text, f"{path}.text")
    if place == "assistant":
        raw = own_metadata(part.metadata, BACKEND).get("citationsContent")
        # The raw block only speaks for the words it came with; words that were edited since go without it.
        if is_object(raw) and _words_of(raw) == part.text:
            return {"citationsContent": raw}
    if not part.citations:
        return {"text": part.text}
    kept: list[Any] = []
    for index, citation in enumerate(part.citations):
        raw_citation = _raw_citation(citation) if place == "assistant" else None
        if raw_citation is None:
            why = "only a citation that Bedrock itself gave can go back to it, in an answer of the model"
            scope.note("dropped", "foreign-citation", f"{path}.citations[{index}]", why)
        else:
            kept.append(raw_citation)
    if not kept:
        return {"text": part.text}
    words = {"content": [{"text": part.text}]} if part.text else {}
    return {"citationsContent": {**words, "citations": kept}}


def _raw_citation(citation: Citation) -> dict[str, Any] | None:
    raw = citation.metadata.get(BACKEND)
    return raw if is_object(raw) else None


def _words_of(raw: dict[str, Any]) -> str:
    entries: object = raw.get("content")
    texts = [entry.get("text") for entry in entries if is_object(entry)] if is_array(entries) else []
    return "".join(text for text in texts if isinstance(text, str))


def _json_block(part: Json, place: PartPlace, path: str, scope: Scope) -> Block:
    check_json(part.value, f"{path}.value")
    if place == "tool_result" and is_object(part.value):
        return {"json": part.value}
    text = json_text(part.value, f"{path}.value")
    scope.note("lossless", "json-as-text", path, "only an object in a tool's result can go as JSON; this goes as text")
    return {"text": text}


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
        if part.signature or scope.capabilities.reasoning.replays_unsigned:
            signature = {} if part.signature is None else {"signature": part.signature}
            blocks.append({"reasoningContent": {"reasoningText": {"text": part.text, **signature}}})
        else:
            _leave_out_unsigned(part, path, scope)
    if part.redacted is not None:
        blocks.append({"reasoningContent": {"redactedContent": part.redacted}})
    return blocks


def _leave_out_unsigned(part: Reasoning, path: str, scope: Scope) -> None:
    """Note that a model does not get back what it wrote without signing it: it refuses that, or says it aloud."""
    is_lost = bool(part.text) and not scope.capabilities.reasoning.forgets_reasoning
    why = (
        "this model takes back what it signed only"
        if is_lost
        else "this model does not read the reasoning of earlier answers"
    )
    place = path if part.redacted is None else f"{path}.text"
    kind: AdjustmentKind = "dropped" if is_lost else "lossless"
    scope.note(kind, "unsigned-reasoning", place, f"the reasoning is left out: {why}")


def _reasoning_refusal(part: Reasoning, place: PartPlace, scope: Scope) -> tuple[str, str] | None:
    """Return code and reason where reasoning must not be sent: signatures are checked, foreign thoughts leak."""
    if place != "assistant":
        return "misplaced-reasoning", f"it can stand in an answer of the model only, not {PART_PLACES[place]}"
    if BACKEND not in part.metadata and part.metadata:
        return "foreign-reasoning", f"it was written on {', '.join(sorted(part.metadata))}"
    family = own_metadata(part.metadata, BACKEND).get("family")
    is_signed = part.signature is not None or part.redacted is not None
    if family is not None and family != scope.family:
        return "foreign-reasoning", f"a model of {family} wrote it"
    if family is None and not is_signed:
        return "unsigned-reasoning", "nothing says which model wrote it"
    if family is None and scope.capabilities.signs_reasoning is False:
        return "foreign-reasoning", f"models of {scope.family} sign none, so another one wrote it"
    return None


# --- tools -----------------------------------------------------------------------------------------------------------


def _tool_use_block(part: ToolCall, path: str, scope: Scope) -> Block:
    arguments = part.arguments
    if part.invalid_json is None:
        if not is_object(arguments):
            raise UnsupportedError(f"{path}.arguments: they must be a dict, not {type(arguments).__name__}")
        check_json(arguments, f"{path}.arguments")
    else:
        check_text(part.invalid_json, f"{path}.invalid_json")
        arguments = {"invalid_json": part.invalid_json}
        scope.note(
            "changed", "invalid-arguments", path, "arguments must be a JSON object; what the model wrote goes in one"
        )
    server = {"type": _SERVER_TOOL} if part.executed_by == "server" else {}
    call_id = scope.call_id(part.id, path)
    return {"toolUse": {"toolUseId": call_id, "name": scope.tool_name(part.name, path), "input": arguments, **server}}


def _refuses_service_run(part: ToolCall | ToolResult, path: str, scope: Scope) -> bool:
    """Whether a call that a service ran itself, or its result, cannot be said to the model; then that is noted."""
    if part.metadata and BACKEND not in part.metadata:
        why = f"it was run on {', '.join(sorted(part.metadata))}"
    elif not scope.capabilities.text_beside_calls:
        why = "this model takes no calls with their results inside an answer"
    else:
        return False
    scope.note("dropped", "foreign-server-tool", path, f"it is left out: {why}")
    return True


def _tool_result_blocks(part: ToolResult, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    """The result, and behind it the media that the model does not take inside it."""
    # A result in an answer is the service's own: it goes back as it came. Others are made fit to be sent.
    own = place == "assistant"
    beside: list[Block] = []
    content = _result_content(part, path, scope, beside, own=own)
    # What an id goes as is noted where the call stands.
    block: Block = {"toolUseId": scope.ids.sent(part.id), "content": content}
    marks = own_metadata(part.metadata, BACKEND)
    status = _status(marks, path)
    if part.is_error != (status == "error"):
        status = "error" if part.is_error else None
    if status is not None and not own and not scope.capabilities.result_status:
        if part.is_error:
            why = f"this model takes no status of a result: {_FAILED!r} is put before what the tool said"
            scope.note("changed", "result-status-as-text", path, why)
            content.insert(0, {"text": _FAILED})
        status = None
    if status is not None:
        block["status"] = status
    if marks.get("type") is not None:
        block["type"] = marks["type"]
    return [{"toolResult": block}, *beside]


def _status(marks: dict[str, Any], path: str) -> str | None:
    status: object = marks.get("status")
    if status is None or (isinstance(status, str) and status in _STATUSES):
        return status
    raise UnsupportedError(f"{path}.metadata: {status!r} is no status of a result; there are {', '.join(_STATUSES)}")


def _result_content(part: ToolResult, path: str, scope: Scope, beside: list[Block], *, own: bool) -> list[Block]:
    content: list[Block] = []
    placeholder = _NO_OUTPUT
    for index, item in enumerate(part.content):
        where = f"{path}.content[{index}]"
        if own and isinstance(item, Json):
            check_json(item.value, f"{where}.value")
            content.append({"json": item.value})
            continue
        blocks = part_blocks(item, "tool_result", where, scope)
        if not own and is_blank(item, blocks):
            scope.note("lossless", "blank-text-omitted", where, "Bedrock refuses text without a visible character")
            continue
        if not own and isinstance(item, (Image, Document, Video)) and blocks:
            blocks = _taken_media(blocks, where, scope, beside, call_id=scope.ids.sent(part.id))
        content += blocks
        if not blocks:
            placeholder = _NOT_SHOWN
    if not content and (part.is_error or not own):
        scope.note("lossless", "empty-result", path, f"a result must not be empty; this one says {placeholder!r}")
        content.append({"text": placeholder})
    return content


def _taken_media(blocks: list[Block], path: str, scope: Scope, beside: list[Block], *, call_id: str) -> list[Block]:
    """A medium inside a result, or words in its place where the model wants it outside; then it joins those beside."""
    can = scope.capabilities
    ((kind, medium),) = blocks[0].items()
    formats = can.result_documents
    if kind in can.result_media and (kind != "document" or formats is None or medium["format"] in formats):
        return blocks
    name = medium.get("name", f"{kind} {len(beside) // 2 + 1}")
    why = f"this model takes no such {kind} inside a result: it follows behind the results, as {name!r}"
    scope.note("changed", "result-media-moved", path, why)
    beside += [{"text": f"This is {name!r} of the result of the call {call_id}:"}, *blocks]
    return [{"text": f"(see {name!r}, which follows)"}]


# --- marks and the unknown -------------------------------------------------------------------------------------------


def _cache_point_blocks(part: CachePoint, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    if place == "tool_result":
        scope.note("dropped", "misplaced-cache-point", path, "a cache point cannot stand in a tool's result")
        return []
    ttl = {} if part.ttl is None else {"ttl": part.ttl}
    return [{"cachePoint": {"type": "default", **ttl}}]


def _opaque_blocks(part: Opaque, place: PartPlace, path: str, scope: Scope) -> list[Block]:
    if part.backend != BACKEND:
        scope.note("dropped", "foreign-opaque", path, f"it is left out: only {part.backend} understands it")
        return []
    if not is_object(part.data):
        raise UnsupportedError(f"{path}: a block of Bedrock is a JSON object, not {type(part.data).__name__}")
    if place == "system" and (kind := next(iter(part.data), "")) in NOT_IN_SYSTEM:
        raise UnsupportedError(f"{path}: Bedrock takes no {kind} {PART_PLACES[place]}")
    check_json(part.data, f"{path}.data", tuples=True, blobs=True)
    return [part.data]
