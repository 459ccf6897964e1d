"""Content blocks of an answer as events. The other direction is `_blocks`, and the two agree.

What streams in deltas comes out as deltas, also from a whole answer, so that both fold to equal messages. What deltas
cannot say comes out whole: results of the service's own tools, and every block that we have no part for.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, Literal

from chatport.backend import (
    BackendEvent,
    Citation,
    CitationDelta,
    Json,
    Opaque,
    Part,
    PartEnd,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    ToolResult,
)
from chatport.backend.translation import UnknownContent, is_array, is_object

__all__ = [
    "CALLS",
    "RESULT_SUFFIX",
    "MalformedError",
    "citation_of",
    "events_of_block",
    "extra_members",
    "input_text",
    "reasoning_mark",
    "redacted_event",
    "tool_call_start",
    "whole_part",
]

BACKEND: Final = "anthropic"
CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Kinds of blocks that are calls; all but the first the service runs itself."""
RESULT_SUFFIX: Final = "_tool_result"
"""How the kinds of blocks end that are results of the service's own tools."""
_CLIENT_CALL: Final = "tool_use"
_OWN_MEMBERS: Final[dict[str, frozenset[str]]] = {
    "text": frozenset({"type", "text", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
}


class MalformedError(ValueError):
    """A block or a delta of a known kind lacks what makes it one; the message says what."""


def events_of_block(
    index: int, block: dict[str, Any], *, family: str, unknown: UnknownContent
) -> Iterator[BackendEvent]:
    """Return a block of a whole answer as events: those that a stream of it would have given.

    Args:
        index: Its place in the message.
        block: The block.
        family: The family of the model that answers, for the mark on reasoning.
        unknown: Where members go that no part has.

    Raises:
        MalformedError: Text is no text, or a call has no id or no name.
    """
    kind = block.get("type")
    if extra := extra_members(block):
        unknown.add({"content": index, "members": extra})
    match kind:
        case "text":
            yield from _text_events(index, block)
        case "thinking":
            yield from _thinking_events(index, block, family)
        case "redacted_thinking":
            yield redacted_event(index, block, family)
        case str() if kind in CALLS:
            yield tool_call_start(index, block)
            if block.get("input") not in (None, {}):
                yield ToolCallDelta(index, input_text(block["input"]))
        case _:
            yield PartEnd(index, whole_part(block))


def extra_members(block: dict[str, Any]) -> dict[str, Any]:
    """Return what stands in a block of words or thoughts that no part has; null says nothing."""
    own = _OWN_MEMBERS.get(str(block.get("type")))
    return (
        {} if own is None else {name: value for name, value in block.items() if name not in own and value is not None}
    )


# --- words -----------------------------------------------------------------------------------------------------------


def _text_events(index: int, block: dict[str, Any]) -> Iterator[BackendEvent]:
    text = block.get("text")
    if text is not None and not isinstance(text, str):
        raise MalformedError(f"the text of block {index} is no string")
    citations = block.get("citations")
    for citation in citations if is_array(citations) else ():
        yield CitationDelta(index, citation_of(citation))
    if text:
        yield TextDelta(index, text)


def citation_of(citation: object) -> Citation:
    """Return a citation, of a whole block or of a delta; all of it stays in the metadata, the location too.

    Raises:
        MalformedError: It is no object.
    """
    if not is_object(citation):
        raise MalformedError("a citation is no object")
    title = _first_text(citation, "title", "document_title")
    source = _first_text(citation, "url", "source", "file_id")
    quote = citation.get("cited_text")
    return Citation(title, source, (quote,) if isinstance(quote, str) else (), metadata={BACKEND: citation})


def _first_text(members: dict[str, Any], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := members.get(name), str)), None)


# --- thoughts --------------------------------------------------------------------------------------------------------


def reasoning_mark(family: str) -> dict[str, Any]:
    """Return the metadata of reasoning: the family of models that it can go back to."""
    return {BACKEND: {"family": family}}


def _thinking_events(index: int, block: dict[str, Any], family: str) -> Iterator[BackendEvent]:
    text, signature = block.get("thinking") or "", block.get("signature")
    if not isinstance(text, str) or not (signature is None or isinstance(signature, str)):
        raise MalformedError(f"the thinking of block {index} is no string")
    if text or signature:
        yield ReasoningDelta(index, text, reasoning_mark(family), signature or None)


def redacted_event(index: int, block: dict[str, Any], family: str) -> ReasoningDelta:
    """Return redacted thinking as an event.

    Its `data` is a text that nobody but the service reads: its bytes are kept, not what they may encode.

    Raises:
        MalformedError: There is no data.
    """
    data = block.get("data")
    if not isinstance(data, str):
        raise MalformedError(f"the redacted thinking of block {index} has no data")
    return ReasoningDelta(index, metadata=reasoning_mark(family), redacted=data.encode("utf-8", "surrogatepass"))


# --- calls -----------------------------------------------------------------------------------------------------------


def tool_call_start(index: int, block: dict[str, Any]) -> ToolCallStart:
    """Return the start of a call from its block.

    The kind of a call that the service runs, and members that we have no field for, stay in the metadata.

    Raises:
        MalformedError: It has no id or no name.
    """
    call_id, name, kind = block.get("id"), block.get("name"), block["type"]
    if not isinstance(call_id, str) or not isinstance(name, str):
        raise MalformedError(f"the call of block {index} has no id or no name")
    executed_by: Literal["client", "server"] = "client" if kind == _CLIENT_CALL else "server"
    rest = _said_besides(block, "type", "id", "name", "input")
    marks = rest if executed_by == "client" else {"type": kind, **rest}
    return ToolCallStart(index, call_id, name, executed_by, {BACKEND: marks} if marks else {})


def _said_besides(block: dict[str, Any], *told: str) -> dict[str, Any]:
    """The members of a block that no field has; null says nothing."""
    return {name: value for name, value in block.items() if name not in told and value is not None}


def input_text(value: object) -> str:
    """Return a call's whole input as the text that its deltas would have been."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- whole parts -----------------------------------------------------------------------------------------------------


def whole_part(block: dict[str, Any]) -> Part:
    """Return a block that has no deltas as a part: an `Opaque` unless it is the result of a call."""
    kind, call_id = block.get("type"), block.get("tool_use_id")
    if not isinstance(kind, str) or not kind.endswith(RESULT_SUFFIX) or not isinstance(call_id, str):
        return Opaque(BACKEND, block)
    content = block.get("content")
    marks = _said_besides(block, "tool_use_id", "content")
    said = (Json(content),) if "content" in block else ()
    return ToolResult(call_id, said, _is_failure(block), metadata={BACKEND: marks})


def _is_failure(block: dict[str, Any]) -> bool:
    content = block.get("content")
    kind = content.get("type") if is_object(content) else None
    return block.get("is_error") is True or (isinstance(kind, str) and kind.endswith("_error"))
