"""One turn of a conversation on its way to the service."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from chatport.backend.translation import is_object
from chatport_bedrock._scope import Block

__all__ = ["Role", "Turn", "client_call", "is_tool_change", "marked_as_system", "tool_result"]

Role: TypeAlias = Literal["user", "assistant"]

_TOOL_CHANGES: Final = frozenset({"toolAddition", "toolRemoval"})


@dataclass(slots=True)
class Turn:
    """One turn: its blocks, each with the place in the caller's request that it comes from.

    Attributes:
        role: Who speaks.
        blocks: Places and blocks. The list is the turn's own; the blocks may be shared with the request.
    """

    role: Role
    blocks: list[tuple[str, Block]] = field(default_factory=list[tuple[str, Block]])

    def wire(self) -> list[dict[str, Any]]:
        """Return the turn as messages of the service: one, but that changes of the tools are the system's to make.

        Source: the documentation of `toolAddition` and `toolRemoval`, the only blocks of messages of that role.
        """
        found: list[dict[str, Any]] = []
        for _, block in self.blocks:
            role = "system" if is_tool_change(block) else self.role
            if not found or found[-1]["role"] != role:
                found.append({"role": role, "content": []})
            found[-1]["content"].append(block)
        return found

    def has(self, kinds: Sequence[str]) -> bool:
        """Whether a block of one of these kinds stands in it."""
        return any(kind in block for _, block in self.blocks for kind in kinds)


def is_tool_change(block: Block) -> bool:
    """Whether a block changes which tools are on offer."""
    return not _TOOL_CHANGES.isdisjoint(block)


def marked_as_system(block: Block) -> Block:
    """Return a block of the system's as one of the user's: words say whose they are, all else stays as it is."""
    text = block.get("text")
    return {"text": f"<system>\n{text}\n</system>"} if isinstance(text, str) and text.strip() else block


def client_call(block: Block) -> dict[str, Any] | None:
    """Return the call of a tool that the caller runs, where the block is one and says which."""
    call = block.get("toolUse")
    if (
        is_object(call)
        and call.get("type") != "server_tool_use"
        and isinstance(call.get("toolUseId"), str)
        and isinstance(call.get("name"), str)
    ):
        return call
    return None


def tool_result(block: Block) -> dict[str, Any] | None:
    """Return the result of a tool, where the block is one and says of which call."""
    result = block.get("toolResult")
    return result if is_object(result) and isinstance(result.get("toolUseId"), str) else None
