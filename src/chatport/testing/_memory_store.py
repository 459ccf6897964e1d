"""A store of sessions that lives as long as the object: for tests, and to see what a store has to do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio.lowlevel

from chatport._errors import ConflictError, StoreError
from chatport._events import Usage
from chatport._serialize import dump_messages, load_messages
from chatport._store import Claim, SearchHit, SessionSummary, StoredSession, StoredTurn, checked_id, checked_limit
from chatport._stored_form import excerpt_of, search_words, title_of, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class _Kept:
    """A session; its turns are kept as text, so that what cannot be stored elsewhere cannot be stored here."""

    version: str
    turns: tuple[tuple[str, StoredTurn], ...]
    usage: Usage
    created_at: datetime
    updated_at: datetime
    claim: Claim | None


class MemoryStore:
    """Keeps sessions in memory, and does otherwise what every `SessionStore` does."""

    def __init__(self) -> None:
        """Begin with no sessions."""
        self._sessions: dict[str, _Kept] = {}
        self._versions = itertools.count(1)  # none is ever given twice, also where a session was deleted

    async def load(self, session_id: str) -> StoredSession | None:
        """See `SessionStore.load`."""
        await anyio.lowlevel.checkpoint()
        kept = self._sessions.get(checked_id(session_id))
        if kept is None:
            return None
        turns = tuple(replace(turn, messages=load_messages(text)) for text, turn in kept.turns)
        return StoredSession(session_id, kept.version, turns, kept.usage, kept.created_at, kept.updated_at, kept.claim)

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
        await anyio.lowlevel.checkpoint()  # from here on nothing waits, so nothing is done by halves
        kept = self._sessions.get(checked_id(session_id))
        if (None if kept is None else kept.version) != version:
            message = f"the stored session {session_id!r} is not in the version that was seen; nothing was written"
            raise ConflictError(message)
        before = () if kept is None else kept.turns
        if keep is not None and not 0 <= keep <= len(before):
            message = f"keep={keep}, and the session {session_id!r} has {len(before)} turns"
            raise ValueError(message)
        now = datetime.now(UTC)
        new = _Kept(
            str(next(self._versions)),
            (*before[:keep], *(_as_text(turn) for turn in turns)),
            (Usage() if kept is None else kept.usage) + (usage or Usage()),
            now if kept is None else kept.created_at,
            now,
            claim,
        )
        self._sessions[session_id] = new
        return new.version

    async def add_usage(self, session_id: str, usage: Usage) -> None:
        """See `SessionStore.add_usage`."""
        await anyio.lowlevel.checkpoint()
        kept = self._sessions.get(checked_id(session_id))
        if kept is not None:
            self._sessions[session_id] = replace(kept, usage=kept.usage + usage)

    async def list_sessions(
        self, *, limit: int = 100, after: SessionSummary | None = None
    ) -> tuple[SessionSummary, ...]:
        """See `SessionStore.list_sessions`."""
        await anyio.lowlevel.checkpoint()
        rows = sorted(((kept.updated_at, name) for name, kept in self._sessions.items()), reverse=True)
        if after is not None:
            rows = [row for row in rows if row < (after.updated_at, after.id)]
        return tuple(self._summary(name) for _, name in rows[: checked_limit(limit)])

    async def search(self, text: str, *, limit: int = 20) -> tuple[SearchHit, ...]:
        """See `SessionStore.search`."""
        await anyio.lowlevel.checkpoint()
        words = search_words(text)
        checked_limit(limit)
        hits = [
            (turn.created_at, SearchHit(self._summary(name), position, excerpt_of(turn.messages, words[0])))
            for name, kept in self._sessions.items()
            for position, (_, turn) in enumerate(kept.turns)
            if words and all(word in words_of(turn.messages) for word in words)
        ]
        hits.sort(key=lambda row: row[0], reverse=True)
        return tuple(hit for _, hit in hits[:limit])

    async def delete(self, session_id: str) -> bool:
        """See `SessionStore.delete`."""
        await anyio.lowlevel.checkpoint()
        return self._sessions.pop(checked_id(session_id), None) is not None

    def _summary(self, name: str) -> SessionSummary:
        kept = self._sessions[name]
        turns = [turn for _, turn in kept.turns]
        title = next((title for turn in turns if (title := title_of(turn.messages))), "")
        model = next((turn.model for turn in reversed(turns) if turn.model), "")
        return SessionSummary(
            name, kept.version, title, len(turns), model, kept.usage, kept.created_at, kept.updated_at
        )


def _as_text(turn: StoredTurn) -> tuple[str, StoredTurn]:
    try:
        return dump_messages(turn.messages), turn
    except (TypeError, ValueError) as error:
        message = f"the turn cannot be stored: {error}"
        raise StoreError(message) from error
