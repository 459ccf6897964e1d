"""Rows of a SQLite store, and the values that they stand for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from chatport._errors import StoreError
from chatport._events import Usage
from chatport._store import SearchHit, SessionSummary, StoredTurn
from chatport._stored_form import (
    FORMAT,
    claim_text,
    decode_messages,
    encode_messages,
    excerpt_of,
    title_of,
    usage_from_text,
    usage_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from chatport._messages import Message
    from chatport._store import Claim

_T = TypeVar("_T")

SUMMARY = "s.id, s.version, s.title, s.turns, s.model, s.usage, s.created_at, s.updated_at"


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A turn as a row, ready to be written."""

    text: str
    words: str
    model: str
    usage: str
    created_at: str
    blobs: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Addition:
    """A new version of a session, ready to be written: making one takes time, and no lock.

    Attributes:
        session: The session's id.
        rows: The new turns.
        title: What the first of them would be called.
        version: The version that was seen.
        keep: How many of the present turns stay; None keeps all.
        usage: What to add to the sum.
        claim: Who runs the calls at its end, as text; None for nobody.
    """

    session: str
    rows: tuple[TurnRow, ...]
    title: str
    version: str | None
    keep: int | None
    usage: Usage
    claim: str | None

    @classmethod
    def of(
        cls,
        session: str,
        turns: Sequence[StoredTurn],
        *,
        version: str | None,
        keep: int | None,
        usage: Usage,
        claim: Claim | None,
    ) -> Addition:
        """Prepare one.

        Raises:
            StoreError: A turn holds something that cannot be stored.
        """
        rows = tuple(row_of(turn) for turn in turns)
        title = next((title for turn in turns if (title := title_of(turn.messages))), "")
        return cls(session, rows, title, version, keep, usage, None if claim is None else claim_text(claim))


def row_of(turn: StoredTurn) -> TurnRow:
    """Return a turn as a row.

    Raises:
        StoreError: It holds something that cannot be stored.
    """
    try:
        encoded = encode_messages(turn.messages)
        turn.model.encode()  # SQLite takes no half characters either
    except (TypeError, ValueError) as error:
        message = f"the turn cannot be stored: {error}"
        raise StoreError(message) from error
    return TurnRow(
        encoded.text, encoded.words, turn.model, usage_text(turn.usage), time_text(turn.created_at), encoded.blobs
    )


def turn_of(row: tuple[Any, ...], blobs: dict[bytes, bytes]) -> StoredTurn:
    """Return the turn of a row.

    Args:
        row: Format, messages, model, usage and time.
        blobs: The bytes of its media, by hash.

    Raises:
        ValueError: The row is damaged, or of a newer chatport.
    """
    format_, text, model, usage, created_at = row

    def blob(digest: bytes) -> bytes:
        if digest not in blobs:
            raise ValueError("the content of a medium is missing")
        return blobs[digest]

    messages = _messages_of(format_, text, blob)
    return StoredTurn(messages, usage_from_text(usage), checked(model, str), datetime.fromisoformat(created_at))


def _messages_of(format_: object, text: str, blob: Callable[[bytes], bytes]) -> tuple[Message, ...]:
    if checked(format_, int) > FORMAT:
        raise ValueError("a turn was written by a newer chatport")
    return decode_messages(text, blob)


def checked(value: object, kind: type[_T]) -> _T:
    """Return the value of a column: damage can be of any type, as SQLite says of a type only what it would prefer.

    Raises:
        ValueError: It is of another type.
    """
    if not isinstance(value, kind):
        message = f"there is a {type(value).__name__} in the place of a {kind.__name__}"
        raise ValueError(message)  # noqa: TRY004 - it is the file that is wrong
    return value


def summary_of(row: tuple[Any, ...]) -> SessionSummary:
    """Return the summary of a row.

    Args:
        row: The columns `SUMMARY`.

    Raises:
        ValueError: The row is damaged.
    """
    session, version, title, turns, model, usage, created_at, updated_at = row
    return SessionSummary(
        session,
        str(checked(version, int)),
        checked(title, str),
        checked(turns, int),
        checked(model, str),
        usage_from_text(usage),
        datetime.fromisoformat(created_at),
        datetime.fromisoformat(updated_at),
    )


def hit_of(row: tuple[Any, ...], word: str) -> SearchHit:
    """Return what a search has found.

    Args:
        row: The columns `SUMMARY`, then position, format and messages of the turn.
        word: What the excerpt is to show.

    Raises:
        ValueError: The row is damaged, or of a newer chatport.
    """
    *summary, position, format_, text = row
    # The media stay where they are: nobody reads them in an excerpt.
    messages = _messages_of(format_, text, lambda digest: digest)
    return SearchHit(summary_of(tuple(summary)), position, excerpt_of(messages, word))


def time_text(moment: datetime) -> str:
    """Return a time as text."""
    # Always as long, and always UTC, so that the order of the texts is the order of the times.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@contextmanager
def damage_named(path: str, session: str | None = None) -> Generator[None]:
    """Say where something damaged stands.

    Raises:
        StoreError: What is read is damaged, or of a newer chatport.
    """
    try:
        yield
    except (OverflowError, TypeError, ValueError) as error:
        where = "" if session is None else f", session {session!r}"
        message = f"the store {path!r}{where} cannot be read: {error}"
        raise StoreError(message) from error
