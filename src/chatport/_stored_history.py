"""What a store has of a session's history, and how what a session adds gets there."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from chatport._closing import CLOSE_SECONDS, close_in_time
from chatport._errors import ConflictError, StoreError
from chatport._events import Usage
from chatport._reply import Partial
from chatport._store import SessionStore, StoredTurn, checked_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport._messages import Message
    from chatport._reply import Reply

_LOGGER = logging.getLogger("chatport")
_UNKNOWN = "it is not known whether the last turn of the session %r was stored: reload it"


class StoredHistory:
    """The part of one session that is stored, as far as this process has seen it.

    A session may change its history in any way; what is to be written is found by comparing. So there is one way into
    the store: so many of its turns stay, and these come behind them.
    """

    def __init__(self, store: SessionStore, session_id: str) -> None:
        """Prepare; nothing is read yet."""
        self.store = store
        self.id = session_id
        self.is_read = False
        self.unsaved_usage = Usage()
        self._version: str | None = None
        self._turns: tuple[StoredTurn, ...] = ()
        self._messages: tuple[Message, ...] = ()
        self._given: tuple[Message, ...] = ()
        self._is_usage_written = False  # that of the turn under way

    async def read(self) -> Usage:
        """Read the session, and return what it has cost, without what is not saved yet.

        Raises:
            StoreError: It cannot be read.
        """
        stored = await self.store.load(self.id)
        self._version = None if stored is None else stored.version
        self._turns = () if stored is None else stored.turns
        self._messages = () if stored is None else stored.messages
        return Usage() if stored is None else stored.usage

    def beginning(self, given: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return the history to begin with: the stored one, or the given one where nothing is stored.

        Raises:
            ValueError: The stored session does not begin with the given messages.
        """
        self._given = given
        if self._version is None:
            return given
        if self._messages[: len(given)] != given:
            message = (
                f"the session {self.id!r} is stored, and does not begin with the messages= that are given: leave them "
                "out to go on with what is stored"
            )
            raise ValueError(message)
        return self._messages

    async def land(self, history: tuple[Message, ...], reply: Reply[Any], model: str) -> None:
        """Write a finished turn; `has_landed` says whether it is there, also after a cancellation.

        Raises:
            ConflictError: Someone else has changed the session; the error has the reply.
            StoreError: It cannot be written; the error has the reply.
        """
        turn = StoredTurn(reply.messages, replace(reply.usage, raw={}), model)
        try:
            await self._write(history, (turn,), self.unsaved_usage + turn.usage)
            self._is_usage_written = True
        except (ConflictError, StoreError) as error:
            error.reply = reply
            error.partial = Partial(reply.messages, reply.usage)
            raise
        except anyio.get_cancelled_exc_class():
            # Where the store learned of it too late, the turn is there, and has to be here too.
            await self._look_in_time(turn, history)
            raise

    def has_landed(self, reply: Reply[Any]) -> bool:
        """Whether this turn is the last one that is stored."""
        return bool(self._turns) and self._turns[-1].messages is reply.messages

    def end_turn(self, usage: Usage) -> None:
        """Note what a turn has cost, unless it was written with the turn."""
        if not self._is_usage_written:
            self.unsaved_usage += usage
        self._is_usage_written = False

    async def save(self, history: tuple[Message, ...]) -> None:
        """Write what is not there yet.

        Raises:
            ConflictError: Someone else has changed the session.
            StoreError: It cannot be written.
        """
        if self.has_all_of(history):
            if self._version is not None and self.unsaved_usage != Usage():
                await self.store.add_usage(self.id, self.unsaved_usage)
                self.unsaved_usage = Usage()
            return
        await self._write(history, (), self.unsaved_usage)

    async def close(self, history: tuple[Message, ...], error: BaseException | None) -> None:
        """Write what is not there yet, when the session ends; `error` is what is being raised already.

        Raises:
            ConflictError: As for `save`, unless something is being raised already: then it is logged.
            StoreError: The same; and where it takes too long.
        """
        is_saved = False

        async def save() -> None:
            nonlocal is_saved
            await self.save(history)
            is_saved = True

        if not self.is_read or (self._version is None and history is self._given):
            return  # what a session was to begin with is stored with its first turn
        await close_in_time(save, f"the stored session {self.id!r}", error)
        if not is_saved and error is None:
            message = f"the end of the session {self.id!r} was not written within {CLOSE_SECONDS} seconds"
            raise StoreError(message)

    def has_all_of(self, history: tuple[Message, ...]) -> bool:
        """Whether this is the history that is stored."""
        return history is self._messages or history == self._messages

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history that is stored."""
        return self._messages

    async def _write(self, history: tuple[Message, ...], turns: tuple[StoredTurn, ...], usage: Usage) -> None:
        kept, rest = self._kept(history)
        new = (StoredTurn(rest), *turns) if rest else turns
        keep = None if kept == len(self._turns) else kept
        self._version = await self.store.append(self.id, new, version=self._version, keep=keep, usage=usage)
        self._turns = (*self._turns[:kept], *new)
        self._messages = (*history, *(message for turn in turns for message in turn.messages))
        self.unsaved_usage = Usage()

    def _kept(self, history: tuple[Message, ...]) -> tuple[int, tuple[Message, ...]]:
        """Return how many stored turns the history begins with, and what stands behind them."""
        if history is self._messages:
            return len(self._turns), ()
        position = 0
        for number, turn in enumerate(self._turns):
            end = position + len(turn.messages)
            if not _are_equal(history[position:end], turn.messages):
                return number, history[position:]
            position = end
        return len(self._turns), history[position:]

    async def _look_in_time(self, turn: StoredTurn, history: tuple[Message, ...]) -> None:
        """Find out whether a turn was written, for a while and whatever comes: a cancellation is on its way."""
        is_known = False
        try:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._look_for(turn, history)
                is_known = True
        except Exception:
            _LOGGER.warning(_UNKNOWN, self.id, exc_info=True)
        else:
            if not is_known:
                _LOGGER.warning(_UNKNOWN, self.id)

    async def _look_for(self, turn: StoredTurn, history: tuple[Message, ...]) -> None:
        """Read what is stored, and go on from there if this turn has been written."""
        stored = await self.store.load(self.id)
        messages = (*history, *turn.messages)
        if stored is not None and stored.version != self._version and stored.messages == messages:
            # Versions differ after every change: this one is ours, or says the same.
            self._version, self._turns, self._messages = stored.version, (*stored.turns[:-1], turn), messages
            self.unsaved_usage = Usage()
            self._is_usage_written = True


def _are_equal(first: Sequence[Message], second: Sequence[Message]) -> bool:
    return len(first) == len(second) and all(a is b or a == b for a, b in zip(first, second, strict=True))


def stored_history(store: SessionStore | None, session_id: str | None) -> StoredHistory | None:
    """Return what keeps a session in a store; None where it has none.

    Raises:
        TypeError: The store is none, or there is an id and no store.
        ValueError: The id cannot be one.
    """
    if store is None:
        if session_id is not None:
            message = "id= names a session in a store: say which with store="
            raise TypeError(message)
        return None
    if not isinstance(store, SessionStore):
        message = f"store must be a SessionStore, such as an open SqliteStore, not a {type(store).__name__}"
        raise TypeError(message)
    if session_id is None:
        from uuid import uuid4  # noqa: PLC0415 - for who has a store and no name

        session_id = uuid4().hex
    return StoredHistory(store, checked_id(session_id))
