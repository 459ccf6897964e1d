"""One request to one network address, while `Host` and TLS keep the name that the address was found under.

This is the only file of the core that speaks HTTP. Its library is the extra `url`, loaded at first use: httpx2, whose
lower half is used directly. A client would follow, decode and remember, and leaves a generator open where a body is not
read to its end.
"""

from __future__ import annotations

import ssl
from contextlib import aclosing
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chatport._errors import ConfigurationError, TransportError, UnsupportedError
from chatport._urls import WebAddress

if TYPE_CHECKING:
    import httpcore2

    from chatport._errors import Phase

CODE = "fetch"
"""The `code` of a `TransportError` that a download raised, not a backend."""

_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEADERS = (
    ("Accept", "*/*"),
    # What is counted has to be what is kept: a compressed body may grow a thousandfold.
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
    ("User-Agent", "chatport"),
)


@dataclass(frozen=True, slots=True)
class Route:
    """To whom a request goes.

    Attributes:
        address: What is asked for.
        host: The literal network address that is connected to.
        tls: Which certificates to trust.
    """

    address: WebAddress
    host: str
    tls: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long to wait, in seconds: for one connection, and for a server that is silent."""

    connect: float
    read: float


@dataclass(frozen=True, slots=True)
class Body:
    """What a server sent: the bytes, and the type it claims (lower case, no parameters, empty if none)."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """What a server sent instead: where it says the body is."""

    location: str


def refused(address: WebAddress, why: str) -> UnsupportedError:
    """Return the error for what may not or cannot be downloaded, now or later. It shows no path and no query."""
    return UnsupportedError(f"what the URL names cannot be fetched: {address.origin} {why}")


def unreachable(
    address: WebAddress, why: str, *, phase: Phase = "connect", retryable: bool = True, status: int | None = None
) -> TransportError:
    """Return the error for what cannot be downloaded at the moment."""
    message = f"what the URL names could not be fetched: {address.origin} {why}"
    return TransportError(message, code=CODE, phase=phase, retryable=retryable, status=status)


def load_library() -> None:
    """Import the HTTP library. This reads the disk: call it in a worker thread.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        for name in ("httpcore2", "httpx2"):
            import_module(name)
    except ImportError as error:
        message = "fetching a URL needs the package httpx2: pip install 'chatport[url]'"
        raise ConfigurationError(message) from error


def machine_certificates() -> ssl.SSLContext:
    """Return a context that trusts what the machine trusts. This reads the disk: call it in a worker thread."""
    import httpx2  # noqa: PLC0415 - an extra, loaded by now

    return httpx2.create_ssl_context()


async def get(route: Route, *, max_bytes: int, patience: WaitLimits) -> Body | Redirect:
    """Send one request and read the answer. Nothing of an earlier request goes along: no cookie, no credential.

    Raises:
        UnsupportedError: What is there is too large, compressed, or refused by the server.
        TransportError: The connection fails (phase `"connect"`) or breaks (`"request"`).
    """
    import httpcore2  # noqa: PLC0415 - an extra, loaded by now

    try:
        # A pool of its own for each request: names that share an address would else share a connection.
        async with httpcore2.AsyncConnectionPool(ssl_context=route.tls) as pool:
            response = await pool.handle_async_request(_request(route, patience))
            try:
                return await _read(route.address, response, max_bytes)
            finally:
                await response.aclose()
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
        trusted = not _is_about_trust(error)
        why = "does not accept connections" if trusted else "has a certificate that is not trusted for this name"
        raise unreachable(route.address, why, retryable=trusted) from error
    except httpcore2.TimeoutException as error:
        why = f"was silent for {patience.read:g} seconds"
        raise unreachable(route.address, why, phase="request") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise unreachable(route.address, "broke off the connection", phase="request") from error


def _request(route: Route, patience: WaitLimits) -> httpcore2.Request:
    import httpcore2  # noqa: PLC0415 - an extra, loaded by now

    address = route.address
    scheme, target = address.scheme.encode("ascii"), address.target.encode("ascii")
    url = httpcore2.URL(scheme=scheme, host=route.host.encode("ascii"), port=address.port, target=target)
    timeout = {"connect": patience.connect, "read": patience.read, "write": patience.read, "pool": patience.connect}
    extensions: dict[str, Any] = {"timeout": timeout, "sni_hostname": address.host}
    return httpcore2.Request("GET", url, headers=[("Host", address.authority), *_HEADERS], extensions=extensions)


async def _read(address: WebAddress, response: httpcore2.Response, max_bytes: int) -> Body | Redirect:
    headers = _headers(response)
    status = response.status
    if status in _REDIRECTS and "location" in headers:
        return Redirect(headers["location"])
    if status in _PASSING:
        raise unreachable(address, f"answers with status {status}", phase="request", status=status)
    if status != _OK:
        raise refused(address, f"answers with status {status}")
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise refused(address, "sends its content compressed, though it was asked not to")
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise refused(address, f"has {declared} bytes for us; the limit is {max_bytes}")
    data = bytearray()
    async with aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            if len(data) + len(chunk) > max_bytes:
                raise refused(address, f"has more bytes for us than the limit of {max_bytes}")
            data += chunk
    return Body(bytes(data), headers.get("content-type", "").partition(";")[0].strip().lower())


def _headers(response: httpcore2.Response) -> dict[str, str]:
    """Return the headers by name in lower case; of one that is there twice, all values, so that none is overlooked."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _is_about_trust(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
