"""Turns in the shape that a model's family takes: who begins, who ends, and what may stand in one turn.

What the families differ in is in the table of models; of a model that it does not know nothing is changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatport_bedrock._scope import Block, Scope
from chatport_bedrock._turn import Role, Turn, is_tool_change

__all__ = ["shape_turns"]

# A turn needs a visible character, and this one says least.
_NOTHING_SAID: Final = "."
_GO_ON: Final = "Continue."
# Blocks that a family may refuse beside results; the others are marks, or the service's own business.
_SPOKEN: Final = frozenset({"audio", "document", "image", "text", "video"})
_SPOKEN_BY_MODELS: Final = sorted({*_SPOKEN, "citationsContent"})
# What may stand in a turn with results although nothing else may.
_BESIDE_ALL: Final = frozenset({"cachePoint", "toolAddition", "toolRemoval", "toolResult"})


def shape_turns(turns: Sequence[Turn], scope: Scope) -> list[Turn]:
    """Return turns that the requested model takes.

    Args:
        turns: Turns that alternate, calls paired with results. They may be changed.
        scope: The request's scope; adjustments are noted there.
    """
    shaped = list(_separated(turns, scope))
    if not shaped:
        return []
    can = scope.capabilities
    # Changes of the tools may stand before the first turn; they are nobody's.
    first = next((turn for turn in shaped if not all(is_tool_change(block) for _, block in turn.blocks)), shaped[0])
    if first.role == "assistant" and not can.leading_assistant:
        path = first.blocks[0][0]
        why = f"this model wants the user to begin: {_NOTHING_SAID!r} is put before what the model said"
        scope.note("changed", "leading-turn-added", path, why)
        shaped.insert(shaped.index(first), _words("user", path, _NOTHING_SAID))
    if shaped[-1].role == "assistant":
        if not can.prefill:
            path = shaped[-1].blocks[-1][0]
            why = f"this model does not go on writing a message of its own: the user says {_GO_ON!r} behind it"
            scope.note("changed", "prefill-refused", path, why)
            shaped.append(_words("user", path, _GO_ON))
        elif not can.prefill_trailing_space:
            _trim_end(shaped[-1], scope)
    return shaped


def _words(role: Role, path: str, words: str) -> Turn:
    return Turn(role, [(path, {"text": words})])


def _separated(turns: Iterable[Turn], scope: Scope) -> Iterator[Turn]:
    """The turns, those taken apart that the model does not take as one; the other side says next to nothing between."""
    for turn in turns:
        first, second = _halves(turn, scope)
        if not first or not second:
            yield turn
            continue
        path = second[0][0]
        what = "results of tools" if turn.role == "user" else "calls of tools"
        why = f"this model takes {what} in a turn of their own: {_NOTHING_SAID!r} stands between them and the rest"
        scope.note("changed", "turn-separated", path, why)
        yield Turn(turn.role, first)
        yield _words("assistant" if turn.role == "user" else "user", path, _NOTHING_SAID)
        yield Turn(turn.role, second)


_Blocks = list[tuple[str, Block]]


def _halves(turn: Turn, scope: Scope) -> tuple[_Blocks, _Blocks]:
    """What goes first and what goes in another turn behind it: results come first, calls come last."""
    can = scope.capabilities
    if turn.role == "user":
        if not turn.has(["toolResult"]):
            return turn.blocks, []
        refused = _SPOKEN - can.beside_results
        apart = [entry for entry in turn.blocks if _kind(entry) in refused]
        if can.results_alone and any(_kind(entry) not in _BESIDE_ALL for entry in turn.blocks):
            apart = [entry for entry in turn.blocks if "toolResult" not in entry[1]]
        return [entry for entry in turn.blocks if not any(entry is other for other in apart)], apart
    if can.text_beside_calls or not (turn.has(["toolUse"]) and turn.has(_SPOKEN_BY_MODELS)):
        return turn.blocks, []
    return (
        [entry for entry in turn.blocks if "toolUse" not in entry[1]],
        [entry for entry in turn.blocks if "toolUse" in entry[1]],
    )


def _kind(entry: tuple[str, Block]) -> str:
    return next(iter(entry[1]), "")


def _trim_end(turn: Turn, scope: Scope) -> None:
    """Take white space off the end of what the model is to go on writing; beside reasoning it may be all there is."""
    path, block = turn.blocks[-1]
    text = block.get("text")
    if not isinstance(text, str) or text == text.rstrip():
        return
    trimmed = text.rstrip()
    if not trimmed and len(turn.blocks) == 1:
        return
    why = "this model refuses white space at the end of a message that it is to go on writing; it is taken off"
    scope.note("changed", "prefill-trimmed", path, why)
    turn.blocks[-1:] = [(path, {"text": trimmed})] if trimmed else []
