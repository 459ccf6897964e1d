"""Messages as the service's turns: user and assistant alternate, and results of tools come first in theirs."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from chatport.backend import Message, Part, UnsupportedError
from chatport_bedrock._blocks import is_blank, is_signed_reasoning, part_blocks
from chatport_bedrock._cache_points import drop_lone_points, fit_cache_points
from chatport_bedrock._media_limits import check_counts, check_names
from chatport_bedrock._pairing import pair_calls
from chatport_bedrock._scope import Block, Scope
from chatport_bedrock._turn import Role, Turn, client_call, is_tool_change, marked_as_system
from chatport_bedrock._turn_shapes import shape_turns

__all__ = ["call_names", "has_tool_blocks", "translate_messages"]

_DOCUMENT: Final = ("document",)
_SEE_DOCUMENT: Final = "See the attached document."
_SEE_DOCUMENTS: Final = "See the attached documents."


def translate_messages(
    messages: Sequence[Message],
    start: int,
    scope: Scope,
    *,
    system: list[tuple[str, Block]] | None = None,
    tools: object = None,
    may_be_empty: bool = False,
    only_words: bool = False,
) -> list[dict[str, Any]]:
    """Return the messages of a conversation as the service wants them.

    Args:
        messages: The whole conversation.
        start: The first message to translate; those before it went elsewhere.
        scope: The request's scope; adjustments are noted there.
        system: The blocks of the system prompt with their places: its cache points count with those of the messages,
            and those that are too many or out of order are taken out of it.
        tools: The tools that the caller sends in the service's words; their cache points count too.
        may_be_empty: Whether a conversation in which nothing is said can be sent, as to a stored prompt.
        only_words: Whether nothing but text stands in the conversation and the system prompt: then there is nothing to
            pair, to count and to place.

    Raises:
        UnsupportedError: Something cannot be said at its place, there are too many media, or nothing is left of the
            newest message.
    """
    turns: list[Turn] = []
    for index in range(start, len(messages)):
        path = f"messages[{index}]"
        message = messages[index]
        role: Role = "assistant" if message.role == "assistant" else "user"
        turn = Turn(role, _message_blocks(message, role, path, scope))
        is_merged = bool(turns) and turns[-1].role == role
        if not is_merged:
            drop_lone_points(turn, scope)
        if not turn.blocks:
            _omit(message, path, scope, newest=index == len(messages) - 1 and bool(turns or not may_be_empty))
        elif is_merged:
            scope.note("lossless", "turns-merged", path, f"it joins the {role} turn before it: turns must alternate")
            turns[-1].blocks += turn.blocks
        else:
            turns.append(turn)
    if turns:
        turns = turns if only_words else pair_calls(turns, scope)
        _keep_newest(messages, turns)
    if not only_words:
        fit_cache_points([] if system is None else system, turns, tools, scope)
    turns = shape_turns(turns, scope)
    for turn in () if only_words else turns:
        _accompany_documents(turn, scope)
    if not only_words:
        check_counts(turns, scope)
        check_names(turns)
    return [message for turn in turns for message in turn.wire()]


def has_tool_blocks(turns: Sequence[dict[str, Any]]) -> bool:
    """Whether calls or results of tools stand anywhere in translated turns."""
    return any("toolUse" in block or "toolResult" in block for turn in turns for block in turn["content"])


def call_names(turns: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the names of the tools that the model wanted the caller to run, in the order of their first call."""
    calls = (client_call(block) for turn in turns for block in turn["content"])
    return tuple(dict.fromkeys(call["name"] for call in calls if call is not None))


# --- one message -----------------------------------------------------------------------------------------------------


def _message_blocks(message: Message, role: Role, path: str, scope: Scope) -> list[tuple[str, Block]]:
    found: list[tuple[str, Part, list[Block]]] = []
    for index, part in enumerate(message.parts):
        where = f"{path}.parts[{index}]"
        found.append((where, part, part_blocks(part, role, where, scope)))
    # A message with signed reasoning is checked as a whole: it keeps its shape, blank texts included.
    signed = any(is_signed_reasoning(block) for _, _, blocks in found for block in blocks)
    kept: list[tuple[str, Block]] = []
    for where, part, blocks in found:
        if not signed and is_blank(part, blocks):
            scope.note("lossless", "blank-text-omitted", where, "Bedrock refuses text without a visible character")
        else:
            kept += ((where, marked_as_system(block) if message.role == "system" else block) for block in blocks)
    if message.role == "system" and not all(is_tool_change(block) for _, block in kept):
        why = (
            "Bedrock takes system prompts before the conversation only; inside it this goes as marked text of the user"
        )
        scope.note("changed", "system-message-wrapped", path, why)
    return kept


def _omit(message: Message, path: str, scope: Scope, *, newest: bool) -> None:
    # Without the newest message another question would be answered than the one that was asked.
    if newest and message.role != "assistant":
        raise _nothing_left(path)
    scope.note("lossless", "empty-message-omitted", path, "nothing is left of it, and Bedrock refuses empty messages")


def _keep_newest(messages: Sequence[Message], turns: Sequence[Turn]) -> None:
    """Refuse a conversation whose newest message went in pairing calls and results."""
    path = f"messages[{len(messages) - 1}]"
    if messages[-1].role == "assistant" or (
        turns and any(where.startswith(f"{path}.") for where, _ in turns[-1].blocks)
    ):
        return
    raise _nothing_left(path)


def _nothing_left(path: str) -> UnsupportedError:
    return UnsupportedError(f"{path}: there is nothing in the newest message that could be sent")


# --- one turn --------------------------------------------------------------------------------------------------------


def _accompany_documents(turn: Turn, scope: Scope) -> None:
    """Put words before documents that stand alone: the service refuses a document without text beside it."""
    if not turn.has(_DOCUMENT):
        return
    blocks: list[tuple[str, Block]] = []
    # Changes of the tools are messages of their own: what stands before one is not beside what stands behind it.
    for is_change, entries in groupby(turn.blocks, key=lambda entry: is_tool_change(entry[1])):
        run = list(entries)
        blocks += run if is_change else _accompanied(run, scope)
    turn.blocks = blocks


def _accompanied(blocks: list[tuple[str, Block]], scope: Scope) -> list[tuple[str, Block]]:
    documents = [index for index, (_, block) in enumerate(blocks) if "document" in block]
    if not documents or any("text" in block for _, block in blocks):
        return blocks
    first = documents[0]
    words = _SEE_DOCUMENT if len(documents) == 1 else _SEE_DOCUMENTS
    path = blocks[first][0]
    scope.note("changed", "document-text-added", path, f"a document needs text beside it: {words!r} is added")
    return [*blocks[:first], (path, {"text": words}), *blocks[first:]]
