"""The body of an answer that httpx2, or httpcore2 below it, hands out piece by piece."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

import anyio

from chatport.backend.http import TimedOutError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable


class PiecewiseBody:
    """A body that a generator of the library reads."""

    def __init__(
        self,
        begin: Callable[[], AsyncGenerator[bytes, None]],
        close: Callable[[], Awaitable[None]],
        failures: tuple[type[Exception], ...],
    ) -> None:
        """Read nothing yet.

        Args:
            begin: Makes the generator.
            close: Closes the answer, once the generator has ended or if it never began.
            failures: What the generator raises when the connection fails.
        """
        self._begin = begin
        self._close = close
        self._failures = failures
        self._pieces: AsyncGenerator[bytes, None] | None = None
        self._has_ended = False

    async def read(self, seconds: float = inf) -> bytes:
        if seconds <= 0:
            raise TimedOutError
        if self._pieces is None:
            self._pieces = self._begin()
        # The library has a timer for each read, too, but the same for all of them from the first one on.
        with anyio.move_on_after(seconds):
            piece = await anext(self._pieces, b"")
            self._has_ended = not piece
            return piece
        raise TimedOutError

    async def close(self) -> None:
        if self._pieces is not None and not self._has_ended:
            await self._unwind(self._pieces)
        with anyio.CancelScope(shield=True):
            await self._close()

    async def _unwind(self, pieces: AsyncGenerator[bytes, None]) -> None:
        # Closed where they yield, the generators inside httpx2 leave those inside httpcore2 suspended, to be collected
        # some time, with a warning. Cancelled where they wait for bytes, all of them unwind and close the connection.
        with anyio.CancelScope(shield=True) as scope:
            scope.cancel()
            with suppress(*self._failures):
                async for _ in pieces:
                    pass
