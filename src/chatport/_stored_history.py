"""What a store has of a session's history, and how what a session adds gets there."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

import anyio

from chatport._claims import CallClaims
from chatport._closing import CLOSE_SECONDS, close_in_time
from chatport._errors import ConflictError, StoreError
from chatport._events import Usage
from chatport._reply import Partial
from chatport._store import SessionStore, StoredTurn, checked_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chatport._messages import Message, ToolCall  # noqa: TC004 - nobody evaluates the annotations of `_Write`
    from chatport._reply import Reply
    from chatport._store import Claim, StoredSession  # noqa: TC004 - as above

_LOGGER = logging.getLogger("chatport")
_UNKNOWN = "it is not known whether the last change of the session %r was stored: reload it"


@dataclass(frozen=True, slots=True)
class _Write:
    """A write that is under way, or of which nobody knows whether it came through.

    Attributes:
        kept: How many stored turns it leaves.
        turns: The turns that it puts behind them.
        messages: The whole history after it.
        usage: What it adds to the sum.
        claim: Who runs the calls at the end of what it leaves.
    """

    kept: int
    turns: tuple[StoredTurn, ...]
    messages: tuple[Message, ...]
    usage: Usage
    claim: Claim | None

    def is_in(self, stored: StoredSession) -> bool:
        """Whether a session that was changed since shows it, perhaps with more behind it."""
        if not self.turns:
            return stored.messages == self.messages and stored.claim == self.claim
        found = stored.turns[self.kept : self.kept + len(self.turns)]
        return [turn.messages for turn in found] == [turn.messages for turn in self.turns]


class _Claimed(TypedDict, total=False):
    claim: Claim


class StoredHistory:
    """The part of one session that is stored, as far as this process has seen it.

    A session may change its history in any way; what is to be written is found by comparing. So there is one way into
    the store: so many of its turns stay, and these come behind them.
    """

    def __init__(self, store: SessionStore, session_id: str, worker: str | None = None) -> None:
        """Prepare; nothing is read yet."""
        self.store = store
        self.id = session_id
        self.claims = CallClaims(worker)
        self.is_read = False
        self.unsaved_usage = Usage()
        self._version: str | None = None
        self._turns: tuple[StoredTurn, ...] = ()
        self._messages: tuple[Message, ...] = ()
        self._given: tuple[Message, ...] = ()
        self._sum: Usage = Usage()  # that is stored, as far as is known here
        self._uncertain: _Write | None = None
        self._is_usage_noted = False  # that of the turn under way

    async def read(self) -> Usage:
        """Read the session, and return what it has cost, without what is not saved yet.

        Raises:
            StoreError: It cannot be read.
        """
        stored = await self._settled()
        self._version = None if stored is None else stored.version
        self._turns = () if stored is None else stored.turns
        self._messages = () if stored is None else stored.messages
        self._sum = Usage() if stored is None else stored.usage
        self.claims.stored = None if stored is None else stored.claim
        return self._sum

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
        self.unsaved_usage += turn.usage
        self._is_usage_noted = True
        try:
            await self._write(history, (turn,))
        except (ConflictError, StoreError) as error:
            error.reply = reply
            error.partial = Partial(reply.messages, reply.usage)
            raise

    async def claim(self, history: tuple[Message, ...], calls: Sequence[ToolCall]) -> None:
        """Make a new version with nothing new in it: of all who have seen the present one, only one can do that.

        A turn does so before its first tool runs, so that of two workers who go on from one version one runs tools.
        Where these are calls of the history, the version says so: who reads it afterwards does not run them.

        Args:
            history: The history as it is, without the turn under way.
            calls: The calls of the history that are about to run.

        Raises:
            ConflictError: Someone else has changed the session, or claimed it.
            StoreError: It cannot be written.
        """
        await self._write(history, (), calls)

    def claim_on(self, history: tuple[Message, ...]) -> Claim | None:
        """Return who has begun to run the calls at the end of a history, as far as this process has seen it."""
        return self.claims.behind(self._messages, history)

    def has_landed(self, reply: Reply[Any]) -> bool:
        """Whether this turn is the last one that is stored."""
        return bool(self._turns) and self._turns[-1].messages is reply.messages

    def end_turn(self, usage: Usage, *, has_begun: bool) -> None:
        """Note what a turn has cost, unless that was done when it landed, and whether it had begun to run anything."""
        self.claims.end_turn(has_begun=has_begun)
        if not self._is_usage_noted:
            self.unsaved_usage += usage
        self._is_usage_noted = False

    async def save(self, history: tuple[Message, ...]) -> None:
        """Write what is not there yet.

        Raises:
            ConflictError: Someone else has changed the session.
            StoreError: It cannot be written.
        """
        if not self.has_all_of(history):
            await self._write(history, ())
            return
        if self._uncertain is not None:
            await (self._settled() if self._uncertain.turns else self._look_for_write())
        if self.claims.is_stale:
            # Nothing has begun under it. Where others have made a version meanwhile, it is gone with the one before.
            with suppress(ConflictError):
                await self._write(history, ())
        if self._version is not None and self.unsaved_usage != Usage():
            await self._add_usage()

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
        what = f"the stored session {self.id!r}"
        try:
            await close_in_time(save, what, error)
        except anyio.get_cancelled_exc_class() as cancellation:
            # Of a loop's own way, which no shield holds off: it may have come before anything was written.
            if not is_saved:
                await close_in_time(save, what, cancellation)
            raise
        if not is_saved and error is None:
            message = f"the end of the session {self.id!r} was not written within {CLOSE_SECONDS} seconds"
            raise StoreError(message)

    def has_all_of(self, history: tuple[Message, ...]) -> bool:
        """Whether this is the history that is stored."""
        return history is self._messages or history == self._messages

    @property
    def silence(self) -> str | None:
        """Why nobody can say how many tokens the session has spent; None where somebody can."""
        for turn in self._turns:
            if turn.model and turn.usage.known_tokens is None:
                return f"a turn of {turn.model} is stored that has not reported how many tokens it took"
        return None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history that is stored."""
        return self._messages

    async def _write(
        self, history: tuple[Message, ...], turns: tuple[StoredTurn, ...], calls: Sequence[ToolCall] = ()
    ) -> None:
        if self._uncertain is not None:
            await self._settled()
        kept, rest = self._kept(history)
        new = (StoredTurn(rest), *turns) if rest else turns
        messages = (*history, *(message for turn in turns for message in turn.messages)) if turns else history
        claim = None if turns else self.claim_on(history)  # a turn answers what waited, or takes it back
        if calls:
            claim = self.claims.made(calls, claim)
        write = self._uncertain = _Write(kept, new, messages, self.unsaved_usage, claim)
        self.unsaved_usage = Usage()
        keep = None if kept == len(self._turns) else kept
        said: _Claimed = {} if claim is None else {"claim": claim}  # a store of before there were claims knows none
        try:
            version = await self.store.append(self.id, new, version=self._version, keep=keep, usage=write.usage, **said)
        except (ConflictError, StoreError):  # nothing was written
            self._uncertain = None
            self.unsaved_usage += write.usage
            raise
        except anyio.get_cancelled_exc_class():
            # Where the store learned of it too late, it is written, and has to be here too.
            await self._look_in_time(self._look_for_write)
            raise
        self._take_over(write, version)

    def _take_over(self, write: _Write, version: str) -> None:
        """Go on from a write that has come through."""
        self._uncertain = None
        self._version = version
        self._turns = (*self._turns[: write.kept], *write.turns)
        self._messages = write.messages
        self._sum += write.usage
        self.claims.stored = write.claim

    async def _settled(self) -> StoredSession | None:
        """Read what is stored. Where it was not known whether something was written, the sum is right afterwards.

        Raises:
            StoreError: It cannot be read.
        """
        stored = await self.store.load(self.id)
        write, self._uncertain = self._uncertain, None
        # Versions differ after every change: what stands there now and says the same was written by us.
        if write is not None and (stored is None or stored.version == self._version or not write.is_in(stored)):
            self.unsaved_usage += write.usage
        return stored

    async def _look_for_write(self) -> None:
        """Read what is stored, and go on from there if the uncertain write is the last one that came through."""
        write = self._uncertain
        stored = await self._settled()
        if write is None or stored is None or stored.version == self._version:
            return
        if write.is_in(stored) and stored.messages == write.messages:
            self._take_over(write, stored.version)

    async def _add_usage(self) -> None:
        usage, self.unsaved_usage = self.unsaved_usage, Usage()
        try:
            await self.store.add_usage(self.id, usage)
        except StoreError:
            self.unsaved_usage += usage
            raise
        except anyio.get_cancelled_exc_class():
            # Added twice would be wrong; where nobody knows, the sum says that something may be missing.
            self.unsaved_usage += Usage(complete=False)
            await self._look_in_time(lambda: self._look_for_usage(usage))
            raise
        self._sum += usage

    async def _look_for_usage(self, usage: Usage) -> None:
        """Find out whether this was added, by the sum; where others have added to it, that cannot be known."""
        stored = await self.store.load(self.id)
        if stored is not None and stored.usage in {self._sum, self._sum + usage}:
            self.unsaved_usage = usage if stored.usage == self._sum else Usage()
            self._sum = stored.usage

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

    async def _look_in_time(self, look: Callable[[], Awaitable[None]]) -> None:
        """Find out whether something was written, for a while and whatever comes: a cancellation is on its way."""
        is_known = False
        try:
            with anyio.move_on_after(CLOSE_SECONDS, shield=True):
                await look()
                is_known = True
        except Exception:
            _LOGGER.warning(_UNKNOWN, self.id, exc_info=True)
        else:
            if not is_known:
                _LOGGER.warning(_UNKNOWN, self.id)


def _are_equal(first: Sequence[Message], second: Sequence[Message]) -> bool:
    return len(first) == len(second) and all(a is b or a == b for a, b in zip(first, second, strict=True))


def stored_history(
    store: SessionStore | None, session_id: str | None, worker: str | None = None
) -> StoredHistory | None:
    """Return what keeps a session in a store; None where it has none.

    Raises:
        TypeError: The store is none, or there is an id or a worker and no store, or the worker is no str.
        ValueError: The id cannot be one.
    """
    if store is None:
        for name, given in (("id", session_id), ("worker", worker)):
            if given is not None:
                message = f"{name}= is for a session in a store: say which with store="
                raise TypeError(message)
        return None
    if worker is not None and not isinstance(worker, str):
        message = f"worker is a str, not a {type(worker).__name__}"
        raise TypeError(message)
    if not isinstance(store, SessionStore):
        message = f"store must be a SessionStore, such as an open SqliteStore, not a {type(store).__name__}"
        raise TypeError(message)
    if session_id is None:
        from uuid import uuid4  # noqa: PLC0415 - for who has a store and no name

        session_id = uuid4().hex
    return StoredHistory(store, checked_id(session_id), worker)
