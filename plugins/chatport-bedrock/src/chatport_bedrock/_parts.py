"""Content blocks of an answer as events. The other direction is `_blocks`, and the two agree.

What streams in deltas comes out as deltas, also from a whole answer, so that both fold to equal messages. What deltas
cannot say comes out whole: `_whole_parts`.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

from chatport.backend import (
    BackendEvent,
    Citation,
    CitationDelta,
    PartEnd,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from chatport.backend.translation import is_array, is_object
from chatport_bedrock._whole_parts import whole_part

__all__ = [
    "MalformedError",
    "citation_of",
    "events_of_block",
    "extra_members",
    "reasoning_mark",
    "redacted_bytes",
    "tool_call_start",
]

_BACKEND: Final = "bedrock"
_SERVER_TOOL: Final = "server_tool_use"
# The service model's enum has "server_tool_use" only. Services send "tool_use" too, and mean what no type means.
_KNOWN_TYPES: Final = frozenset({None, "tool_use", _SERVER_TOOL})
_NEVER_EXTRA: Final = ("text", "toolUse")


class MalformedError(ValueError):
    """A block or a delta of a known kind lacks what makes it one; the message says what."""


def events_of_block(index: int, block: dict[str, Any], *, family: str) -> Iterator[BackendEvent]:
    """Return a block of a whole answer as events: those that a stream of it would have given.

    Args:
        index: Its place in the message.
        block: The block.
        family: The family of the model that answers, for the mark on reasoning.

    Raises:
        MalformedError: Text is no text, or a call has no id or no name.
    """
    # Words and calls must come through whatever stands beside them; other blocks are taken whole or not at all.
    if "text" in block:
        return _text_events(index, block["text"])
    if "toolUse" in block:
        return _tool_call_events(index, block["toolUse"])
    found: Iterator[BackendEvent] | None = None
    if block.keys() == {"reasoningContent"}:
        found = _reasoning_events(index, block["reasoningContent"], family)
    elif block.keys() == {"citationsContent"}:
        found = _cited_events(index, block["citationsContent"])
    return iter((PartEnd(index, whole_part(block)),)) if found is None else found


def extra_members(block: dict[str, Any]) -> dict[str, Any]:
    """Return what stands beside text or a call in a block, which is a union and should hold nothing else."""
    kind = next((name for name in _NEVER_EXTRA if name in block), None)
    return {name: value for name, value in block.items() if name != kind} if kind else {}


def _text_events(index: int, text: object) -> Iterator[BackendEvent]:
    if not isinstance(text, str):
        raise MalformedError(f"the text of block {index} is no string")
    return iter((TextDelta(index, text),) if text else ())


# --- calls -----------------------------------------------------------------------------------------------------------


def _tool_call_events(index: int, call: object) -> Iterator[BackendEvent]:
    yield tool_call_start(index, call)
    if is_object(call) and "input" in call:
        yield ToolCallDelta(index, json.dumps(call["input"], ensure_ascii=False, separators=(",", ":")))


def tool_call_start(index: int, call: object) -> ToolCallStart:
    """Return the start of a call from a `toolUse`, of a whole block or of the start of one.

    Members that the service model does not have stay in the metadata: a call must be run whatever else it carries.

    Raises:
        MalformedError: It has no id or no name.
    """
    call_id, name = (call.get("toolUseId"), call.get("name")) if is_object(call) else (None, None)
    if not is_object(call) or not isinstance(call_id, str) or not isinstance(name, str):
        raise MalformedError(f"the toolUse of block {index} has no id or no name")
    kind = call.get("type")
    executed_by: Literal["client", "server"] = "server" if kind == _SERVER_TOOL else "client"
    rest = {member: call[member] for member in call if member not in {"toolUseId", "name", "input", "type"}}
    if not isinstance(kind, str | None) or kind not in _KNOWN_TYPES:
        rest["type"] = kind
    return ToolCallStart(index, call_id, name, executed_by, {_BACKEND: rest} if rest else {})


# --- reasoning -------------------------------------------------------------------------------------------------------


def _reasoning_events(index: int, content: object, family: str) -> Iterator[BackendEvent] | None:
    if not is_object(content):
        return None
    mark = reasoning_mark(family)
    words = content.get("reasoningText")
    if content.keys() == {"reasoningText"} and is_object(words) and words.keys() <= {"text", "signature"}:
        text, signature = words.get("text"), words.get("signature")
        if isinstance(text, str) and (signature is None or isinstance(signature, str)):
            is_empty = not text and signature is None
            return iter(() if is_empty else (ReasoningDelta(index, text, mark, signature),))
    if content.keys() == {"redactedContent"}:
        redacted = redacted_bytes(content["redactedContent"])
        return iter((ReasoningDelta(index, metadata=mark, redacted=redacted),))
    return None


def reasoning_mark(family: str) -> dict[str, Any]:
    """Return the metadata of reasoning: the family of models that it can go back to."""
    return {_BACKEND: {"family": family}}


def redacted_bytes(encoded: object) -> bytes:
    """Return redacted reasoning as the bytes that the service meant.

    Raises:
        MalformedError: It is no base64.
    """
    if not isinstance(encoded, str):
        raise MalformedError("redactedContent is no string")
    try:
        return b64decode(encoded, validate=True)
    except ValueError as error:  # binascii.Error is one, and so is what a character outside ASCII raises
        raise MalformedError(f"redactedContent is no base64: {error}") from error


# --- citations -------------------------------------------------------------------------------------------------------


def _cited_events(index: int, content: object) -> Iterator[BackendEvent] | None:
    """One text, or no content at all, and at least one citation: that is what deltas can say.

    Anything else comes whole and keeps the block beside the words, for the way back.
    """
    if not is_object(content):
        return None
    texts = _cited_texts(content.get("content", []))
    citations = content.get("citations", [])
    if texts is None or not is_array(citations) or not all(is_object(citation) for citation in citations):
        return None
    found = tuple(citation_of(citation) for citation in citations)
    text = "".join(texts)
    is_plain = bool(text) and len(texts) == 1 if "content" in content else True
    if is_plain and found and content.keys() <= {"content", "citations"}:
        deltas: list[BackendEvent] = [CitationDelta(index, citation) for citation in found]
        return iter([*deltas, TextDelta(index, text)] if text else deltas)
    return iter((PartEnd(index, Text(text, found, metadata={_BACKEND: {"citationsContent": content}})),))


def _cited_texts(entries: object) -> list[str] | None:
    """The pieces of a cited text; None where an entry is anything else."""
    if not is_array(entries):
        return None
    texts: list[str] = []
    for entry in entries:
        text = entry["text"] if is_object(entry) and entry.keys() == {"text"} else None
        if not isinstance(text, str):
            return None
        texts.append(text)
    return texts


def citation_of(citation: object) -> Citation:
    """Return a citation, of a whole block or of a delta; all of it stays in the metadata, the location too.

    Raises:
        MalformedError: It is no object.
    """
    if not is_object(citation):
        raise MalformedError("a citation is no object")
    title, source, quotes = citation.get("title"), citation.get("source"), citation.get("sourceContent")
    if not isinstance(source, str):
        source = _web_address(citation.get("location"))
    return Citation(
        title if isinstance(title, str) else None,
        source,
        tuple(_quotes(quotes)) if is_array(quotes) else (),
        metadata={_BACKEND: citation},
    )


def _web_address(location: object) -> str | None:
    web = location.get("web") if is_object(location) else None
    address = web.get("url") if is_object(web) else None
    return address if isinstance(address, str) else None


def _quotes(entries: Iterable[Any]) -> Iterator[str]:
    """The quoted words; what an entry may hold besides stays in the metadata."""
    for entry in entries:
        text = entry.get("text") if is_object(entry) else None
        if isinstance(text, str):
            yield text
