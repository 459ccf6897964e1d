"""HTTP sessions, one set per event loop.

Connections belong to the loop that opened them. So that a backend may serve several loops, one after the other or in
threads, each loop has sessions of its own, and these are closed when their loop ends.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from chatport.backend import ConfigurationError
from chatport_bedrock._aiohttp_session import PlainSession

if TYPE_CHECKING:
    from collections.abc import Hashable

    from chatport_bedrock._endpoints import Endpoint

# aiobotocore has no common type for its two kinds of session; both have `send` and the protocol of `async with`.
HttpSession: TypeAlias = Any

CONNECT_SECONDS = 10.0
# A model may think for minutes before its first word, and Bedrock sends nothing in the meantime.
READ_SECONDS = 600.0
_KEEPALIVE_SECONDS: Final = 60.0


class ConnectionPool:
    """The HTTP sessions of one backend."""

    def __init__(self, *, max_connections: int) -> None:
        """Open nothing yet.

        Args:
            max_connections: The most connections to one endpoint, per event loop.
        """
        self._max_connections = max_connections
        self._current: RunVar[_LoopSessions | None] = RunVar("chatport_bedrock.sessions", None)

    async def session(self, endpoint: Endpoint) -> HttpSession:
        """Return the session for an endpoint on the running event loop, opening it on first use.

        Raises:
            ConfigurationError: The loop is trio's and httpx2 is not installed.
        """
        sessions = self._current.get()
        if sessions is None:
            sessions = _LoopSessions(self._max_connections)
            self._current.set(sessions)
            await sessions.start()
        return await sessions.get(endpoint)

    async def aclose(self) -> None:
        """Close the sessions of the running event loop; those of other loops close when their loop ends."""
        sessions = self._current.get()
        if sessions is not None:
            self._current.set(None)
            await sessions.aclose()


class _LoopSessions:
    """The sessions of one event loop."""

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._lock = anyio.Lock()
        self._sessions: dict[Hashable, HttpSession] = {}
        self._keeper: AsyncGenerator[None, None] | None = None

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

    async def get(self, endpoint: Endpoint) -> HttpSession:
        found = self._sessions.get(endpoint.pool)
        if found is not None:
            return found
        async with self._lock:
            if endpoint.pool not in self._sessions:
                session = await _make_session(endpoint, self._max_connections)
                await session.__aenter__()
                self._sessions[endpoint.pool] = session
            return self._sessions[endpoint.pool]

    async def aclose(self) -> None:
        if self._keeper is not None:
            await self._keeper.aclose()

    async def _close_sessions(self) -> None:
        # A loop that ends runs this in a cancelled scope; half-closed connections would outlive it.
        with anyio.CancelScope(shield=True):
            while self._sessions:
                _, session = self._sessions.popitem()
                await session.__aexit__(None, None, None)


async def _make_session(endpoint: Endpoint, max_connections: int) -> HttpSession:
    kind: Any = PlainSession
    arguments = _AIOHTTP_ARGUMENTS
    if _on_trio():
        # The import reads a hundred files.
        kind, arguments = await anyio.to_thread.run_sync(_httpx_session), _HTTPX_ARGUMENTS
    return kind(
        verify=endpoint.verify,
        proxies=dict(endpoint.proxies),
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        max_pool_connections=max_connections,
        connector_args=dict(arguments),
    )


_AIOHTTP_ARGUMENTS: Final[dict[str, Any]] = {"keepalive_timeout": _KEEPALIVE_SECONDS}
_HTTPX_ARGUMENTS: Final[dict[str, Any]] = {
    "keepalive_timeout": _KEEPALIVE_SECONDS,
    "pool_timeout": READ_SECONDS,
    "write_timeout": READ_SECONDS,
}


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
