"""`chatport models`: what a backend offers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import anyio

from chatport.backend import ListsModels
from chatport.cli._errors import CommandError
from chatport.cli._output import write_output
from chatport.cli._tables import table_text
from chatport.cli._target import choose_backend, open_chosen_backend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatport import ModelInfo
    from chatport.cli._commands import ModelsCommand
    from chatport.cli._target import Choice

_HEADINGS = ("ID", "PROVIDER", "INPUT", "OUTPUT", "STREAMS", "STATUS", "NAME")
_STREAMS = {True: "yes", False: "no", None: "-"}


def run_models(command: ModelsCommand) -> int:
    """List the models and return the exit code, which an empty list does not change.

    Raises:
        CommandError: There is no backend to ask, or it lists no models.
        ChatError: The backend cannot be opened, or the service does not answer.
        OutputError: Standard output takes no more.
    """
    choice = choose_backend(command.backend, command.options)
    models = anyio.run(_models, command, choice)
    write_output(_as_json(models) if command.json else _as_table(models))
    return 0


async def _models(command: ModelsCommand, choice: Choice) -> tuple[ModelInfo, ...]:
    async with open_chosen_backend(choice) as backend:
        if not isinstance(backend, ListsModels):
            raise CommandError(f"the backend {backend.name!r} lists no models")
        return await backend.models(**command.filters)


def _as_json(models: Sequence[ModelInfo]) -> str:
    return json.dumps([asdict(model) for model in models]) + "\n"


def _as_table(models: Sequence[ModelInfo]) -> str:
    if not models:
        return "no model is like that\n"
    return table_text([_HEADINGS, *(_cells(model) for model in models)])


def _cells(model: ModelInfo) -> tuple[str, ...]:
    reads, writes = (", ".join(words) or "-" for words in (model.input, model.output))
    return (
        model.id,
        model.provider or "-",
        reads,
        writes,
        _STREAMS[model.streaming],
        model.status or "-",
        model.name,
    )
