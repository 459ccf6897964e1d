"""Processes that are killed while they write to a store, and what has to be true of the file afterwards."""

import os
import random
import select
import signal
import sqlite3
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel

from chatport import Image, Message, Session, SqliteStore, StoredTurn
from chatport._sqlite_database import Database
from chatport.backend import ChatRequest
from chatport.testing import ScriptedBackend

_TURNS_OF_A_FILE = 150  # then a new one is begun, for histories that are read whole
_LONGEST = 0.15  # seconds that a process may write before it is killed
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
        How many there were, and how many turns they have written.
    """
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    end = time.monotonic() + seconds
    for loop in _LOOPS:
        anyio.run(_nothing, backend=loop)  # loads it once, and not in each child
    done = written = 0
    with tempfile.TemporaryDirectory() as folder:
        path, turns = Path(folder) / "0.db", 0
        while done < kills and time.monotonic() < end:
            if turns >= _TURNS_OF_A_FILE:
                path, turns = Path(folder) / f"{done}.db", 0
            # Now and then it does not get as far as to have opened the file.
            wait = dice.uniform(0, _LONGEST)
            reported = _killed_writer(path, turns, wait, loop=dice.choice(_LOOPS), at_once=dice.random() < 0.2)
            found = _check(path, turns, reported)
            written += found - turns
            turns = found
            done += 1
    assert written, "nobody has written anything"
    return done, written


async def _nothing() -> None:
    await anyio.lowlevel.checkpoint()


def _killed_writer(path: Path, turns: int, wait: float, *, loop: str, at_once: bool) -> int:
    """Return how many turns a process has reported as answered before it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            anyio.run(_write, path, turns, writing, backend=loop)
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


async def _write(path: Path, turns: int, pipe: int) -> None:
    """Take turns for ever, and report each when it is answered."""
    backend = ScriptedBackend(*[_answer] * 10_000)
    async with SqliteStore(path) as store, Session(backend, "m", store=store, id="a") as session:
        assert len(session.messages) == 2 * turns
        os.write(pipe, b"%d\n" % turns)
        while True:
            await session.ask(f"question {turns}", Image("image/png", _picture(turns)))
            turns += 1
            os.write(pipe, b"%d\n" % turns)
            if turns % 4 == 0:  # something that comes and goes, with a picture of its own
                other = StoredTurn((Message.user(Image("image/png", _picture(turns) + b"of b")),))
                await store.delete("b")
                await store.append("b", [other], version=None)


def _answer(request: ChatRequest) -> str:
    return request.messages[-1].text.replace("question", "answer")


def _picture(number: int) -> bytes:
    return _PICTURES[number % len(_PICTURES)]


def _check(path: Path, before: int, reported: int) -> int:
    """Look at a file after its writer was killed, and return how many turns are there."""
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
    assert messages == tuple(_expected(len(messages) // 2))
    turns = len(messages) // 2
    assert max(before, reported) <= turns <= max(before, reported) + 1, "an answered turn is missing"
    with closing(sqlite3.connect(path)) as connection:
        orphans = "SELECT count(*) FROM blobs WHERE hash NOT IN (SELECT hash FROM turn_blobs)"
        assert connection.execute(orphans).fetchall() == [(0,)]
    return turns


def _expected(turns: int) -> Iterator[Message]:
    for number in range(turns):
        yield Message.user(f"question {number}", Image("image/png", _picture(number)))
        yield Message.assistant(f"answer {number}")
