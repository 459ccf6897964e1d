"""The threads in which the engine works: whoever waits for one does so on any loop.

They are no daemons, whoever starts them: a daemon is killed inside of the engine's machine code when the program ends,
and takes the whole process with it. So each of them has to come to its end by itself when nobody is left to read.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import anyio

from chatport_local._slots import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatport_local._engine import Chunk, Engine

_T = TypeVar("_T")

THREAD_NAME: Final = "chatport-local"


class EngineThread(threading.Thread):
    """A thread that the engine works in."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__(target=target, name=THREAD_NAME, daemon=False)


class _Work(ABC):
    """What a thread and the one who waits for it share."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.has_ended = False
        self.is_abandoned = False
        self.is_unheard = False
        self.signal = Signal()

    def start(self) -> threading.Thread:
        """Begin, in a thread of its own."""
        thread = EngineThread(self._do)
        thread.start()
        return thread

    def abandon(self) -> None:
        """Let it end; whoever is last closes the signal."""
        self.is_abandoned = True
        if self.has_ended:
            self.signal.close()

    async def wait_for_end(self) -> BaseException | None:
        """Wait until it has ended, whatever comes; return the cancellation that came meanwhile, to be raised."""
        interruption: BaseException | None = None
        while not self.has_ended:
            try:
                with anyio.CancelScope(shield=True):
                    await self.signal.wait()
            except anyio.get_cancelled_exc_class() as error:
                interruption = error  # the loop's own, which no shield holds off
        return interruption

    def _do(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for; no loop runs in here
            self.failure = error
        if self.is_unheard:
            return  # a daemon that still waits for it ends with the program, and has nothing to say of that
        self.has_ended = True
        self.signal.give()
        if self.is_abandoned:
            self.signal.close()

    @abstractmethod
    def _work(self) -> None:
        """Do it."""


class _Call(_Work, Generic[_T]):
    """A function that is called once."""

    result: _T

    def __init__(self, function: Callable[[], _T]) -> None:
        super().__init__()
        self._function = function

    def _work(self) -> None:
        self.result = self._function()


class _Generating(_Work):
    """An answer. It does not hold its reader, so that a reader nobody has any more ends."""

    def __init__(self, engine: Engine, body: Mapping[str, Any]) -> None:
        super().__init__()
        self.chunks: deque[Chunk] = deque()
        self.is_cancelled = False
        self._engine = engine
        self._body = body
        self._asker = threading.current_thread()

    def _work(self) -> None:
        self._engine.complete(self._body, self._take)

    def _take(self, chunk: Chunk) -> bool:
        self.chunks.append(chunk)
        self.signal.give()
        self.is_unheard = not threading.main_thread().is_alive() and (not self._asker.is_alive() or _program_ends())
        return self.is_cancelled or self.is_abandoned or self.is_unheard


def _program_ends() -> bool:
    """Return whether the program, whose main thread has ended, waits for threads of the engine alone."""
    others = set(threading.enumerate()) - {threading.main_thread()}
    return all(thread.daemon or isinstance(thread, EngineThread) for thread in others)


async def call_in_thread(function: Callable[[], _T], *, may_be_left: bool) -> _T:
    """Return what a function returns that works inside the engine, in a thread of its own.

    Args:
        function: The function; it ends by itself, sooner or later.
        may_be_left: Whether a cancellation lets it go on alone; else it is raised when the function has ended.
    """
    work = _Call(function)
    thread = work.start()
    try:
        while may_be_left and not work.has_ended:
            await work.signal.wait()
        interruption = await work.wait_for_end()
    except BaseException:
        work.abandon()
        raise
    thread.join()  # nothing is left for it to do
    work.signal.close()
    if interruption is not None:
        raise interruption
    if work.failure is not None:
        raise work.failure
    return work.result


class Run:
    """One generation, read piece by piece. Whoever makes one closes it."""

    def __init__(self, engine: Engine, body: Mapping[str, Any]) -> None:
        """Begin to generate."""
        self._work = _Generating(engine, body)
        self._thread = self._work.start()

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

        That takes no longer than the engine takes for one batch of a prompt, or for one token; or for cutting the
        prompt into tokens, which comes first and takes a second or two for a megabyte.
        """
        work = self._work
        work.is_cancelled = True
        interruption = await work.wait_for_end()
        self._thread.join()  # nothing is left for it to do
        work.signal.close()
        if interruption is not None:
            raise interruption

    def __del__(self) -> None:
        """Let a generation end that nobody closes, as its loop is gone."""
        self._work.abandon()
