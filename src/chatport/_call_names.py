"""Names of tools and ids of calls that a service refuses, and what they go as instead.

What is accepted goes as it is. Anything else gets a name made from it alone: the same in every request and process, so
that the beginning of a conversation stays the same, and never one that something else in the request has.
"""

import hashlib
import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Final

_UNUSABLE: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_ALPHABET: Final = string.digits + string.ascii_letters
_TAIL: Final = 12
_SHORT_ID: Final = 9


class ToolNames:
    """The names of one request's tools on the wire. `given_names` leads back.

    For services that take letters, digits, "_" and "-" in names. Any other name goes as what is left of it, with twelve
    hexadecimal digits of its SHA-256.
    """

    def __init__(self, names: Iterable[str] = (), *, max_length: int = 64) -> None:
        """Start a request.

        Args:
            names: All names in the request; those that are accepted go as they are, and no other tool gets one.
            max_length: How many characters the service takes; more than 13.
        """
        self._accepted = re.compile(rf"[a-zA-Z0-9_-]{{1,{max_length}}}")
        self._max_stem = max_length - _TAIL - 1
        self._taken = {name for name in names if self._accepted.fullmatch(name)}
        self._sent: dict[str, str] = {}

    def sent(self, name: str) -> str:
        """Return what a tool is called on the wire."""
        if self._accepted.fullmatch(name):
            return name
        if name not in self._sent:
            stem = _UNUSABLE.sub("_", name)[: self._max_stem]
            number = 0
            while (found := f"{stem}_{_digest(name, number)[:_TAIL]}") in self._taken:
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


class SentCallIds:
    """The ids of one request's calls on the wire.

    Which ids a service takes is the backend's to say. Any other goes as an id made from its SHA-256.
    """

    def __init__(
        self,
        ids: Iterable[str] = (),
        own: Iterable[str] = (),
        *,
        is_plain: Callable[[str], bool],
        prefix: str = "call_",
        is_short: bool = False,
    ) -> None:
        """Start a request.

        Args:
            ids: All ids in the request.
            own: Those that the service issued: they go back as they came, whatever they look like.
            is_plain: Whether an id goes as it is, whoever issued it. What is made here has to be plain too.
            prefix: What an id that is made begins with; 24 hexadecimal digits follow.
            is_short: Whether an id that is made is nine letters and digits instead, as some models want it.
        """
        self.is_plain: Final = is_plain
        """Whether an id goes as it is, whoever issued it."""
        self._own = frozenset(own)
        self._prefix = prefix
        self._is_short = is_short
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
        return call_id in self._own or self.is_plain(call_id)

    def _made(self, call_id: str, number: int) -> str:
        digest = _digest(call_id, number)
        if not self._is_short:
            return f"{self._prefix}{digest[:24]}"
        value = int(digest, 16)
        characters: list[str] = []
        for _ in range(_SHORT_ID):
            value, rest = divmod(value, len(_ALPHABET))
            characters.append(_ALPHABET[rest])
        return "".join(characters)


def _digest(text: str, number: int) -> str:
    # Text from JSON may hold halves of surrogate pairs, which strict UTF-8 refuses.
    return hashlib.sha256(f"{number} {text}".encode(errors="surrogatepass")).hexdigest()
