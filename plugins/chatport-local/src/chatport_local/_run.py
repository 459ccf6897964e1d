"""One generation: the engine works in a thread of its own, and whoever waits for its pieces does so on any loop."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from chatport_local._slots import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatport_local._engine import Chunk, Engine


class _Work:
    """What the thread and the reader share. It does not hold the reader, so that a reader nobody has any more ends."""

    def __init__(self, engine: Engine, body: Mapping[str, Any]) -> None:
        self.chunks: deque[Chunk] = deque()
        self.failure: BaseException | None = None
        self.is_cancelled = False
        self.is_abandoned = False
        self.has_ended = False
        self.signal = Signal()
        self._engine = engine
        self._body = body

    def do(self) -> None:
        """Run the engine; in the thread."""
        try:
            self._engine.complete(self._body, self._take)
        except BaseException as error:  # noqa: BLE001 - it is raised by the reader
            self.failure = error
        self.has_ended = True
        self.signal.give()
        if self.is_abandoned:
            self.signal.close()

    def abandon(self) -> None:
        """Let it end; whoever is last closes the signal."""
        self.is_cancelled = self.is_abandoned = True
        if self.has_ended:
            self.signal.close()

    def _take(self, chunk: Chunk) -> bool:
        self.chunks.append(chunk)
        self.signal.give()
        return self.is_cancelled


class Run:
    """One generation, read piece by piece. Whoever makes one closes it."""

    def __init__(self, engine: Engine, body: Mapping[str, Any]) -> None:
        """Begin to generate."""
        self._work = _Work(engine, body)
        self._thread = threading.Thread(target=self._work.do, name="chatport-local")
        self._thread.start()

    async def read(self) -> Chunk | None:
        """Return the next piece, or None behind the last one.

        Raises:
            EngineError: The engine refuses the request, or fails; after the pieces that came before.
        """
        work = self._work
        while not work.chunks:
            # The end is looked at before the pieces are looked at again: what came before it is there by then.
            if work.has_ended and not work.chunks:
                if work.failure is not None:
                    raise work.failure
                return None
            await work.signal.wait()
        return work.chunks.popleft()

    async def aclose(self) -> None:
        """End the generation; when this returns or raises, the thread has ended.

        That takes no longer than the engine takes for one batch of a prompt, or for one token.
        """
        work = self._work
        work.is_cancelled = True
        interruption: BaseException | None = None
        while not work.has_ended:
            try:
                with anyio.CancelScope(shield=True):
                    await work.signal.wait()
            except anyio.get_cancelled_exc_class() as error:
                interruption = error  # the loop's own, which no shield holds off: it is raised when the thread is done
        self._thread.join()  # nothing is left for it to do
        work.signal.close()
        if interruption is not None:
            raise interruption

    def __del__(self) -> None:
        """Let a generation end that nobody closes, as its loop is gone."""
        self._work.abandon()
