"""The body of an answer, read by whichever library carries it, and its connection, closed however it is left."""

from __future__ import annotations

from asyncio import get_running_loop
from math import inf
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from chatport.backend.http import TimedOutError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle


class Body(Protocol):
    """What is left of an answer."""

    async def read(self, seconds: float = inf) -> bytes:
        """Return the next bytes, or none at the end; raises what the library raises.

        Args:
            seconds: How long to wait for them, if they are not there.

        Raises:
            TimedOutError: They did not come in time.
        """
        ...

    async def close(self) -> None:
        """Let the connection go: back to the pool when all was read, else closed. Works in a cancelled task."""
        ...


def body_of(raw: Any) -> Body:
    """Return the body of an answer, from the answer's `raw`; the sessions for httpx2 have made one already."""
    return AiohttpBody(raw) if isinstance(raw, aiohttp.ClientResponse) else raw


class AiohttpBody:
    """A body read by aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._failure: Exception | None = None
        self._timer = _ReadTimer(response.content)
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            self._watch(connection.protocol.closed)

    async def read(self, seconds: float = inf) -> bytes:
        if self._failure is not None:
            raise self._failure
        if seconds <= 0:
            raise TimedOutError
        content = self._response.content
        try:
            if seconds == inf:
                return await content.readany()
            data = content.read_nowait()
            if data or content.at_eof():
                return data
            self._timer.arm(seconds)
            try:
                return await content.readany()
            finally:
                self._timer.disarm()
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            # When data and the end of a connection arrive together, aiohttp raises before it hands the data out.
            # Good frames come first, so what is buffered is returned and the error kept for the next call.
            buffered = content._read_nowait(-1)  # noqa: SLF001 - there is no public way to it
            if not buffered:
                raise
            self._failure = error
            return buffered

    async def close(self) -> None:
        # Synchronous, so a cancelled task closes as well; a body read to its end has given its connection back.
        self._timer.cancel()
        self._response.close()

    def _watch(self, closed: Future[None] | None) -> None:
        """Fail when the connection ends and nobody has told the body.

        aiohttp 3.14 does not tell it when the framing of chunks is broken: reading would wait for ever, since the
        timeout for reading is off by then as well.
        """
        if closed is None:
            self._on_closed()
            return
        if closed not in _watched:
            _watched.add(closed)
            closed.add_done_callback(_take_note)
        closed.add_done_callback(self._on_closed)

        def forget() -> None:
            closed.remove_done_callback(self._on_closed)

        self._response.content.on_eof(forget)

    def _on_closed(self, _: object = None) -> None:
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("it was closed in the middle of the body"))


class _ReadTimer:
    """Ends a wait for bytes that takes too long.

    One timer of the event loop serves all waits of a body. It is not moved at every wait, which would cost more than
    reading: when it goes off, it looks whether a wait is under way and since when, and goes on for what is left.
    """

    __slots__ = ("_content", "_end", "_handle", "_loop", "_received")

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._loop: AbstractEventLoop = get_running_loop()
        self._handle: TimerHandle | None = None
        self._end = inf
        self._received = 0

    def arm(self, seconds: float) -> None:
        """Begin a wait."""
        self._received = self._content.total_bytes
        end = self._end = self._loop.time() + seconds
        if self._handle is None or self._handle.when() > end:
            self._start()

    def disarm(self) -> None:
        """End a wait; the timer is left where it is, for the next one."""
        self._end = inf

    def cancel(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _start(self) -> None:
        self.cancel()
        self._handle = self._loop.call_at(self._end, self._look)

    def _look(self) -> None:
        self._handle = None
        if self._content.total_bytes != self._received or self._content.is_eof():
            return  # it came at the last moment: the one who waits for it just does not run yet
        if self._end <= self._loop.time():
            self._content.set_exception(TimedOutError())
        elif self._end < inf:
            self._start()


# Futures that say when a connection is closed, and how: somebody has to look at the how, or asyncio complains.
_watched: WeakSet[Future[None]] = WeakSet()


def _take_note(closed: Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()
