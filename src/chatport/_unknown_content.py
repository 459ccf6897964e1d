"""What a decoder finds in an answer and does not know: kept for the metadata, up to a bound."""

from typing import Any, Final

_MAX_ENTRIES: Final = 32
_MAX_CHARACTERS: Final = 64 * 1024


class UnknownContent:
    """Keeps what an answer holds and a decoder does not know, up to a bound, and counts what goes beyond it.

    Services add to what they say, and a decoder of today drops none of it in silence: it comes out at the end, as
    `MessageEnd.metadata[backend]["unknown"]`. That is a list of what was seen, in order, at most 32 entries and about
    64 Ki characters, and at its end `{"left_out": n}` if there was more.
    """

    __slots__ = ("_characters", "_kept", "_left_out")

    def __init__(self) -> None:
        """Begin an answer."""
        self._kept: list[dict[str, Any]] = []
        self._characters = 0
        self._left_out = 0

    def add(self, found: dict[str, Any]) -> None:
        """Keep one thing: a JSON object that says what was found and where."""
        size = len(repr(found))  # near enough to its size as JSON
        if len(self._kept) >= _MAX_ENTRIES or self._characters + size > _MAX_CHARACTERS:
            self._left_out += 1
            return
        self._kept.append(found)
        self._characters += size

    def metadata(self) -> dict[str, Any]:
        """Return what was kept, as the member `"unknown"` for the metadata; empty where there is nothing."""
        left_out = [{"left_out": self._left_out}] if self._left_out else []
        found = [*self._kept, *left_out]
        return {"unknown": found} if found else {}
