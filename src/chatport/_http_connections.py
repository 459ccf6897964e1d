"""Requests over the connections of httpcore2, without a client and a pool around them.

Those look at every connection and every request whenever one of them begins or ends, ask the system for the state of
each idle one, and follow, decode and remember more than is wanted. Here the connection that was used last is taken,
and how many there may be is not looked at: whoever sends has a place for it already.
"""

from __future__ import annotations

import ssl
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio
import httpcore2

from chatport._http_answer import ERRORS, HttpAnswer, failed
from chatport._http_network import Network, NothingSentError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from chatport._http_request import HttpRequest

_KEEPALIVE_SECONDS: Final = 60.0
_DEFAULT_PORTS: Final = {b"http": 80, b"https": 443}


class Connection:
    """One connection, and what made it.

    Attributes:
        network: What made it.
        http: What speaks HTTP over it.
    """

    __slots__ = ("http", "network")

    def __init__(self, http: httpcore2.AsyncConnectionInterface, network: Network) -> None:
        """Keep both."""
        self.http = http
        self.network = network

    def is_whole(self) -> bool:
        """Whether it can have another request."""
        stream = self.network.stream
        return self.http.is_available() and stream is not None and stream.is_whole()

    async def aclose(self) -> None:
        """Close it, in whatever state it is."""
        with anyio.CancelScope(shield=True):
            try:
                await self.http.aclose()
            finally:
                # httpcore2 forgets one that came about just before its request was cancelled.
                if self.network.stream is not None:
                    await self.network.stream.aclose()


class Connections:
    """The connections to one host, on one event loop."""

    def __init__(self, origin: httpcore2.Origin, context: ssl.SSLContext | None, proxy: str | None) -> None:
        """Open nothing yet.

        Args:
            origin: The host.
            context: How certificates are checked; None where `speaks_tls` says that none are.
            proxy: The address of a proxy.
        """
        self._origin = origin
        self._context = context
        self._proxy = None if proxy is None else _proxy(proxy, context)
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()  # the one that was used last is the last one

    async def send(
        self, request: HttpRequest, url: httpcore2.URL, headers: Sequence[tuple[str, str]], connect: float | None
    ) -> HttpAnswer:
        """Send a request and return its answer once the head of it is there.

        A connection that turns out to be broken before anything was sent on it is nobody's fault: another is taken.

        Args:
            request: The request.
            url: Where it goes.
            headers: All its headers.
            connect: How long to wait for a new connection, in seconds.

        Raises:
            ConnectionFailedError: The connection did not come about, or broke.
        """
        while True:
            connection, is_used = await self._take()
            sent = httpcore2.Request(
                request.method,
                url,
                headers=headers,
                content=_Content(request.body or b""),
                extensions={"timeout": {"connect": connect}},
            )
            try:
                response = await connection.http.handle_async_request(sent)
            except BaseException as error:
                await self._drop(connection)
                if is_used and isinstance(error, NothingSentError):
                    continue
                if isinstance(error, ERRORS):
                    raise failed(error) from error
                raise
            return HttpAnswer(response, connection, self)

    async def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, if it can have one."""
        if connection not in self._open or not connection.is_whole():
            await self._drop(connection)
            return
        self._idle.append(connection)
        # Those that nobody takes any more end one by one.
        if len(self._idle) > 1 and self._idle[0].http.has_expired():
            await self._drop(self._idle.popleft())

    async def aclose(self) -> None:
        """Close all connections."""
        self._idle.clear()
        while self._open:
            await self._open.pop().aclose()

    async def _take(self) -> tuple[Connection, bool]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.http.has_expired():
                return connection, True
            await self._drop(connection)
        connection = self._new()
        self._open.add(connection)
        return connection, False

    def _new(self) -> Connection:
        network = Network()
        if self._proxy is None:
            http: httpcore2.AsyncConnectionInterface = httpcore2.AsyncHTTPConnection(
                origin=self._origin,
                ssl_context=self._context,
                keepalive_expiry=_KEEPALIVE_SECONDS,
                network_backend=network,
            )
        else:
            # The pool knows which kind of connection goes through a proxy; nothing else of it is used.
            pool = httpcore2.AsyncConnectionPool(
                ssl_context=self._context,
                proxy=self._proxy,
                keepalive_expiry=_KEEPALIVE_SECONDS,
                network_backend=network,
            )
            http = pool.create_connection(self._origin)
        return Connection(http, network)

    async def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        await connection.aclose()


class _Content:
    """What is sent, as httpcore2 wants it."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        if self._body:
            yield self._body


@lru_cache(maxsize=256)
def parse_url(url: str) -> tuple[httpcore2.URL, str]:
    """Return an address as httpcore2 has it, path and query as they are written, and the value of `Host`.

    Raises:
        ValueError: It is no address.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.encode("ascii"), (parts.hostname or "").encode("ascii")
    if scheme not in _DEFAULT_PORTS or not host:
        raise ValueError("not an address of http or https")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    name = f"[{parts.hostname}]" if b":" in host else host.decode()
    is_default = parts.port in {None, _DEFAULT_PORTS[scheme]}
    found = httpcore2.URL(scheme=scheme, host=host, port=parts.port, target=target.encode("ascii"))
    return found, name if is_default else f"{name}:{parts.port}"


def speaks_tls(origin: httpcore2.Origin, proxy: str | None) -> bool:
    """Whether the way to a host is encrypted somewhere: to the host itself, or to the proxy before it."""
    return origin.scheme == b"https" or (proxy is not None and urlsplit(proxy).scheme == "https")


def make_context(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:  # noqa: FBT001 - as the option is
    """Return how certificates are checked. This reads the disk: call it in a worker thread.

    Raises:
        OSError: The CA bundle cannot be read, or holds no certificates.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, str):
        is_folder = _is_folder(verify)
        return ssl.create_default_context(capath=verify) if is_folder else ssl.create_default_context(cafile=verify)
    context = httpcore2.default_ssl_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_folder(path: str) -> bool:
    from pathlib import Path  # noqa: PLC0415 - for who names a bundle

    return Path(path).is_dir()


def _proxy(address: str, context: ssl.SSLContext | None) -> httpcore2.Proxy:
    from urllib.parse import unquote  # noqa: PLC0415 - for who has a proxy

    parts = urlsplit(address)
    host = parts.hostname or ""
    where = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username).encode(), unquote(parts.password or "").encode())
    return httpcore2.Proxy(f"{where}:{port}", auth=auth, ssl_context=context if parts.scheme == "https" else None)
