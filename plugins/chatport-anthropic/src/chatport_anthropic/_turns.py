"""Messages as the service's turns.

The service takes two messages of one role in a row, and an assistant that begins (both recorded). Others that speak
its protocol may not, so turns of one role are joined all the same; nothing is lost by that.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatport.backend import CachePoint, Message, Opaque, UnsupportedError
from chatport_anthropic._blocks import part_blocks
from chatport_anthropic._cache_marks import mark_before
from chatport_anthropic._pairing import pair_calls
from chatport_anthropic._scope import Block, Scope
from chatport_anthropic._turn import Role, Turn, client_call, is_server_block, is_tool_change

if TYPE_CHECKING:
    from chatport.backend.translation import PartPlace

__all__ = ["call_names", "has_tool_blocks", "message_blocks", "translate_messages"]

_NOTHING_SAID: Final = "messages: nothing is said in them, and the service wants a message"
_GO_ON: Final = "Continue."
_ROLES: Final[dict[str, Role]] = {"assistant": "assistant", "system": "system", "tool": "user", "user": "user"}


def translate_messages(messages: Sequence[Message], start: int, scope: Scope) -> list[dict[str, Any]]:
    """Return the messages of a conversation as the service wants them.

    Args:
        messages: The whole conversation.
        start: The first message to translate; those before it went elsewhere.
        scope: The request's scope; adjustments are noted there.

    Raises:
        UnsupportedError: Something cannot be said at its place, or nothing is left of the newest message.
    """
    turns: list[Turn] = []
    for index in range(start, len(messages)):
        path = f"messages[{index}]"
        message = messages[index]
        turn = Turn(_ROLES[message.role], path, message_blocks(message, path, scope))
        if turn.blocks:
            turns.append(turn)
        else:
            _omit(message, path, scope, newest=index == len(messages) - 1)
    # Pairing may leave nothing of a turn, so that those around it are of one role.
    turns = _merged(pair_calls(_merged(_with_system_turns(turns, scope), scope), scope), scope)
    _keep_newest(messages, turns)
    _end_with_user(turns, scope)
    return [turn.wire() for turn in turns]


def has_tool_blocks(turns: Iterable[dict[str, Any]]) -> bool:
    """Whether calls or results of the caller's tools stand anywhere in translated turns."""
    return any(block.get("type") in {"tool_use", "tool_result"} for turn in turns for block in turn["content"])


def call_names(turns: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the names of the tools that the model wanted the caller to run, in the order of their first call."""
    calls = (client_call(block) for turn in turns for block in turn["content"])
    return tuple(dict.fromkeys(call["name"] for call in calls if call is not None))


# --- one message -----------------------------------------------------------------------------------------------------


def message_blocks(message: Message, path: str, scope: Scope) -> list[tuple[str, Block]]:
    """Return the blocks of a message, each with its place in the caller's request."""
    place: PartPlace = "assistant" if message.role == "assistant" else "user"
    kept: list[tuple[str, Block]] = []
    for index, part in enumerate(message.parts):
        where = f"{path}.parts[{index}]"
        if isinstance(part, CachePoint):
            mark_before(kept, part, where, scope)
        elif isinstance(part, Opaque) and is_tool_change(part.data) and message.role != "system":
            raise UnsupportedError(f"{where}: only a message of the system may change the tools on offer")
        else:
            kept += ((where, block) for block in part_blocks(part, place, where, scope))
    return kept


def _omit(message: Message, path: str, scope: Scope, *, newest: bool) -> None:
    # Without the newest message another question would be answered than the one that was asked.
    if newest and message.role != "assistant":
        raise _nothing_left(path)
    scope.note("lossless", "empty-message-omitted", path, "nothing is left of it, and the service wants something said")


def _keep_newest(messages: Sequence[Message], turns: Sequence[Turn]) -> None:
    """Refuse a conversation whose newest message went in pairing calls and results."""
    path = f"messages[{len(messages) - 1}]"
    if not turns:
        raise UnsupportedError(_NOTHING_SAID)
    if messages[-1].role == "assistant" or any(where.startswith(f"{path}.") for where, _ in turns[-1].blocks):
        return
    raise _nothing_left(path)


def _nothing_left(path: str) -> UnsupportedError:
    return UnsupportedError(f"{path}: there is nothing in the newest message that could be sent")


# --- turns -----------------------------------------------------------------------------------------------------------


def _with_system_turns(turns: Sequence[Turn], scope: Scope) -> list[Turn]:
    """Turns in which the system speaks where it may: behind the user, with the model or nobody behind it.

    Elsewhere, and with a model that takes no such message, its words go as marked words of the user. Documented; what
    was recorded stands at the end of the conversation.
    """
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role == "system":
            joined[-1].blocks += turn.blocks
        else:
            joined.append(turn)
    for index, turn in enumerate(joined):
        if turn.role != "system":
            continue
        after_user = index > 0 and joined[index - 1].role == "user"
        before_model = index + 1 == len(joined) or joined[index + 1].role == "assistant"
        changes_tools = any(is_tool_change(block) for _, block in turn.blocks)
        if changes_tools or (scope.capabilities.system_messages and after_user and before_model and _is_words(turn)):
            continue
        why = "here the service takes no system message inside a conversation: it goes as marked text of the user"
        scope.note("changed", "system-message-wrapped", turn.path, why)
        turn.role = "user"
        turn.blocks = [(path, _marked(block)) for path, block in turn.blocks]
    return joined


def _is_words(turn: Turn) -> bool:
    return all(block.get("type") == "text" for _, block in turn.blocks)


def _marked(block: Block) -> Block:
    return {**block, "text": f"<system>\n{block['text']}\n</system>"} if block.get("type") == "text" else block


def _merged(turns: Iterable[Turn], scope: Scope) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            scope.note("lossless", "turns-merged", turn.path, f"it joins the {turn.role} turn before it")
            merged[-1].blocks += turn.blocks
        else:
            merged.append(turn)
    return merged


def _end_with_user(turns: list[Turn], scope: Scope) -> None:
    """See to what the model is to go on writing: whether it does that, and without a blank at the end."""
    last = turns[-1]
    if last.role != "assistant" or any(is_server_block(block) for _, block in last.blocks):
        return  # the service goes on itself with tools of its own that it has paused
    path = last.blocks[-1][0]
    if not scope.capabilities.prefill:
        why = f"this model does not go on writing a message of its own: the user says {_GO_ON!r} behind it"
        scope.note("changed", "prefill-refused", path, why)
        turns.append(Turn("user", last.path, [(path, {"type": "text", "text": _GO_ON})]))
    else:
        _trim_end(last, scope)
        if not last.blocks:
            turns.pop()
        if not turns:
            raise UnsupportedError(_NOTHING_SAID)


def _trim_end(turn: Turn, scope: Scope) -> None:
    """Take white space off the end of a turn."""
    while turn.blocks and turn.blocks[-1][1].get("type") == "text":
        path, block = turn.blocks.pop()
        text = block["text"].rstrip()
        if text != block["text"]:
            why = "the service refuses white space at the end of what the model is to go on writing"
            scope.note("lossless", "prefill-trimmed", path, why)
        if text:
            turn.blocks.append((path, {**block, "text": text}))
            return
