"""A store in a SQLite file: many processes of one machine may share it, on any event loops."""

from __future__ import annotations

import os
import random
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar

from chatport._errors import StoreError
from chatport._events import Usage
from chatport._store import LockedError, checked_id, checked_limit
from chatport._worker import run_in_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from chatport._sqlite_database import Database
    from chatport._sqlite_rows import Addition
    from chatport._store import Claim, SearchHit, SessionSummary, StoredSession, StoredTurn

_T = TypeVar("_T")

_FIRST_WAIT = 0.002  # seconds
_LONGEST_WAIT = 0.1


class SqliteStore:
    """Keeps sessions in one SQLite file.

        async with SqliteStore("chats.db") as store, open_session("echo:any", store=store, id="anna-7") as session:
            await session.ask("Hi")

    A turn is written in one transaction and is on the disk when its reply is given: neither a killed process nor a
    power cut leaves half of one. Images and documents are stored once, however often they are said. One store serves
    any number of sessions, threads and event loops; each process opens its own. The file belongs on a local disk, as
    SQLite's locks do not hold on network file systems.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, lock_timeout: float = 4.0) -> None:
        """Name the file; entering the block opens it.

        Args:
            path: The file, which is made for its owner alone where it is not there.
            create: Whether it may be made.
            lock_timeout: How long to wait while another process writes, in seconds.

        Raises:
            ValueError: It names no file.
        """
        self._path = os.fspath(path)
        if self._path in {"", ":memory:"}:
            message = (
                f"a SqliteStore is a file, not {self._path!r}; chatport.testing.MemoryStore keeps sessions in memory"
            )
            raise ValueError(message)
        self._create = create
        self._lock_timeout = lock_timeout
        self._writer: Database | None = None
        self._reader: Database | None = None

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<SqliteStore {self._path!r}>"

    async def __aenter__(self) -> Self:
        """Open the file, or make it, or bring it up to date.

        Raises:
            StoreError: It cannot be opened, is no store, or was written by a newer chatport.
        """
        if self._writer is None:
            # Two connections, so that who searches holds nobody up who has a turn to write.
            opened: list[Database] = []
            try:
                await self._run("opened", lambda: opened.append(_open(self._path, create=self._create)))
                await self._run("opened", lambda: opened.append(_open(self._path, create=False)))
            except BaseException:
                await _close(*opened)  # whatever came in between: one may be open by now that nobody was told of
                raise
            self._writer, self._reader = opened
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file; what is being written ends first. Closing twice is allowed."""
        writer, reader, self._writer, self._reader = self._writer, self._reader, None, None
        await _close(*(database for database in (reader, writer) if database is not None))

    async def load(self, session_id: str) -> StoredSession | None:
        """See `SessionStore.load`."""
        database = self._opened(self._reader)
        return await self._run("read", partial(database.load, checked_id(session_id)), database)

    async def append(
        self,
        session_id: str,
        turns: Sequence[StoredTurn],
        *,
        version: str | None,
        keep: int | None = None,
        usage: Usage | None = None,
        claim: Claim | None = None,
    ) -> str:
        """See `SessionStore.append`."""
        database = self._opened(self._writer)
        checked_id(session_id)
        if keep is not None and keep < 0:
            message = f"keep is a number of turns, not {keep}"
            raise ValueError(message)

        # A large image takes time to look at: that is done once, and without holding up who else has a turn to write.
        addition = await run_in_worker(
            partial(_addition, session_id, turns, version=version, keep=keep, usage=usage or Usage(), claim=claim)
        )
        return await self._run("written", partial(database.append, addition), database)

    async def add_usage(self, session_id: str, usage: Usage) -> None:
        """See `SessionStore.add_usage`."""
        database = self._opened(self._writer)
        await self._run("written", partial(database.add_usage, checked_id(session_id), usage), database)

    async def list_sessions(
        self, *, limit: int = 100, after: SessionSummary | None = None
    ) -> tuple[SessionSummary, ...]:
        """See `SessionStore.list_sessions`."""
        database = self._opened(self._reader)
        return await self._run("read", partial(database.list_sessions, checked_limit(limit), after), database)

    async def search(self, text: str, *, limit: int = 20) -> tuple[SearchHit, ...]:
        """See `SessionStore.search`. It reads all words that are stored, one after the other."""
        database = self._opened(self._reader)
        return await self._run("read", partial(database.search, text, checked_limit(limit)), database)

    async def delete(self, session_id: str) -> bool:
        """See `SessionStore.delete`. What is deleted is overwritten, and the file becomes smaller."""
        database = self._opened(self._writer)
        return await self._run("written", partial(database.delete, checked_id(session_id)), database)

    def _opened(self, database: Database | None) -> Database:
        if database is None:
            message = f"the store {self._path!r} is not open: use it inside its `async with` block"
            raise StoreError(message)
        return database

    async def _run(self, what: str, work: Callable[[], _T], database: Database | None = None) -> _T:
        """Do something in a worker thread, again while another process writes; that waiting can be cancelled.

        Raises:
            StoreError: It failed, or others have written for too long.
        """
        limiter = _limiter(self if database is None else database)
        end = anyio.current_time() + self._lock_timeout
        wait = _FIRST_WAIT
        while True:
            try:
                return await run_in_worker(work, limiter)
            except LockedError as error:
                if anyio.current_time() + wait > end:
                    message = (
                        f"the store {self._path!r} cannot be {what}: another process has it locked for more than "
                        f"{self._lock_timeout:g} s"
                    )
                    raise StoreError(message) from error.__cause__
            # Not evenly, so that those who wait together do not come back together.
            await anyio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - nothing secret
            wait = min(wait * 2, _LONGEST_WAIT)


async def _close(*databases: Database) -> None:
    """Close connections, all of them, whatever becomes of the closing of one."""
    if databases:
        try:
            await _close_one(databases[0])
        finally:
            await _close(*databases[1:])


async def _close_one(database: Database) -> None:
    """Close a connection, also where a loop cancels the task in its own way, which no shield holds off."""
    cancellation: BaseException | None = None
    is_closed = False
    while not is_closed:
        try:
            with anyio.CancelScope(shield=True):
                await run_in_worker(database.close, _limiter(database))
                is_closed = True
        except anyio.get_cancelled_exc_class() as error:
            cancellation = error  # it may have been closed, or not: closing twice is allowed
    if cancellation is not None:
        raise cancellation


def _open(path: str, *, create: bool) -> Database:
    # Whoever has no store does not load SQLite, and who has one does not wait for it on the event loop.
    from chatport._sqlite_database import Database  # noqa: PLC0415

    return Database(path, create=create)


def _addition(
    session: str,
    turns: Sequence[StoredTurn],
    *,
    version: str | None,
    keep: int | None,
    usage: Usage,
    claim: Claim | None,
) -> Addition:
    from chatport._sqlite_rows import Addition  # noqa: PLC0415 - loaded when the store was opened

    return Addition.of(session, turns, version=version, keep=keep, usage=usage, claim=claim)


_LIMITERS: RunVar[WeakKeyDictionary[object, anyio.CapacityLimiter]] = RunVar("chatport stores")


def _limiter(user: object) -> anyio.CapacityLimiter:
    """Return what lets one task of this event loop at a time have a thread for this connection; the others wait."""
    try:
        limiters = _LIMITERS.get()
    except LookupError:
        limiters = WeakKeyDictionary[object, anyio.CapacityLimiter]()
        _LIMITERS.set(limiters)
    if user not in limiters:
        limiters[user] = anyio.CapacityLimiter(1)
    return limiters[user]
