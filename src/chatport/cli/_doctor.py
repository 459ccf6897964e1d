"""`chatport doctor`: how a backend is set up, and whether it answers."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio

from chatport import ChatError
from chatport.backend import DescribesItself, ListsModels
from chatport.cli._output import say, write_output
from chatport.cli._report import describe_error, describe_seconds
from chatport.cli._tables import table_text
from chatport.cli._target import choose_backend, open_chosen_backend

if TYPE_CHECKING:
    from chatport.backend import Backend
    from chatport.cli._commands import DoctorCommand
    from chatport.cli._target import Choice

_FAILED = 1


@dataclass(frozen=True, slots=True)
class _Probe:
    """How one question to the service went.

    Attributes:
        ok: Whether it was answered; None where nothing was asked.
        result: What came of it, in words.
        hint: What to do about it, or None.
    """

    ok: bool | None
    result: str
    hint: str | None = None


def run_doctor(command: DoctorCommand) -> int:
    """Say what there is and return the exit code: 1 where the service did not answer the probe.

    Raises:
        CommandError: There is no backend to look at.
        ChatError: The backend cannot be opened.
        OutputError: Standard output takes no more.
    """
    choice = choose_backend(command.backend, command.options)
    facts, probe = anyio.run(_examine, command, choice)
    if command.json:
        found = {"facts": facts, "probe": {"ok": probe.ok, "result": probe.result, "hint": probe.hint}}
        write_output(json.dumps(found) + "\n")
    else:
        write_output(table_text([*facts.items(), ("probe", probe.result)]))
        if probe.hint is not None:
            say(f"hint: {probe.hint}")
    return _FAILED if probe.ok is False else 0


async def _examine(command: DoctorCommand, choice: Choice) -> tuple[dict[str, str], _Probe]:
    facts = {"chatport": version("chatport"), "python": platform.python_version()}
    async with open_chosen_backend(choice) as backend:
        facts["backend"] = backend.name
        if isinstance(backend, DescribesItself):
            facts |= await backend.describe()
        return facts, await _probe(backend) if command.probe else _Probe(ok=None, result="not asked (--no-probe)")


async def _probe(backend: Backend) -> _Probe:
    """Ask for the list of models: it goes the whole way, as whoever asks, and costs nothing."""
    if not isinstance(backend, ListsModels):
        return _Probe(ok=None, result="none: this backend has nothing to ask that costs nothing")
    begun = anyio.current_time()
    try:
        models = await backend.models()
    except ChatError as error:
        message, hint = describe_error(error)
        return _Probe(ok=False, result=f"failed: {message}", hint=hint)
    taken = describe_seconds(anyio.current_time() - begun)
    return _Probe(ok=True, result=f"ok: {len(models)} models listed in {taken}")
