"""A conversation as the server's messages: results right behind their calls, turns put together where they must be."""

from collections.abc import Sequence
from typing import Literal

from chatport.backend import CachePoint, Message, Part, ToolResult, UnsupportedError
from chatport.backend.translation import PartPlace
from chatport_openai._assistant import assistant_turn
from chatport_openai._blocks import joined_or_list, mark_last, part_blocks, result_message
from chatport_openai._pairing import pair_calls
from chatport_openai._scope import Block, Scope
from chatport_openai._turn import Turn

__all__ = ["instructions", "system_message", "translate_messages"]


def translate_messages(messages: Sequence[Message], scope: Scope) -> list[Block]:
    """Return the messages of a conversation as the server takes them.

    Raises:
        UnsupportedError: Something cannot be said at its place, or nothing is left of the newest message.
    """
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        found = _turns_of(message, path, scope)
        if not found:
            scope.note("lossless", "empty-message-omitted", path, "nothing is left of it")
        turns += found
    paired = pair_calls(turns, scope)
    newest = f"messages[{len(messages) - 1}]"
    # Without the newest message another question would be answered than the one that was asked.
    is_asked = any(turn.path == newest or turn.path.startswith(f"{newest}.") for turn in paired)
    if not paired or (messages[-1].role != "assistant" and not is_asked):
        raise UnsupportedError(f"{newest}: there is nothing in the newest message that could be sent")
    sent: list[Block] = []
    for turn in paired:
        _append(sent, turn, scope)
    if scope.dialect.prefix is not None and sent[-1]["role"] == "assistant":
        sent[-1] = {**sent[-1], scope.dialect.prefix: True}
    return sent


def instructions(parts: Sequence[Part], scope: Scope) -> list[Block]:
    """Return the content of the system prompt; nothing where there is no prompt.

    Raises:
        UnsupportedError: It holds something other than words.
    """
    return _blocks([(f"system[{index}]", part) for index, part in enumerate(parts)], "system", scope)


def system_message(blocks: list[Block], scope: Scope) -> Block:
    """Return instructions as a message: those of a developer where a model wants it so."""
    role = "developer" if scope.dialect.developer and scope.model.developer else "system"
    return {"role": role, "content": joined_or_list(blocks)}


def _turns_of(message: Message, path: str, scope: Scope) -> list[Turn]:
    """A message as turns: each result is one of its own, and all else another."""
    if message.role == "assistant":
        found = assistant_turn(message, path, scope)
        return [] if found is None else [found]
    turns: list[Turn] = []
    rest: list[tuple[str, Part]] = []
    for index, part in enumerate(message.parts):
        where = f"{path}.parts[{index}]"
        if isinstance(part, ToolResult) and message.role != "system":
            beside: list[Block] = []
            turns.append(Turn("tool", where, result_message(part, where, scope, beside), beside=beside))
        else:
            rest.append((where, part))
    place: Literal["system", "user"] = "system" if message.role == "system" else "user"
    if blocks := _blocks(rest, place, scope):
        turns.append(Turn(place, path, blocks=blocks))
    return turns


def _blocks(parts: Sequence[tuple[str, Part]], place: PartPlace, scope: Scope) -> list[Block]:
    blocks: list[Block] = []
    for where, part in parts:
        found = part_blocks(part, place, where, scope)
        if isinstance(part, CachePoint):
            mark_last(blocks, found, where, scope)
        else:
            blocks += found
    return blocks


def _append(sent: list[Block], turn: Turn, scope: Scope) -> None:
    """Add a turn; one of the user joins another before it where turns have to alternate."""
    last = sent[-1] if sent else None
    if turn.message:
        sent.append(turn.message)
    elif turn.role == "system":
        sent.append(system_message(turn.blocks, scope))
    elif scope.dialect.alternates and last is not None and last["role"] == "user":
        before = last["content"]
        held = [{"type": "text", "text": before}] if isinstance(before, str) else before
        last["content"] = [*held, *turn.blocks]
        scope.note("lossless", "turns-merged", turn.path, "it joins the user's message before it: turns must alternate")
    else:
        sent.append({"role": "user", "content": joined_or_list(turn.blocks)})
