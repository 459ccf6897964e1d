"""Sessions that outlive the process: what a store keeps of them, and the protocol that every store fulfils."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from chatport._errors import StoreError
from chatport._events import Usage
from chatport._messages import Message

_LONGEST_ID = 200  # characters


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn that has landed. It is never changed; taking it back makes a version of the session without it.

    Attributes:
        messages: What the turn added to the history.
        usage: What it cost, in tokens, without `raw`; nothing is reported for what was kept of a broken turn.
        model: Who answered, as `backend:model`; empty where nobody did. For people: it decides nothing.
        created_at: When it landed, with a time zone.
    """

    messages: tuple[Message, ...]
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    created_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has begun to run the calls that wait at the end of a stored session.

    It is written before the first of them runs, and stands until they have results. Nothing makes it void by itself: a
    worker that has died and one that waits for a slow tool look the same from outside, and whoever guesses wrong runs a
    tool twice. What to do about it is said to `Session.resume`, with `claimed=`.

    Attributes:
        worker: Who runs them, as the session's option `worker` says; for people, and for programs that know theirs.
        claimed_at: Since when, with a time zone.
        calls: The ids of the calls. Others of the same message have not been begun.
    """

    worker: str
    claimed_at: datetime
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it is stored, in one version.

    Attributes:
        id: Its name in the store.
        version: The token of this version, to be given back with `append`. What is in it is the store's business.
        turns: The turns that its history is made of, the first one first.
        usage: What it has cost so far, in tokens, turns that failed or were taken back included.
        created_at: When its first turn landed.
        updated_at: When it was changed last.
        claim: Who runs the calls at its end, as it was given with this version.
    """

    id: str
    version: str
    turns: tuple[StoredTurn, ...]
    usage: Usage
    created_at: datetime
    updated_at: datetime
    claim: Claim | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history, without the system prompt, which is not stored."""
        return tuple(message for turn in self.turns for message in turn.messages)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A stored session as a list shows it.

    Attributes:
        id: Its name in the store.
        version: The token of this version.
        title: How it begins: the user's first words, on one line.
        turns: How many turns its history has.
        model: Who answered last, as `backend:model`.
        usage: As for `StoredSession`.
        created_at: As for `StoredSession`.
        updated_at: As for `StoredSession`.
    """

    id: str
    version: str
    title: str
    turns: int
    model: str
    usage: Usage
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A turn that a search has found.

    Attributes:
        session: The session.
        turn: Which of the session's turns, as `StoredSession.turns` counts them, from 0: a turn is what one `ask`,
            `stream` or `resume` has added.
        excerpt: The words around what was found, on one line.
    """

    session: SessionSummary
    turn: int
    excerpt: str


@runtime_checkable
class SessionStore(Protocol):
    """Where sessions are kept; several workers may share one.

    Whoever writes says which version it has seen, and a store writes only on top of that one. So nobody waits for
    anybody, and nothing is overwritten unseen. Everything that a call writes is written whole or not at all.

    A method that raises, a cancellation included, writes nothing afterwards. A store that learned too late of a
    cancellation may have written: the session then looks. What a store raises beside `ConflictError` is a `StoreError`.
    """

    async def load(self, session_id: str) -> StoredSession | None:
        """Return a session in its present version; None where there is none of that name.

        Raises:
            StoreError: It cannot be read.
        """
        ...

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
        """Make a new version: some or all of the turns that are there, and new ones behind them.

        Args:
            session_id: The session; it begins to exist with its first version.
            turns: The new turns; none at all where turns are only taken back.
            version: The version that the caller has seen; None says that there must be no such session yet.
            keep: How many of the present turns stay, from the first; None keeps them all.
            usage: What to add to the session's sum: what the turns have cost, and what failed ones have since.
            claim: Who runs the calls at the end of this version. It belongs to the version: a new one without a claim
                has none, whatever the one before it had.

        Returns:
            The token of the new version.

        Raises:
            ConflictError: The present version is another one, or the session is not there (any more).
            ValueError: There are fewer turns than `keep`.
            StoreError: It cannot be written, and was not.
        """
        ...

    async def add_usage(self, session_id: str, usage: Usage) -> None:
        """Add to a session's sum, whatever its version, and change nothing else; nothing where there is no session.

        Raises:
            StoreError: It cannot be written, and was not.
        """
        ...

    async def list_sessions(
        self, *, limit: int = 100, after: SessionSummary | None = None
    ) -> tuple[SessionSummary, ...]:
        """Return sessions, the one that was changed last first.

        Args:
            limit: The most to return.
            after: The last one of the page before; None begins with the first page.

        Raises:
            ValueError: `limit` is less than 1.
            StoreError: They cannot be read.
        """
        ...

    async def search(self, text: str, *, limit: int = 20) -> tuple[SearchHit, ...]:
        """Return turns in which every one of these words occurs, perhaps within a longer one, the newest turn first.

        It looks at text, results of tools and names of documents in the present versions; upper and lower case are one.

        Args:
            text: The words, at most 100 different ones.
            limit: The most to return.

        Raises:
            ValueError: There are more words, or `limit` is less than 1.
            StoreError: They cannot be read.
        """
        ...

    async def delete(self, session_id: str) -> bool:
        """Delete a session with all its versions, turns and media; return whether it was there.

        Raises:
            StoreError: It cannot be written, and was not.
        """
        ...


class LockedError(StoreError):
    """Somebody else writes at this moment: the same may succeed a little later."""


def checked_id(session_id: object) -> str:
    """Return the name of a session, if it can be one everywhere: in a table, a path of a URL, on a line of a list.

    Raises:
        TypeError: It is no str.
        ValueError: It is empty, too long, or holds something that cannot be printed.
    """
    if not isinstance(session_id, str):
        message = f"the id of a session is a str, not a {type(session_id).__name__}"
        raise TypeError(message)
    if not (0 < len(session_id) <= _LONGEST_ID and session_id.isprintable() and session_id == session_id.strip()):
        message = f"the id of a session has 1 to {_LONGEST_ID} printable characters, and no space at either end"
        raise ValueError(message)
    return session_id


def checked_limit(limit: int) -> int:
    """Return how much to return at the most.

    Raises:
        ValueError: It is nothing.
    """
    if limit < 1:
        message = f"limit must be at least 1, not {limit}"
        raise ValueError(message)
    return limit
