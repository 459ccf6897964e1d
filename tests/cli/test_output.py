"""Standard output and standard error: what a terminal is shown, and what happens where nobody reads."""

import io
import sys

import pytest
from tests.cli.support import Command, Scripted, Terminal

from chatport import RateLimitError
from chatport.cli import main
from chatport.cli._errors import OutputError
from chatport.cli._output import one_line, say, shown, write_output
from chatport.cli._report import describe_seconds

NASTY = "red \x1b[31m, title \x1b]0;x\x07, back \x08\x7f\x9b, line\nnext\ttab é"


def test_control_characters_are_made_visible() -> None:
    """Nothing that a terminal would obey is left, but line ends and tabs; letters of any script stay."""
    assert shown(NASTY) == "red \\x1b[31m, title \\x1b]0;x\\x07, back \\x08\\x7f\\x9b, line\nnext\ttab é"
    assert one_line(NASTY).endswith("line next tab é")


def test_a_terminal_is_not_driven_by_the_model(
    chat: Command, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the answer is shown with its control characters visible; in a file it stands as it is."""
    scripted(NASTY, NASTY)
    seen = io.BytesIO()
    screen = Terminal(seen, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        chat("-m", "scripted:m", "Hi")
    assert seen.getvalue().decode() == shown(NASTY) + "\n"
    assert chat("-m", "scripted:m", "Hi").output == NASTY + "\n"


def test_an_error_is_not_obeyed_either(chat: Command, scripted: Scripted) -> None:
    """What a service puts into its message is shown on one line, visible."""
    scripted(RateLimitError("wait\x1b[2J\nplease"))
    (line,) = chat("-m", "scripted:m", "--attempts", "1", "Hi").lines
    assert line.startswith("chatport: error: wait\\x1b[2J please (")


def test_what_the_encoding_lacks_does_not_stop_the_answer(
    chat: Command, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old console gets the numbers of the characters that it does not have."""
    scripted("1 € \N{GRINNING FACE}")
    seen = io.BytesIO()
    console = io.TextIOWrapper(seen, encoding="ascii")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", console)
        assert chat("-m", "scripted:m", "Hi").code == 0
    assert seen.getvalue() == b"1 \\u20ac \\U0001f600\n"


class Full(io.StringIO):
    """An output without room."""

    def write(self, text: str) -> int:
        """Refuse."""
        raise OSError(28, "No space left on device")


class Left(io.StringIO):
    """An output whose reader has gone."""

    def write(self, text: str) -> int:
        """Refuse."""
        raise BrokenPipeError(32, "Broken pipe")


def test_a_full_disk_is_an_error(chat: Command, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that could not be written is none: exit code 1, one line."""
    scripted("Hello!")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        result = chat("-m", "scripted:m", "Hi")
    assert result.code == 1
    assert result.lines == ["chatport: error: cannot write to standard output: No space left on device"]


def test_a_reader_that_has_gone_is_no_error(chat: Command, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for any tool before `head`: the exit code of SIGPIPE, and nothing on standard error."""
    scripted("Hello!")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Left())
        result = chat("-m", "scripted:m", "Hi")
    assert (result.code, result.errors) == (141, "")


def test_a_closed_output_is_an_error(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may be started without standard output or standard error; neither ends in a traceback."""
    scripted("Hello!")
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="standard output is closed"):
        write_output("x")
    monkeypatch.setattr(sys, "stderr", None)
    say("nobody hears this")
    assert main(["-m", "scripted:m", "Hi"]) == 1


def test_an_error_output_that_fails_does_not_hide_the_answer(
    chat: Command, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where standard error takes no more, the answer comes all the same."""
    scripted("Hello!")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Full())
        result = chat("-m", "scripted:m", "--usage", "Hi")
    assert (result.code, result.output) == (0, "Hello!\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0 ms"), (0.0004, "0.4 ms"), (0.0421, "42 ms"), (0.999, "999 ms"), (1.0, "1.00 s"), (75.5, "75.50 s")],
)
def test_times_come_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    """Short times in milliseconds, long ones in seconds."""
    assert describe_seconds(seconds) == text
