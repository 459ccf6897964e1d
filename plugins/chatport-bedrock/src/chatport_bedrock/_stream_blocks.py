"""The content blocks of a message while they stream: pieces in, events out.

Blocks are told apart by their index, never by their order, so they may interleave. What a block is, its start says or
its first delta that is known; from then on it stays that.
"""

from typing import Any, Final, Literal, TypeAlias

from chatport.backend import BackendEvent, CitationDelta, PartEnd, ReasoningDelta, TextDelta, ToolCallDelta
from chatport.backend.translation import UnknownContent, is_object
from chatport_bedrock._parts import (
    MalformedError,
    citation_of,
    reasoning_mark,
    redacted_bytes,
    tool_call_start,
)
from chatport_bedrock._raw_blocks import RawBlock
from chatport_bedrock._whole_parts import whole_part

__all__ = ["StreamBlocks"]

_Kind: TypeAlias = Literal["text", "reasoning", "tool call", "closed"]
_Events: TypeAlias = tuple[BackendEvent, ...]

# These begin with their first delta. A start for one of them would be new, and would not change what it is.
_STARTLESS: Final = frozenset({"text", "reasoningContent", "citation", "citationsContent"})


class StreamBlocks:
    """What is known of each block of one message.

    Attributes:
        texts: The indexes of the text blocks that have begun and not ended: for them a delta of text is its next piece.

    Args:
        family: The family of the model that answers, for the mark on reasoning.
        unknown: Where pieces go that no block can take.
    """

    __slots__ = ("_blocks", "_family", "_marked", "_misplaced", "_unknown", "texts")

    def __init__(self, *, family: str, unknown: UnknownContent) -> None:
        self._family = family
        self._unknown = unknown
        self._blocks: dict[int, _Kind | RawBlock] = {}  # of a kind that is not known is what is collected
        self.texts: set[int] = set()
        self._marked: set[int] = set()
        self._misplaced: str | None = "before messageStart"

    def open(self) -> None:
        """Let blocks come: the message has begun."""
        self._misplaced = None

    def close(self) -> _Events:
        """Let no more blocks come; return as parts what was collected and not stopped."""
        self._misplaced = "after messageStop"
        left = sorted((index, block) for index, block in self._blocks.items() if isinstance(block, RawBlock))
        self._blocks.clear()
        self.texts.clear()
        return tuple(PartEnd(index, whole_part(block.block())) for index, block in left)

    def plain_delta(self, payload: Any) -> ReasoningDelta | ToolCallDelta | None:
        """Take a `contentBlockDelta` that is nothing but the next piece of reasoning, or of the arguments of a call.

        Returns:
            The event; None for any other delta, which is for `delta` to take.
        """
        try:
            index, delta = payload["contentBlockIndex"], payload["delta"]
            kind = self._blocks[index]  # `close` empties them
            # An index of True would pass for 1, and two members at once are for `delta` to part.
            if index.__class__ is not int or len(delta) != 1:
                return None
            if kind == "tool call":
                pieces = delta["toolUse"]
                text = pieces["input"]
                is_plain = text and text.__class__ is str and len(pieces) == 1
                return ToolCallDelta(index, text) if is_plain else None
            if kind == "reasoning" and index in self._marked:
                pieces = delta["reasoningContent"]
                text = pieces["text"]
                is_plain = text and text.__class__ is str and len(pieces) == 1
                return ReasoningDelta(index, text) if is_plain else None
        except (KeyError, TypeError):
            return None  # a member is missing, or is no object
        return None

    def delta(self, payload: dict[str, Any]) -> _Events:
        """Take a `contentBlockDelta`.

        Raises:
            MalformedError: It cannot stand here, or lacks what makes it one.
        """
        delta: Any = payload.get("delta")
        index = self._index(payload)
        if not is_object(delta):
            raise MalformedError("it has no delta")
        block = self._blocks.get(index)
        if isinstance(block, RawBlock) and block.start is not None:
            block.deltas.append(delta)
            return ()
        return tuple(event for name, value in delta.items() for event in self._member(index, name, value))

    def start(self, payload: dict[str, Any]) -> _Events:
        """Take a `contentBlockStart`.

        Raises:
            MalformedError: It cannot stand here, or lacks what makes it one.
        """
        index = self._index(payload)
        start = payload.get("start")
        if index in self._blocks:
            raise MalformedError(f"block {index} begins twice")
        if not is_object(start) or not start:
            return ()  # it says nothing: the first delta will
        if "toolUse" in start:
            call = tool_call_start(index, start["toolUse"])
            self._blocks[index] = "tool call"
            self._keep(index, "contentBlockStart", {name: start[name] for name in start if name != "toolUse"})
            return (call,)
        if start.keys() <= _STARTLESS:
            self._keep(index, "contentBlockStart", {name: value for name, value in start.items() if value})
            return ()
        self._blocks[index] = RawBlock(start)
        return ()

    def stop(self, payload: dict[str, Any]) -> _Events:
        """Take a `contentBlockStop`; return what was collected of the block as a part.

        Raises:
            MalformedError: It cannot stand here.
        """
        index = self._index(payload)
        block = self._blocks.get(index)
        self._blocks[index] = "closed"
        self.texts.discard(index)
        return (PartEnd(index, whole_part(block.block())),) if isinstance(block, RawBlock) else ()

    def _index(self, payload: dict[str, Any]) -> int:
        index = payload.get("contentBlockIndex")
        if type(index) is not int:
            raise MalformedError("it has no contentBlockIndex")
        if self._misplaced is not None:
            raise MalformedError(f"it comes {self._misplaced}")
        if self._blocks.get(index) == "closed":
            raise MalformedError(f"block {index} has ended before")
        return index

    def _member(self, index: int, name: str, value: Any) -> _Events:
        """Take one member of a delta, which is a union and should have one only."""
        match name:
            case "text":
                self._become(index, "text")
                text = _text(value, name)
                return (TextDelta(index, text),) if text else ()
            case "reasoningContent" if is_object(value):
                return tuple(event for item in value.items() for event in self._reasoning(index, *item))
            case "citation":
                self._become(index, "text")
                return (CitationDelta(index, citation_of(value)),)
            case "toolUse" if is_object(value):
                return self._tool_input(index, value)
            case _:
                self._collect(index, {name: value})
                return ()

    def _reasoning(self, index: int, name: str, value: Any) -> _Events:
        match name:
            case "text":
                self._become(index, "reasoning")
                text = _text(value, name)
                return (ReasoningDelta(index, text, self._mark(index)),) if text else ()
            case "signature":
                self._become(index, "reasoning")
                return (ReasoningDelta(index, metadata=self._mark(index), signature=_text(value, name)),)
            case "redactedContent":
                self._become(index, "reasoning")
                return (ReasoningDelta(index, metadata=self._mark(index), redacted=redacted_bytes(value)),)
            case _:
                self._collect(index, {"reasoningContent": {name: value}})
                return ()

    def _mark(self, index: int) -> dict[str, Any]:
        """The mark of a block of reasoning, which its first delta carries."""
        if index in self._marked:
            return {}
        self._marked.add(index)
        return reasoning_mark(self._family)

    def _tool_input(self, index: int, value: dict[str, Any]) -> _Events:
        if self._blocks.get(index) != "tool call":
            raise MalformedError(f"block {index} has input for a tool, but did not begin as a call of one")
        rest = {name: value[name] for name in value if name != "input"}
        if rest:
            self._keep(index, "contentBlockDelta", {"toolUse": rest})
        text = _text(value.get("input", ""), "input")
        return (ToolCallDelta(index, text),) if text else ()

    def _become(self, index: int, kind: Literal["text", "reasoning"]) -> None:
        """Settle what a block is. What was collected until then belongs to no part."""
        present = self._blocks.get(index)
        if present == kind:
            return
        if isinstance(present, RawBlock):
            for delta in present.deltas:
                self._keep(index, "contentBlockDelta", delta)
        elif present is not None:
            raise MalformedError(f"block {index} is a {present} and cannot become {kind}")
        self._blocks[index] = kind
        if kind == "text":
            self.texts.add(index)

    def _collect(self, index: int, delta: dict[str, Any]) -> None:
        """Keep what has no event of its own: for the block, if nothing else is known of it."""
        block = self._blocks.setdefault(index, RawBlock(None))
        if isinstance(block, RawBlock):
            block.deltas.append(delta)
        else:
            self._keep(index, "contentBlockDelta", delta)

    def _keep(self, index: int, event: str, members: dict[str, Any]) -> None:
        if members:
            member = "start" if event == "contentBlockStart" else "delta"
            self._unknown.add({"event": event, "payload": {"contentBlockIndex": index, member: members}})


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"{name} is no string")
    return value
