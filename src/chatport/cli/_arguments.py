"""What the command lines share: a parser that raises, groups of options, and their values."""

from __future__ import annotations

import argparse
import json
import math
import re
from typing import Any, NoReturn

from chatport.cli._errors import UsageError

# The words of `Settings`, which is not imported for the sake of `--help`; a test compares them.
REASONING_LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh", "max")
APPROVALS = ("ask", "allow", "deny", "wait")
CACHE_CHOICES = ("auto", "5m", "1h")
_OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process, and guesses no shortened options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            add_help=False, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the name of a backend, and its options."""
    parser.add_argument("backend", nargs="?", help="its name; by default that of CHATPORT_MODEL, else the demo's")
    add_options(parser)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add whom to ask."""
    parser.add_argument("-m", "--model", metavar="BACKEND:MODEL", help="whom to ask, such as echo:any")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a backend."""
    parser.add_argument(
        "-o",
        "--option",
        metavar="KEY=VALUE",
        dest="options",
        action="append",
        default=[],
        type=_option,
        help="an option of the backend; true, false and whole numbers are such, the rest is text; repeatable",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add how to answer."""
    group = parser.add_argument_group("how to answer")
    group.add_argument("--max-tokens", metavar="N", type=_whole_number, help="the most tokens to write")
    group.add_argument("--temperature", metavar="X", type=_number, help="how freely to choose, from 0")
    group.add_argument("--top-p", metavar="X", type=_number, help="the share of probability to choose from, 0 to 1")
    group.add_argument("--top-k", metavar="N", type=_whole_number, help="how many candidates to choose from")
    group.add_argument(
        "--stop",
        metavar="TEXT",
        dest="stop_sequences",
        action="append",
        help="a text that ends the answer; repeatable",
    )
    group.add_argument(
        "--reasoning",
        metavar="LEVEL|N",
        type=_reasoning,
        help=f"how much to think first: {', '.join(REASONING_LEVELS)}, or a number of tokens",
    )
    group.add_argument(
        "--cache", choices=CACHE_CHOICES, help="keep what the request begins with: where it pays, or for how long"
    )
    group.add_argument(
        "--attempts",
        metavar="N",
        type=_attempts,
        help="the most times to send a request that may succeed on another try; 1 sends it once",
    )
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        help="how long it may take until the answer is complete, over all attempts",
    )
    group.add_argument("--strict", action="store_true", help="refuse what the backend cannot say as asked")


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add where sessions are kept."""
    parser.add_argument(
        "--store", metavar="PATH", help="the file in which sessions are kept; by default that of CHATPORT_STORE"
    )


def add_tools(parser: argparse.ArgumentParser) -> None:
    """Add what the model may call, and who is asked."""
    group = parser.add_argument_group("tools")
    group.add_argument(
        "--tools",
        metavar="FILE",
        action="append",
        default=[],
        help="a Python file whose functions, marked with @chatport.tool, the model may call; it is run; repeatable",
    )
    group.add_argument(
        "--approve",
        choices=APPROVALS,
        default=APPROVALS[0],
        help="what is said of each call: ask at the terminal (else it waits), allow, deny, or wait",
    )


def add_output(parser: argparse.ArgumentParser, json_help: str) -> None:
    """Add the choice of JSON, and what every command has."""
    parser.add_argument("--json", action="store_true", help=json_help)
    add_common(parser)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command has."""
    parser.add_argument("--debug", action="store_true", help="show log records, and the trace of an error")
    parser.add_argument("-h", "--help", action="store_true", help="show this help")


# --- values ----------------------------------------------------------------------------------------------------------


def _whole_number(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _attempts(text: str) -> int:
    number = _whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError("the first attempt counts too: at least 1")
    return number


def positive_number(text: str) -> int:
    """Return a whole number from 1."""
    number = _whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _reasoning(text: str) -> str | int:
    if _WHOLE_NUMBER.fullmatch(text) and int(text) >= 1:
        return int(text)
    if text not in REASONING_LEVELS:
        levels = ", ".join(REASONING_LEVELS)
        raise argparse.ArgumentTypeError(f"{text!r} is none of {levels} and no number of tokens")
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return number


def _seconds(text: str) -> float:
    seconds = _number(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError("it is in seconds, above 0")
    return seconds


def _option(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not _OPTION_NAME.fullmatch(name):
        # It is not repeated: it may hold a secret.
        raise argparse.ArgumentTypeError("an option is written KEY=VALUE, such as region=eu-west-1")
    return name, _option_value(name, value)


def _option_value(name: str, text: str) -> Any:
    """Return the value that an option's text means: JSON where it begins like JSON, else a bool, an int or the text."""
    if text in {"true", "false"}:
        return text == "true"
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if text.startswith(('"', "{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"the value of {name!r} begins like JSON and is none") from None
    return text


def collect_options(given: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the options by name.

    Raises:
        UsageError: One is given twice.
    """
    options = dict(given)
    if len(options) != len(given):
        names = [name for name, _ in given]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the option {twice!r} is given twice")
    return options
