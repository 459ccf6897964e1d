"""Downloads what a URL names, without letting its author reach what only this machine can reach.

A URL may come from a stranger, or from a model. Its host is resolved once; every address it has must be public, and
the connection goes to an address that was checked, so a name that points elsewhere a moment later changes nothing.
Each redirect is a new request, checked in the same way. Proxies that the environment names are not used: a proxy would
resolve the name again, somewhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread

from chatport._addresses import why_not_public, why_not_public_name
from chatport._download import Body, Redirect, Route, WaitLimits, get, load_library, machine_certificates
from chatport._download import refused as _refused
from chatport._download import unreachable as _unreachable
from chatport._errors import TransportError
from chatport._urls import MAX_BYTES, STANDARD_PORTS, WebAddress, join_url

if TYPE_CHECKING:
    import ssl

_MAX_ADDRESSES = 4  # that are tried one after the other

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the network addresses of a name; the port is for resolvers that want one."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much, how far and how long.

    Attributes:
        max_bytes: The most bytes of a body.
        max_redirects: The most redirects to follow.
        ports: The ports that may be asked. Behind others listen services that take a request for something else.
        connect_seconds: How long connecting to one address may take.
        read_seconds: How long a server may be silent.
        total_seconds: How long all of it may take, look-ups of names and redirects included.
    """

    max_bytes: int = MAX_BYTES
    max_redirects: int = 5
    ports: frozenset[int] = STANDARD_PORTS
    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was downloaded.

    Attributes:
        data: The body.
        content_type: The media type that the server claims, in lower case and without parameters; empty if none.
        address: Where it was in the end.
    """

    data: bytes
    content_type: str
    address: WebAddress


async def resolve_name(host: str, port: int) -> tuple[str, ...]:
    """Return all network addresses of a name, of both families; a worker thread looks them up.

    Raises:
        OSError: There is no such name, or it cannot be looked up now.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Downloads from the public internet only."""

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        resolve: Resolve = resolve_name,
        why_not: Callable[[str], str | None] = why_not_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing is loaded or opened before the first download.

        Args:
            limits: How much, how far and how long.
            resolve: Looks up names.
            why_not: Says why a network address may not be reached, or None where it may.
            tls: Which certificates to trust; None trusts those of the machine.
        """
        self._limits = limits or FetchLimits()
        self._resolve = resolve
        self._why_not = why_not
        self._tls = tls

    async def fetch(self, address: WebAddress, *, max_bytes: int | None = None) -> Fetched:
        """Download a body.

        Args:
            address: From where, as `parse_url` reads it.
            max_bytes: A smaller limit than the fetcher's own.

        Raises:
            UnsupportedError: The address, or one that it leads to, may not be asked, or what is there cannot be used:
                too large, compressed, or refused by the server.
            TransportError: It could not be reached; `retryable` says whether another try may help.
            ConfigurationError: The extra `url` is not installed.
        """
        await anyio.to_thread.run_sync(load_library)
        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(machine_certificates)
        most = self._limits.max_bytes if max_bytes is None else min(max_bytes, self._limits.max_bytes)
        try:
            with anyio.fail_after(self._limits.total_seconds):
                return await self._follow(address, self._tls, most)
        except TimeoutError:
            raise _unreachable(address, f"took longer than {self._limits.total_seconds:g} seconds") from None

    async def _follow(self, address: WebAddress, tls: ssl.SSLContext, most: int) -> Fetched:
        current = address
        for _ in range(self._limits.max_redirects + 1):
            answer = await self._ask(current, tls, most)
            if isinstance(answer, Body):
                return Fetched(answer.data, answer.content_type, current)
            current = _redirected(current, answer)
        raise _refused(address, f"leads through more than {self._limits.max_redirects} redirects")

    async def _ask(self, address: WebAddress, tls: ssl.SSLContext, most: int) -> Body | Redirect:
        """Send a request to the first of the host's addresses that accepts a connection."""
        *others, last = await self._checked_hosts(address)
        patience = WaitLimits(self._limits.connect_seconds, self._limits.read_seconds)
        for host in others:
            try:
                return await get(Route(address, host, tls), max_bytes=most, patience=patience)
            except TransportError as error:
                if error.phase != "connect":
                    raise
        return await get(Route(address, last, tls), max_bytes=most, patience=patience)

    async def _checked_hosts(self, address: WebAddress) -> Sequence[str]:
        """Return the network addresses of the host, once each of them is known to be public."""
        if address.port not in self._limits.ports:
            allowed = " and ".join(str(port) for port in sorted(self._limits.ports))
            raise _refused(address, f"has a port that is not asked; these are: {allowed}")
        hosts = (address.host,) if _is_literal(address.host) else await self._looked_up(address)
        for host in hosts:
            why = self._why_not(host)
            if why is not None:
                raise _refused(address, f"is not on the public internet: {why}")
        return hosts[:_MAX_ADDRESSES]

    async def _looked_up(self, address: WebAddress) -> Sequence[str]:
        why = why_not_public_name(address.host)
        if why is not None:
            raise _refused(address, f"is not on the public internet: {why}")
        try:
            hosts = await self._resolve(address.host, address.port)
        except OSError as error:
            raise _unreachable(address, "has a name that cannot be looked up") from error
        if not hosts:
            raise _unreachable(address, "has a name without an address")
        return hosts


def _redirected(origin: WebAddress, redirect: Redirect) -> WebAddress:
    try:
        target = join_url(origin, redirect.location)
    except ValueError as error:
        # The error's own words; a cause would show the address.
        raise _refused(origin, f"redirects to what is no address: {error}") from None
    if origin.scheme == "https" and target.scheme != "https":
        raise _refused(origin, f"redirects from https to {target.origin}, which anybody on the way could change")
    return target


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
