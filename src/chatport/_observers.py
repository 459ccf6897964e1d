"""Who observes turns: registered in process or found by entry point, each called by itself.

An observer that raises is switched off, and neither the turn nor the next observer learns of it. So pluggy checks
observers against the specifications, and we call them: a common call of pluggy stops at the first one that raises.
"""

from __future__ import annotations

import inspect
import logging
import threading
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

import anyio
import anyio.to_thread
import pluggy
from anyio.lowlevel import RunVar

from chatport._hook_specs import PROJECT, ObserverSpecs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from types import TracebackType

_GROUP = "chatport.observers"
_HOOKS = tuple(sorted(name for name in vars(ObserverSpecs) if name.startswith("chatport_")))
_LOGGER = logging.getLogger("chatport")


class ObserverWarning(UserWarning):
    """An installed observer cannot be used and is left out."""


class Hook(NamedTuple):
    """One hook of one observer, ready to be called."""

    observer: _Observer
    function: Callable[..., object]
    arguments: tuple[str, ...]


HookTable: TypeAlias = "Mapping[str, tuple[Hook, ...]]"
"""The hooks of all observers by the name of the hook, in the order of their calls."""


class _Observer:
    """A plugin, its name for people, and whether it is still called."""

    def __init__(self, plugin: object, name: str) -> None:
        """Check the plugin.

        Raises:
            TypeError: It is no observer.
        """
        self.plugin = plugin
        self.name = name
        self.is_on = True
        self.hooks = {impl[0]: Hook(self, impl[1].function, tuple(impl[1].argnames)) for impl in _hooks_of(plugin)}


def _hooks_of(plugin: object) -> list[tuple[str, pluggy.HookImpl]]:
    """Return the hooks that a plugin implements.

    It gets a manager to itself, as backends do: nothing of a plugin that turns out to be wrong stays anywhere.
    """
    if plugin is None or inspect.isclass(plugin):
        raise TypeError(f"an observer is an object or a module, not {plugin!r}; of a class, give an instance")
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ObserverSpecs)
    try:
        manager.register(plugin)
    except pluggy.PluginValidationError as error:
        raise TypeError(f"not an observer: {error}") from error
    found = [
        (caller.name, impl)
        for caller in manager.get_hookcallers(plugin) or ()
        for impl in caller.get_hookimpls()
        # A module may be a backend too. A hook of another version of ours may say that it is optional.
        if caller.name != "chatport_backend" and (caller.has_spec() or not impl.optionalhook)
    ]
    if not found:
        raise TypeError(f"not an observer: {plugin!r} has no hook marked with chatport.hooks.hookimpl")
    for name, impl in found:
        _check_hook(name, impl)
    return found


def _check_hook(name: str, impl: pluggy.HookImpl) -> None:
    if name not in _HOOKS:
        raise TypeError(f"not an observer: there is no hook {name}; there are {', '.join(_HOOKS)}")
    if any(check(impl.function) for check in _NOT_PLAIN):  # pluggy's wrappers are generators
        raise TypeError(f"not an observer: its {name} is async, a generator or a wrapper; hooks are plain functions")
    try:
        inspect.signature(impl.function).bind(*impl.argnames)
    except TypeError as error:
        raise TypeError(f"not an observer: its {name} cannot be called: {error}") from error


_NOT_PLAIN = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)


class Observers:
    """All observers of the process, and the table of their hooks.

    The table is replaced, never changed: who reads it needs no lock. The lock is held for looking up and writing down,
    never while foreign code runs.
    """

    def __init__(self) -> None:
        self.table: HookTable = {}
        self.is_loaded = False
        self._lock = threading.Lock()
        self._observers: tuple[_Observer, ...] = ()
        self._seen: set[EntryPoint] = set()

    def add(self, observer: _Observer) -> None:
        """Have an observer called from the next turn on.

        Raises:
            ValueError: It is there already.
        """
        with self._lock:
            if any(present.plugin is observer.plugin for present in self._observers):
                raise ValueError(f"the observer {observer.name} is registered already")
            self._replace((*self._observers, observer))

    def remove(self, observer: _Observer) -> bool:
        """Have an observer called no more, in turns under way too; return whether it was called until now."""
        with self._lock:
            was_on, observer.is_on = observer.is_on, False
            self._replace(tuple(present for present in self._observers if present is not observer))
        return was_on

    def _replace(self, observers: tuple[_Observer, ...]) -> None:
        table: dict[str, tuple[Hook, ...]] = {}
        for observer in observers:
            for name, hook in observer.hooks.items():
                table[name] = (*table.get(name, ()), hook)
        self._observers, self.table = observers, table

    def load(self) -> list[str]:
        """Load what is installed, and return what is wrong with what cannot be used.

        It blocks on imports: call it in a worker thread. Threads that load at once all import, which Python does once,
        and the first to be done registers.
        """
        from importlib.metadata import entry_points  # noqa: PLC0415 - at the first turn, not at the import

        failures: list[str] = []
        # An editable install may list one entry point twice; equal ones are one.
        for entry in sorted(set(entry_points(group=_GROUP)), key=lambda entry: (entry.name, entry.value)):
            try:
                observer = _Observer(entry.load(), f"{entry.name!r} from {_origin(entry)}")
                failure = None
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever is wrong with it, it is left out and told
                failure = f"the observer {entry.name!r} from {_origin(entry)} is left out: {_described(error)}"
                observer = None
            with self._lock:
                if entry in self._seen:
                    continue
                self._seen.add(entry)
                if failure is not None:
                    failures.append(failure)
                elif observer is not None and all(observer.plugin is not other.plugin for other in self._observers):
                    self._replace((*self._observers, observer))
        self.is_loaded = True
        return failures

    def tell(self, hooks: Sequence[Hook], values: Mapping[str, object]) -> None:
        """Call hooks one by one; one that raises costs nobody but its observer."""
        for observer, function, arguments in hooks:
            if not observer.is_on:
                continue
            try:
                outcome = function(*[values[argument] for argument in arguments])
                if outcome is not None:
                    _refuse_awaitable(outcome)
            except Exception:
                if self.remove(observer):
                    _LOGGER.exception("the observer %s failed and is switched off", observer.name)


def _refuse_awaitable(outcome: object) -> None:
    if inspect.isawaitable(outcome):
        if inspect.iscoroutine(outcome):
            outcome.close()  # or Python would complain, in another place, that nobody awaits it
        raise TypeError("a hook gave something to await; hooks are plain functions")


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name if entry.dist else 'an unknown distribution'} ({entry.value})"


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _name_of(observer: object) -> str:
    if isinstance(observer, ModuleType):
        return observer.__name__
    return f"{type(observer).__module__}.{type(observer).__qualname__}"


_observers = Observers()


class Observation:
    """An observer at work; leaving its `with` block, or `stop`, ends it."""

    def __init__(self, observer: _Observer) -> None:
        """Remember whom to take back."""
        self._observer = observer
        self._observers = _observers

    def __repr__(self) -> str:
        """Show whose it is, and whether it goes on."""
        return f"<Observation of {self._observer.name}, {'on' if self.is_on else 'off'}>"

    @property
    def is_on(self) -> bool:
        """Whether the observer is called; one that raised is not called any more."""
        return self._observer.is_on

    def stop(self) -> None:
        """Call the observer no more, in turns under way too. May be called more than once."""
        self._observers.remove(self._observer)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the observation."""
        self.stop()


def observe(observer: object, *, name: str | None = None) -> Observation:
    """Have an observer called, by all sessions of this process, from their next turn on.

    It holds until it is stopped; used in a `with` statement, until the block is left. Observers are called in the order
    in which they came. What an observer raises is logged once, with its traceback, and it is called no more; the turn
    goes on. Cancellation, `KeyboardInterrupt` and the like pass.

    Args:
        observer: An object or a module with hooks, see `ObserverSpecs`.
        name: What logs call it; by default its class or module.

    Raises:
        TypeError: It is no observer: it has no hooks, unknown ones, or ones that cannot be called; a hook is async, a
            generator or a wrapper.
        ValueError: It is registered already.
    """
    registered = _Observer(observer, name or _name_of(observer))
    _observers.add(registered)
    return Observation(registered)


async def loaded_observers() -> Observers:
    """Return the observers of the process; the first to ask loads those that are installed."""
    observers = _observers
    if not observers.is_loaded:
        async with _loading_turn():
            # Many first turns may wait here; one of them loads for all.
            if not observers.is_loaded:
                for failure in await anyio.to_thread.run_sync(observers.load):
                    warnings.warn(failure, ObserverWarning, stacklevel=2)
    return observers


_loading: RunVar[anyio.Lock] = RunVar("chatport.observers.loading")


def _loading_turn() -> anyio.Lock:
    try:
        return _loading.get()
    except LookupError:
        turn = anyio.Lock()
        _loading.set(turn)
        return turn
