"""The file of a SQLite store: how it is opened, what stands in it, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chatport._errors import StoreError
from chatport._store import LockedError

if TYPE_CHECKING:
    from collections.abc import Generator

APPLICATION_ID = 0x43485054  # "CHPT", which tells our file from another program's

# A released step is never changed: files that it made are out there. What comes later is a new step.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # `version` is the number of the present version.
        """CREATE TABLE sessions (
            id TEXT NOT NULL PRIMARY KEY,
            version INTEGER NOT NULL,
            title TEXT NOT NULL,
            model TEXT NOT NULL,
            turns INTEGER NOT NULL,
            usage TEXT NOT NULL,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX sessions_by_time ON sessions (updated_at, id)",
        # Turns are never changed, and numbers never used again, so that nothing deleted can be taken for what is there.
        """CREATE TABLE turns (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            session TEXT NOT NULL REFERENCES sessions (id),
            parent INTEGER REFERENCES turns (number),
            format INTEGER NOT NULL,
            messages TEXT NOT NULL,
            words TEXT NOT NULL,
            model TEXT NOT NULL,
            usage TEXT NOT NULL,
            created_at TEXT NOT NULL
        )""",
        "CREATE INDEX turns_by_session ON turns (session)",
        "CREATE INDEX turns_by_parent ON turns (parent)",
        # A version is its last turn: the others are found through `parent`.
        """CREATE TABLE versions (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            session TEXT NOT NULL REFERENCES sessions (id),
            head INTEGER REFERENCES turns (number),
            created_at TEXT NOT NULL
        )""",
        "CREATE INDEX versions_by_session ON versions (session)",
        "CREATE INDEX versions_by_head ON versions (head)",
        # The turns of the present versions, for who reads.
        """CREATE TABLE present (
            session TEXT NOT NULL REFERENCES sessions (id),
            position INTEGER NOT NULL,
            turn INTEGER NOT NULL UNIQUE REFERENCES turns (number),
            PRIMARY KEY (session, position)
        ) WITHOUT ROWID""",
        "CREATE TABLE blobs (hash BLOB NOT NULL PRIMARY KEY, data BLOB NOT NULL)",
        """CREATE TABLE turn_blobs (
            turn INTEGER NOT NULL REFERENCES turns (number),
            hash BLOB NOT NULL REFERENCES blobs (hash),
            PRIMARY KEY (turn, hash)
        ) WITHOUT ROWID""",
        "CREATE INDEX turn_blobs_by_hash ON turn_blobs (hash)",
    ),
    # Who runs the calls at the end of a version. It stands with the version, so that one that an older chatport makes,
    # which has this file open still, has none.
    ("ALTER TABLE versions ADD COLUMN claim TEXT",),
)


def open_connection(path: str, *, create: bool) -> sqlite3.Connection:
    """Open the file of a store, made or brought up to date where that is needed.

    Args:
        path: The file.
        create: Whether to make it where it is not there.

    Raises:
        LockedError: Somebody else writes.
        StoreError: It cannot be opened, or is not ours, or is of a newer chatport.
    """
    _prepare_file(path, create=create)
    with explained(path):
        # `timeout=0`: whoever waits for another process does that without keeping a thread.
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            _set_up(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare_file(path: str, *, create: bool) -> None:
    """Make the file, for its owner only: what people say to a model is nobody else's business."""
    if os.path.exists(path) or not create:  # noqa: PTH110 - `path` is text, as SQLite wants it
        if not create and not os.path.exists(path):  # noqa: PTH110 - as above
            message = f"there is no store at {path!r}"
            raise StoreError(message)
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        message = f"the store {path!r} cannot be made: {error.strerror}"
        raise StoreError(message) from error


def _set_up(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    # A turn takes a service seconds, and syncing a disk milliseconds: what has landed survives a power cut too.
    connection.execute("PRAGMA synchronous = FULL")
    version = _checked_version(connection, path)
    if version == len(MIGRATIONS):
        return
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # possible only before there is a table
        # Readers do not wait for writers. Where the file system cannot do it, the answer is another mode, as safe.
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[_checked_version(connection, path) :]:  # another process may have been faster
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def _checked_version(connection: sqlite3.Connection, path: str) -> int:
    """Return how many steps have been made in this file.

    Raises:
        StoreError: It is another program's, or of a newer chatport.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        message = f"{path!r} is a database of another program, not a store of sessions"
        raise StoreError(message)
    if version > len(MIGRATIONS):
        message = (
            f"the store {path!r} was written by a newer chatport: version {version}, and this one knows "
            f"{len(MIGRATIONS)}"
        )
        raise StoreError(message)
    return int(version)


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo what is under way; some errors have done that already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


_REASONS = {
    "SQLITE_READONLY": "it is read-only: the file, its folder and the files beside it (-wal, -shm) must be writable",
    "SQLITE_FULL": "there is no room left on the disk",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is no SQLite database",
    "SQLITE_CANTOPEN": "it cannot be opened: the folder must be there, and the file be readable and writable",
    "SQLITE_PERM": "access is denied",
    "SQLITE_TOOBIG": "a value is larger than SQLite takes",
    "SQLITE_NOMEM": "there is not enough memory",
}


@contextmanager
def explained(path: str) -> Generator[None]:
    """Turn an error of SQLite into one of ours.

    Raises:
        LockedError: Somebody else writes.
        StoreError: Anything else.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        # SQLite quotes what it cannot make sense of, and Python cannot read that.
        message = f"the store {path!r}: {_REASONS['SQLITE_CORRUPT']} ({error})"
        raise StoreError(message) from error
    except sqlite3.Error as error:
        # Extended codes begin with the name of the primary one, such as SQLITE_IOERR_WRITE.
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            message = f"the store {path!r} is locked"
            raise LockedError(message) from error
        reason = next((text for code, text in _REASONS.items() if name.startswith(code)), None)
        message = f"the store {path!r}: {reason or 'SQLite refuses'} ({name or type(error).__name__}: {error})"
        raise StoreError(message) from error
