"""Names become backends: entry points find them, pluggy registers them, one at a time and only when asked for.

Nothing is scanned at import. A backend that is never asked for is never imported, so a broken one harms nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import anyio.to_thread
import pluggy

from chatport._closing import close_in_time
from chatport._errors import BrokenBackendError, ChatError, ConfigurationError, UnknownBackendError
from chatport.backend import Backend, hookimpl

if TYPE_CHECKING:
    from types import TracebackType

_GROUP = "chatport.backends"
_HOOK = "chatport_backend"
_hookspec = pluggy.HookspecMarker("chatport")

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

    @hookimpl
    def chatport_backend(self, options: dict[str, Any]) -> Backend:
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
    """One manager and what was loaded into it. Its methods block on imports: call them from a worker thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._manager = pluggy.PluginManager("chatport")
        self._manager.add_hookspecs(_BackendSpecs)
        self._installed: dict[str, object] = {}
        self._registered: dict[str, _FactoryPlugin] = {}

    def names(self) -> tuple[str, ...]:
        """Return every name that can be asked for, importing none."""
        return tuple(sorted({entry.name for entry in entry_points(group=_GROUP)} | set(self._registered)))

    def is_registered(self, name: str) -> bool:
        """Whether the name was registered in process; such a factory runs where it is called."""
        return name in self._registered

    def register(self, name: str, factory: BackendFactory) -> _FactoryPlugin:
        """Register a factory under a name; it hides an installed backend of that name."""
        if not name or ":" in name:
            message = f"a backend's name must be non-empty and without a colon, not {name!r}"
            raise ValueError(message)
        if not callable(factory):
            message = f"a backend factory must be callable, not {type(factory).__name__}"
            raise TypeError(message)
        with self._lock:
            if name in self._registered:
                message = f"a backend {name!r} is registered already: {self._registered[name].factory!r}"
                raise ValueError(message)
            plugin = _FactoryPlugin(factory)
            self._manager.register(plugin, name=f"{name} (registered)")
            self._registered[name] = plugin
        return plugin

    def unregister(self, name: str, plugin: _FactoryPlugin) -> None:
        """Take a factory back; doing so twice is harmless."""
        with self._lock:
            if self._registered.get(name) is plugin:
                del self._registered[name]
                self._manager.unregister(plugin)

    def create(self, name: str, options: dict[str, Any]) -> Backend:
        """Make a backend: call the hook of the one plugin that answers to the name."""
        with self._lock:
            plugin: object = self._registered.get(name) or self._load(name)
            others = [other for other in self._manager.get_plugins() if other is not plugin]
            call = self._manager.subset_hook_caller(_HOOK, remove_plugins=others)
        try:
            backend = call(name=name, options=dict(options))
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

    def status(self) -> tuple[BackendStatus, ...]:
        """Load every backend, one by one, and say how it went."""
        rows = [BackendStatus(name, repr(plugin.factory)) for name, plugin in sorted(self._registered.items())]
        for entry in sorted(set(entry_points(group=_GROUP)), key=lambda entry: (entry.name, entry.value)):
            error: str | None = None
            try:
                with self._lock:
                    self._load(entry.name)
            except ChatError as failure:
                error = str(failure)
            rows.append(BackendStatus(entry.name, _origin(entry), entry.dist.version if entry.dist else None, error))
        return tuple(rows)

    def _load(self, name: str) -> object:
        """Return the installed plugin of that name, loading it on first use."""
        if name in self._installed:
            return self._installed[name]
        entry = self._find(name)
        try:
            plugin: object = entry.load()
        except (Exception, SystemExit) as error:  # a module that ends the process is broken, and ends nothing else
            message = f"the backend {name!r} from {_origin(entry)} cannot be loaded: {type(error).__name__}: {error}"
            raise BrokenBackendError(message) from error
        if not self._manager.is_registered(plugin):
            self._register_plugin(name, plugin, entry)
        hooks = [hook for hook in self._manager.hook.chatport_backend.get_hookimpls() if hook.plugin is plugin]
        if len(hooks) != 1:
            self._manager.unregister(plugin)
            message = (
                f"the backend {name!r} from {_origin(entry)} is broken: it needs one {_HOOK}(name, options) marked "
                f"with chatport.backend.hookimpl and has {len(hooks)}"
            )
            raise BrokenBackendError(message)
        self._installed[name] = plugin
        return plugin

    def _register_plugin(self, name: str, plugin: object, entry: EntryPoint) -> None:
        try:
            self._manager.register(plugin, name=name)
        except Exception as error:
            # pluggy 1.6 leaves a plugin half registered when one of its hook implementations is invalid.
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            message = f"the backend {name!r} from {_origin(entry)} is broken: {error}"
            raise BrokenBackendError(message) from error

    def _find(self, name: str) -> EntryPoint:
        # An editable install may list one entry point twice; equal ones are one.
        found = sorted(set(entry_points(group=_GROUP, name=name)), key=lambda entry: entry.value)
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
    if _registry.is_registered(name):
        return _registry.create(name, options)
    return await anyio.to_thread.run_sync(_registry.create, name, options)


@asynccontextmanager
async def open_backend(name: str, /, **options: Any) -> AsyncGenerator[Backend]:
    """Open a backend, for several sessions to share, and close it at the end.

    Args:
        name: The name before the colon of a model string.
        **options: The backend's own options.

    Raises:
        UnknownBackendError: Nothing is installed under the name.
        BrokenBackendError: What is installed cannot be loaded or built.
        ConfigurationError: An option is wrong.
    """
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
