"""What a session has to do with its store, for callers: its name there, who claims it, saving and reading again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatport._session_history import HistoryOwner

if TYPE_CHECKING:
    from chatport._store import Claim


class StoredOwner(HistoryOwner):
    """The half of `Session` that knows a store."""

    @property
    def id(self) -> str | None:
        """The session's name in its store; None where it has no store."""
        stored = self._conversation.stored
        return None if stored is None else stored.id

    @property
    def claim(self) -> Claim | None:
        """Who has begun to run the `pending_calls`, by what the store said when it was read last; None for nobody.

        It may be this session: what a turn that broke off has run has run. See `resume`, with `claimed=`.
        """
        stored = self._conversation.stored
        return None if stored is None else stored.claim_on(self.messages)

    async def save(self) -> None:
        """Store what was changed without a turn, such as by `keep`. The next turn does that too, and leaving the block.

        Raises:
            BusyError: A turn is under way.
            ConflictError: Someone else has changed the stored session.
            StoreError: It cannot be written.
            StreamClosedError: The session's block has not been entered.
            ValueError: The session has no store.
        """
        await self._conversation.save()

    async def reload(self) -> None:
        """Read history and usage from the store again, after a `ConflictError`; what was not stored is let go.

        Raises:
            BusyError: A turn is under way.
            StoreError: It cannot be read.
            StreamClosedError: The session's block has not been entered.
            ValueError: The session has no store.
        """
        await self._conversation.reload()
