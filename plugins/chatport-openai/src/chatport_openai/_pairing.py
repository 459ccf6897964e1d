"""Calls of tools and their results brought together: servers want one result for each call, right behind the calls.

They refuse calls without results ("An assistant message with 'tool_calls' must be followed by tool messages …") and
results without calls ("messages with role 'tool' must be a response to a preceding message with 'tool_calls'").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chatport.backend.translation import is_array, is_object
from chatport_openai._scope import Scope
from chatport_openai._turn import Turn

__all__ = ["pair_calls"]

_NO_RESULT: Final = "The call of this tool was interrupted: there is no result."


@dataclass(slots=True)
class _Call:
    """A call: its id as the conversation has it and as it is sent, where it stands, and its result."""

    given_id: str
    sent_id: str
    path: str
    result: Turn | None = None


def pair_calls(turns: Iterable[Turn], scope: Scope) -> list[Turn]:
    """Return turns in which every call is answered once, right behind the message that makes it, and nothing else is.

    What has no call is left out; a call without a result gets one that says so, always the same, so that the beginning
    of the conversation stays the same when it goes on.

    Args:
        turns: The turns; messages of the model are replaced where ids change.
        scope: The request's scope; adjustments are noted there.
    """
    paired: list[Turn] = []
    calls: list[_Call] = []
    between: list[Turn] = []
    for turn in turns:
        if turn.role != "assistant":
            between.append(turn)
            continue
        paired += _answered(calls, between, scope)
        paired.append(turn)
        calls, between = _calls(turn, scope), []
    return [*paired, *_answered(calls, between, scope)]


def _calls(turn: Turn, scope: Scope) -> list[_Call]:
    """The calls of a message; one that repeats an id gets another, because results are told apart by nothing else."""
    entries = turn.message.get("tool_calls")
    if not is_array(entries):
        return []
    calls: list[_Call] = []
    taken: set[str] = set()
    sent_entries: list[object] = []
    for entry, path in zip(entries, turn.call_paths, strict=True):
        if not is_object(entry) or not isinstance(entry.get("id"), str):
            sent_entries.append(entry)
            continue
        given: str = entry["id"]
        if given in taken:
            sent = scope.ids.another(given)
            why = f"the id {given!r} stands in this message twice; here it goes as {sent!r}"
            scope.note("renamed", "call-id-repeated", path, why)
        else:
            sent = scope.call_id(given, path)
        taken.add(given)
        calls.append(_Call(given, sent, path))
        sent_entries.append({**entry, "id": sent})
    turn.message = {**turn.message, "tool_calls": sent_entries}
    return calls


def _answered(calls: list[_Call], between: list[Turn], scope: Scope) -> list[Turn]:
    """The turns behind a message of the model: results in the order of the calls, then all else."""
    rest: list[Turn] = []
    last_rank = -1
    is_moved = False
    for turn in between:
        if turn.role != "tool":
            rest.append(turn)
            continue
        rank = _match(turn, calls, scope)
        if rank is not None:
            is_moved = is_moved or rank < last_rank or bool(rest)
            last_rank = max(rank, last_rank)
    if is_moved:
        why = "results of tools come right behind their calls, in the same order"
        scope.note("lossless", "results-reordered", between[0].path, why)
    results = [call.result or _interrupted(call, scope) for call in calls]
    beside = [block for result in results for block in result.beside]
    if beside and rest and rest[0].role == "user":
        rest[0].blocks = [*beside, *rest[0].blocks]
    elif beside:
        rest.insert(0, Turn("user", results[-1].path, blocks=beside))
    return [*results, *rest]


def _match(turn: Turn, calls: list[_Call], scope: Scope) -> int | None:
    """Give a result to its call and return its place; leave out one that has none."""
    given = turn.message["tool_call_id"]
    same = [rank for rank, call in enumerate(calls) if call.given_id == given]
    rank = next((rank for rank in same if calls[rank].result is None), None)
    if rank is None:
        code = "duplicate-result" if same else "orphan-result"
        which = "that was not answered yet " if same else ""
        why = f"the result is left out: no call {which}with the id {given!r} stands in the message before it"
        scope.note("dropped", code, turn.path, why)
        return None
    turn.message = {**turn.message, "tool_call_id": calls[rank].sent_id}
    calls[rank].result = turn
    return rank


def _interrupted(call: _Call, scope: Scope) -> Turn:
    why = "nothing answers this call, which is refused; a result says that it was interrupted"
    scope.note("changed", "call-unanswered", call.path, why)
    return Turn("tool", call.path, {"role": "tool", "tool_call_id": call.sent_id, "content": _NO_RESULT})
