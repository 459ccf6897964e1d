"""What a session has to do with its store: it is read from there, and what it adds lands there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chatport._errors import StreamClosedError
from chatport._session_history import HistoryOwner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from chatport._events import Usage
    from chatport._messages import Message
    from chatport._reply import Reply
    from chatport._store import Claim
    from chatport._stored_history import StoredHistory
    from chatport._turn import Turn
    from chatport.backend import Backend


class StoredOwner(HistoryOwner):
    """The half of `Session` that knows a store."""

    _backend: Backend
    _model: str
    _base: tuple[Message, ...]
    _usage: Usage
    _has_landed: bool = True  # the last turn
    _stored: StoredHistory | None
    _closed: bool

    @property
    def id(self) -> str | None:
        """The session's name in its store; None where it has no store."""
        return None if self._stored is None else self._stored.id

    @property
    def claim(self) -> Claim | None:
        """Who has begun to run the `pending_calls`, by what the store said when it was read last; None for nobody.

        It may be this session: what a turn that broke off has run has run. See `resume`, with `claimed=`.
        """
        return None if self._stored is None else self._stored.claim_on(self._messages)

    async def save(self) -> None:
        """Store what was changed without a turn, such as by `keep`. The next turn does that too, and leaving the block.

        Raises:
            BusyError: A turn is under way.
            ConflictError: Someone else has changed the stored session.
            StoreError: It cannot be written.
            StreamClosedError: The session's block has not been entered.
            ValueError: The session has no store.
        """
        with self._idle_stored() as stored:
            await stored.save(self._messages)

    async def reload(self) -> None:
        """Read history and usage from the store again, after a `ConflictError`; what was not stored is let go.

        Raises:
            BusyError: A turn is under way.
            StoreError: It cannot be read.
            StreamClosedError: The session's block has not been entered.
            ValueError: The session has no store.
        """
        with self._idle_stored() as stored:
            self._usage = await stored.read() + stored.unsaved_usage
            self._messages = stored.messages

    @contextmanager
    def _idle_stored(self) -> Generator[StoredHistory]:
        """Claim the session, as a turn does: one that began meanwhile would be in conflict with its own session."""
        if self._stored is None:
            message = "this session has no store: give store= and id= when it is opened"
            raise ValueError(message)
        self._check_idle()
        self._busy = True
        try:
            yield self._stored
        finally:
            self._busy = False

    async def _read_stored(self) -> None:
        """Take history and usage from the store, once."""
        if self._stored is not None and not self._stored.is_read:
            self._usage = await self._stored.read()
            self._messages = self._stored.beginning(self._messages)
            self._stored.is_read = True

    def _check_idle(self) -> None:
        self._check_read()
        super()._check_idle()

    def _check_changeable(self) -> None:
        super()._check_changeable()
        if self._stored is not None and self._closed:
            message = (
                "the block of this stored session has ended, so what is changed now would be stored nowhere: open it "
                "again, and change it there"
            )
            raise StreamClosedError(message)

    def _check_read(self) -> None:
        if self._stored is not None and not self._stored.is_read:
            message = "the history of a stored session is read when its block is entered: use `async with`"
            raise StreamClosedError(message)

    async def _land(self, reply: Reply[Any]) -> None:
        if not reply.messages:
            self._has_landed = True  # a turn that was resumed and still waits: there is nothing to add
            return
        if self._stored is None:
            self._messages = (*self._base, *reply.messages)
            self._has_landed = True
            return
        try:
            await self._stored.land(self._base, reply, f"{self._backend.name}:{self._model}")
        finally:
            if self._stored.has_landed(reply):
                self._messages = self._stored.messages
                self._has_landed = True

    def _end(self, turn: Turn) -> None:
        """Let go of the session, and note what the turn has cost."""
        raise NotImplementedError


class SessionTurn:
    """A session as one stream sees it: what it may do to the session, and nothing else."""

    def __init__(self, session: StoredOwner, begin: Callable[[], Turn]) -> None:
        """Prepare; nothing is claimed before the stream is entered."""
        self._session = session
        self.begin_turn = begin

    async def land_turn(self, reply: Reply[Any]) -> None:
        """Put a finished turn into the history, and into its store."""
        await self._session._land(reply)  # noqa: SLF001 - the other half of one class, kept off the public face

    def end_turn(self, turn: Turn) -> None:
        """Let go of the session, however the turn ended."""
        self._session._end(turn)  # noqa: SLF001 - as above
