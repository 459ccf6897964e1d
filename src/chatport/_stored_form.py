"""A turn as rows of a database: text, and the bytes of its media beside it, each once under its SHA-256.

The text is that of `dump_messages`, but the `data` of a medium is the hash of its bytes.
What is written here is read for ever: a change that an older chatport would misread is a new `FORMAT`.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from chatport._events import Usage
from chatport._json import parse_json
from chatport._media import Document, Media
from chatport._messages import Message, Part, Text, ToolResult
from chatport._serialize import dump_messages, load_messages
from chatport._store import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FORMAT = 1

_TITLE = 80  # characters
_AROUND = 60  # characters of an excerpt on either side
MOST_WORDS = 100  # of one search; SQLite takes no expression that is a thousand deep
_COUNTS = tuple(item.name for item in fields(Usage) if item.name not in {"complete", "raw"})


@dataclass(frozen=True, slots=True)
class EncodedMessages:
    """Messages as they are stored.

    Attributes:
        text: JSON, in ASCII.
        blobs: The bytes of their media, by hash.
        words: What a search looks at, folded.
    """

    text: str
    blobs: dict[bytes, bytes]
    words: str


def encode_messages(messages: Sequence[Message]) -> EncodedMessages:
    """Return messages as they are stored.

    Raises:
        TypeError: As `dump_messages`.
        ValueError: As `dump_messages`.
    """
    blobs: dict[bytes, bytes] = {}

    def detach(data: bytes) -> bytes:
        digest = hashlib.sha256(data).digest()
        blobs[digest] = data
        return digest

    text = dump_messages(_with_data(messages, detach))
    return EncodedMessages(text, blobs, words_of(messages))


def decode_messages(text: str, blob: Callable[[bytes], bytes]) -> tuple[Message, ...]:
    """Return the messages that are stored.

    Args:
        text: Their text.
        blob: Returns the bytes of a hash.

    Raises:
        ValueError: The text is damaged, or was written by a newer chatport.
    """
    return _with_data(load_messages(text), blob)


def _with_data(messages: Sequence[Message], data: Callable[[bytes], bytes]) -> tuple[Message, ...]:
    """Return messages with the bytes of their media replaced; what has none stays the very same value."""
    return tuple(
        message if (parts := _parts_with_data(message.parts, data)) is message.parts else replace(message, parts=parts)
        for message in messages
    )


def _parts_with_data(parts: tuple[Part, ...], data: Callable[[bytes], bytes]) -> tuple[Part, ...]:
    changed = tuple(_part_with_data(part, data) for part in parts)
    return parts if all(new is old for new, old in zip(changed, parts, strict=True)) else changed


def _part_with_data(part: Part, data: Callable[[bytes], bytes]) -> Part:
    if isinstance(part, Media) and part.data is not None:
        return replace(part, data=data(part.data))
    if isinstance(part, ToolResult):
        content = _parts_with_data(part.content, data)
        if content is not part.content:
            return ToolResult(part.id, content, part.is_error, metadata=part.metadata)
    return part


# --- usage -----------------------------------------------------------------------------------------------------------


def usage_text(usage: Usage) -> str:
    """Return a usage as JSON: what was reported, without the service's own figures."""
    known = {name: count for name in _COUNTS if (count := getattr(usage, name)) is not None}
    return json.dumps(known if usage.complete else {**known, "complete": False}, separators=(",", ":"))


def usage_from_text(text: str) -> Usage:
    """Return the usage that a text says.

    Raises:
        ValueError: It says none.
    """
    stored = parse_json(text)
    record = cast("dict[str, Any]", stored if isinstance(stored, dict) else {"": None})
    complete = record.pop("complete", True)
    if not isinstance(complete, bool) or any(
        name not in _COUNTS or type(count) is not int for name, count in record.items()
    ):
        raise ValueError("usage: must be numbers of tokens by name")
    return Usage(**record, complete=complete)


# --- claims ---------------------------------------------------------------------------------------------------------


def claim_text(claim: Claim) -> str:
    """Return a claim as JSON."""
    record = {"worker": claim.worker, "claimed_at": claim.claimed_at.isoformat(), "calls": claim.calls}
    return json.dumps(record, separators=(",", ":"))


def claim_from_text(text: str) -> Claim:
    """Return the claim that a text says.

    Raises:
        ValueError: It says none.
    """
    stored = parse_json(text)
    record = cast("dict[str, Any]", stored if isinstance(stored, dict) else {})
    worker, moment, calls = (record.get(name) for name in ("worker", "claimed_at", "calls"))
    if not (isinstance(worker, str) and isinstance(moment, str) and isinstance(calls, list)):
        raise ValueError("claim: must say a worker, a time and calls")  # noqa: TRY004 - it is the text that is wrong
    return Claim(worker, datetime.fromisoformat(moment), tuple(map(str, cast("list[object]", calls))))


# --- words -----------------------------------------------------------------------------------------------------------


def fold(text: str) -> str:
    """Return text as a search compares it: cases are one, and so are the ways to write one character."""
    return _normal(text).casefold()


def search_words(text: str) -> tuple[str, ...]:
    """Return the words to look for, folded, each once.

    Raises:
        ValueError: There are too many.
    """
    words = tuple(dict.fromkeys(fold(text).split()))
    if len(words) > MOST_WORDS:
        message = f"a search is for at most {MOST_WORDS} different words, not {len(words)}"
        raise ValueError(message)
    return words


def _normal(text: str) -> str:
    # Half characters and zeros, which databases do not take, are nothing that anybody looks for.
    plain = text.encode("utf-8", "replace").decode().replace("\x00", " ")
    return unicodedata.normalize("NFC", plain)


def words_of(messages: Sequence[Message]) -> str:
    """Return what a search looks at, folded: text, also in results of tools, and names of documents."""
    return fold("\n".join(_texts(messages)))


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield from _texts_of(message.parts)


def _texts_of(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text(text=text) if text:
                yield text
            case Document(name=str(name)):
                yield name
            case ToolResult(content=content):
                yield from _texts_of(content)
            case _:
                pass


def title_of(messages: Sequence[Message]) -> str:
    """Return how a conversation begins: the first words of the user, on one line."""
    for message in messages:
        text = one_line(message.text) if message.role == "user" else ""
        if text:
            return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"
    return ""


def excerpt_of(messages: Sequence[Message], word: str) -> str:
    """Return the words around the first place where a folded word stands."""
    for text in _texts(messages):
        normal = _normal(text)
        found = normal.casefold().find(word)
        if found >= 0:
            start, end = _place(normal, found), _place(normal, found + len(word))
            before, after = max(start - _AROUND, 0), min(end + _AROUND, len(normal))
            inner = one_line(normal[before:after])
            return ("…" if before else "") + inner + ("…" if after < len(normal) else "")
    return ""


def _place(text: str, folded: int) -> int:
    """Return where in a text a place of its folded form is: one character may fold to several."""
    length = 0
    for place, character in enumerate(text):
        if length >= folded:
            return place
        length += len(character.casefold())
    return len(text)


def one_line(text: str) -> str:
    """Return a text as one line of characters that can be printed."""
    return " ".join("".join(character if character.isprintable() else " " for character in _normal(text)).split())
