"""Whom to ask: the model that is named, the one that the environment names, or the demo."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chatport import open_backend
from chatport.cli._demos import FoundDemo, find_demo
from chatport.cli._output import say

if TYPE_CHECKING:
    from chatport.backend import Backend

_MODEL_VARIABLE = "CHATPORT_MODEL"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask.

    Attributes:
        model: `backend:model`.
        options: The backend's options.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to ask, before anything is started: a target, or a demo that will be one.

    Attributes:
        model: `backend:model`, or None for the demo.
        options: The backend's options; they are laid over the demo's.
        demo: The demo, where there is no model.
        ways: How a model could have been chosen, for people.
    """

    model: str | None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    demo: FoundDemo | None = None
    ways: str = ""


def choose_target(model: str | None, options: Mapping[str, Any], *, environment: bool) -> Choice:
    """Choose whom to ask; a demo is loaded, which blocks, but not started.

    Args:
        model: The model that the command line names.
        options: The backend's options, from there as well.
        environment: Whether the environment may name the model.

    Raises:
        CommandError: There is neither a model nor a demo.
    """
    chosen = model or (os.environ.get(_MODEL_VARIABLE) if environment else None)
    if chosen:
        return Choice(chosen, options)
    ways = f"-m backend:model or {_MODEL_VARIABLE}" if environment else "-m backend:model"
    return Choice(None, options, find_demo(), ways)


@asynccontextmanager
async def open_target(choice: Choice) -> AsyncGenerator[Target]:
    """Give the target, with the demo running where there is no model; one line on standard error says so."""
    if choice.demo is None:
        yield Target(choice.model or "", dict(choice.options))
        return
    async with choice.demo.start() as demo:
        say("; ".join([f"no model chosen ({choice.ways}), so this is {demo.description}", *choice.demo.notes]))
        yield Target(demo.model, {**demo.backend_options, **choice.options})


def choose_backend(name: str | None, options: Mapping[str, Any]) -> Choice:
    """Choose a backend; a demo is loaded, which blocks, but not started.

    Args:
        name: The backend that the command line names; by default it is that of the model in the environment.
        options: Its options, from the command line as well.

    Raises:
        CommandError: There is neither a backend nor a demo.
    """
    if name is None:
        choice = choose_target(None, options, environment=True)
        return replace(choice, ways=f"a backend's name or {_MODEL_VARIABLE}")
    return Choice(f"{name}:", options)


@asynccontextmanager
async def open_chosen_backend(choice: Choice) -> AsyncGenerator[Backend]:
    """Give the backend of what was chosen, opened.

    Raises:
        ChatError: It cannot be opened.
    """
    async with open_target(choice) as target:
        name, _, _ = target.model.partition(":")
        async with open_backend(name, **target.options) as backend:
            yield backend
