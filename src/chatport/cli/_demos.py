"""Demos: what answers where no model is configured. They are found by the entry-point group `chatport.demos`.

The entry point names a module (or any object) with one function, `demo()`: an async context manager that starts what
is to answer, on loopback, and gives a `Demo`. What it has started stops when the block is left. A distribution that has
a backend brings its demo with it:

    [project.entry-points."chatport.demos"]
    mine = "my_package.demo"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeAlias, cast

from chatport import available_backends
from chatport.cli._errors import CommandError

_GROUP = "chatport.demos"
_CHOOSE = "choose a model with -m backend:model or CHATPORT_MODEL"


class Demo(Protocol):
    """A demo that runs.

    Attributes:
        model: What to ask, `backend:model`.
        backend_options: The options with which the backend finds it, its address among them.
        description: What answers, and where, for people: "the emulator of … on 127.0.0.1:54321".
    """

    @property
    def model(self) -> str:
        """What to ask."""
        ...

    @property
    def backend_options(self) -> Mapping[str, Any]:
        """The options with which the backend finds it."""
        ...

    @property
    def description(self) -> str:
        """What answers, and where."""
        ...


DemoFunction: TypeAlias = Callable[[], AbstractAsyncContextManager[Demo]]


def find_demo() -> DemoFunction:
    """Return what starts the demo, the first by name of those that are installed.

    It blocks while it imports, so it is called before an event loop runs.

    Raises:
        CommandError: None is installed, or it cannot be loaded.
    """
    found = sorted(set(entry_points(group=_GROUP)), key=lambda entry: (entry.name, entry.value))
    if not found:
        backends = ", ".join(available_backends()) or "none"
        raise CommandError(
            f"no model is chosen, and no installed package brings a demo (installed backends: {backends})",
            hint=f"{_CHOOSE}, or install a backend that brings a demo",
        )
    return _load(found[0])


def _load(entry: EntryPoint) -> DemoFunction:
    origin = f"{entry.name!r} ({entry.value})"
    try:
        function = entry.load().demo
    except Exception as error:
        message = f"the demo {origin} cannot be loaded: {type(error).__name__}: {error}"
        raise CommandError(message, hint=_CHOOSE) from error
    if not callable(function):
        raise CommandError(f"the demo {origin} is broken: its `demo` is no function", hint=_CHOOSE)
    return cast("DemoFunction", function)
