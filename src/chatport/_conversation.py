"""What a session keeps: the history, what it has cost, its place in a store, and the turn that is under way."""

from __future__ import annotations

import logging
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chatport._errors import BusyError, StreamClosedError
from chatport._events import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from chatport._messages import Message
    from chatport._reply import Partial, Reply
    from chatport._stored_history import StoredHistory
    from chatport._stream import ReplyStream
    from chatport._turn import Turn
    from chatport._usage_limits import Allowance

_LOGGER = logging.getLogger("chatport")
_BUSY = "this session is in the middle of a turn; one session holds one conversation, so open another one"
_READ = (
    "the block of a session was left while another task is in the middle of its turn; wait for that task, or cancel it"
)


class Conversation:
    """The state of one session. Turns land here, and in the store before that.

    Attributes:
        messages: The history.
        usage: What it has cost so far.
        partial: What is left of the last turn, if it broke off.
        stored: Where it is stored; None where it is in memory alone.
        allowance: What all turns may spend together; None sets no limit.
        is_closed: Whether the session's block has ended.
    """

    def __init__(
        self, messages: tuple[Message, ...], stored: StoredHistory | None, allowance: Allowance | None
    ) -> None:
        """Begin; what is stored is not read yet."""
        self.messages = messages
        self.usage = Usage()
        self.partial: Partial | None = None
        self.stored = stored
        self.allowance = allowance
        self.is_closed = False
        self._is_busy = False
        self._base = messages  # what stands before the turn under way
        self._has_landed = True  # the last turn
        self._stream: weakref.ref[ReplyStream[Any]] | None = None  # the last turn's; who reads it holds it

    # --- what may be done now ----------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Refuse to send after the session's block.

        Raises:
            StreamClosedError: It has ended.
        """
        if self.is_closed:
            message = "the session is closed; it sends only inside its `async with` block"
            raise StreamClosedError(message)

    def check_read(self) -> None:
        """Refuse to use a history that is not known yet.

        Raises:
            StreamClosedError: The block of a stored session has not been entered.
        """
        if self.stored is not None and not self.stored.is_read:
            message = "the history of a stored session is read when its block is entered: use `async with`"
            raise StreamClosedError(message)

    def check_idle(self) -> None:
        """Refuse to do two things at once.

        Raises:
            StreamClosedError: As for `check_read`.
            BusyError: A turn is under way.
        """
        self.check_read()
        if self._is_busy:
            raise BusyError(_BUSY)

    def check_changeable(self) -> None:
        """Refuse changes that would be lost.

        Raises:
            StreamClosedError: As for `check_read`; or the block of a stored session has ended.
            BusyError: A turn is under way.
        """
        self.check_idle()
        if self.stored is not None and self.is_closed:
            message = (
                "the block of this stored session has ended, so what is changed now would be stored nowhere: open it "
                "again, and change it there"
            )
            raise StreamClosedError(message)

    # --- the store ---------------------------------------------------------------------------------------------------

    async def read(self) -> None:
        """Take history and usage from the store, once.

        Raises:
            StoreError: They cannot be read.
            ValueError: What is stored does not begin with the messages that were given.
        """
        if self.stored is not None and not self.stored.is_read:
            self._take_usage(self.stored, await self.stored.read())
            self.messages = self.stored.beginning(self.messages)
            self.stored.is_read = True

    async def reload(self) -> None:
        """Take history and usage from the store again.

        Raises:
            StoreError: They cannot be read.
            ValueError: There is no store.
        """
        with self._idle_stored() as stored:
            self._take_usage(stored, await stored.read() + stored.unsaved_usage)
            self.messages = stored.messages

    async def save(self) -> None:
        """Write what is not there yet.

        Raises:
            ConflictError: Someone else has changed the session.
            StoreError: It cannot be written.
            ValueError: There is no store.
        """
        with self._idle_stored() as stored:
            await stored.save(self.messages)

    @contextmanager
    def _idle_stored(self) -> Generator[StoredHistory]:
        """Claim the session, as a turn does: one that began meanwhile would be in conflict with its own session."""
        if self.stored is None:
            message = "this session has no store: give store= and id= when it is opened"
            raise ValueError(message)
        self.check_idle()
        self._is_busy = True
        try:
            yield self.stored
        finally:
            self._is_busy = False

    def _take_usage(self, stored: StoredHistory, usage: Usage) -> None:
        self.usage = usage
        if self.allowance is not None:
            self.allowance.begin_with(usage, stored.silence)

    async def close(self, error: BaseException | None) -> None:
        """End the conversation: it sends nothing any more, no turn lands, and what is not stored yet is.

        Args:
            error: What is being raised already.

        Raises:
            BusyError: Another task is in the middle of a turn, which may be about to be stored.
            ConflictError: Someone else has changed the stored session.
            StoreError: It cannot be written.
        """
        self.is_closed = True
        stream = None if self._stream is None else self._stream()
        try:
            is_free = stream is None or await stream.end_with_session(error)
        except BaseException as failure:
            # A connection that cannot be closed costs nothing of what was kept.
            await self._close_stored(failure)
            raise
        if is_free:
            await self._close_stored(error)
        elif error is None:
            raise BusyError(_READ)
        else:
            _LOGGER.warning(_READ)

    async def _close_stored(self, error: BaseException | None) -> None:
        if self.stored is not None:
            await self.stored.close(self.messages, error)

    # --- a turn ------------------------------------------------------------------------------------------------------

    def begin_turn(self, base: tuple[Message, ...]) -> None:
        """Note that a turn is under way.

        Args:
            base: What stands before it in the history.
        """
        self._base = base
        self._is_busy = True
        self.partial, self._has_landed = None, False

    def watch(self, stream: ReplyStream[Any]) -> None:
        """Remember who reads the turn: it ends with the session."""
        self._stream = weakref.ref(stream)

    async def land_turn(self, reply: Reply[Any], model: str) -> None:
        """Put a finished turn into the history, and into its store before that.

        Args:
            reply: The turn.
            model: Who has answered, for people.

        Raises:
            ConflictError: Someone else has changed the stored session.
            StoreError: It cannot be written.
        """
        if not reply.messages:
            self._has_landed = True  # a turn that was resumed and still waits: there is nothing to add
            return
        if self.stored is None:
            self.messages = (*self._base, *reply.messages)
            self._has_landed = True
            return
        try:
            await self.stored.land(self._base, reply, model)
        finally:
            if self.stored.has_landed(reply):
                self.messages = self.stored.messages
                self._has_landed = True

    def end_turn(self, turn: Turn) -> None:
        """Note that a turn has ended, however it did, and what it has cost."""
        self._is_busy = False
        self._stream = None
        self.partial = None if self._has_landed else turn.partial()
        self.usage += turn.usage  # what a failed turn has cost is spent all the same
        if self.allowance is not None:
            self.allowance.settle(turn.spending())
        if self.stored is not None:
            self.stored.end_turn(turn.usage, has_begun=turn.has_run_calls)


class ConversationTurn:
    """A conversation as one stream sees it: what it may do to it, and nothing else."""

    def __init__(self, conversation: Conversation, begin: Callable[[], Turn], model: str) -> None:
        """Prepare; nothing is claimed before the stream is entered."""
        self._conversation = conversation
        self._begin = begin
        self._model = model

    def begin_turn(self, stream: ReplyStream[Any]) -> Turn:
        """Claim the conversation and prepare the turn."""
        turn = self._begin()
        self._conversation.watch(stream)
        return turn

    async def land_turn(self, reply: Reply[Any]) -> None:
        """Put a finished turn into the history, and into its store."""
        await self._conversation.land_turn(reply, self._model)

    def end_turn(self, turn: Turn) -> None:
        """Let go of the conversation, however the turn ended."""
        self._conversation.end_turn(turn)
