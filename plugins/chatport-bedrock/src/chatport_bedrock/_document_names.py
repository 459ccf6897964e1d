"""Names of documents: what the service accepts, each one once in a request.

The service takes ASCII letters and digits, single spaces, hyphens, parentheses and square brackets, 1 to 200 characters
(reference of `DocumentBlock`); underscores, which the reference leaves out, are accepted as well (recorded). It refuses
a name that occurs twice anywhere in a request. A name depends only on what stands before it in the conversation, so a
conversation that grows keeps the beginning of its requests, and with it the service's prompt cache.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from chatport_bedrock._media_formats import format_endings

__all__ = ["DEFAULT_NAME", "MAX_NAME_LENGTH", "DocumentNames", "clean_name"]

MAX_NAME_LENGTH: Final = 200
DEFAULT_NAME: Final = "document"
"""What a document is called that has no name, or none with a usable character."""

_ALLOWED: Final = r"A-Za-z0-9_\-()\[\]"
_VALID: Final = re.compile(rf"[{_ALLOWED}]+(?: [{_ALLOWED}]+)*")
_UNUSABLE: Final = re.compile(rf"[^{_ALLOWED} ]+")


class DocumentNames:
    """Gives each document of one request a name that is accepted and that no other document has."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        """Start a request.

        Args:
            reserved: Names that are sent as they stand; no other document gets one of them.
        """
        self._taken = set(reserved)
        self._next_number: dict[str, int] = {}

    def claim(self, wanted: str | None, wire_format: str | None) -> str:
        """Return the name for the next document: the wanted one where that is possible.

        Args:
            wanted: What the caller calls it, such as a file's name; None leaves it to us.
            wire_format: The document's format; an ending that only repeats it is cut off a name that has to change.
        """
        base = DEFAULT_NAME if wanted is None else clean_name(wanted, wire_format)
        name = base
        while name in self._taken:
            number = self._next_number.get(base, 2)
            self._next_number[base] = number + 1
            suffix = f"-{number}"
            name = base[: MAX_NAME_LENGTH - len(suffix)].rstrip(" ") + suffix
        self._taken.add(name)
        return name


def clean_name(name: str, wire_format: str | None = None) -> str:
    """Return a name that the service accepts; one that it accepts already comes back unchanged.

    Accents are taken off letters, a dot and anything else that is not allowed becomes a hyphen.
    """
    if len(name) <= MAX_NAME_LENGTH and _VALID.fullmatch(name):
        return name
    stem, dot, ending = name.rpartition(".")
    if dot and wire_format is not None and ending.lower() in format_endings(wire_format):
        name = stem
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(character for character in decomposed if not unicodedata.combining(character))
    cleaned = _UNUSABLE.sub("-", re.sub(r"\s+", " ", letters))
    return cleaned.strip("- ")[:MAX_NAME_LENGTH].rstrip("- ") or DEFAULT_NAME
