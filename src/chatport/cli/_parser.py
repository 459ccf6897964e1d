"""The command line: what can be said.

It imports argparse and nothing heavy, so that help and version come at once.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from chatport.cli._commands import (
    AskCommand,
    BackendsCommand,
    Command,
    DemoCommand,
    DoctorCommand,
    HelpCommand,
    ModelsCommand,
    VersionCommand,
)
from chatport.cli._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBCOMMANDS = ("backends", "demo", "doctor", "models")

_USAGE = """chatport [options] [prompt ...]
       chatport backends [--json]
       chatport models [backend] [options]
       chatport doctor [backend] [options]
       chatport demo [options]"""
_DESCRIPTION = "Ask a chat model and read the answer as it comes."
_EPILOG = """\
commands, where they are the first word:
  backends   list the installed backends, the broken ones too
  models     list the models that a backend offers
  doctor     say how a backend is set up, and whether it answers
  demo       see a stream, a question about an image and a tool call
  To ask one of these words as a prompt: chatport -- demo

What is piped in is the prompt, or stands before the one that is given.
Without -m and CHATPORT_MODEL the built-in demo answers.

examples:
  chatport -m backend:model "Tell me a story."
  chatport "What is in this picture?" -a cat.png
  git diff | chatport -s "Be brief." "Write a commit message."
"""
_SETTINGS = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "reasoning", "cache")
# The words of `Settings`, which is not imported for the sake of `--help`; a test compares them.
REASONING_LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh", "max")
CACHE_CHOICES = ("auto", "5m", "1h")
_FILTERS = {
    "output": "what they write, such as text",
    "input": "what they read, such as image",
    "status": "active or legacy",
    "provider": "who made them",
}
_OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


def parse_arguments(arguments: Sequence[str]) -> Command:
    """Return what the words after `chatport` ask for.

    Raises:
        UsageError: They make no sense.
    """
    match list(arguments):
        case ["backends", *rest]:
            return _parse_backends(rest)
        case ["demo", *rest]:
            return _parse_demo(rest)
        case ["doctor", *rest]:
            return _parse_doctor(rest)
        case ["models", *rest]:
            return _parse_models(rest)
        case words:
            return _parse_ask(words)


def help_text() -> str:
    """Return the help of the command."""
    return _ask_parser().format_help()


# --- the commands ----------------------------------------------------------------------------------------------------


def _parse_ask(arguments: list[str]) -> Command:
    parser = _ask_parser()
    # What stands behind `--` is prompt, whatever it looks like; argparse would stop there for the options, too.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given = parser.parse_intermixed_args(arguments[:end])
    if given.help:
        return HelpCommand(parser.format_help())
    if given.version:
        return VersionCommand()
    if given.prompt in ([name] for name in SUBCOMMANDS) and end == len(arguments):
        (name,) = given.prompt
        raise UsageError(
            f"{name!r} is a command only where it comes first",
            hint=f"write `chatport {name} …`, or `chatport … -- {name}` to ask it as a prompt",
        )
    return AskCommand(
        prompt=" ".join([*given.prompt, *arguments[end + 1 :]]),
        attachments=tuple(given.attachments),
        model=given.model,
        options=_collect_options(given.options),
        system=given.system,
        settings={name: value for name in _SETTINGS if (value := getattr(given, name)) is not None},
        attempts=given.attempts,
        timeout=given.timeout,
        strict=given.strict,
        streaming=given.streaming,
        usage=given.usage,
        json=given.json,
        debug=given.debug,
    )


def _parse_backends(arguments: list[str]) -> Command:
    parser = _Parser(prog="chatport backends", description="List the installed backends, the broken ones too.")
    _add_output(parser, "print the list as JSON")
    given = _parse_subcommand(parser, arguments, "backends")
    return HelpCommand(parser.format_help()) if given.help else BackendsCommand(json=given.json, debug=given.debug)


def _parse_demo(arguments: list[str]) -> Command:
    parser = _Parser(
        prog="chatport demo",
        description="See a streamed answer, a question about an image and a tool call, through a real backend: the "
        "built-in demo unless -m names a model.",
    )
    _add_target(parser)
    _add_common(parser)
    given = _parse_subcommand(parser, arguments, "demo")
    if given.help:
        return HelpCommand(parser.format_help())
    return DemoCommand(model=given.model, options=_collect_options(given.options), debug=given.debug)


def _parse_models(arguments: list[str]) -> Command:
    parser = _Parser(prog="chatport models", description="List the models of a backend that can be asked.")
    _add_backend(parser)
    for name, what in _FILTERS.items():
        parser.add_argument(f"--{name}", metavar="WORD", help=f"only those that match: {what}")
    _add_output(parser, "print the list as JSON")
    given = _parse_subcommand(parser, arguments, "models")
    if given.help:
        return HelpCommand(parser.format_help())
    return ModelsCommand(
        backend=given.backend,
        options=_collect_options(given.options),
        filters={name: value for name in _FILTERS if (value := getattr(given, name)) is not None},
        json=given.json,
        debug=given.debug,
    )


def _parse_doctor(arguments: list[str]) -> Command:
    parser = _Parser(
        prog="chatport doctor",
        description="Say how a backend is set up: where requests go, as whom, with which versions. No secret is shown. "
        "In the end the service is asked for its list of models, which costs nothing.",
    )
    _add_backend(parser)
    parser.add_argument("--no-probe", dest="probe", action="store_false", help="do not ask the service")
    _add_output(parser, "print it as one JSON object")
    given = _parse_subcommand(parser, arguments, "doctor")
    if given.help:
        return HelpCommand(parser.format_help())
    return DoctorCommand(
        backend=given.backend,
        options=_collect_options(given.options),
        probe=given.probe,
        json=given.json,
        debug=given.debug,
    )


def _parse_subcommand(parser: argparse.ArgumentParser, arguments: list[str], name: str) -> argparse.Namespace:
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise UsageError(
            f"`chatport {name}` does not take {' '.join(unknown)!r}",
            hint=f"see `chatport {name} --help`; to ask this as a prompt: chatport -- {name} …",
        )
    return given


# --- the parsers -----------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process, and guesses no shortened options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            add_help=False, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def _ask_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="chatport", usage=_USAGE, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("prompt", nargs="*", help="what to ask; several words are joined")
    parser.add_argument(
        "-a",
        "--attach",
        metavar="FILE",
        dest="attachments",
        action="append",
        default=[],
        help="an image, document, sound or film, told by its content; - is standard input; repeatable",
    )
    _add_target(parser)
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    _add_settings(parser)
    parser.add_argument("--no-stream", dest="streaming", action="store_false", help="ask for the answer in one piece")
    parser.add_argument("--usage", action="store_true", help="say tokens, time, model and request id on standard error")
    _add_output(parser, "print the answer as one JSON object instead of text")
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backend", nargs="?", help="its name; by default that of CHATPORT_MODEL, else the demo's")
    _add_options(parser)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--model", metavar="BACKEND:MODEL", help="whom to ask, such as echo:any")
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
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


def _add_settings(parser: argparse.ArgumentParser) -> None:
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


def _add_output(parser: argparse.ArgumentParser, json_help: str) -> None:
    parser.add_argument("--json", action="store_true", help=json_help)
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
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


def _collect_options(given: list[tuple[str, Any]]) -> dict[str, Any]:
    options = dict(given)
    if len(options) != len(given):
        names = [name for name, _ in given]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the option {twice!r} is given twice")
    return options
