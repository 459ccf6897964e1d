"""Names become backends: entry points find them, pluggy registers them, one at a time and only when asked for.

Nothing is scanned at import. A backend that is never asked for is never imported, so a broken one harms nobody else.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import anyio.to_thread
import pluggy

from chatport._closing import close_in_time
from chatport._errors import BrokenBackendError, ChatError, ConfigurationError, UnknownBackendError
from chatport._hook_specs import PROJECT
from chatport.backend import Backend, hookimpl

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints
    from types import TracebackType

_GROUP = "chatport.backends"
_HOOK = "chatport_backend"
_hookspec = pluggy.HookspecMarker(PROJECT)

BackendFactory: TypeAlias = Callable[..., Backend]
"""What makes a backend from its options, given by keyword; a backend's class will do."""


class _BackendSpecs:
    """What a backend plugin implements."""

    @_hookspec(firstresult=True)
    def chatport_backend(self, name: str, options: dict[str, Any]) -> Backend | None:
        """Make the backend of that name from its options, or decline with None."""


class _FactoryPlugin:
    """A plugin made of one factory, for backends that are registered in process."""

    def __init__(self, factory: BackendFactory) -> None:
        self.factory = factory
        self.hook = _hook_of(self)

    @hookimpl
    def chatport_backend(self, name: str, options: dict[str, Any]) -> Backend:
        _check_options(self.factory, name, options)
        return self.factory(**options)


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What is known of one installed or registered backend, for people.

    Attributes:
        name: The name it is asked for by.
        origin: The distribution or the code that provides it.
        version: The distribution's version, or None.
        error: Why it cannot be loaded, or None.
    """

    name: str
    origin: str
    version: str | None = None
    error: str | None = None


class _Registry:
    """What was registered and what was loaded, by name. Loading blocks on imports: call it in a worker thread.

    The lock is held for looking up and writing down, never while foreign code runs: an import may take seconds, may
    register backends itself, and may wait for a lock of somebody else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._installed: dict[str, pluggy.HookCaller] = {}
        self._registered: dict[str, _FactoryPlugin] = {}

    def names(self) -> tuple[str, ...]:
        """Return every name that can be asked for, importing none."""
        installed = {entry.name for entry in _entry_points()}
        with self._lock:
            return tuple(sorted(installed.union(self._registered)))

    def registered(self, name: str) -> _FactoryPlugin | None:
        """Return what was registered in process under the name."""
        with self._lock:
            return self._registered.get(name)

    def register(self, name: str, factory: BackendFactory) -> _FactoryPlugin:
        """Register a factory under a name; it hides an installed backend of that name."""
        if not name or ":" in name:
            message = f"a backend's name must be non-empty and without a colon, not {name!r}"
            raise ValueError(message)
        if not callable(factory):
            message = f"a backend factory must be callable, not {type(factory).__name__}"
            raise TypeError(message)
        plugin = _FactoryPlugin(factory)
        with self._lock:
            present = self._registered.setdefault(name, plugin)
        if present is not plugin:
            message = f"a backend {name!r} is registered already: {present.factory!r}"
            raise ValueError(message)
        return plugin

    def unregister(self, name: str, plugin: _FactoryPlugin) -> None:
        """Take a factory back; doing so twice is harmless."""
        with self._lock:
            if self._registered.get(name) is plugin:
                del self._registered[name]

    def load(self, name: str) -> pluggy.HookCaller:
        """Return the hook of the installed plugin of that name, loading it on first use."""
        with self._lock:
            hook = self._installed.get(name)
        if hook is not None:
            return hook
        entry = self._find(name)
        try:
            plugin: object = entry.load()
        except (Exception, SystemExit) as error:  # a module that ends the process is broken, and ends nothing else
            message = f"the backend {name!r} from {_origin(entry)} cannot be loaded: {type(error).__name__}: {error}"
            raise BrokenBackendError(message) from error
        try:
            hook = _hook_of(plugin)
        except Exception as error:
            message = f"the backend {name!r} from {_origin(entry)} is broken: {error}"
            raise BrokenBackendError(message) from error
        count = len(hook.get_hookimpls())
        if count != 1:
            message = (
                f"the backend {name!r} from {_origin(entry)} is broken: it needs one {_HOOK}(name, options) marked "
                f"with chatport.backend.hookimpl and has {count}"
            )
            raise BrokenBackendError(message)
        with self._lock:
            return self._installed.setdefault(name, hook)

    def status(self) -> tuple[BackendStatus, ...]:
        """Load every backend, one by one, and say how it went."""
        with self._lock:
            registered = sorted(self._registered.items())
        rows = [BackendStatus(name, repr(plugin.factory)) for name, plugin in registered]
        for entry in sorted(set(_entry_points()), key=lambda entry: (entry.name, entry.value)):
            error: str | None = None
            try:
                self.load(entry.name)
            except ChatError as failure:
                error = str(failure)
            rows.append(BackendStatus(entry.name, _origin(entry), entry.dist.version if entry.dist else None, error))
        return tuple(rows)

    def _find(self, name: str) -> EntryPoint:
        # An editable install may list one entry point twice; equal ones are one.
        found = sorted(set(_entry_points().select(name=name)), key=lambda entry: entry.value)
        if not found:
            raise UnknownBackendError(self._unknown(name))
        if len(found) > 1:
            claims = " and ".join(_origin(entry) for entry in found)
            message = f"two packages claim the backend {name!r}: {claims}; uninstall one"
            raise BrokenBackendError(message)
        return found[0]

    def _unknown(self, name: str) -> str:
        installed = ", ".join(self.names()) or "none"
        hint = f"pip install chatport-{name}" if name.isidentifier() else "see the documentation for the names"
        return f"no backend named {name!r} is installed (installed: {installed}); to install it: {hint}"


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points  # noqa: PLC0415 - what reads it, mail's format included, waits till then

    return entry_points(group=_GROUP)


def _check_options(factory: BackendFactory, name: str, options: dict[str, Any]) -> None:
    """Tell a wrong option from a factory that fails: the one is the caller's to mend, the other its author's."""
    try:
        signature = inspect.signature(factory)
    except ValueError:  # one written in C may not tell its signature
        return
    try:
        signature.bind(**options)
    except TypeError as error:
        message = f"the options of the backend {name!r} do not fit: {error}"
        raise ConfigurationError(message) from error


def _hook_of(plugin: object) -> pluggy.HookCaller:
    """Return what calls the hook of a plugin.

    Each plugin has a manager to itself. In a common one, a plugin that is registered while another one is called would
    be called too, and one whose hook turns out to be invalid would stay half registered.

    Raises:
        Exception: What pluggy finds wrong with the plugin.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(_BackendSpecs)
    manager.register(plugin)
    hook: pluggy.HookCaller = manager.hook.chatport_backend
    return hook


def _build(hook: pluggy.HookCaller, name: str, options: dict[str, Any]) -> Backend:
    """Make a backend: call the hook of the plugin that answers to the name."""
    try:
        backend = hook(name=name, options=dict(options))
    except ChatError:
        raise
    except Exception as error:
        message = f"the backend {name!r} cannot be built: {type(error).__name__}: {error}"
        raise BrokenBackendError(message) from error
    if not isinstance(backend, Backend):
        given = "nothing" if backend is None else f"a {type(backend).__name__}"
        message = f"the backend {name!r} gave {given} instead of a Backend (name, stream, aclose)"
        raise BrokenBackendError(message)
    return backend


def _origin(entry: EntryPoint) -> str:
    distribution = entry.dist.name if entry.dist else "an unknown distribution"
    return f"{distribution} ({entry.value})"


_registry = _Registry()


class Registration:
    """A backend registered in process; leaving its `with` block, or `unregister`, takes it back."""

    def __init__(self, name: str, plugin: _FactoryPlugin) -> None:
        """Remember what to take back."""
        self._name = name
        self._plugin = plugin

    def unregister(self) -> None:
        """Take the backend back. May be called more than once."""
        _registry.unregister(self._name, self._plugin)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the backend back."""
        self.unregister()


def register_backend(name: str, factory: BackendFactory) -> Registration:
    """Register a backend in this process, without an entry point: for tests, notebooks and applications.

    It holds until it is unregistered; used in a `with` statement, until the block is left. It hides an installed
    backend of the same name.

    Args:
        name: The name before the colon of a model string.
        factory: Called with the backend's options by keyword; a class will do.

    Raises:
        ValueError: The name is not usable or registered already.
    """
    return Registration(name, _registry.register(name, factory))


def available_backends() -> tuple[str, ...]:
    """Return the names of all installed and registered backends, sorted, importing none of them."""
    return _registry.names()


def backend_status() -> tuple[BackendStatus, ...]:
    """Load every backend and say which are broken, and why; for people. It blocks while it imports."""
    return _registry.status()


async def create_backend(name: str, options: dict[str, Any]) -> Backend:
    """Find, load and build a backend without holding up the event loop while it imports.

    Raises:
        UnknownBackendError: Nothing is installed under the name.
        BrokenBackendError: What is installed cannot be loaded or built.
        ConfigurationError: An option is wrong.
    """
    plugin = _registry.registered(name)
    if plugin is not None:
        return _build(plugin.hook, name, options)  # nothing to import, and a factory may want the caller's own thread
    return await anyio.to_thread.run_sync(_load_and_build, name, options)


def _load_and_build(name: str, options: dict[str, Any]) -> Backend:
    return _build(_registry.load(name), name, options)


@asynccontextmanager
async def open_backend(name: str, **options: Any) -> AsyncGenerator[Backend]:
    """Open a backend, for several sessions to share, and close it at the end.

    Args:
        name: The name before the colon of a model string.
        **options: The backend's own options.

    Raises:
        UnknownBackendError: Nothing is installed under the name.
        BrokenBackendError: What is installed cannot be loaded or built.
        ConfigurationError: An option is wrong.
    """
    async with opened_backend(name, options) as backend:
        yield backend


@asynccontextmanager
async def opened_backend(name: str, options: dict[str, Any]) -> AsyncGenerator[Backend]:
    """Do what `open_backend` does, with options that may have any name, `name` included."""
    backend = await create_backend(name, options)
    try:
        yield backend
    except BaseException as error:
        await close_in_time(backend.aclose, f"the backend {name!r}", error)
        raise
    await close_in_time(backend.aclose, f"the backend {name!r}", None)


def split_model(model: str) -> tuple[str, str]:
    """Return backend and model id from `backend:model`, split at the first colon.

    Raises:
        ConfigurationError: One of the two is missing.
    """
    backend, _, identifier = model.partition(":")
    if not backend or not identifier:
        message = f"a model is written backend:model, such as echo:any, not {model!r}"
        raise ConfigurationError(message)
    return backend, identifier
