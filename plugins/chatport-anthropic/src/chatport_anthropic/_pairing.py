"""Calls of tools and their results brought together: the service wants one result for each call of the turn before.

It refuses a call without a result, a result without a call, and one id twice in a turn.
"""

from collections.abc import Iterable, Sequence

from chatport.backend.translation import CallPairs
from chatport_anthropic._scope import Block, Scope
from chatport_anthropic._turn import SERVER_CALLS, Turn, client_call, tool_result

__all__ = ["pair_calls"]


def pair_calls(turns: Iterable[Turn], scope: Scope) -> list[Turn]:
    """Return turns in which every call is answered once, in the turn after it, and nothing else is.

    Results come first in their turn, in the order of the calls. What has no call is left out; a call without a result
    gets one that says so, always the same, so that the beginning of the conversation stays the same when it goes on.

    Args:
        turns: Turns of which no two in a row have one role; their lists of blocks are changed.
        scope: The request's scope; adjustments are noted there.
    """
    paired: list[Turn] = []
    pairs = CallPairs(_CallForm(), scope)
    for turn in turns:
        if turn.role == "assistant":
            if pairs.has_open_calls:  # nobody has answered what the turn before asked for
                paired.append(_answering(pairs, turn.path))
            if paired and paired[-1].role == "assistant":  # nothing was left of the turn between them
                paired[-1].blocks += turn.blocks
            else:
                paired.append(turn)
            pairs.open_calls(paired[-1].blocks)
            continue
        if turn.role == "user":
            pairs.answer_calls(turn.blocks)
        elif pairs.has_open_calls:
            paired.append(_answering(pairs, turn.path))
        if turn.blocks:
            paired.append(turn)
    if pairs.has_open_calls:
        paired.append(_answering(pairs, paired[-1].path))
    _drop_unanswered_server_calls(paired, scope)
    return [turn for turn in paired if turn.blocks]


def _answering(pairs: CallPairs[Block], path: str) -> Turn:
    """A turn of the user that answers the open calls and says nothing else."""
    turn = Turn("user", path)
    pairs.answer_calls(turn.blocks)
    return turn


class _CallForm:
    """Calls and results as the service has them."""

    def call_id(self, block: Block) -> str | None:
        call = client_call(block)
        return None if call is None else call["id"]

    def with_call_id(self, block: Block, call_id: str) -> Block:
        return {**block, "id": call_id}

    def is_result(self, block: Block) -> bool:
        return tool_result(block) is not None

    def result_id(self, block: Block) -> str | None:
        result = tool_result(block)
        return None if result is None else result["tool_use_id"]

    def with_result_id(self, block: Block, call_id: str) -> Block:
        return {**block, "tool_use_id": call_id}

    def failed_result(self, call_id: str, words: str) -> Block:
        said = [{"type": "text", "text": words}]
        return {"type": "tool_result", "tool_use_id": call_id, "content": said, "is_error": True}


def _drop_unanswered_server_calls(turns: Sequence[Turn], scope: Scope) -> None:
    """Leave out calls that the service has not finished itself, where it cannot go on with them.

    It can where its own turn is the last, or where the caller's results come back that one of its tools waits for;
    else it refuses a call without its result.
    """
    answered = {
        block.get("tool_use_id")
        for turn in turns
        for _, block in turn.blocks
        if turn.role == "assistant" and "tool_use_id" in block
    }
    for index, turn in enumerate(turns):
        following = turns[index + 1] if index + 1 < len(turns) else None
        if turn.role != "assistant" or following is None or following.has("tool_result"):
            continue
        kept: list[tuple[str, Block]] = []
        for path, block in turn.blocks:
            if block.get("type") in SERVER_CALLS and block.get("id") not in answered:
                why = "left out: the service has not finished this call, and does not when somebody else speaks next"
                scope.note("dropped", "server-call-unanswered", path, why)
            else:
                kept.append((path, block))
        turn.blocks = kept
