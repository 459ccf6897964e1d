"""Blocks of a stream as events: what has begun, and what its deltas say."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from chatport.backend import BackendEvent, CitationDelta, PartEnd, ReasoningDelta, TextDelta, ToolCallDelta
from chatport.backend.translation import UnknownContent, is_array, is_object
from chatport_anthropic._parts import (
    CALLS,
    MalformedError,
    citation_of,
    extra_members,
    input_text,
    reasoning_mark,
    redacted_event,
    tool_call_start,
    whole_part,
)

__all__ = ["StreamBlocks"]

_Events: TypeAlias = tuple[BackendEvent, ...]

# What a delta of each kind goes on with, and the member that holds it.
_MEMBERS: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "citations_delta": ("text", "citation"),
    "input_json_delta": ("call", "partial_json"),
    "compaction_delta": ("compaction", "content"),
}


@dataclass(slots=True)
class _Block:
    """A block that has begun.

    Attributes:
        kind: `"text"`, `"thinking"`, `"call"`, or the service's word.
        start: The block as it began, for those that come out whole.
        is_marked: Whether reasoning has its mark.
        has_input: Whether a call has got any of its input.
    """

    kind: str
    start: dict[str, Any] = field(default_factory=dict[str, Any])
    is_marked: bool = False
    has_input: bool = False


class StreamBlocks:
    """The blocks of one streamed message.

    Args:
        family: The family of the model that answers, for the mark on reasoning.
        unknown: Where what is not known goes.

    Attributes:
        texts: The indices of the blocks of words that are open.
    """

    __slots__ = ("_blocks", "_closed", "_family", "_unknown", "texts")

    def __init__(self, *, family: str, unknown: UnknownContent) -> None:
        self._family = family
        self._unknown = unknown
        self._blocks: dict[int, _Block] = {}
        self._closed: set[int] = set()
        self.texts: set[int] = set()

    def start(self, event: dict[str, Any]) -> _Events:
        """Take a `content_block_start`.

        Raises:
            MalformedError: It cannot stand here, or lacks what makes it one.
        """
        index, block = event.get("index"), event.get("content_block")
        if type(index) is not int or not is_object(block):
            raise MalformedError("it has no index or no content_block")
        if index in self._blocks or index in self._closed:
            raise MalformedError(f"block {index} begins twice")
        kind = str(block.get("type"))
        if extra := extra_members(block):
            self._unknown.add({"event": "content_block_start", "index": index, "members": extra})
        begun = _Block("call" if kind in CALLS else kind, block)
        self._blocks[index] = begun
        match begun.kind:
            case "text":
                self.texts.add(index)
                return self._text_start(index, block)
            case "thinking":
                said = self._thinking(index, begun, block.get("thinking"))
                return (*said, *self._signature(index, begun, block.get("signature")))
            case "redacted_thinking":
                return (redacted_event(index, block, self._family),)
            case "call":
                return (tool_call_start(index, block),)
            case _:
                return ()

    def delta(self, event: dict[str, Any]) -> _Events:
        """Take a `content_block_delta`.

        Raises:
            MalformedError: It cannot stand here, or lacks what makes it one.
        """
        index, delta = event.get("index"), event.get("delta")
        if type(index) is not int or not is_object(delta):
            raise MalformedError("it has no index or no delta")
        block = self._blocks.get(index)
        if block is None:
            raise MalformedError(f"block {index} has {'ended before' if index in self._closed else 'not begun'}")
        kind = str(delta.get("type"))
        wanted, _ = _MEMBERS.get(kind, ("", ""))
        if wanted != block.kind:
            if wanted and block.kind in {"text", "thinking", "call"}:
                raise MalformedError(f"block {index} is of the kind {block.kind!r} and has a {kind}")
            self._unknown.add({"event": "content_block_delta", "index": index, "delta": delta})
            return ()
        return self._known_delta(index, block, delta)

    def _known_delta(self, index: int, block: _Block, delta: dict[str, Any]) -> _Events:
        """Take a delta that goes on with its block."""
        _, member = _MEMBERS[delta["type"]]
        value = delta.get(member)
        match delta["type"]:
            case "text_delta":
                text = _text(value, member)
                return (TextDelta(index, text),) if text else ()
            case "thinking_delta":
                return self._thinking(index, block, _text(value, member), delta.get("estimated_tokens"))
            case "signature_delta":
                return self._signature(index, block, _text(value, member))
            case "citations_delta":
                return (CitationDelta(index, citation_of(value)),)
            case "input_json_delta":
                piece = _text(value, member)
                block.has_input = block.has_input or bool(piece)
                return (ToolCallDelta(index, piece),) if piece else ()
            case _:
                # A summary comes in one delta; all that the delta says belongs to the block.
                said = {name: item for name, item in delta.items() if name != "type"}
                block.start = {**block.start, **said}
                return ()

    def stop(self, event: dict[str, Any]) -> _Events:
        """Take a `content_block_stop`; return what then is complete.

        Raises:
            MalformedError: It cannot stand here.
        """
        index = event.get("index")
        block = self._blocks.pop(index, None) if type(index) is int else None
        if type(index) is not int or block is None:
            raise MalformedError("no block of its index is open")
        self._closed.add(index)
        self.texts.discard(index)
        return self._end(index, block)

    def close(self) -> _Events:
        """Return what blocks still had to say that never ended."""
        events = tuple(event for index, block in self._blocks.items() for event in self._end(index, block))
        self._closed.update(self._blocks)
        self._blocks.clear()
        self.texts.clear()
        return events

    def _end(self, index: int, block: _Block) -> _Events:
        if block.kind == "call":
            # Calls that another call has made come with their whole input at once.
            given = block.start.get("input")
            return (ToolCallDelta(index, input_text(given)),) if given and not block.has_input else ()
        if block.kind in {"text", "thinking", "redacted_thinking"}:
            return ()
        return (PartEnd(index, whole_part(block.start)),)

    def _text_start(self, index: int, block: dict[str, Any]) -> _Events:
        citations, text = block.get("citations"), _text(block.get("text"), "text")
        cited = tuple(CitationDelta(index, citation_of(each)) for each in (citations if is_array(citations) else ()))
        return (*cited, TextDelta(index, text)) if text else cited

    def _thinking(self, index: int, block: _Block, text: object, estimate: object = None) -> _Events:
        said = _text(text, "thinking")
        if not said and estimate is None:
            return ()
        marks = self._mark(block)
        if estimate is not None:
            marks = {"anthropic": {**marks.get("anthropic", {}), "estimated_tokens": estimate}}
        return (ReasoningDelta(index, said, marks),)

    def _signature(self, index: int, block: _Block, signature: object) -> _Events:
        said = _text(signature, "signature")
        return (ReasoningDelta(index, metadata=self._mark(block), signature=said),) if said else ()

    def _mark(self, block: _Block) -> dict[str, Any]:
        """The mark of a block of reasoning, which its first delta carries."""
        if block.is_marked:
            return {}
        block.is_marked = True
        return reasoning_mark(self._family)


def _text(value: object, name: str) -> str:
    """A text; null says nothing, which some servers do."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedError(f"{name} is no string")
    return value
