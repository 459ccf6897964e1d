"""A content block put together again from the pieces of a stream, the way it would stand in a whole answer.

For blocks that have no delta of their own in chatport: they are collected and come out whole. What a piece means is
known for `toolResult` and `image` only; of other kinds it is the best that can be guessed from these and from
`toolUse`: pieces of text are joined, lists continued, objects merged member by member.
"""

from base64 import b64decode, b64encode
from itertools import chain
from typing import Any

from chatport.backend.translation import is_object

__all__ = ["RawBlock"]


class RawBlock:
    """Collects the pieces of one block.

    Attributes:
        start: The block's `contentBlockStart.start`; None where it began with a delta.
        deltas: Its deltas so far, in order.
    """

    __slots__ = ("deltas", "start")

    def __init__(self, start: dict[str, Any] | None) -> None:
        self.start = start
        self.deltas: list[dict[str, Any]] = []

    def block(self) -> dict[str, Any]:
        """Return the block, a union with one member as far as the pieces agree."""
        if not self.start:
            return _merged_objects(self.deltas)
        kind, begun = next(iter(self.start.items()))
        pieces = [_piece(kind, name, value) for delta in self.deltas for name, value in delta.items()]
        if not is_object(begun):
            return {**self.start, kind: _merged([begun, *pieces])} if pieces else self.start
        return {**self.start, kind: _completed(begun, _merged_objects(pieces))}


def _piece(kind: str, name: str, value: Any) -> dict[str, Any]:
    """One delta as members of the block's value; of a `toolResult` the delta is the list of its content."""
    if name != kind:
        return {name: value}
    return value if is_object(value) else {"content": value}


def _completed(begun: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """A block's value from what its start said and what its deltas added; a value said twice stands once."""
    repeated = {name for name in begun.keys() & rest.keys() if begun[name] == rest[name]}
    return _merged_objects([begun, {name: value for name, value in rest.items() if name not in repeated}])


def _merged_objects(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    members: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, value in piece.items():
            members.setdefault(name, []).append(value)
    return {name: _joined_base64(values) if name == "bytes" else _merged(values) for name, values in members.items()}


def _merged(values: list[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    if all(isinstance(value, list) for value in values):
        return list(chain.from_iterable(values))
    if all(isinstance(value, dict) for value in values):
        return _merged_objects(values)
    return values[-1]


def _joined_base64(values: list[Any]) -> Any:
    """Base64 in pieces: cut as text, or encoded piece by piece, which padding in the middle gives away."""
    if not all(isinstance(value, str) for value in values) or not any(value.endswith("=") for value in values[:-1]):
        return _merged(values)
    try:
        return b64encode(b"".join(b64decode(value, validate=True) for value in values)).decode("ascii")
    except ValueError:  # binascii.Error is one, and so is what a character outside ASCII raises
        return _merged(values)
