"""The command line: what can be said.

It imports argparse and nothing heavy, so that help and version come at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatport.cli._arguments import (
    Parser,
    add_backend,
    add_common,
    add_output,
    add_settings,
    add_store,
    add_target,
    add_tools,
    collect_options,
    positive_number,
)
from chatport.cli._commands import (
    AskCommand,
    BackendsCommand,
    ChatCommand,
    Command,
    DemoCommand,
    DoctorCommand,
    HelpCommand,
    ModelsCommand,
    SessionsCommand,
    VersionCommand,
)
from chatport.cli._errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

SUBCOMMANDS = ("backends", "chat", "demo", "doctor", "models", "sessions")

_USAGE = """chatport [options] [prompt ...]
       chatport chat [options]
       chatport sessions list|show|search|export|import|delete [options]
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
  chat       talk, line by line
  sessions   list, show, search, export, import and delete what is stored
  To ask one of these words as a prompt: chatport -- demo

What is piped in is the prompt, or stands before the one that is given.
Without -m and CHATPORT_MODEL the built-in demo answers.

examples:
  chatport -m backend:model "Tell me a story."
  chatport "What is in this picture?" -a cat.png
  git diff | chatport -s "Be brief." "Write a commit message."
"""
SESSION_ACTIONS = ("list", "show", "search", "export", "import", "delete")
EXPORT_FORMATS = ("jsonl", "markdown")
_SETTINGS = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "reasoning", "cache")
_FILTERS = {
    "output": "what they write, such as text",
    "input": "what they read, such as image",
    "status": "active or legacy",
    "provider": "who made them",
}


def parse_arguments(arguments: Sequence[str]) -> Command:
    """Return what the words after `chatport` ask for.

    Raises:
        UsageError: They make no sense.
    """
    words = list(arguments)
    parse = {
        "backends": _parse_backends,
        "chat": _parse_chat,
        "demo": _parse_demo,
        "doctor": _parse_doctor,
        "models": _parse_models,
        "sessions": _parse_sessions,
    }.get(words[0] if words else "")
    return _parse_ask(words) if parse is None else parse(words[1:])


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
        **_how_to_ask(given),
        resume=given.resume,
        claimed=given.claimed,
        json=given.json,
    )


def _how_to_ask(given: argparse.Namespace) -> dict[str, Any]:
    """Return what one question and a whole chat have in common."""
    return {
        "model": given.model,
        "options": collect_options(given.options),
        "system": given.system,
        "settings": {name: value for name in _SETTINGS if (value := getattr(given, name)) is not None},
        "attempts": given.attempts,
        "timeout": given.timeout,
        "strict": given.strict,
        "streaming": given.streaming,
        "store": given.store,
        "session": given.session,
        "tools": tuple(given.tools),
        "approve": given.approve,
        "usage": given.usage,
        "debug": given.debug,
    }


def _parse_chat(arguments: list[str]) -> Command:
    parser = Parser(
        prog="chatport chat",
        description="Talk, a line at a time, until the end of the input (Ctrl-D). Ctrl-C breaks an answer off.",
    )
    _add_how_to_ask(parser)
    add_common(parser)
    given = _parse_subcommand(parser, arguments, "chat")
    return HelpCommand(parser.format_help()) if given.help else ChatCommand(**_how_to_ask(given))


def _parse_sessions(arguments: list[str]) -> Command:
    parser = Parser(
        prog="chatport sessions",
        description="See, copy and delete the sessions that are kept in a store.",
        usage="""chatport sessions list [options]
       chatport sessions show ID [options]
       chatport sessions search WORD ... [options]
       chatport sessions export ID [options]
       chatport sessions import FILE [ID] [options]
       chatport sessions delete ID [options]""",
    )
    parser.add_argument("action", nargs="?", choices=SESSION_ACTIONS, metavar="action", help=", ".join(SESSION_ACTIONS))
    parser.add_argument(
        "words",
        nargs="*",
        metavar="ID, WORD or FILE",
        help="the session, what to search, or JSON Lines to import (- is standard input)",
    )
    add_store(parser)
    parser.add_argument("--limit", metavar="N", type=positive_number, default=20, help="the most to list or find (20)")
    parser.add_argument(
        "--format", choices=EXPORT_FORMATS, default="jsonl", help="what to export: JSON Lines, or Markdown"
    )
    add_output(parser, "print what is listed or found as JSON")
    given = parser.parse_intermixed_args(arguments)
    if given.help:
        return HelpCommand(parser.format_help())
    _check_words(given.action, given.words)
    return SessionsCommand(
        action=given.action,
        words=tuple(given.words),
        store=given.store,
        limit=given.limit,
        format=given.format,
        json=given.json,
        debug=given.debug,
    )


def _check_words(action: str | None, words: Sequence[str]) -> None:
    needed = {
        None: "an action",
        "list": "no word",
        "search": "words to search",
        "import": "a file, and the id that the session is to have here if that is another one",
    }.get(action, "the id of one session")
    fits = {None: False, "list": not words, "search": bool(words), "import": len(words) in {1, 2}}.get(
        action, len(words) == 1
    )
    if not fits:
        name = "chatport sessions" if action is None else f"chatport sessions {action}"
        raise UsageError(f"`{name}` takes {needed}", hint="see `chatport sessions --help`")


def _parse_backends(arguments: list[str]) -> Command:
    parser = Parser(prog="chatport backends", description="List the installed backends, the broken ones too.")
    add_output(parser, "print the list as JSON")
    given = _parse_subcommand(parser, arguments, "backends")
    return HelpCommand(parser.format_help()) if given.help else BackendsCommand(json=given.json, debug=given.debug)


def _parse_demo(arguments: list[str]) -> Command:
    parser = Parser(
        prog="chatport demo",
        description="See a streamed answer, a question about an image and a tool call, through a real backend: the "
        "built-in demo unless -m names a model.",
    )
    add_target(parser)
    add_common(parser)
    given = _parse_subcommand(parser, arguments, "demo")
    if given.help:
        return HelpCommand(parser.format_help())
    return DemoCommand(model=given.model, options=collect_options(given.options), debug=given.debug)


def _parse_models(arguments: list[str]) -> Command:
    parser = Parser(prog="chatport models", description="List the models of a backend that can be asked.")
    add_backend(parser)
    for name, what in _FILTERS.items():
        parser.add_argument(f"--{name}", metavar="WORD", help=f"only those that match: {what}")
    add_output(parser, "print the list as JSON")
    given = _parse_subcommand(parser, arguments, "models")
    if given.help:
        return HelpCommand(parser.format_help())
    return ModelsCommand(
        backend=given.backend,
        options=collect_options(given.options),
        filters={name: value for name in _FILTERS if (value := getattr(given, name)) is not None},
        json=given.json,
        debug=given.debug,
    )


def _parse_doctor(arguments: list[str]) -> Command:
    parser = Parser(
        prog="chatport doctor",
        description="Say how a backend is set up: where requests go, as whom, with which versions. No secret is shown. "
        "In the end the service is asked for its list of models, which costs nothing.",
    )
    add_backend(parser)
    parser.add_argument("--no-probe", dest="probe", action="store_false", help="do not ask the service")
    add_output(parser, "print it as one JSON object")
    given = _parse_subcommand(parser, arguments, "doctor")
    if given.help:
        return HelpCommand(parser.format_help())
    return DoctorCommand(
        backend=given.backend,
        options=collect_options(given.options),
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


def _ask_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="chatport", usage=_USAGE, description=_DESCRIPTION, epilog=_EPILOG)
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
    _add_how_to_ask(parser)
    add_output(parser, "print the answer as one JSON object instead of text")
    parser.add_argument("--resume", action="store_true", help="go on with the calls that wait in a stored session")
    parser.add_argument(
        "--claimed",
        choices=("close", "run"),
        default="refuse",
        help="with --resume: calls that a worker has begun and left are answered as interrupted, or run again",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _add_how_to_ask(parser: argparse.ArgumentParser) -> None:
    add_tools(parser)
    add_target(parser)
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    add_settings(parser)
    parser.add_argument("--no-stream", dest="streaming", action="store_false", help="ask for the answer in one piece")
    parser.add_argument("--usage", action="store_true", help="say tokens, time, model and request id on standard error")
    add_store(parser)
    parser.add_argument(
        "--session", metavar="ID", help="go on with this session of the store, or begin it; every turn is stored"
    )
