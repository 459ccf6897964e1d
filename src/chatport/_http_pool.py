"""Connections of one backend, one set for each event loop.

Connections belong to the loop that opened them. So that a backend may serve several loops, one after the other or in
threads, each loop has connections of its own, and these are closed when their loop ends.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from chatport._errors import ConfigurationError
from chatport._http_slots import ConnectionsClosedError, Slots
from chatport._load import Load

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Callable

    import httpcore2

    from chatport._http_connections import Connections
    from chatport._http_options import HttpOptions


class Place(NamedTuple):
    """Where requests to one host go, on one event loop.

    Attributes:
        connections: What sends.
        slots: The places for requests. Whoever sends has one until its connection is free again, so that nobody waits
            where it could not be told how long for what.
        url: The address of the request.
        host: The value of its header `Host`.
    """

    connections: Connections
    slots: Slots
    url: httpcore2.URL
    host: str


class HttpPool:
    """The connections of one backend."""

    def __init__(self, options: HttpOptions) -> None:
        """Open nothing yet."""
        self._options = options
        self._library: Any = None  # the module that knows httpcore2, once it is loaded
        self._context: ssl.SSLContext | None = None  # how certificates are checked, once TLS is spoken
        self._slots: WeakSet[Slots] = WeakSet()
        self._lock = threading.Lock()  # loops run in threads
        self._current: RunVar[_LoopConnections | None] = RunVar("chatport.http_connections", None)

    def load(self) -> Load:
        """Return how many requests are under way and how many wait, on all event loops."""
        with self._lock:
            all_slots = list(self._slots)
        in_flight = sum(slots.in_flight for slots in all_slots)
        return Load(in_flight, sum(slots.waiting for slots in all_slots), self._options.max_connections)

    async def place(self, url: str) -> Place:
        """Return where to send on the running event loop.

        Raises:
            ConfigurationError: The extra `http` is not installed, or the CA bundle that is needed there cannot be read.
            ConnectionsClosedError: The connections were closed while this was prepared.
        """
        connections = self._current.get()
        if connections is None:
            connections = _LoopConnections(self._new_slots)
            self._current.set(connections)
            await connections.start()
        library = self._library or await self._loaded_library(connections)
        parsed, host = library.parse_url(url)
        origin = parsed.origin
        context = None
        if library.speaks_tls(origin, self._options.proxy):
            context = self._context or await self._loaded_context(connections, library)
        if connections.is_closed:
            raise ConnectionsClosedError
        found = connections.get(origin)
        if found is None:
            found = connections.add(origin, library.Connections(origin, context, self._options.proxy))
        return Place(*found, parsed, host)

    # What is read from the disk is read in one thread for all who come first together on a loop; threads of other loops
    # wait for the lock in it.

    async def _loaded_library(self, connections: _LoopConnections) -> Any:
        async with connections.loading:
            return self._library or await anyio.to_thread.run_sync(self._load_library)

    async def _loaded_context(self, connections: _LoopConnections, library: Any) -> ssl.SSLContext:
        async with connections.loading:
            if self._context is not None:
                return self._context
            return await anyio.to_thread.run_sync(self._load_context, library)

    def _load_library(self) -> Any:
        with self._lock:
            if self._library is None:
                try:
                    self._library = import_module("chatport._http_connections")
                except ImportError as error:
                    raise ConfigurationError("speaking HTTP needs httpcore2: pip install 'chatport[http]'") from error
            return self._library

    def _load_context(self, library: Any) -> ssl.SSLContext:
        # The certificates of a machine take some 20 milliseconds to parse, and nobody needs them without TLS.
        with self._lock:
            if self._context is not None:
                return self._context
            try:
                context: ssl.SSLContext = library.make_context(self._options.verify)
            except OSError as error:  # TLS errors are OSErrors, too
                reason = error.strerror or type(error).__name__
                raise ConfigurationError(f"verify: the certificates cannot be loaded: {reason}") from error
            self._context = context
            return context

    def _new_slots(self) -> Slots:
        slots = Slots(self._options.max_connections)
        with self._lock:
            self._slots.add(slots)
        return slots

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of other loops close when their loop ends."""
        connections = self._current.get()
        if connections is not None:
            self._current.set(None)
            await connections.aclose()


class _LoopConnections:
    """The connections of one event loop."""

    def __init__(self, new_slots: Callable[[], Slots]) -> None:
        self.is_closed = False
        self.loading = anyio.Lock()
        self._new_slots = new_slots
        self._by_origin: dict[str, tuple[Connections, Slots]] = {}
        self._keeper: AsyncGenerator[None, None] | None = None

    async def start(self) -> None:
        # The event loop closes every generator that is still suspended when it ends; this one takes the connections
        # along.
        self._keeper = self._keep()
        await anext(self._keeper)

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            # A generator holds on to its loop, which would live as long as what is kept for it.
            self._keeper = None
            await self._close()

    def get(self, origin: httpcore2.Origin) -> tuple[Connections, Slots] | None:
        return self._by_origin.get(str(origin))

    def add(self, origin: httpcore2.Origin, connections: Connections) -> tuple[Connections, Slots]:
        made = self._by_origin[str(origin)] = connections, self._new_slots()
        return made

    async def aclose(self) -> None:
        if self._keeper is not None:
            await self._keeper.aclose()

    async def _close(self) -> None:
        self.is_closed = True
        for _, slots in self._by_origin.values():
            slots.close()
        # A loop that ends runs this in a cancelled scope; half-closed connections would outlive it.
        with anyio.CancelScope(shield=True):
            while self._by_origin:
                _, (connections, _) = self._by_origin.popitem()
                await connections.aclose()
