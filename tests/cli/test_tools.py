"""Tools on the command line: who is asked, and a turn that is paused in one process and resumed in another."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import Command, Scripted, run_process

from chatport import ServiceError, ToolCall
from chatport.cli._tools import describe_call

CALL = ToolCall("1", "pay", {"amount": 5})
TOOLS = """
from pathlib import Path
from chatport import tool

@tool
def pay(amount: int) -> str:
    '''Pay.'''
    with Path(__file__).with_suffix(".log").open("a") as log:
        log.write(f"{amount};")
    return f"paid {amount}"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A file with a tool that notes what it is called with."""
    path = tmp_path / "payments.py"
    path.write_text(TOOLS)
    return path


def _paid(tools: Path) -> str:
    log = tools.with_suffix(".log")
    return log.read_text() if log.exists() else ""


@pytest.mark.parametrize(
    ("typed", "paid", "said"),
    [
        (b"y\n", "5;", "paid 5"),
        (b"n too much\n", "", "not allowed. too much"),
        (b'e {"amount": 3}\n', "3;", "changed before it ran"),
        (b"what?\ne [\nyes\n", "5;", "paid 5"),
    ],
)
def test_a_person_is_asked(chat: Command, scripted: Scripted, tools: Path, typed: bytes, paid: str, said: str) -> None:
    """At the terminal, with the call in words; what is typed decides."""
    backend = scripted([CALL], "done")
    result = chat("-m", "scripted:m", "--tools", str(tools), "Pay", piped=typed, at_terminal=True)
    assert (result.code, result.output) == (0, "done\n")
    assert "the model calls pay(amount=5)" in result.errors
    assert _paid(tools) == paid
    assert said in str(backend.requests[1].messages[-1])


@pytest.mark.parametrize(("how", "paid"), [("allow", "5;"), ("deny", "")])
def test_nobody_is_asked_where_it_is_said(chat: Command, scripted: Scripted, tools: Path, how: str, paid: str) -> None:
    """For scripts."""
    scripted([CALL], "done")
    result = chat("-m", "scripted:m", "--tools", str(tools), "--approve", how, "--json", "--no-stream", "Pay")
    assert (result.code, _paid(tools)) == (0, paid)


@pytest.mark.parametrize(("at_terminal", "piped"), [(False, b""), (True, b"w\n"), (True, b"")])
def test_calls_wait_where_nobody_says_anything(
    chat: Command, scripted: Scripted, tools: Path, tmp_path: Path, at_terminal: bool, piped: bytes
) -> None:
    """Exit code 3; the stored session goes on with --resume, streamed or not, and the tool runs once."""
    backend = scripted([CALL], "done", "never")
    where = ("-m", "scripted:m", "--tools", str(tools), "--store", str(tmp_path / "chats.db"), "--session", "trip")
    result = chat(*where, "Pay", piped=piped, at_terminal=at_terminal)
    assert (result.code, _paid(tools)) == (3, "")
    assert "waits: pay(amount=5)" in result.errors
    assert "go on with --resume" in result.errors
    assert "cut" not in result.errors  # it is as whole as it can be
    result = chat(*where, "Are you there?")
    assert (result.code, "hint: go on with them: chatport --session ID --resume" in result.errors) == (1, True)
    result = chat(*where, "--resume", "--approve", "wait")
    assert (result.code, len(backend.requests)) == (3, 1)
    result = chat(*where, "--resume", "--approve", "allow", "--usage")
    assert (result.code, result.output, _paid(tools)) == (0, "done\n", "5;")
    assert "requests failed" not in result.errors
    result = chat(*where, "--resume")
    assert (result.code, "no call waits" in result.errors) == (1, True)


@pytest.mark.parametrize(("way", "paid"), [("close", "5;"), ("run", "5;5;")])
@pytest.mark.parametrize("how", [(), ("--no-stream",), ("--json",), ("--json", "--no-stream")])
def test_calls_that_were_begun_and_left(
    chat: Command, scripted: Scripted, tools: Path, tmp_path: Path, way: str, paid: str, how: tuple[str, ...]
) -> None:
    """Who resumes them has to say what is to become of them: a tool is not run a second time unasked."""
    scripted([CALL], ServiceError("gone"), "done")
    stored = ("--store", str(tmp_path / "chats.db"), "--session", "trip")
    where = ("-m", "scripted:m", "--tools", str(tools), *stored, *how)
    assert chat(*where, "Pay").code == 3
    result = chat(*where, "--resume", "--approve", "allow", "--attempts", "1")
    assert (result.code, _paid(tools)) == (1, "5;")
    result = chat(*where, "--resume", "--approve", "allow")
    assert (result.code, _paid(tools)) == (1, "5;")
    assert "has begun to run the calls that wait, at 20" in result.errors
    assert "hint: wait for it; where it has ended, --claimed close" in result.errors
    result = chat(*where, "--resume", "--claimed", way, "--approve", "allow")
    assert (result.code, "done" in result.output, _paid(tools)) == (0, True, paid)


def test_calls_wait_for_tools_that_are_offered(chat: Command, scripted: Scripted, tools: Path, tmp_path: Path) -> None:
    """Who forgets `--tools` is told so; where all calls are to be closed, none is needed."""
    scripted([CALL], ServiceError("gone"), "done")
    where = ("-m", "scripted:m", "--store", str(tmp_path / "chats.db"), "--session", "trip", "--attempts", "1")
    assert chat(*where, "--tools", str(tools), "Pay").code == 3
    result = chat(*where, "--resume", "--approve", "allow")
    assert result.code == 1
    assert "there is no tool to run the calls that wait; hint: --tools FILE offers them" in result.errors
    assert chat(*where, "--tools", str(tools), "--resume", "--approve", "allow").code == 1
    assert "there is no tool" in chat(*where, "--resume", "--claimed", "run").errors
    result = chat(*where, "--resume", "--claimed", "close")
    assert (result.code, result.output, _paid(tools)) == (0, "done\n", "5;")


def test_calls_that_nothing_keeps(chat: Command, scripted: Scripted, tools: Path) -> None:
    """It is said."""
    scripted([CALL])
    result = chat("-m", "scripted:m", "--tools", str(tools), "--no-stream", "Pay")
    assert (result.code, "nothing keeps them" in result.errors) == (3, True)


def test_paused_in_one_process_and_resumed_in_another(tools: Path, tmp_path: Path) -> None:
    """Two processes that share nothing but the store."""
    pytest.importorskip("chatport_bedrock")
    from chatport_bedrock.emulator import Emulator

    with Emulator(api_key="made-up") as emulator:
        where = (
            *("-m", "bedrock:us.amazon.nova-lite-v1:0", "-o", "region=us-east-1", "-o", f"endpoint_url={emulator.url}"),
            *("-o", "api_key=made-up", "--tools", str(tools), "--store", str(tmp_path / "chats.db")),
            *("--session", "trip"),
        )
        paused = run_process(*where, "Pay 5 with the tool pay.")
        assert (paused.code, _paid(tools)) == (3, ""), paused.errors
        resumed = run_process(*where, "--resume", "--approve", "allow")
    assert (resumed.code, resumed.errors) == (0, "")
    assert resumed.output
    assert _paid(tools).count(";") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "has no tools"),
        ("1 / 0", "fails: ZeroDivisionError"),
        ("import chatport\na = chatport.Tool('x')\nb = chatport.Tool('x')", "two tools are called 'x'"),
        (None, "cannot read"),
    ],
)
def test_files_without_tools(chat: Command, scripted: Scripted, tmp_path: Path, text: str | None, said: str) -> None:
    """One line says what is wrong with the file; nothing is sent."""
    path = tmp_path / "file.py"
    if text is not None:
        path.write_text(text)
    backend = scripted("never")
    result = chat("-m", "scripted:m", "--tools", str(path), "Hi")
    assert (result.code, said in result.errors, backend.requests) == (1, True, [])
    assert "is no file of Python" in chat("-m", "scripted:m", "--tools", str(tmp_path / "x.txt"), "Hi").errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--resume", "Hi"), "asks nothing"),
        (("--resume",), "goes on with a stored session"),
        (("--claimed", "run", "Hi"), "--resume goes on with"),
        (("--resume", "--claimed", "refuse"), "invalid choice: 'refuse'"),
    ],
)
def test_resuming_nothing(chat: Command, scripted: Scripted, words: tuple[str, ...], said: str) -> None:
    """A command line that makes no sense."""
    scripted("never")
    result = chat("-m", "scripted:m", *words)
    assert (result.code, said in result.errors) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"to": "abc\u202efdp.exe"}, r'pay(to="abc\u202efdp.exe")'),
        ({"to": "a\u2066b\u200b\u200f\ufeff\u00ad"}, r'pay(to="a\u2066b\u200b\u200f\ufeff\u00ad")'),
        ({"to": "rm\x9b2K\x1b[2K\x7f\x85"}, r'pay(to="rm\u009b2K\u001b[2K\u007f\u0085")'),
        ({"to": "a\u2028b\u00a0c\nd"}, r'pay(to="a\u2028b\u00a0c\nd")'),
        ({"to": "\U000e0041"}, r'pay(to="\udb40\udc41")'),
        ({"to\u202e": [{"in\u202eside": 1}]}, r'pay("to\u202e"=[{"in\u202eside": 1}])'),
        ({"to": "a b  c   d"}, r'pay(to="a b \u0020c \u0020 d")'),
        ({"amount=5, note": 5000}, 'pay("amount=5, note"=5000)'),
        ({"to": "Zoë 東京 🙂"}, 'pay(to="Zoë 東京 🙂")'),
    ],
)
def test_a_call_is_shown_as_what_it_says(arguments: dict[str, Any], shown: str) -> None:
    """What cannot be seen, or turns the line round, is escaped, in names as well; letters of any script stay."""
    line = describe_call(ToolCall("1", "pay", arguments))
    assert line == shown
    assert line.isprintable()


def test_the_name_of_a_call_cannot_hide_anything() -> None:
    """A model may call what is no tool: where such a call waits, it is shown too."""
    assert describe_call(ToolCall("1", "pay\u202e()", {})) == r'"pay\u202e()"()'
