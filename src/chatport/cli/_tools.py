"""The tools that a file offers, and who is asked before one of them runs."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatport import Allow, Deny, Pause, Tool
from chatport._tools import as_tools, is_marked
from chatport.cli._errors import CommandError
from chatport.cli._input import is_piped
from chatport.cli._lines import ask_person
from chatport.cli._output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport import Approve, Decision, Reply, ToolCall

_NAME = re.compile(r"[A-Za-z0-9_.:-]+")  # what services take as the name of a tool, and identifiers
_CHOICES = 'y runs it, n [reason] does not, e {"argument": ...} runs it with these, w leaves it for later'


def load_tools(paths: Sequence[str]) -> tuple[Tool, ...]:
    """Return the tools of Python files: functions marked with `@tool`, and `Tool` values.

    Raises:
        CommandError: A file cannot be read or run, or offers nothing.
    """
    found: list[Any] = []
    for path in paths:
        offered = [value for value in _run_file(path).values() if isinstance(value, Tool) or is_marked(value)]
        if not offered:
            raise CommandError(f"{path!r} has no tools", hint="mark its functions with @chatport.tool")
        found += offered
    try:
        return as_tools(found)
    except (TypeError, ValueError) as error:
        raise CommandError(f"--tools: {error}") from error


def _run_file(path: str) -> dict[str, Any]:
    specification = importlib.util.spec_from_file_location(Path(path).stem, path)
    if specification is None or specification.loader is None:
        raise CommandError(f"{path!r} is no file of Python", hint="its name ends with .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules.setdefault(module.__name__, module)  # pydantic and dataclasses look there
    try:
        specification.loader.exec_module(module)
    except OSError as error:
        raise CommandError(f"cannot read {path!r}: {error.strerror}") from error
    except Exception as error:
        raise CommandError(f"{path!r} fails: {type(error).__name__}: {error}") from error
    return vars(module)


def approver(how: str) -> Approve:
    """Return who is asked: `"allow"` and `"deny"` say so, `"wait"` leaves calls open, `"ask"` asks at a terminal.

    Where standard input is no terminal, there is nobody to ask, and calls wait.
    """

    async def approve(call: ToolCall) -> Decision:
        match how:
            case "allow":
                return Allow()
            case "deny":
                return Deny()
            case "ask" if not is_piped():
                return await _asked(call)
            case _:
                return Pause()

    return approve


async def _asked(call: ToolCall) -> Decision:
    say(f"the model calls {describe_call(call)}; {_CHOICES}")
    while line := await ask_person("run it? "):
        decision = _decision(line.strip())
        if decision is not None:
            return decision
        say(_CHOICES)
    return Pause()


def _decision(line: str) -> Decision | None:
    word, _, rest = line.partition(" ")
    match word.lower():
        case "y" | "yes":
            return Allow()
        case "n" | "no":
            return Deny(rest.strip())
        case "w" | "wait":
            return Pause()
        case "e" | "edit":
            try:
                return Allow(json.loads(rest))
            except (TypeError, ValueError) as error:
                say(f"these are no arguments: {error}")
                return None
        case _:
            return None


def describe_call(call: ToolCall) -> str:
    """Return a call in one line that shows what it says.

    The model has written it, and a person decides by it: what would not be seen, or would change how the rest is seen
    (marks of direction, line ends, what moves the cursor, several spaces), is written as JSON escapes it.
    """
    arguments = ", ".join(f"{_named(name)}={_as_json(value)}" for name, value in call.arguments.items())
    return f"{_named(call.name)}({arguments})"


def _named(name: str) -> str:
    """Return a name as it stands, if it is one; any other could look like an argument that is not there."""
    return name if _NAME.fullmatch(name) else _as_json(name)


def _as_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("  ", " \\u0020")
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def say_waiting(reply: Reply[Any], session: str | None) -> bool:
    """Say which calls wait, if any do, and how to go on; return whether any do."""
    for call in reply.pending_calls:
        say(f"waits: {describe_call(call)}")
    if reply.pending_calls:
        kept = "and nothing keeps them: --store PATH would" if session is None else "go on with --resume"
        say(f"calls of tools wait to be approved, {kept}")
    return bool(reply.pending_calls)
