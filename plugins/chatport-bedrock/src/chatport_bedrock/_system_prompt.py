"""The system prompt: what belongs to it, and where it goes for a model that takes none. Pure."""

from collections.abc import Sequence
from typing import Any

from chatport.backend import ChatRequest, Opaque, Part
from chatport.backend.translation import is_object, system_prompt_parts
from chatport_bedrock._blocks import is_blank, part_blocks
from chatport_bedrock._scope import Block, Scope
from chatport_bedrock._turn import is_tool_change, marked_as_system

__all__ = ["moved_to_user", "system_prompt"]


def system_prompt(request: ChatRequest, scope: Scope) -> tuple[list[tuple[str, Block]], int]:
    """Return the blocks of the system prompt with their paths, and where the conversation begins behind it."""
    parts, start = system_prompt_parts(request, scope, stays=_changes_tools)
    blocks: list[tuple[str, Block]] = []
    for path, part in parts:
        found = part_blocks(part, "system", path, scope)
        if is_blank(part, found):
            scope.note("lossless", "blank-text-omitted", path, "Bedrock refuses text without a visible character")
        else:
            blocks += ((path, block) for block in found)
    return blocks, start


def moved_to_user(
    system: Sequence[tuple[str, Block]], turns: Sequence[dict[str, Any]], scope: Scope
) -> list[dict[str, Any]]:
    """Return the turns of a conversation that begins with the system prompt, for a model that has no place for one."""
    why = "this model takes no system prompt: it begins the conversation as marked text of the user"
    scope.note("changed", "system-prompt-moved", system[0][0], why)
    blocks = [marked_as_system(block) for _, block in system]
    if turns and turns[0]["role"] == "user":
        return [{**turns[0], "content": [*blocks, *turns[0]["content"]]}, *turns[1:]]
    return [{"role": "user", "content": blocks}, *turns]


def _changes_tools(part: Part) -> bool:
    return isinstance(part, Opaque) and is_object(part.data) and is_tool_change(part.data)
