"""The body of an answer, read by whichever library carries it, and its connection, closed however it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

import aiohttp
import anyio
from aiohttp.http_exceptions import HttpProcessingError

from chatport_bedrock._failures import is_transport_error

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncGenerator


class Body(Protocol):
    """What is left of an answer."""

    async def read(self) -> bytes:
        """Return the next bytes, or none at the end; raises what the library raises."""
        ...

    async def close(self) -> None:
        """Let the connection go: back to the pool when all was read, else closed. Works in a cancelled task."""
        ...


def body_of(raw: Any) -> Body:
    """Return the body of an answer of aiobotocore's HTTP session, from the answer's `raw`."""
    return AiohttpBody(raw) if isinstance(raw, aiohttp.ClientResponse) else HttpxBody(raw)


class AiohttpBody:
    """A body read by aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._failure: Exception | None = None
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            self._watch(connection.protocol.closed)

    async def read(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            # When data and the end of a connection arrive together, aiohttp raises before it hands the data out.
            # Good frames come first, so what is buffered is returned and the error kept for the next call.
            buffered = self._response.content._read_nowait(-1)  # noqa: SLF001 - there is no public way to it
            if not buffered:
                raise
            self._failure = error
            return buffered

    async def close(self) -> None:
        # Synchronous, so a cancelled task closes as well; a body read to its end has given its connection back.
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


# Futures that say when a connection is closed, and how: somebody has to look at the how, or asyncio complains.
_watched: WeakSet[Future[None]] = WeakSet()


def _take_note(closed: Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()


class HttpxBody:
    """A body read by httpx2."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._chunks: AsyncGenerator[bytes, None] = response.aiter_raw()

    async def read(self) -> bytes:
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            return b""

    async def close(self) -> None:
        # Closed where they yield, the generators inside httpx2 leave those inside httpcore2 suspended, to be collected
        # some time, with a warning. Cancelled where they wait for bytes, all of them unwind and close the connection.
        with anyio.CancelScope(shield=True) as scope:
            scope.cancel()
            try:
                while await self.read():
                    pass
            except Exception as error:
                if not is_transport_error(error):
                    raise
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
