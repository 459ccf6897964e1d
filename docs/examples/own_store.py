"""A store of one's own: sessions in anything that can compare and set."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import anyio

from chatport import (
    Claim,
    ConflictError,
    SearchHit,
    SessionStore,
    SessionSummary,
    StoredSession,
    StoredTurn,
    Usage,
    open_session,
)


# --8<-- [start:store]
class DictStore:
    """Sessions in a dict. In a database, `append` is one conditional update."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredSession] = {}
        self.count = 0

    async def load(self, session_id: str) -> StoredSession | None:
        return self.rows.get(session_id)

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
        found = self.rows.get(session_id)
        if (found.version if found else None) != version:
            raise ConflictError(f"{session_id!r} was changed by someone else")
        self.count += 1  # a version is never used twice, also after a deletion
        now = datetime.now(UTC)
        self.rows[session_id] = StoredSession(
            session_id,
            str(self.count),
            (*(found.turns if found else ())[:keep], *turns),
            (found.usage if found else Usage()) + (usage or Usage()),
            found.created_at if found else now,
            now,
            claim,  # of this version: one without a claim has none
        )
        return str(self.count)

    # --8<-- [end:store]
    async def add_usage(self, session_id: str, usage: Usage) -> None:
        if found := self.rows.get(session_id):
            self.rows[session_id] = replace(found, usage=found.usage + usage)

    async def list_sessions(
        self, *, limit: int = 100, after: SessionSummary | None = None
    ) -> tuple[SessionSummary, ...]:
        rows = sorted(self.rows.values(), key=_place, reverse=True)
        return tuple(_summary(row) for row in rows if after is None or _place(row) < _place(after))[:limit]

    async def search(self, text: str, *, limit: int = 20) -> tuple[SearchHit, ...]:
        hits = [
            SearchHit(_summary(row), number, said)
            for row in self.rows.values()
            for number, turn in enumerate(row.turns)
            if (said := _words(turn)) and all(word in said.casefold() for word in text.casefold().split())
        ]
        return tuple(hits[:limit])

    async def delete(self, session_id: str) -> bool:
        return self.rows.pop(session_id, None) is not None


def _place(row: StoredSession | SessionSummary) -> tuple[datetime, str]:
    return row.updated_at, row.id


def _words(turn: StoredTurn) -> str:
    return " ".join(message.text for message in turn.messages)


def _summary(row: StoredSession) -> SessionSummary:
    title = row.messages[0].text if row.messages else ""
    return SessionSummary(row.id, row.version, title, len(row.turns), "", row.usage, row.created_at, row.updated_at)


async def main() -> None:
    store: SessionStore = DictStore()
    async with open_session("echo:any", store=store, id="a") as session:
        await session.ask("Hello")
    async with open_session("echo:any", store=store, id="a") as session:
        print(len(session.messages), [hit.excerpt for hit in await store.search("hello")])


anyio.run(main)
