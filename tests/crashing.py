"""Processes that are killed while they write to a store, and what has to be true of the file afterwards."""

import os
import random
import select
import signal
import sqlite3
import tempfile
import time
import traceback
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel

from chatport import Image, Message, Session, SqliteStore, StoredTurn
from chatport._sqlite_database import Database
from chatport.backend import ChatRequest
from chatport.testing import ScriptedBackend

_STEPS_OF_A_FILE = 200  # then a new one is begun, for histories that are read whole
_LONGEST = 0.15  # seconds that a process may write before it is killed
_CHANGES = ("ask", "ask", "ask", "regenerate", "ask", "replace", "ask", "rewind")  # what a writer does, over and over
_LOOPS = ["asyncio", "trio"]
_PICTURES = [b"\x89PNG\r\n\x1a\n" + bytes([number]) * 90_000 * number for number in range(4)]


def run(seed: int, kills: int, seconds: float) -> tuple[int, int]:
    """Kill processes while they write, and look at the file after each.

    It forks, so it has to run in a process that has no threads.

    Args:
        seed: Decides when each is killed.
        kills: How many.
        seconds: When to stop, however many there were.

    Returns:
        How many there were, and how many changes (turns, and turns taken back) they were told are stored.
    """
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    end = time.monotonic() + seconds
    for loop in _LOOPS:
        anyio.run(_nothing, backend=loop)  # loads it once, and not in each child
    done = written = 0
    with tempfile.TemporaryDirectory() as folder:
        path, steps = Path(folder) / "0.db", 0
        while done < kills and time.monotonic() < end:
            if steps >= _STEPS_OF_A_FILE:
                path, steps = Path(folder) / f"{done}.db", 0
            # Now and then it does not get as far as to have opened the file.
            wait = dice.uniform(0, _LONGEST)
            reported = _killed_writer(path, steps, wait, loop=dice.choice(_LOOPS), at_once=dice.random() < 0.2)
            found = _check(path, steps, reported)
            written += found - steps
            steps = found
            done += 1
    assert written, "nobody has written anything"
    return done, written


async def _nothing() -> None:
    await anyio.lowlevel.checkpoint()


def _killed_writer(path: Path, steps: int, wait: float, *, loop: str, at_once: bool) -> int:
    """Return which change a process has reported as stored before it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            anyio.run(_write, path, steps, writing, backend=loop)
        except BaseException:  # noqa: BLE001 - nobody above is this process's own
            traceback.print_exc()
        finally:
            os._exit(1)  # not reached otherwise: it writes until it is killed
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        if not at_once:
            ready, _, _ = select.select([pipe], [], [], 30)
            assert ready, "it did not open the store"
        select.select([], [], [], wait)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"it has ended by itself: {status}"
        reports = b"".join(iter(lambda: pipe.read(65536), b"")).split()
    return int(reports[-1]) if reports else 0


async def _write(path: Path, steps: int, pipe: int) -> None:
    """Change a history for ever, and report each change when it is stored."""

    def answer(request: ChatRequest) -> str:
        return _answer(request.messages[-1].text, steps)

    backend = ScriptedBackend(*[answer] * 10_000)
    async with SqliteStore(path) as store, Session(backend, "m", store=store, id="a") as session:
        assert session.messages == _expected(steps)
        os.write(pipe, b"%d\n" % steps)
        while True:
            await _change(session, steps)
            steps += 1
            os.write(pipe, b"%d\n" % steps)
            if steps % 4 == 0:  # something that comes and goes, with a picture of its own
                other = StoredTurn((Message.user(Image("image/png", _picture(steps) + b"of b")),))
                await store.delete("b")
                await store.append("b", [other], version=None)


async def _change(session: Session, step: int) -> None:
    match _CHANGES[step % len(_CHANGES)]:
        case "ask":
            await session.ask(*_question(step))
        case "regenerate":
            await session.regenerate()
        case "replace":
            session.rewind()
            await session.ask(*_question(step))
        case _:
            session.rewind()
            await session.save()


def _expected(steps: int) -> tuple[Message, ...]:
    """The history after so many changes: whatever a process is killed at, this one is there, or the next."""
    turns: list[tuple[Message, Message]] = []
    for step in range(steps):
        change = _CHANGES[step % len(_CHANGES)]
        if change != "ask":
            question, _ = turns.pop()
            if change == "regenerate":
                turns.append((question, Message.assistant(_answer(question.text, step))))
        if change in {"ask", "replace"}:
            question = Message.user(*_question(step))
            turns.append((question, Message.assistant(_answer(question.text, step))))
    return tuple(message for turn in turns for message in turn)


def _question(step: int) -> tuple[str, Image]:
    return f"question {step}", Image("image/png", _picture(step))


def _answer(question: str, step: int) -> str:
    return f"{question}, answered at step {step}"


def _picture(number: int) -> bytes:
    return _PICTURES[number % len(_PICTURES)]


def _check(path: Path, before: int, reported: int) -> int:
    """Look at a file after its writer was killed, and return how many changes are there."""
    if not path.exists():
        assert not reported
        return 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    # The process that comes next opens it as it is, be it half made.
    with closing(Database(str(path), create=False)) as database:
        found = database.load("a")
    messages = () if found is None else found.messages
    least = max(before, reported)
    steps = [count for count in (least, least + 1) if messages == _expected(count)]
    assert len(steps) == 1, f"after {least} changes that are stored, there are {[message.text for message in messages]}"
    with closing(sqlite3.connect(path)) as connection:
        orphans = "SELECT count(*) FROM blobs WHERE hash NOT IN (SELECT hash FROM turn_blobs)"
        assert connection.execute(orphans).fetchall() == [(0,)]
    return steps[0]
