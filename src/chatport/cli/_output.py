"""What the command prints: the answer on standard output, everything else on standard error, a line each."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO, cast

from chatport.cli._errors import OutputError

# What a model or a service says could hold sequences that move the cursor, rename the window or fill the clipboard.
_CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def shown(text: str) -> str:
    """Return a text with its control characters made visible, line ends and tabs excepted."""
    return text.translate(_CONTROL_CHARACTERS)


def one_line(text: str) -> str:
    """Return a text as one line."""
    return shown(" ".join(text.split()))


def write_output(text: str) -> None:
    """Write to standard output, at once.

    Raises:
        OutputError: The reader has gone, or there is no room.
    """
    output = cast("TextIO | None", sys.stdout)
    if output is None:
        raise OutputError("standard output is closed")
    try:
        output.write(text)
        output.flush()
    except BrokenPipeError as error:
        raise OutputError from error
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def say(text: str) -> None:
    """Write one line to standard error."""
    errors = cast("TextIO | None", sys.stderr)
    if errors is None:
        return
    with contextlib.suppress(OSError):  # nowhere is left to say that nothing can be said
        errors.write(f"chatport: {one_line(text)}\n")
        errors.flush()


class TextWriter:
    """Text that comes in pieces, on standard output."""

    def __init__(self) -> None:
        """Look whether a person reads: a terminal obeys control characters, a file keeps them."""
        output = cast("TextIO | None", sys.stdout)
        self._on_terminal = output is not None and output.isatty()
        self._in_line = False

    def write(self, piece: str) -> None:
        """Write a piece, at once.

        Raises:
            OutputError: As for `write_output`.
        """
        # A piece that cannot be written leaves no line to end.
        self._in_line = False
        write_output(shown(piece) if self._on_terminal else piece)
        self._in_line = not piece.endswith("\n")

    def end_line(self) -> None:
        """End the line, if one is begun; what comes next, an error or a prompt, begins at its start.

        Raises:
            OutputError: As for `write_output`.
        """
        if self._in_line:
            self.write("\n")


def prepare_output() -> None:
    """Let no character stop the command: one that the encoding of the output lacks is written by its number."""
    output: object = sys.stdout
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Send what is left in the buffer nowhere, so that the interpreter does not fail on it when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # in process there may be no descriptor below it
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
