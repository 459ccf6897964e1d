"""Ends waits for bytes that take too long, on trio.

trio has no timers but those of scopes, and a scope around each read costs as much as all that is done with a frame. So
one task watches the waits of all connections. It is not woken up for each of them: when its time has come, it looks who
is waiting and since when, and sleeps for what is left.
"""

from __future__ import annotations

from math import inf
from typing import Any, Final

import httpcore2
import trio

# For a wait that was in the middle of something when it was to end.
_AGAIN_SECONDS: Final = 0.05


class Watch:
    """The waits of one event loop's connections; the task lives as long as one of them is watched and has a limit."""

    def __init__(self) -> None:
        self._watched: set[WatchedStream] = set()
        self._ends: dict[WatchedStream, float] = {}
        self._next = inf
        self._alarm: trio.CancelScope | None = None
        self._life: trio.CancelScope | None = None

    def watched(self, stream: httpcore2.AsyncNetworkStream) -> WatchedStream | None:
        """Return what to read from instead of a stream of httpcore2; None where that is not made as it was."""
        # httpcore2 reads in a scope even where there is no limit, and does not hand out what it reads from.
        inner = getattr(stream, "_stream", None)
        if not isinstance(inner, trio.SocketStream | trio.SSLStream):
            return None
        found = WatchedStream(inner, stream.get_extra_info("socket"), self)
        self._watched.add(found)
        return found

    def forget(self, stream: WatchedStream) -> None:
        """Watch a stream no longer; with the last one the task ends."""
        self._watched.discard(stream)
        if not self._watched and self._life is not None:
            self._life.cancel()
            self._life = None
            self._next = inf

    def begin(self, stream: WatchedStream, seconds: float) -> None:
        """Note that a wait begins."""
        end = self._ends[stream] = trio.current_time() + seconds
        if end < self._next:
            self._next = end
            if self._life is None:
                self._life = trio.CancelScope()
                trio.lowlevel.spawn_system_task(self._run, self._life)
            elif self._alarm is not None:
                self._alarm.deadline = end

    def finish(self, stream: WatchedStream) -> None:
        """Note that a wait is over."""
        del self._ends[stream]

    async def _run(self, life: trio.CancelScope) -> None:
        with life:
            while not life.cancel_called:  # before it began, and another has begun meanwhile
                with trio.CancelScope(deadline=self._next) as self._alarm:
                    await trio.sleep_forever()
                self._look()

    def _look(self) -> None:
        now = trio.current_time()
        self._next = inf
        for stream, end in self._ends.items():
            if end <= now:
                stream.stop_waiting()
                end = now + _AGAIN_SECONDS  # noqa: PLW2901 - the same for one that is late
            self._next = min(self._next, end)


class WatchedStream:
    """What is read from, for one connection."""

    __slots__ = ("_is_late", "_socket", "_stream", "_watch")

    def __init__(self, stream: trio.abc.ReceiveStream, socket: Any, watch: Watch) -> None:
        """Take trio's stream, with or without TLS, and the socket below it."""
        self._stream = stream
        self._socket = socket
        self._watch = watch
        self._is_late = False

    async def read(self, max_bytes: int, seconds: float) -> bytes:
        """Return what is there, or what comes next; nothing at the end.

        Raises:
            httpcore2.ReadTimeout: It did not come in time.
            httpcore2.ReadError: The connection broke.
        """
        self._is_late = False
        self._watch.begin(self, seconds)
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if self._is_late:
                raise httpcore2.ReadTimeout from None
            raise httpcore2.ReadError(error) from error
        finally:
            self._watch.finish(self)

    def forget(self) -> None:
        """Be watched no longer."""
        self._watch.forget(self)

    def stop_waiting(self) -> None:
        """Make a read end that waits for the socket; bytes that are there already are read all the same."""
        self._is_late = True
        trio.lowlevel.notify_closing(self._socket)
