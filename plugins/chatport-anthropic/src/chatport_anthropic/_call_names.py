"""Names of tools and ids of calls that the service refuses, and what they go as instead.

What is accepted goes as it is. Anything else gets a name made from it alone: the same in every request and process, so
that the beginning of a conversation stays the same, and never one that something else in the request has.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["CallIds", "ToolNames"]

# The service names both patterns where it refuses one.
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_UNUSABLE: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_MAX_STEM: Final = 115  # with "_" and twelve hexadecimal digits 128 characters


class ToolNames:
    """The names of one request's tools on the wire. `given_names` leads back."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Start a request.

        Args:
            names: All names in the request; those that are accepted go as they are, and no other tool gets one.
        """
        self._taken = {name for name in names if _TOOL_NAME.fullmatch(name)}
        self._sent: dict[str, str] = {}

    def sent(self, name: str) -> str:
        """Return what a tool is called on the wire."""
        if _TOOL_NAME.fullmatch(name):
            return name
        if name not in self._sent:
            stem = _UNUSABLE.sub("_", name)[:_MAX_STEM]
            number = 0
            while (found := f"{stem}_{_digest(name, number)[:12]}") in self._taken:
                number += 1
            self._taken.add(found)
            self._sent[name] = found
        return self._sent[name]

    def has_sent(self, name: str) -> bool:
        """Whether a tool has been given another name already."""
        return name in self._sent

    def given_names(self) -> Mapping[str, str]:
        """Return the caller's names by those on the wire, of the tools that were renamed."""
        return {sent: name for name, sent in self._sent.items()}


class CallIds:
    """The ids of one request's calls on the wire."""

    def __init__(self, ids: Iterable[str] = (), own: Iterable[str] = ()) -> None:
        """Start a request.

        Args:
            ids: All ids in the request.
            own: Those that the service issued: they go back as they came, whatever they look like.
        """
        self._own = frozenset(own)
        self._taken = {found for found in ids if self._is_accepted(found)}
        self._sent: dict[str, str] = {}
        self._next_number: dict[str, int] = {}

    def sent(self, call_id: str) -> str:
        """Return the id on the wire."""
        if self._is_accepted(call_id):
            return call_id
        if call_id not in self._sent:
            self._sent[call_id] = self.another(call_id)
        return self._sent[call_id]

    def another(self, call_id: str) -> str:
        """Return an id that nothing in the request has yet, made from this one."""
        number = self._next_number.get(call_id, 0)
        while (found := f"toolu_{_digest(call_id, number)[:24]}") in self._taken:
            number += 1
        self._next_number[call_id] = number + 1
        self._taken.add(found)
        return found

    @staticmethod
    def is_plain(call_id: str) -> bool:
        """Whether an id goes as it is, whoever issued it."""
        return _CALL_ID.fullmatch(call_id) is not None

    def _is_accepted(self, call_id: str) -> bool:
        return call_id in self._own or self.is_plain(call_id)


def _digest(text: str, number: int) -> str:
    # Text from JSON may hold halves of surrogate pairs, which strict UTF-8 refuses.
    return hashlib.sha256(f"{number} {text}".encode(errors="surrogatepass")).hexdigest()
