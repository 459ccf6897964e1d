"""Calls of tools and their results brought together: the service wants one result for each call of the turn before.

It refuses a call without a result ("Expected toolResult blocks at …"), a result without a call ("The number of
toolResult blocks … exceeds the number of toolUse blocks of previous turn") and one id twice in a turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chatport.backend.translation import CallPairs
from chatport_bedrock._cache_points import drop_lone_points
from chatport_bedrock._scope import Block, Scope
from chatport_bedrock._turn import Turn, client_call, tool_result

__all__ = ["pair_calls"]


def pair_calls(turns: Iterable[Turn], scope: Scope) -> list[Turn]:
    """Return turns in which every call is answered once, in the turn after it, and nothing else is.

    Results come first in their turn, in the order of the calls. What has no call is left out; a call without a result
    gets one that says so, always the same, so that the beginning of the conversation stays the same when it goes on.

    Args:
        turns: Turns that alternate; their lists of blocks are changed.
        scope: The request's scope; adjustments are noted there.
    """
    paired: list[Turn] = []
    pairs = CallPairs(_CallForm(has_status=scope.capabilities.result_status), scope, service="Bedrock")
    for turn in turns:
        if turn.role == "assistant":
            if paired and paired[-1].role == "assistant":  # nothing was left of the turn between them
                paired[-1].blocks += turn.blocks
            else:
                paired.append(turn)
            pairs.open_calls(paired[-1].blocks)
            continue
        pairs.answer_calls(turn.blocks)
        drop_lone_points(turn, scope)
        if turn.blocks:
            paired.append(turn)
    if pairs.has_open_calls:
        last = Turn("user")
        pairs.answer_calls(last.blocks)
        paired.append(last)
    return paired


@dataclass(frozen=True, slots=True)
class _CallForm:
    """Calls and results as Converse has them; not every model takes the status of a result."""

    has_status: bool

    def call_id(self, block: Block) -> str | None:
        call = client_call(block)
        return None if call is None else call["toolUseId"]

    def with_call_id(self, block: Block, call_id: str) -> Block:
        return {"toolUse": {**block["toolUse"], "toolUseId": call_id}}

    def is_result(self, block: Block) -> bool:
        return "toolResult" in block

    def result_id(self, block: Block) -> str | None:
        result = tool_result(block)
        return None if result is None else result["toolUseId"]

    def with_result_id(self, block: Block, call_id: str) -> Block:
        return {"toolResult": {**block["toolResult"], "toolUseId": call_id}}

    def failed_result(self, call_id: str, words: str) -> Block:
        status = {"status": "error"} if self.has_status else {}
        return {"toolResult": {"toolUseId": call_id, "content": [{"text": words}], **status}}
