"""Calls of tools and their results brought together: the service wants one result for each call of the turn before.

It refuses a call without a result, a result without a call, and one id twice in a turn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chatport_anthropic._scope import Block, Scope
from chatport_anthropic._turn import SERVER_CALLS, Turn, client_call, tool_result

__all__ = ["pair_calls"]

_NO_RESULT: Final = "The call of this tool was interrupted: there is no result."


@dataclass(slots=True)
class _Call:
    """A call: its id as the conversation has it and as it is sent, and where it stands."""

    given_id: str
    sent_id: str
    path: str
    is_answered: bool = False


def pair_calls(turns: Iterable[Turn], scope: Scope) -> list[Turn]:
    """Return turns in which every call is answered once, in the turn after it, and nothing else is.

    Results come first in their turn, in the order of the calls. What has no call is left out; a call without a result
    gets one that says so, always the same, so that the beginning of the conversation stays the same when it goes on.

    Args:
        turns: Turns of which no two in a row have one role; their lists of blocks are changed.
        scope: The request's scope; adjustments are noted there.
    """
    paired: list[Turn] = []
    calls: list[_Call] = []
    for turn in turns:
        if turn.role == "assistant":
            if calls:  # nobody has answered what the turn before asked for
                paired.append(_answered(Turn("user", turn.path), calls, scope))
            if paired and paired[-1].role == "assistant":  # nothing was left of the turn between them
                paired[-1].blocks += turn.blocks
            else:
                paired.append(turn)
            calls = _calls(paired[-1], scope)
            continue
        if turn.role == "user":
            _answered(turn, calls, scope)
            calls = []
        elif calls:
            paired.append(_answered(Turn("user", turn.path), calls, scope))
            calls = []
        if turn.blocks:
            paired.append(turn)
    if calls:
        paired.append(_answered(Turn("user", paired[-1].path), calls, scope))
    _drop_unanswered_server_calls(paired, scope)
    return [turn for turn in paired if turn.blocks]


def _calls(turn: Turn, scope: Scope) -> list[_Call]:
    """The calls of a turn; one that repeats an id gets another, because results are told apart by nothing else."""
    calls: list[_Call] = []
    taken: set[str] = set()
    for index, (path, block) in enumerate(turn.blocks):
        call = client_call(block)
        if call is None:
            continue
        given: str = call["id"]
        sent = scope.ids.another(given) if given in taken else given
        if sent != given:
            why = f"the id {given!r} stands in this turn twice; here it goes as {sent!r}"
            scope.note("renamed", "call-id-repeated", path, why)
            turn.blocks[index] = (path, {**call, "id": sent})
        taken.add(sent)
        calls.append(_Call(given, sent, path))
    return calls


def _answered(turn: Turn, calls: Sequence[_Call], scope: Scope) -> Turn:
    """The turn, changed: with a result for each call, in their order, before all else."""
    if not calls and not turn.has("tool_result"):
        return turn
    _match(turn, calls, scope)
    _put_results_first(turn, [call.sent_id for call in calls], scope)
    for rank, call in enumerate(calls):
        if call.is_answered:
            continue
        why = "nothing answers this call, which the service refuses; an error result says that it was interrupted"
        scope.note("changed", "call-unanswered", call.path, why)
        said = [{"type": "text", "text": _NO_RESULT}]
        block: Block = {"type": "tool_result", "tool_use_id": call.sent_id, "content": said, "is_error": True}
        turn.blocks.insert(rank, (call.path, block))
    return turn


def _match(turn: Turn, calls: Sequence[_Call], scope: Scope) -> None:
    """Give each result to its call; leave out those that have none, with all else that came of them."""
    orphans: set[str] = set()
    for index, (path, block) in enumerate(turn.blocks):
        result = tool_result(block)
        if result is None:
            continue
        given = result["tool_use_id"]
        same = [call for call in calls if call.given_id == given]
        call = next((call for call in same if not call.is_answered), None)
        if call is None:
            orphans.add(path)
            code = "duplicate-result" if same else "orphan-result"
            which = "that was not answered yet " if same else ""
            why = f"the result is left out: no call {which}with the id {given!r} stands in the turn before it"
            scope.note("dropped", code, path, why)
            continue
        call.is_answered = True
        if call.sent_id != given:
            turn.blocks[index] = (path, {**result, "tool_use_id": call.sent_id})
    if orphans:
        turn.blocks = [(path, block) for path, block in turn.blocks if path not in orphans]


def _put_results_first(turn: Turn, calls: Sequence[str], scope: Scope) -> None:
    """Move results of tools to the front, in the order of their calls; all else keeps its order."""
    ranks = {call_id: rank for rank, call_id in enumerate(calls)}

    def rank_of(entry: tuple[str, Block]) -> int:
        result = tool_result(entry[1])
        return len(ranks) if result is None else ranks[result["tool_use_id"]]

    ordered = sorted(turn.blocks, key=rank_of)
    moved = [new for old, new in zip(turn.blocks, ordered, strict=True) if old is not new]
    if moved:
        why = "results of tools come first in their turn, in the order of the calls"
        scope.note("lossless", "results-reordered", moved[0][0], why)
        turn.blocks = ordered


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
