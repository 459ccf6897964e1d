"""HTTP sessions, one set per event loop.

Connections belong to the loop that opened them. So that a backend may serve several loops, one after the other or in
threads, each loop has sessions of its own, and these are closed when their loop ends.
"""

from __future__ import annotations

import sys
import threading
from asyncio import get_running_loop
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakSet, ref

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from chatport.backend import ConfigurationError, Load
from chatport.backend.http import ConnectionsClosedError, Slots
from chatport_bedrock._aiohttp_session import PlainSession

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Hashable

    from chatport_bedrock._endpoints import Endpoint

# aiobotocore has no common type for its two kinds of session; both have `send` and the protocol of `async with`.
HttpSession: TypeAlias = Any

_KEEPALIVE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections to one endpoint on one event loop.

    Attributes:
        session: What sends.
        slots: The places for requests. Whoever sends has one until its connection is free again, so that nobody waits
            inside the session, where it could not be told how long for what.
    """

    session: HttpSession
    slots: Slots


class ConnectionPool:
    """The HTTP sessions of one backend."""

    def __init__(self, *, max_connections: int) -> None:
        """Open nothing yet.

        Args:
            max_connections: The most connections to one endpoint, per event loop.
        """
        self._max_connections = max_connections
        self._slots: WeakSet[Slots] = WeakSet()
        self._lock = threading.Lock()  # loops run in threads
        self._current: RunVar[_LoopSessions | None] = RunVar("chatport_bedrock.sessions", None)
        # What was found last: mostly there is one loop. Weak, as the loop itself holds what is kept for it.
        self._latest: tuple[ref[AbstractEventLoop], ref[_LoopSessions]] | None = None

    def load(self) -> Load:
        """Return how many requests are under way and how many wait, on all event loops."""
        with self._lock:
            all_slots = list(self._slots)
        in_flight = sum(slots.in_flight for slots in all_slots)
        return Load(in_flight, sum(slots.waiting for slots in all_slots), self._max_connections)

    async def connections(self, endpoint: Endpoint) -> Connections:
        """Return the connections to an endpoint on the running event loop, preparing them on first use.

        Raises:
            ConfigurationError: The loop is trio's and httpx2 is not installed.
            ConnectionsClosedError: They were closed while they were prepared.
        """
        sessions = self._found()
        if sessions is None:
            sessions = _LoopSessions(self._max_connections, self._new_slots)
            self._current.set(sessions)
            await sessions.start()
        return await sessions.get(endpoint)

    def _found(self) -> _LoopSessions | None:
        """The sessions of the running event loop, if there are some."""
        try:
            loop = get_running_loop()
        except RuntimeError:  # trio's, which is quick about it
            return self._current.get()
        latest = self._latest  # read once: other threads have other loops
        if latest is not None and latest[0]() is loop and (known := latest[1]()) is not None:
            return known
        sessions = self._current.get()
        self._latest = None if sessions is None else (ref(loop), ref(sessions))
        return sessions

    def _new_slots(self) -> Slots:
        slots = Slots(self._max_connections)
        with self._lock:
            self._slots.add(slots)
        return slots

    async def aclose(self) -> None:
        """Close the sessions of the running event loop; those of other loops close when their loop ends."""
        sessions = self._current.get()
        if sessions is not None:
            self._current.set(None)
            self._latest = None
            await sessions.aclose()


class _LoopSessions:
    """The sessions of one event loop."""

    def __init__(self, max_connections: int, new_slots: Callable[[], Slots]) -> None:
        self._max_connections = max_connections
        self._new_slots = new_slots
        self._lock = anyio.Lock()
        self._sessions: dict[Hashable, Connections] = {}
        self._keeper: AsyncGenerator[None, None] | None = None
        self._is_closed = False

    async def start(self) -> None:
        # The event loop closes every generator that is still suspended when it ends; this one takes the sessions along.
        self._keeper = self._keep()
        await self._keeper.__anext__()

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            # A generator holds on to its loop, which would live as long as what is kept for it.
            self._keeper = None
            await self._close_sessions()

    async def get(self, endpoint: Endpoint) -> Connections:
        found = self._sessions.get(endpoint.pool)
        if found is not None:
            return found
        async with self._lock:
            if endpoint.pool not in self._sessions:
                session = await _make_session(endpoint, self._max_connections)
                await session.__aenter__()
                if self._is_closed:
                    await session.__aexit__(None, None, None)
                    raise ConnectionsClosedError
                self._sessions[endpoint.pool] = Connections(session, self._new_slots())
            return self._sessions[endpoint.pool]

    async def aclose(self) -> None:
        if self._keeper is not None:
            await self._keeper.aclose()

    async def _close_sessions(self) -> None:
        self._is_closed = True
        for connections in self._sessions.values():
            connections.slots.close()
        # A loop that ends runs this in a cancelled scope; half-closed connections would outlive it.
        with anyio.CancelScope(shield=True):
            while self._sessions:
                _, connections = self._sessions.popitem()
                await connections.session.__aexit__(None, None, None)


async def _make_session(endpoint: Endpoint, max_connections: int) -> HttpSession:
    kind: Any = PlainSession
    if _on_trio():
        # The import reads a hundred files.
        kind = await anyio.to_thread.run_sync(_httpx_session)
    return kind(
        verify=endpoint.verify if endpoint.may_use_tls else False,
        proxies=dict(endpoint.proxies),
        timeout=(None, None),  # each request brings its own
        max_pool_connections=max_connections,
        connector_args={"keepalive_timeout": _KEEPALIVE_SECONDS},
    )


def _on_trio() -> bool:
    """Whether trio runs this task; whoever runs on trio has imported it."""
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_run()


def _httpx_session() -> Any:
    try:
        from chatport_bedrock._httpx_session import OriginFormSession  # noqa: PLC0415 - optional, loaded where used
    except ImportError as error:
        message = "on trio the bedrock backend needs httpx2: pip install 'chatport-bedrock[trio]'"
        raise ConfigurationError(message) from error
    return OriginFormSession
