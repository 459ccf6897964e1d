"""Places for requests: as many at once as there may be connections to a host."""

from __future__ import annotations

from collections import deque

import anyio


class ConnectionsClosedError(Exception):
    """The connections were closed while somebody waited for one.

    It has no words for people: what sends knows which request it was, and raises the error that this one ends with.
    """


class Slots:
    """The places for requests to one host on one event loop; who comes first is served first.

    A request that has a place finds a connection free, so that nobody waits inside an HTTP library, where it could not
    be told how long for what.

    Attributes:
        limit: How many there are.
        in_flight: How many are taken.
    """

    def __init__(self, limit: int) -> None:
        """Begin with all places free.

        Args:
            limit: How many there are.
        """
        self.limit = limit
        self.in_flight = 0
        self._queue: deque[anyio.Event] = deque()
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._queue)

    async def acquire(self, seconds: float) -> None:
        """Take a place, waiting for one where there is none. Whoever has it gives it back with `release`.

        Args:
            seconds: How long to wait; infinite for ever.

        Raises:
            TimeoutError: None was free in time.
            ConnectionsClosedError: The connections were closed.
        """
        if self._is_closed:
            raise ConnectionsClosedError
        if self.in_flight < self.limit:
            self.in_flight += 1
            return
        turn = anyio.Event()
        self._queue.append(turn)
        try:
            with anyio.move_on_after(seconds):
                await turn.wait()
        except BaseException:
            self._leave(turn)
            raise
        if self._is_closed:
            self._leave(turn)
            raise ConnectionsClosedError
        if not turn.is_set():
            self._leave(turn)
            raise TimeoutError

    def release(self) -> None:
        """Give a place back: to the first who waits, so that nobody who comes later takes it."""
        if self._queue:
            self._queue.popleft().set()
        else:
            self.in_flight -= 1

    def close(self) -> None:
        """Give no more places: who waits for one would send over connections that nobody closes any more."""
        self._is_closed = True
        for turn in self._queue:
            turn.set()

    def _leave(self, turn: anyio.Event) -> None:
        if turn in self._queue:
            self._queue.remove(turn)
        else:  # the place was given to one who does not want it any more
            self.release()
