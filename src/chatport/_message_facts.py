"""What a function says of a message, worked out once for as long as the message is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import ref

from chatport._messages import Message

_FactT = TypeVar("_FactT")


class _Reference(ref[Message]):
    """A weak reference that knows where it is kept."""

    __slots__ = ("place",)
    place: int


class MessageFacts(Generic[_FactT]):
    """A function of one message that is called once for each: messages are values, they do not change.

    Of a long history all but the newest messages are the same objects in every request. They are told apart by
    identity, as comparing or hashing them would cost as much as reading them; and held weakly, so that what is known
    goes with the message, and a medium in it is not kept.
    """

    def __init__(self, function: Callable[[Message], _FactT]) -> None:
        """Know nothing yet.

        Args:
            function: What is to be known of a message; it depends on nothing else.
        """
        self._function = function
        self._known: dict[int, tuple[_Reference, _FactT]] = {}

    def __len__(self) -> int:
        """Return of how many messages something is known."""
        return len(self._known)

    def __call__(self, message: Message) -> _FactT:
        """Return what the function says of a message."""
        place = id(message)
        known = self._known.get(place)
        # Another thread may be at the same message; then both work it out, and the later one stays.
        if known is not None and known[0]() is message:
            return known[1]
        fact = self._function(message)
        reference = _Reference(message, self._forget)
        reference.place = place
        self._known[place] = (reference, fact)
        return fact

    def _forget(self, reference: _Reference) -> None:
        # The message is gone, its address is not free yet: nobody else's fact can stand there.
        self._known.pop(reference.place, None)
