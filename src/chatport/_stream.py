"""What a caller reads from a turn: events or text, then the reply.

These are classes, not generators: a generator left early is closed whenever the interpreter gets to it, a class is
closed where its `async with` block ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self

from chatport._closing import close_in_time
from chatport._errors import BusyError, StreamClosedError
from chatport._events import Event, MessageStart, OutputRetryStart, PartEnd, ReplyEnd, RetryStart, TextDelta
from chatport._messages import Text
from chatport._reply import OutputT_co, Partial, Reply

if TYPE_CHECKING:
    from types import TracebackType

    from chatport._turn import Turn


class TurnOwner(Protocol):
    """The session, as a stream sees it."""

    def begin_turn(self, stream: ReplyStream[Any]) -> Turn:
        """Claim the session and prepare the turn that the stream will read."""
        ...

    async def land_turn(self, reply: Reply[Any]) -> None:
        """Put a finished turn into the history, and into its store."""
        ...

    def end_turn(self, turn: Turn) -> None:
        """Let go of the session, however the turn ended."""
        ...


class _State(Enum):
    NEW = auto()
    OPEN = auto()
    DONE = auto()
    FAILED = auto()
    CLOSED = auto()
    ENDED = auto()  # with the session, whose block was left first


class ReplyStream(AsyncIterator[Event], Generic[OutputT_co]):
    """A turn as it happens: iterate it for events, or its `text` for text, not both.

    Enter it with `async with`: that sends the request and waits for the first event, so that what the service refuses
    is raised there. However the block is left, the connection is closed. Left before the end, the turn does not land
    in the history; `partial` has what had happened. So it is where the block of the session is left first.
    """

    def __init__(self, owner: TurnOwner) -> None:
        """Prepare; a session makes these."""
        self._owner = owner
        self._state = _State.NEW
        self._turn: Turn | None = None
        self._events: AsyncGenerator[Event, None] | None = None
        self._waiting: deque[Event] = deque()  # what entering has read
        self._text: TextStream | None = None  # made when asked for: two that hold each other wait for the collector
        self._reader: object | None = None
        self._is_reading = False
        self._reply: Reply[OutputT_co] | None = None

    async def __aenter__(self) -> Self:
        """Send the request and wait for the first event of an answer, over all repetitions.

        Raises:
            BusyError: The session is in the middle of another turn.
            ChatError: The request cannot be sent or was refused.
        """
        if self._state is not _State.NEW:
            message = "a stream can be entered once; ask the session for a new one"
            raise StreamClosedError(message)
        self._turn = self._owner.begin_turn(self)
        events = self._events = self._turn.events()
        self._state = _State.OPEN
        self._is_reading = True
        try:
            self._waiting.append(await events.__anext__())
            while type(self._waiting[-1]) is RetryStart and not self._was_left():
                self._waiting.append(await events.__anext__())
        except BaseException as error:
            self._is_reading = False
            if not self._was_left():
                self._state = _State.FAILED
            self._waiting.clear()
            await self._let_go(error)
            raise
        self._is_reading = False
        if self._was_left():
            self._waiting.clear()
            await self._let_go(None)
            self._refuse_reading()
        if isinstance(event := self._waiting[-1], ReplyEnd):
            self._reply = event.reply  # of a turn that was resumed and still waits: it adds nothing to the history
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection and let go of the session.

        Raises:
            BusyError: Another task is in the middle of reading. The connection is closed as soon as that read returns.
        """
        self._state = _State.CLOSED
        self._waiting.clear()
        if not self._is_reading:
            await self._let_go(error)
        elif error is None:
            message = "the block of a stream was left while another task reads it; wait for that task, or cancel it"
            raise BusyError(message)

    async def end_with_session(self, error: BaseException | None) -> bool:
        """Close the stream because the block of its session is left before its own: the turn does not land any more.

        Args:
            error: What is being raised already.

        Returns:
            Whether it is closed now; where another task is in the middle of reading, that task closes it.
        """
        if self._state is _State.OPEN:
            self._state = _State.ENDED if self._reply is None else _State.DONE
            self._waiting.clear()
        if self._is_reading:
            return False
        await self._let_go(error)
        return True

    async def _let_go(self, error: BaseException | None) -> None:
        """Close the connection and free the session; `error` is what is being raised already."""
        events, turn = self._events, self._turn
        self._events = None
        if events is None or turn is None:
            return
        try:
            if self._reply is None:
                await close_in_time(events.aclose, f"the stream of the backend {turn.backend_name!r}", error)
            else:
                await events.aclose()  # it has said its last word, and holds nothing any more
        finally:
            self._owner.end_turn(turn)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event.

        Raises:
            StreamClosedError: The stream is not open, or is being read as text.
            BusyError: Another task is in the middle of reading.
            ChatError: The exchange failed.
        """
        if self._reader is not self:
            self._claim(self, "events")
        return self.next_ready() or await self.next_event()

    @property
    def text(self) -> TextStream:
        """The text of the turn as it comes, of all its steps; iterate it in place of the stream."""
        if self._text is None:
            self._text = TextStream(self)
        return self._text

    @property
    def reply(self) -> Reply[OutputT_co]:
        """The finished turn.

        Raises:
            StreamClosedError: The stream has not been read to its end.
        """
        if self._reply is None:
            message = "the stream has not been read to its end; `await stream.finish()` does that"
            raise StreamClosedError(message)
        return self._reply

    @property
    def partial(self) -> Partial:
        """What has happened so far; there at any time, also after the stream broke off."""
        return self._turn.partial() if self._turn is not None else Partial()

    async def finish(self) -> Reply[OutputT_co]:
        """Read what is left and return the reply.

        Raises:
            StreamClosedError: The stream is not open.
            BusyError: Another task is in the middle of reading.
            ChatError: The exchange failed.
        """
        while self._reply is None:
            if self.next_ready() is None:
                await self.next_event()
        return self._reply

    def _claim(self, reader: object, kind: str) -> None:
        if self._reader is None:
            self._reader = reader
        elif self._reader is not reader:
            message = f"this stream is being read in another way than as {kind}; read text or events, not both"
            raise StreamClosedError(message)

    def claim_for_text(self, reader: TextStream) -> None:
        """Let a `TextStream` read from here."""
        self._claim(reader, "text")

    def next_ready(self) -> Event | None:
        """Return the next event if it is there and an ordinary one; None says nothing but that one has to wait."""
        if self._turn is None or self._state is not _State.OPEN or self._is_reading or self._waiting:
            return None
        return self._turn.next_ready()

    async def next_event(self) -> Event:
        """Return the next event, whoever reads."""
        if self._waiting:
            return self._waiting.popleft()
        if self._state is not _State.OPEN or self._events is None:
            return self._refuse_reading()
        if self._is_reading:
            message = "another task is in the middle of reading this stream"
            raise BusyError(message)
        self._is_reading = True
        try:
            event = await self._events.__anext__()
            if type(event) is ReplyEnd and not self._was_left():
                await self._owner.land_turn(event.reply)
                self._reply = event.reply
        except BaseException as error:
            self._is_reading = False
            if self._was_left():
                await self._let_go(error)
            else:
                self._state = _State.DONE if isinstance(error, StopAsyncIteration) else _State.FAILED
            raise
        self._is_reading = False
        if self._was_left():
            await self._let_go(None)
            return event if self._reply is not None else self._refuse_reading()
        return event

    def _was_left(self) -> bool:
        """Whether a block was left while this task read: nobody else could close what was running."""
        return self._state is _State.CLOSED or self._state is _State.ENDED

    def _refuse_reading(self) -> Event:
        if self._state is _State.DONE:
            raise StopAsyncIteration
        reasons = {
            _State.NEW: "the stream is not open yet: enter it with `async with` first",
            _State.FAILED: "the stream has failed; what had arrived is in `partial`",
            _State.CLOSED: "the stream is closed; read it inside its `async with` block",
            _State.ENDED: "the block of the session has ended, and its stream with it; `partial` has what had arrived",
        }
        raise StreamClosedError(reasons[self._state])


class TextStream(AsyncIterator[str]):
    """The text of a turn, piece by piece.

    An answer that does not fit `output` and is asked for again has been read by then: a line feed, which no model has
    said, parts it from the next one. The text of the last one is `stream.reply.text`; who has to tell them apart while
    they come reads events.
    """

    def __init__(self, stream: ReplyStream[Any]) -> None:
        """Read from a stream; `ReplyStream.text` makes these."""
        self._stream = stream
        self._is_claimed = False
        self._streamed: set[int] = set()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> str:
        """Return the next piece of text, never an empty one.

        Raises:
            StreamClosedError: The stream is not open, or is being read as events.
            BusyError: Another task is in the middle of reading.
            ChatError: The exchange failed.
        """
        stream = self._stream
        if not self._is_claimed:
            stream.claim_for_text(self)
            self._is_claimed = True
        while True:
            event = stream.next_ready() or await stream.next_event()
            if isinstance(event, TextDelta):
                if event.index not in self._streamed:
                    self._streamed.add(event.index)
                if event.text:
                    return event.text
            elif isinstance(event, MessageStart):
                self._streamed.clear()
            elif isinstance(event, OutputRetryStart):
                return "\n"
            elif isinstance(event, PartEnd) and (text := self._whole_text(event)):
                return text

    def _whole_text(self, event: PartEnd) -> str:
        """The words of a text part that came whole; those that came in pieces have been read already."""
        streamed = event.index in self._streamed
        return event.part.text if isinstance(event.part, Text) and not streamed else ""
