"""Stored sessions on the command line: gone on with, talked to, listed, searched, exported, deleted."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.cli.support import Command, Scripted, run_process

from chatport import BackendError, Message, SqliteStore, StoredTurn, load_messages
from chatport.backend import ChatRequest
from chatport.cli import main
from chatport.cli._commands import ChatCommand, SessionsCommand
from chatport.cli._errors import UsageError
from chatport.cli._parser import parse_arguments


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where sessions are kept."""
    return str(tmp_path / "chats.db")


def stored(path: str, name: str = "a") -> list[str]:
    """What was said in a session."""

    async def load() -> list[str]:
        async with SqliteStore(path, create=False) as store:
            found = await store.load(name)
            return [] if found is None else [message.text for message in found.messages]

    return anyio.run(load)


# --- the command line ------------------------------------------------------------------------------------------------


def test_what_can_be_said() -> None:
    """A chat takes what a question takes, apart from the question; sessions take an action and its words."""
    words = [
        "chat",
        "-m",
        "b:m",
        "-s",
        "Be brief.",
        "--store",
        "x.db",
        "--session",
        "a",
        "--max-tokens",
        "5",
        "--usage",
    ]
    assert parse_arguments(words) == ChatCommand(
        model="b:m", system="Be brief.", store="x.db", session="a", settings={"max_tokens": 5}, usage=True
    )
    assert parse_arguments(["sessions", "search", "two", "words", "--limit", "3", "--json"]) == SessionsCommand(
        action="search", words=("two", "words"), limit=3, json=True
    )
    assert parse_arguments(["sessions", "export", "--format", "markdown", "a"]) == SessionsCommand(
        action="export", words=("a",), format="markdown"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["sessions"],
        ["sessions", "list", "a"],
        ["sessions", "show"],
        ["sessions", "show", "a", "b"],
        ["sessions", "search"],
        ["sessions", "import"],
        ["sessions", "import", "a", "b", "c"],
        ["sessions", "forget", "a"],
        ["sessions", "list", "--limit", "0"],
        ["sessions", "list", "--limit", "x"],
        ["sessions", "export", "a", "--format", "pdf"],
        ["chat", "Hello"],
        ["chat", "--json"],
    ],
)
def test_what_makes_no_sense(words: list[str]) -> None:
    """It is refused before a file is opened."""
    with pytest.raises(UsageError):
        parse_arguments(words)


def test_help_is_there(chat: Command) -> None:
    """Each says what it takes."""
    assert "export ID" in chat("sessions", "--help").output
    assert "--session ID" in chat("chat", "--help").output
    assert "chatport sessions" in chat("--help").output


# --- asking ----------------------------------------------------------------------------------------------------------


def test_a_question_goes_on_with_a_stored_session(chat: Command, path: str) -> None:
    """Two calls, one conversation; the file is made, and the environment may name it."""
    assert chat("-m", "echo:any", "--store", path, "--session", "a", "One", at_terminal=True).code == 0
    result = run_process("-m", "echo:any", "--session", "a", "Two", CHATPORT_STORE=path)
    assert (result.code, result.output) == (0, "Two\n")
    assert stored(path) == ["One", "One", "Two", "Two"]


def test_a_new_session_says_its_name(chat: Command, path: str) -> None:
    """So that it can be gone on with."""
    result = chat("-m", "echo:any", "--store", path, "One", at_terminal=True)
    (name,) = (line.removeprefix("chatport: session: ") for line in result.lines)
    assert stored(path, name) == ["One", "One"]


def test_a_session_needs_a_store_and_a_name(chat: Command, path: str) -> None:
    """Both are mistakes of the command line."""
    result = chat("-m", "echo:any", "--session", "a", "One", at_terminal=True)
    assert (result.code, "no store is named; hint: --store PATH" in result.errors) == (2, True)
    result = chat("-m", "echo:any", "--store", path, "--session", " ", "One", at_terminal=True)
    assert (result.code, "--session: the id of a session has" in result.errors) == (2, True)
    assert chat("sessions", "list").code == 2
    assert not Path(path).exists()


def test_a_lost_race_is_said(chat: Command, scripted: Scripted, path: str) -> None:
    """The answer has been printed; the session is as the other one has left it."""

    def meanwhile(_: ChatRequest) -> str:
        async def append() -> None:
            async with SqliteStore(path) as store:
                await store.append("a", [StoredTurn((Message.user("Theirs"),))], version=None)

        thread = threading.Thread(target=anyio.run, args=[append])
        thread.start()
        thread.join()
        return "Mine."

    scripted(meanwhile)
    result = chat("-m", "scripted:m", "--store", path, "--session", "a", "One", at_terminal=True)
    assert (result.code, result.output) == (1, "Mine.\n")
    assert "was changed by someone else" in result.errors
    assert "hint: ask again" in result.errors
    assert stored(path) == ["Theirs"]


# --- talking ---------------------------------------------------------------------------------------------------------


def test_each_line_is_a_turn(chat: Command, scripted: Scripted, path: str) -> None:
    """Empty lines are none; the history goes along, and everything is stored."""
    backend = scripted("First.", "Second.")
    words = ("chat", "-m", "scripted:m", "--store", path, "--session", "a", "--usage")
    result = chat(*words, piped=b"One\n\n  \nTwo")
    assert (result.code, result.output) == (0, "First.\nSecond.\n")
    assert sum(line.startswith("chatport: usage:") for line in result.lines) == 2
    assert len(backend.requests[1].messages) == 3
    assert stored(path) == ["One", "First.", "Two", "Second."]


def test_a_person_is_greeted_and_errors_do_not_end_the_talk(chat: Command, scripted: Scripted, path: str) -> None:
    """At a terminal a turn that fails is said, and the next line is asked."""
    scripted("First.", BackendError("it is broken"), "Third.")
    words = ("chat", "-m", "scripted:m", "--store", path, "--session", "a", "--attempts", "1")
    result = chat(*words, piped=b"One\nTwo\nThree\n", at_terminal=True)
    assert (result.code, result.output) == (0, "First.\nThird.\n")
    assert result.lines[0] == "chatport: scripted:m, session a; Ctrl-D ends"
    assert "error: it is broken" in result.errors
    assert stored(path) == ["One", "First.", "Three", "Third."]
    assert "with 2 questions so far" in chat(*words, at_terminal=True).errors


def test_in_a_script_an_error_ends_it(chat: Command, scripted: Scripted) -> None:
    """What follows might build on an answer that is not there."""
    scripted(BackendError("it is broken"), "Never.")
    result = chat("chat", "-m", "scripted:m", piped=b"One\nTwo\n")
    assert (result.code, result.output) == (1, "")
    assert "it is broken" in result.errors


def test_a_talk_goes_on_after_a_lost_race(chat: Command, scripted: Scripted, path: str) -> None:
    """The session is read again, so that the next turn lands."""

    def meanwhile(_: ChatRequest) -> str:
        assert run_process("-m", "echo:any", "--store", path, "--session", "a", "Theirs").code == 0
        return "Lost."

    backend = scripted(meanwhile, "Mine.")
    words = ("chat", "-m", "scripted:m", "--store", path, "--session", "a")
    result = chat(*words, piped=b"One\nTwo\n", at_terminal=True)
    assert (result.code, result.output) == (0, "Lost.\nMine.\n")
    assert "was changed by someone else" in result.errors
    assert len(backend.requests[1].messages) == 3
    assert stored(path) == ["Theirs", "Theirs", "Two", "Mine."]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_breaks_an_answer_off_and_the_talk_goes_on(
    chat: Command, scripted: Scripted, path: str, times: int
) -> None:
    """What was broken off is no part of the session."""

    def endless(_: ChatRequest) -> Any:
        for _again in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        return "Too late. " * 1_000_000

    scripted("First.", endless, "Third.")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    words = ("chat", "-m", "scripted:m", "--store", path, "--session", "a")
    result = chat(*words, piped=b"One\nTwo\nThree\n", at_terminal=True)
    assert result.code == 0
    assert "the answer was broken off; it is not part of the session" in result.errors
    assert stored(path) == ["One", "First.", "Three", "Third."]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_talk_in_a_thread(chat: Command, scripted: Scripted) -> None:
    """No interrupt can be raised there, so none is looked for."""
    scripted("First.")
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(chat("chat", "-m", "scripted:m", piped=b"One\n").code))
    thread.start()
    thread.join(30)
    assert codes == [0]


def test_without_an_input_there_is_no_talk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed standard input is a mistake; one that is at its end ends the talk."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["chat", "-m", "echo:any"]) == 2
    assert "standard input is closed" in capsys.readouterr().err
    assert run_process("chat", "-m", "echo:any").code == 0


# --- sessions --------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(path: str) -> str:
    """A store with two sessions."""

    async def fill() -> None:
        async with SqliteStore(path) as store:
            first = StoredTurn(
                (Message.user("Where is Köln?"), Message.assistant("On the \x1b[31mRhine.")), model="echo:any"
            )
            await store.append("a", [first], version=None)
            await store.append("b", [StoredTurn((Message.user("Something else"),))], version=None)

    anyio.run(fill)
    return path


def test_list(chat: Command, filled: str) -> None:
    """A table, or JSON; the last changed first."""
    result = chat("sessions", "list", "--store", filled)
    head, *rows = (line.split() for line in result.output.splitlines())
    assert head == ["ID", "CHANGED", "TURNS", "MODEL", "TITLE"]
    assert [(row[0], row[3], row[4], " ".join(row[5:])) for row in rows] == [
        ("b", "1", "-", "Something else"),
        ("a", "1", "echo:any", "Where is Köln?"),
    ]
    (record,) = json.loads(chat("sessions", "list", "--store", filled, "--limit", "1", "--json").output)
    assert (record["id"], record["turns"], record["usage"]["complete"]) == ("b", 1, True)
    assert record["updated_at"].endswith("+00:00")


def test_search(chat: Command, filled: str) -> None:
    """The session, the turn and the words around."""
    assert chat("sessions", "search", "KÖLN", "rhine", "--store", filled).output.split("\n")[1].split()[:2] == [
        "a",
        "0",
    ]
    (record,) = json.loads(chat("sessions", "search", "else", "--store", filled, "--json").output)
    assert (record["session"]["id"], record["turn"], record["excerpt"]) == ("b", 0, "Something else")
    assert chat("sessions", "search", "nowhere", "--store", filled).output == "nothing is found\n"


def test_show_and_export(chat: Command, filled: str) -> None:
    """Markdown for people, JSON Lines for programs."""
    shown = chat("sessions", "show", "a", "--store", filled).output
    assert shown == chat("sessions", "export", "a", "--store", filled, "--format", "markdown").output
    assert shown.startswith("# Where is Köln?\n")
    _, line = chat("sessions", "export", "a", "--store", filled).output.splitlines()
    (question, _) = load_messages(json.dumps(json.loads(line)["messages"]))
    assert question == Message.user("Where is Köln?")


def test_import(chat: Command, filled: str, tmp_path: Path) -> None:
    """What was exported is a session again, in another store or under another name; nothing is overwritten."""
    lines = chat("sessions", "export", "a", "--store", filled).output
    file, other = tmp_path / "a.jsonl", str(tmp_path / "other.db")
    file.write_text(lines, encoding="utf-8")
    assert chat("sessions", "import", str(file), "--store", other).lines == ["chatport: imported: a"]
    result = chat("sessions", "import", str(file), "--store", filled)
    assert (result.code, "there is a session 'a' in" in result.errors) == (1, True)
    assert "sessions import FILE ID" in result.errors
    assert chat("sessions", "import", "-", "c", "--store", filled, piped=lines.encode()).code == 0
    for name, store in (("a", other), ("c", filled)):
        head, *turns = chat("sessions", "export", name, "--store", store).output.splitlines()
        assert turns == lines.splitlines()[1:]
        assert json.loads(head)["usage"] == json.loads(lines.splitlines()[0])["usage"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no such file",), "cannot read 'no such file'"),
        (("-",), "'-' cannot be imported: line 1: "),
        (("-", "a\nb"), "'-' cannot be imported: "),
    ],
)
def test_what_cannot_be_imported_makes_no_store(chat: Command, path: str, words: tuple[str, ...], said: str) -> None:
    """The error names the line."""
    result = chat("sessions", "import", *words, "--store", path, piped=b"{}\n")
    assert (result.code, said in result.errors) == (1, True)
    assert not Path(path).exists()


def test_delete(chat: Command, filled: str) -> None:
    """It is gone; what is not there is an error with a hint, and an empty store an empty list."""
    assert chat("sessions", "delete", "a", "--store", filled).lines == ["chatport: deleted: a"]
    for action in ("delete", "show", "export"):
        result = chat("sessions", action, "a", "--store", filled)
        assert result.code == 1
        assert "there is no session 'a'" in result.errors
    assert chat("sessions", "delete", "b", "--store", filled).code == 0
    assert chat("sessions", "list", "--store", filled).output == "no session is stored\n"


def test_a_store_that_is_not_there_is_not_made(chat: Command, path: str) -> None:
    """A name that is misspelt is said, and leaves no file behind."""
    result = chat("sessions", "list", "--store", path)
    assert (result.code, f"there is no store at {path!r}" in result.errors) == (1, True)
    assert not Path(path).exists()
