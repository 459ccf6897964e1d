"""One connection to the file of a SQLite store: what is read and written, in a thread that may wait."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from chatport._errors import ConflictError, StoreError
from chatport._events import Usage
from chatport._sqlite_rows import SUMMARY, checked, damage_named, hit_of, summary_of, time_text, turn_of
from chatport._sqlite_schema import explained, open_connection, roll_back
from chatport._store import LockedError, StoredSession
from chatport._stored_form import FORMAT, claim_from_text, search_words, usage_from_text, usage_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator

    from chatport._sqlite_rows import Addition, TurnRow
    from chatport._store import SearchHit, SessionSummary

_T = TypeVar("_T")

# What came along through a fork is the parent's: SQLite allows no call on it here, closing included. The interpreter
# closes what nobody holds, so it is held as long as the process lives.
_OF_PARENTS: list[sqlite3.Connection] = []


class Database:
    """One connection, used by one thread at a time, of any event loop."""

    def __init__(self, path: str, *, create: bool) -> None:
        """Open the file.

        Raises:
            StoreError: It cannot be opened, or is not ours, or is of a newer chatport.
        """
        self._path = path
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = open_connection(path, create=create)

    def close(self) -> None:
        """Close the connection; what was running in another thread ends first."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            if self._process == os.getpid():
                connection.close()
            else:
                _OF_PARENTS.append(connection)

    @contextmanager
    def _used(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None:
                message = f"the store {self._path!r} is closed"
                raise StoreError(message)
            if self._process != os.getpid():
                message = f"the store {self._path!r} was opened before this process was forked: open it here again"
                raise StoreError(message)
            with explained(self._path):
                yield self._connection

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """See one state of the file, whoever writes meanwhile."""
        with self._used() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                roll_back(connection)

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """Write all or nothing."""
        with self._used() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise

    # --- reading -----------------------------------------------------------------------------------------------------

    def load(self, session: str) -> StoredSession | None:
        """Return a session, or None.

        Raises:
            StoreError: It cannot be read.
        """
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT {SUMMARY}, v.claim FROM sessions s LEFT JOIN versions v ON v.number = s.version "
                "WHERE s.id = ?",
                (session,),
            ).fetchone()
            if found is None:
                return None
            rows = connection.execute(
                "SELECT t.format, t.messages, t.model, t.usage, t.created_at FROM present p "
                "JOIN turns t ON t.number = p.turn WHERE p.session = ? ORDER BY p.position",
                (session,),
            ).fetchall()
            blobs = dict(
                connection.execute(
                    "SELECT DISTINCT b.hash, b.data FROM present p JOIN turn_blobs u ON u.turn = p.turn "
                    "JOIN blobs b ON b.hash = u.hash WHERE p.session = ?",
                    (session,),
                ).fetchall()
            )
        with damage_named(self._path, session):
            *columns, claim = found
            summary = summary_of(tuple(columns))
            turns = tuple(turn_of(row, blobs) for row in rows)
            claimed = None if claim is None else claim_from_text(claim)
        return StoredSession(
            summary.id, summary.version, turns, summary.usage, summary.created_at, summary.updated_at, claimed
        )

    def list_sessions(self, limit: int, after: SessionSummary | None) -> tuple[SessionSummary, ...]:
        """Return sessions, the last changed first.

        Raises:
            StoreError: They cannot be read.
        """
        where = "" if after is None else "WHERE (s.updated_at, s.id) < (?, ?)"
        place = () if after is None else (time_text(after.updated_at), after.id)
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {SUMMARY} FROM sessions s {where} ORDER BY s.updated_at DESC, s.id DESC LIMIT ?",
                (*place, limit),
            ).fetchall()
        return tuple(self._read(summary_of, row) for row in rows)

    def search(self, text: str, limit: int) -> tuple[SearchHit, ...]:
        """Return the newest turns in which every word stands.

        Raises:
            StoreError: They cannot be read.
            ValueError: There are too many words.
        """
        words = search_words(text)
        if not words:
            return ()
        every = " AND ".join(["instr(t.words, ?) > 0"] * len(words))
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {SUMMARY}, p.position, t.format, t.messages FROM turns t "
                f"JOIN present p ON p.turn = t.number JOIN sessions s ON s.id = t.session "
                f"WHERE {every} ORDER BY t.number DESC LIMIT ?",
                (*words, limit),
            ).fetchall()
        return tuple(self._read(partial(hit_of, word=words[0]), row) for row in rows)

    def _read(self, read: Callable[[tuple[Any, ...]], _T], row: tuple[Any, ...]) -> _T:
        """Return what a row says that begins with a session's id: who has a damaged one learns which it is."""
        with damage_named(self._path, row[0]):
            return read(row)

    # --- writing -----------------------------------------------------------------------------------------------------

    def append(self, addition: Addition) -> str:
        """Write a new version, and return its token.

        Raises:
            ConflictError: The present version is another one.
            ValueError: There are fewer turns than are to stay.
            StoreError: It cannot be written.
        """
        with self._writing() as connection:
            usage, title, model, length = _checked_state(connection, addition)
            with damage_named(self._path, addition.session):
                kept = checked(length, int) if addition.keep is None else addition.keep
                total = usage_text(usage_from_text(usage) + addition.usage)
            if kept > length:
                message = f"keep={kept}, and the session {addition.session!r} has {length} turns"
                raise ValueError(message)
            now = time_text(datetime.now(UTC))
            if addition.version is None:
                connection.execute(
                    "INSERT INTO sessions VALUES (?, 0, '', '', 0, ?, ?, ?)", (addition.session, usage, now, now)
                )
            head = _kept_head(connection, addition.session, kept)
            for position, row in enumerate(addition.rows, kept):
                head = _insert_turn(connection, addition.session, row, head)
                connection.execute("INSERT INTO present VALUES (?, ?, ?)", (addition.session, position, head))
            number = connection.execute(
                "INSERT INTO versions (session, head, created_at, claim) VALUES (?, ?, ?, ?)",
                (addition.session, head, now, addition.claim),
            ).lastrowid
            connection.execute(
                "UPDATE sessions SET version = ?, title = ?, model = ?, turns = ?, usage = ?, updated_at = ? "
                "WHERE id = ?",
                (
                    number,
                    (title if kept else "") or addition.title,
                    next((row.model for row in reversed(addition.rows) if row.model), model),
                    kept + len(addition.rows),
                    total,
                    now,
                    addition.session,
                ),
            )
        return str(number)

    def add_usage(self, session: str, usage: Usage) -> None:
        """Add to the sum of a session.

        Raises:
            StoreError: It cannot be written.
        """
        with self._writing() as connection:
            found = connection.execute("SELECT usage FROM sessions WHERE id = ?", (session,)).fetchone()
            if found is not None:
                with damage_named(self._path, session):
                    total = usage_text(usage_from_text(found[0]) + usage)
                connection.execute("UPDATE sessions SET usage = ? WHERE id = ?", (total, session))

    def delete(self, session: str) -> bool:
        """Delete a session, and the media that no other one has.

        Raises:
            StoreError: It cannot be written.
        """
        of_session = "turn IN (SELECT number FROM turns WHERE session = ?)"
        with self._writing() as connection:
            hashes = connection.execute(
                f"SELECT DISTINCT hash FROM turn_blobs WHERE {of_session}", (session,)
            ).fetchall()
            connection.execute("DELETE FROM present WHERE session = ?", (session,))
            connection.execute("DELETE FROM versions WHERE session = ?", (session,))
            connection.execute(f"DELETE FROM turn_blobs WHERE {of_session}", (session,))
            connection.execute("DELETE FROM turns WHERE session = ?", (session,))
            connection.executemany(
                "DELETE FROM blobs WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM turn_blobs WHERE hash = blobs.hash)",
                hashes,
            )
            count = connection.execute("DELETE FROM sessions WHERE id = ?", (session,)).rowcount
        if count:
            self._give_back()
        return count > 0

    def _give_back(self) -> None:
        """Give the room of what was deleted back to the disk, and take it out of the write-ahead log.

        It is deleted by now. Where somebody else is at the file, this is left for the next time.
        """
        with suppress(LockedError), self._used() as connection:
            # As a script: it frees a page with each step, and `execute` makes only one.
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")


def _checked_state(connection: sqlite3.Connection, addition: Addition) -> tuple[str, str, str, int]:
    """Return usage, title, model and number of turns of a session that is in the expected version.

    Raises:
        ConflictError: It is in another one.
    """
    found = connection.execute(
        "SELECT version, usage, title, model, turns FROM sessions WHERE id = ?", (addition.session,)
    ).fetchone()
    present = None if found is None else str(found[0])
    if present != addition.version:
        what = "is not there any more" if found is None else "was changed by someone else since it was read"
        message = f"the stored session {addition.session!r} {what}; nothing was written: reload it, or begin another"
        raise ConflictError(message)
    return (usage_text(Usage()), "", "", 0) if found is None else (found[1], found[2], found[3], found[4])


def _kept_head(connection: sqlite3.Connection, session: str, kept: int) -> int | None:
    """Take back the turns that do not stay, and return the last one that does."""
    connection.execute("DELETE FROM present WHERE session = ? AND position >= ?", (session, kept))
    found = connection.execute(
        "SELECT turn FROM present WHERE session = ? AND position = ?", (session, kept - 1)
    ).fetchone()
    return None if found is None else int(found[0])


def _insert_turn(connection: sqlite3.Connection, session: str, row: TurnRow, parent: int | None) -> int:
    number = connection.execute(
        "INSERT INTO turns (session, parent, format, messages, words, model, usage, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (session, parent, FORMAT, row.text, row.words, row.model, row.usage, row.created_at),
    ).lastrowid
    connection.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", row.blobs.items())
    connection.executemany("INSERT INTO turn_blobs VALUES (?, ?)", ((number, digest) for digest in row.blobs))
    return int(number or 0)
