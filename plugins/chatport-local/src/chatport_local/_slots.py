"""Waiting across threads and event loops: a signal that any thread may give, and the slots that conversations share."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque

import anyio

from chatport.backend import Load

_DRAIN = 4096


class Signal:
    """Wakes the one task that waits for it, from any thread.

    It is a pair of sockets, which every event loop can wait for: no thread waits, and no loop has to be named. Signals
    that come while nobody waits are kept, as one.
    """

    def __init__(self) -> None:
        """Open the pair."""
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)  # noqa: FBT003 - its only way

    def give(self) -> None:
        """Give the signal; it never blocks, and does nothing once the signal is closed."""
        # Full, the pair wakes its reader anyway; closed, it has none.
        with contextlib.suppress(OSError):
            self._sender.send(b"\0")

    async def wait(self) -> None:
        """Wait until it was given since it was waited for last."""
        await anyio.wait_readable(self._receiver)
        with contextlib.suppress(BlockingIOError):
            self._receiver.recv(_DRAIN)

    def close(self) -> None:
        """Close the pair."""
        self._receiver.close()
        self._sender.close()


class Slots:
    """How many requests an engine answers at the same time; the others wait in the order in which they came.

    The engine would let them wait itself, but nothing can be taken back from its queue before its turn has come.
    """

    def __init__(self, count: int) -> None:
        """Begin with all of them free."""
        self._count = count
        self._in_use = 0
        self._waiting: deque[Signal] = deque()
        # One that waits for ever and is collected as garbage takes itself out of the queue, in whichever thread has the
        # lock just then.
        self._lock = threading.RLock()

    async def acquire(self) -> None:
        """Take a slot as soon as one is free. Whoever has got one gives it back with `release`."""
        with self._lock:
            if self._in_use < self._count:
                self._in_use += 1
                return
            turn = Signal()
            self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            with self._lock:
                was_waiting = turn in self._waiting
                if was_waiting:
                    self._waiting.remove(turn)
            if not was_waiting:
                self.release()  # it came just now, and nobody wants it any more
            raise
        finally:
            turn.close()

    def release(self) -> None:
        """Give a slot back: to the one that has waited longest, where one waits."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().give()
            else:
                self._in_use -= 1

    def load(self) -> Load:
        """Return how many are in use and how many requests wait."""
        with self._lock:
            return Load(self._in_use, len(self._waiting), self._count)
