"""Demos: what answers where no model is configured. They are found by the entry-point group `chatport.demos`.

The entry point names a module (or any object) with one function, `demo()`: an async context manager that starts what
is to answer, on loopback, and gives a `Demo`. What it has started stops when the block is left. A distribution that has
a backend brings its demo with it:

    [project.entry-points."chatport.demos"]
    mine = "my_package.demo"

Of several, the one with the highest `PRIORITY` answers, an integer beside the function (0 where it says none), and of
equals the first by name. One that needs what may not be there, such as a large file, has a function `missing() -> str |
None` that says what: then the next one answers. `CHATPORT_DEMO` names the one to take.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeAlias, cast

from chatport import available_backends
from chatport.cli._errors import CommandError

_GROUP = "chatport.demos"
_VARIABLE = "CHATPORT_DEMO"
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


@dataclass(frozen=True, slots=True)
class FoundDemo:
    """A demo that can be started.

    Attributes:
        name: The name of its entry point.
        start: What starts it.
        notes: What there is to know of the other demos, for people.
        other: The next best one, for what this one is not made for; None where this one was asked for by name.
    """

    name: str
    start: DemoFunction
    notes: tuple[str, ...] = ()
    other: FoundDemo | None = None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A demo that is installed.

    Attributes:
        name: The name of its entry point.
        priority: How much it is to be preferred.
        start: What starts it, where nothing is missing.
        missing: What has to be there first, for people.
    """

    name: str
    priority: int
    start: DemoFunction
    missing: str | None


def find_demo() -> FoundDemo:
    """Return the demo that is to answer.

    It blocks while it imports, so it is called before an event loop runs.

    Raises:
        CommandError: None is installed, or none can be loaded, or each lacks something.
    """
    found = sorted(set(entry_points(group=_GROUP)), key=lambda entry: (entry.name, entry.value))
    if not found:
        backends = ", ".join(available_backends()) or "none"
        raise CommandError(
            f"no model is chosen, and no installed package brings a demo (installed backends: {backends})",
            hint=f"{_CHOOSE}, or install a backend that brings a demo",
        )
    chosen = os.environ.get(_VARIABLE)
    if chosen:
        return _named_demo(found, chosen)
    candidates: list[_Candidate] = []
    failures: list[CommandError] = []
    for entry in found:
        try:
            candidates.append(_load(entry))
        except CommandError as error:
            failures.append(error)
    candidates.sort(key=lambda candidate: -candidate.priority)  # equals stay in the order of their names
    lacking = [candidate for candidate in candidates if candidate.missing is not None]
    ready = [candidate for candidate in candidates if candidate.missing is None]
    if not ready:
        raise failures[0] if failures else CommandError(_lack(lacking[0]), hint=_CHOOSE)
    taken, *others = ready
    notes = [str(failure) for failure in failures]
    notes += [_lack(candidate) for candidate in lacking if candidate.priority > taken.priority]
    notes += [f"{_VARIABLE}={others[0].name} takes another"] if others else []
    other = FoundDemo(others[0].name, others[0].start) if others else None
    return FoundDemo(taken.name, taken.start, tuple(notes), other)


def _named_demo(found: list[EntryPoint], name: str) -> FoundDemo:
    entries = [entry for entry in found if entry.name == name]
    if not entries:
        known = ", ".join(sorted({entry.name for entry in found}))
        raise CommandError(f"{_VARIABLE} names the demo {name!r}, but there are {known}", hint=_CHOOSE)
    candidate = _load(entries[0])
    if candidate.missing is not None:
        raise CommandError(_lack(candidate), hint=_CHOOSE)
    return FoundDemo(name, candidate.start)


def _lack(candidate: _Candidate) -> str:
    return f"the demo {candidate.name!r} cannot run: {candidate.missing}"


def _load(entry: EntryPoint) -> _Candidate:
    origin = f"{entry.name!r} ({entry.value})"
    try:
        module = entry.load()
        function = module.demo
        priority = getattr(module, "PRIORITY", 0)
        missing: Any = getattr(module, "missing", None)
        lack = cast("str | None", missing() if callable(missing) else None)
    except Exception as error:
        message = f"the demo {origin} cannot be loaded: {type(error).__name__}: {error}"
        raise CommandError(message, hint=_CHOOSE) from error
    if not callable(function):
        raise CommandError(f"the demo {origin} is broken: its `demo` is no function", hint=_CHOOSE)
    if not isinstance(priority, int):
        raise CommandError(f"the demo {origin} is broken: its `PRIORITY` is no integer", hint=_CHOOSE)
    return _Candidate(entry.name, priority, cast("DemoFunction", function), lack)
