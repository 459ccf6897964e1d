"""One turn of a conversation on its way to the service."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from chatport.backend.translation import is_object
from chatport_anthropic._scope import Block

__all__ = ["SERVER_CALLS", "Role", "Turn", "client_call", "is_server_block", "is_tool_change", "tool_result"]

Role: TypeAlias = Literal["user", "assistant", "system"]

SERVER_CALLS: Final = frozenset({"server_tool_use", "mcp_tool_use"})
"""Kinds of blocks that are calls of tools which the service runs."""
_TOOL_CHANGES: Final = frozenset({"tool_addition", "tool_removal"})


@dataclass(slots=True)
class Turn:
    """One turn: its blocks, each with the place in the caller's request that it comes from.

    Attributes:
        role: Who speaks.
        path: Where its first message stands in the caller's request.
        blocks: Places and blocks. The list is the turn's own; the blocks may be shared with the request.
    """

    role: Role
    path: str
    blocks: list[tuple[str, Block]] = field(default_factory=list[tuple[str, Block]])

    def wire(self) -> dict[str, Any]:
        """Return the turn as a message of the service."""
        return {"role": self.role, "content": [block for _, block in self.blocks]}

    def has(self, kind: str) -> bool:
        """Whether a block of this kind stands in it."""
        return any(block.get("type") == kind for _, block in self.blocks)


def client_call(block: Block) -> Block | None:
    """Return the call of a tool that the caller runs, where the block is one and says which."""
    said = block.get("type") == "tool_use" and isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
    return block if said else None


def tool_result(block: Block) -> Block | None:
    """Return the result of a tool that the caller has run, where the block is one and says of which call."""
    return block if block.get("type") == "tool_result" and isinstance(block.get("tool_use_id"), str) else None


def is_server_block(block: Block) -> bool:
    """Whether it is a call or a result of a tool that the service runs."""
    kind = str(block.get("type"))
    return kind in SERVER_CALLS or kind.endswith("_tool_result")


def is_tool_change(block: object) -> bool:
    """Whether a block changes which tools are on offer: only a message of the system may hold one. Recorded."""
    return is_object(block) and block.get("type") in _TOOL_CHANGES
