"""The only I/O: one connection for each request, JSON lines in both directions, and every limit of time."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from chatport.backend import (
    Phase,
    ProtocolError,
    StreamInterruptedError,
    StreamTimeoutError,
    TimeoutName,
    Timeouts,
    TransportError,
)

_LONGEST_LINE = 16 * 1024 * 1024
_Value = TypeVar("_Value")


class Connection:
    """A connection of one request. Leaving the block closes it, however it is left."""

    def __init__(self, address: tuple[str, int], timeouts: Timeouts, facts: dict[str, Any]) -> None:
        """Prepare; entering the block opens the connection."""
        self._address = address
        self._timeouts = timeouts
        self._facts = facts
        self._has_begun = False
        self._stream: anyio.abc.SocketStream
        self._lines: BufferedByteReceiveStream
        self._first_at = self._last_at = 0.0

    async def __aenter__(self) -> Self:
        now = anyio.current_time()
        self._last_at = now + (self._timeouts.total or float("inf"))
        self._first_at = now + (self._timeouts.first_event or float("inf"))
        connect_at = now + (self._timeouts.connect or float("inf"))
        try:
            self._stream = await self._until(connect_at, "connect", lambda: anyio.connect_tcp(*self._address))
        except OSError as error:
            message = f"the parrot cannot be reached: {error}"
            raise TransportError(message, phase="connect", **self._facts) from error
        self._lines = BufferedByteReceiveStream(self._stream)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await anyio.aclose_forcefully(self._stream)

    async def send(self, body: dict[str, Any]) -> None:
        """Send one line."""
        line = json.dumps(body).encode() + b"\n"
        try:
            await self._until(self._first_at, "first_event", lambda: self._stream.send(line))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise self._broken() from error

    async def receive(self) -> dict[str, Any]:
        """Return the next line."""
        idle_at = anyio.current_time() + (self._timeouts.idle or float("inf"))
        limit: tuple[float, TimeoutName] = (idle_at, "idle") if self._has_begun else (self._first_at, "first_event")
        try:
            line = await self._until(*limit, lambda: self._lines.receive_until(b"\n", _LONGEST_LINE))
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            raise self._broken() from error
        except anyio.DelimiterNotFound as error:
            message = "the parrot sent a line that does not end"
            raise ProtocolError(message, phase="stream", **self._facts) from error
        self._has_begun = True
        try:
            value: Any = json.loads(line)
        except ValueError as error:
            message = "the parrot sent a line that is no JSON"
            raise ProtocolError(message, phase="stream", **self._facts) from error
        if not isinstance(value, dict):
            message = "the parrot sent a line that is no JSON object"
            raise ProtocolError(message, phase="stream", **self._facts)
        return value

    async def _until(self, at: float, name: TimeoutName, wait: Callable[[], Awaitable[_Value]]) -> _Value:
        """Wait for something, but not longer than one limit and the total; nothing is yielded in here."""
        at, name = min((at, name), (self._last_at, "total"))
        with anyio.CancelScope(deadline=at) as scope:
            return await wait()
        assert scope.cancelled_caught
        message = f"the parrot has said nothing for too long ({name})"
        phase: Phase = "stream" if self._has_begun else "connect" if name == "connect" else "request"
        raise StreamTimeoutError(message, timeout=name, phase=phase, **self._facts)

    def _broken(self) -> StreamInterruptedError | TransportError:
        if self._has_begun:
            return StreamInterruptedError("the parrot broke off", phase="stream", **self._facts)
        return TransportError("the parrot has hung up", phase="request", **self._facts)
