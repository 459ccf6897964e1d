"""The command `chatport`: ask and talk from a terminal, see what is stored, list backends and models, see a demo.

    chatport "What is in this picture?" -a cat.png

The library never imports it. Exit codes: 0 for an answer, 1 for an error, 2 for a command line that makes no sense,
3 where calls of tools wait to be approved, 130 when interrupted, 141 when the reader of the output has gone.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, assert_never

from chatport.cli._commands import (
    AskCommand,
    BackendsCommand,
    ChatCommand,
    Command,
    DemoCommand,
    DoctorCommand,
    HelpCommand,
    ModelsCommand,
    ServiceCommand,
    SessionsCommand,
    VersionCommand,
)
from chatport.cli._errors import OutputError, UsageError
from chatport.cli._output import abandon_output, prepare_output, say, write_output
from chatport.cli._parser import help_text, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_ERROR = 1
_USAGE_ERROR = 2
# As shells count a process that a signal has ended: 128 and the signal's number.
_INTERRUPTED = 130
_OUTPUT_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The words after the command's name; those of the process by default.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    prepare_output()
    debug = False
    try:
        command = _parsed(words)
        debug = command.debug
        return _run(command)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets one line, and with --debug the trace
        return _fail(_unwrapped(error), debug=debug)


def _parsed(words: Sequence[str]) -> Command:
    if not words:
        from chatport.cli._input import is_piped  # noqa: PLC0415 - with words on the line nobody has to know

        if not is_piped():
            return HelpCommand(help_text())
    return parse_arguments(words)


def _run(command: Command) -> int:
    # Each command imports its own part: help and version are to come at once.
    match command:
        case HelpCommand():
            write_output(command.text)
        case VersionCommand():
            from importlib.metadata import version  # noqa: PLC0415

            write_output(f"chatport {version('chatport')}\n")
        case (
            AskCommand()
            | BackendsCommand()
            | ChatCommand()
            | DemoCommand()
            | DoctorCommand()
            | ModelsCommand()
            | SessionsCommand()
        ):
            from chatport.cli._logging import shown_records  # noqa: PLC0415

            with shown_records(enabled=command.debug):
                return _run_chat(command)
        case _:
            assert_never(command)
    return 0


def _run_chat(command: ServiceCommand) -> int:  # noqa: PLR0911 - one for each command
    match command:
        case ChatCommand():  # before what it is derived from
            from chatport.cli._chat import run_chat  # noqa: PLC0415

            return run_chat(command)
        case AskCommand():
            from chatport.cli._ask import run_ask  # noqa: PLC0415

            return run_ask(command)
        case BackendsCommand():
            from chatport.cli._backends import run_backends  # noqa: PLC0415

            return run_backends(command)
        case DemoCommand():
            from chatport.cli._demo import run_demo  # noqa: PLC0415

            return run_demo(command)
        case DoctorCommand():
            from chatport.cli._doctor import run_doctor  # noqa: PLC0415

            return run_doctor(command)
        case ModelsCommand():
            from chatport.cli._models import run_models  # noqa: PLC0415

            return run_models(command)
        case SessionsCommand():
            from chatport.cli._sessions import run_sessions  # noqa: PLC0415

            return run_sessions(command)
        case _:
            assert_never(command)


def _fail(error: Exception, *, debug: bool) -> int:
    """Say what went wrong, in one line, and return the exit code."""
    if isinstance(error, OutputError):
        abandon_output()
        if error.reason is None:
            return _OUTPUT_CLOSED
    if debug:
        traceback.print_exception(error)
    from chatport.cli._report import describe_error  # noqa: PLC0415 - as above

    message, hint = describe_error(error)
    say(f"error: {message}" + (f"; hint: {hint}" if hint is not None else ""))
    return _USAGE_ERROR if isinstance(error, UsageError) else _ERROR


def _unwrapped(error: Exception) -> Exception:
    """Return the one error in a group: a demo or a backend may run task groups of its own."""
    match error:
        case ExceptionGroup(exceptions=(Exception() as inner,)):
            return _unwrapped(inner)
        case _:
            return error
