"""Lines that a person types: at the prompt, and where a question stands.

Nothing ends the waiting of a thread for a line. Where the question is over before it is answered, the thread goes on to
wait, and what is typed next belongs to whoever asks next.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Final, TextIO, cast

import anyio
from anyio.from_thread import BlockingPortal

LOOK_AFTER: Final = 0.2
"""How long the main thread waits for another one before it looks whether it was interrupted, in seconds: an interrupt
that comes just as it falls asleep does not wake it, and on Windows none does."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A thread that waits for a line."""

    source: TextIO
    line: Future[str] = field(default_factory=Future[str])

    def run(self) -> None:
        try:
            line = self.source.readline()
        except BaseException as error:  # noqa: BLE001 - it is raised where the line is asked for
            self.line.set_exception(error)
        else:
            self.line.set_result(line)


class _Reader:
    """Whoever reads what is typed: one thread at a time waits for a line."""

    def __init__(self) -> None:
        self._left: _Reading | None = None  # by a question that was over before it was answered

    def take(self, source: TextIO) -> _Reading | None:
        """Return what waits for a line of this input, if anything does; it belongs to the caller then."""
        left, self._left = self._left, None
        return left if left is not None and left.source is source else None

    def leave(self, reading: _Reading) -> None:
        """Leave it to whoever asks next; a line that has come was said to this question, and to no other."""
        if not reading.line.done():
            self._left = reading


_READER = _Reader()


def read_line(source: TextIO) -> str:
    """Wait for a line, in the main thread, where an interrupt ends the waiting; empty at the end of the input."""
    left = _READER.take(source)
    if left is None:
        return source.readline()
    while not left.line.done():
        wait([left.line], LOOK_AFTER)
    return left.line.result()


async def ask_person(question: str) -> str:
    """Ask at the terminal and return the line that is typed; empty at the end of the input.

    A cancellation ends the asking at once.
    """
    source = cast("TextIO | None", sys.stdin)
    if source is None:
        return ""
    show_prompt(question)
    reading = _READER.take(source)
    if reading is None:
        reading = _Reading(source)
        threading.Thread(target=reading.run, name="chatport asks", daemon=True).start()
    typed, here = anyio.Event(), threading.get_ident()
    try:
        async with BlockingPortal() as portal:

            def tell(_: Future[str]) -> None:
                if threading.get_ident() == here:  # the line had come before this was asked for
                    typed.set()
                    return
                with contextlib.suppress(RuntimeError):  # the question is over meanwhile
                    portal.call(typed.set)

            reading.line.add_done_callback(tell)
            await typed.wait()
    except BaseException:
        _READER.leave(reading)
        raise
    return reading.line.result()


def show_prompt(words: str) -> None:
    """Write to standard error what a line is to follow."""
    errors = cast("TextIO | None", sys.stderr)
    if errors is not None:
        errors.write(words)
        errors.flush()
