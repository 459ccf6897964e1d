"""Ctrl-C in the middle of a talk, at a real terminal: what is said of it, and whose the next line is."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from tests.cli.support import SECONDS

from chatport import SqliteStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")

# A backend that calls a tool where somebody says "Pay", and else says the words again; a store that is slow to write
# where somebody says "Slowly", and tells when it writes.
PROGRAM = """
import os, signal, sys, time
from chatport import ToolCall, register_backend, tool
from chatport._sqlite_database import Database
from chatport.cli import main
from chatport.testing import ScriptedBackend

append = Database.append

def slow_append(self, *arguments, **options):
    if os.environ.get("CHATPORT_TEST_SLOW"):
        print("writing", file=sys.stderr, flush=True)
        time.sleep(0.5)  # the interrupt comes meanwhile
    return append(self, *arguments, **options)

Database.append = slow_append

def answer(request):
    words = request.messages[-1].text
    return [ToolCall("1", "pay", {"amount": 5})] if words == "Pay" else f"You say {words}."

signal.signal(signal.SIGINT, signal.default_int_handler)
register_backend("scripted", lambda: ScriptedBackend(*[answer] * 20))
sys.exit(main(sys.argv[1:]))
"""
TOOLS = "from chatport import tool\n\n@tool\ndef pay(amount: int) -> str:\n    '''Pay.'''\n    return 'paid'\n"


class Talk:
    """The command at a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        """Take the process, and the end of its terminal at which a person sits."""
        self._process = process
        self._terminal = terminal
        self._seen = self._all = b""

    def read_until(self, words: str) -> str:
        """Return what is shown up to these words."""
        end = time.monotonic() + SECONDS
        assert self._process.stderr is not None
        while words.encode() not in self._seen:
            ready, _, _ = select.select([self._process.stderr], [], [], max(0, end - time.monotonic()))
            assert ready, f"{words!r} is not said: {self._seen!r}, after {self._all!r}"
            piece = os.read(self._process.stderr.fileno(), 65536)
            assert piece, f"it has ended before {words!r}: {self._seen!r}"
            self._seen += piece
            self._all += piece
        before, _, self._seen = self._seen.partition(words.encode())
        return before.decode()

    def type(self, line: str) -> None:
        """Type something."""
        os.write(self._terminal, line.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str, str]:
        """Return the exit code, and what else was written."""
        output, errors = self._process.communicate(timeout=SECONDS)
        return self._process.returncode, output.decode(), (self._seen + errors).decode()


@contextmanager
def talk(*arguments: str, **variables: str) -> Generator[Talk]:
    """The command with the program above."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, **variables},
    )
    try:
        yield Talk(process, ours)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """What the command is given."""
    tools = tmp_path / "payments.py"
    tools.write_text(TOOLS)
    return ("-m", "scripted:m", "--tools", str(tools), "--store", str(tmp_path / "chats.db"), "--session", "a")


def stored(words: tuple[str, ...]) -> list[str]:
    """What was said in the session."""

    async def load() -> list[str]:
        async with SqliteStore(words[words.index("--store") + 1]) as store:
            found = await store.load("a")
            return [] if found is None else [message.text for message in found.messages]

    return anyio.run(load)


def test_a_line_after_an_interrupt_is_for_the_prompt(words: tuple[str, ...]) -> None:
    """Nobody who asked before takes it, however often a question was left; and the next question gets its own line."""
    with talk("chat", *words) as person:
        for _ in range(2):
            person.read_until("> ")
            person.type("Pay\n")
            person.read_until("run it? ")
            person.interrupt()
            person.read_until("the answer was broken off; it is not part of the session")
        person.read_until("> ")
        person.type("Hello\n")
        person.read_until("> ")
        person.type("Pay\n")
        person.read_until("run it? ")
        person.type("y\n")
        person.read_until("> ")
        person.type("\x04")
        code, output, _ = person.end()
    assert (code, output) == (0, "You say Hello.\nYou say .\n")
    assert stored(words) == ["Hello", "You say Hello.", "Pay", "", "", "You say ."]


def test_a_line_for_the_next_question(words: tuple[str, ...]) -> None:
    """A question that comes while somebody waits for a line takes that one over, also where the prompt had it."""
    with talk("chat", *words) as person:
        for line in ("Pay\n", "Pay\n"):
            person.read_until("> ")
            person.type(line)
            person.read_until("run it? ")
            person.interrupt()
        person.read_until("> ")
        person.interrupt()
        code, output, errors = person.end()
    assert (code, output) == (130, "")
    assert "Traceback" not in errors


def test_an_interrupt_at_a_question_ends_quietly(words: tuple[str, ...]) -> None:
    """Without a talk there is no next line: exit code 130, and nothing of the interpreter's."""
    with talk(*words, "Pay") as person:
        person.read_until("run it? ")
        person.interrupt()
        code, output, errors = person.end()
    assert (code, output, errors.strip()) == (130, "", "")


def test_an_answer_that_has_landed_is_not_said_to_be_lost(words: tuple[str, ...]) -> None:
    """The write had begun: it is part of the session, as the next turn shows, and so it is said."""
    with talk("chat", *words, CHATPORT_TEST_SLOW="1") as person:
        person.read_until("> ")
        person.type("Hello\n")
        person.read_until("writing")
        person.interrupt()
        said = person.read_until("> ")
        person.type("\x04")
        code, output, _ = person.end()
    assert (code, output) == (0, "You say Hello.\n")
    assert "chatport: the answer was complete; it is part of the session" in said
    assert stored(words) == ["Hello", "You say Hello."]
