"""Names of tools and ids of calls that a server refuses, and what they go as instead.

What is accepted goes as it is. Anything else gets a name made from it alone: the same in every request and process, so
that the beginning of a conversation stays the same, and never one that something else in the request has.
"""

import hashlib
import re
import string
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["CallIds", "ToolNames"]

# OpenAI's documentation of functions; servers that take more take these too.
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNUSABLE: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_ALPHABET: Final = string.digits + string.ascii_letters
_MAX_STEM: Final = 51  # with "_" and twelve hexadecimal digits 64 characters
_SHORT_ID: Final = 9


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

    def __init__(self, ids: Iterable[str] = (), own: Iterable[str] = (), pattern: str | None = None) -> None:
        """Start a request.

        Args:
            ids: All ids in the request.
            own: Those that the server issued: they go back as they came, whatever they look like.
            pattern: What the server wants an id to match as a whole; None for anything.
        """
        self._own = frozenset(own)
        self._pattern = None if pattern is None else re.compile(pattern)
        self._is_short = pattern is not None and self._pattern is not None and not self._pattern.fullmatch("call_0")
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
        while (found := self._made(call_id, number)) in self._taken:
            number += 1
        self._next_number[call_id] = number + 1
        self._taken.add(found)
        return found

    def _is_accepted(self, call_id: str) -> bool:
        if call_id in self._own:
            return True
        return bool(call_id) and (self._pattern is None or self._pattern.fullmatch(call_id) is not None)

    def _made(self, call_id: str, number: int) -> str:
        digest = _digest(call_id, number)
        if not self._is_short:
            return f"call_{digest[:24]}"
        # Letters and digits only, and few of them: Mistral wants nine.
        value = int(digest, 16)
        characters: list[str] = []
        for _ in range(_SHORT_ID):
            value, rest = divmod(value, len(_ALPHABET))
            characters.append(_ALPHABET[rest])
        return "".join(characters)


def _digest(text: str, number: int) -> str:
    # Text from JSON may hold halves of surrogate pairs, which strict UTF-8 refuses.
    return hashlib.sha256(f"{number} {text}".encode(errors="surrogatepass")).hexdigest()
