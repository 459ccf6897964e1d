"""What all backends that speak HTTP can be told about it, checked."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from chatport._errors import ConfigurationError
from chatport._timeouts import Timeouts

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_ADDRESS: Final = re.compile(r"[\x21-\x7e]+")
# What the wire says itself, about the connection and what it sends and can read.
_OWN_NAMES: Final = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How a backend speaks HTTP. Wrong values are refused when it is made.

    Attributes:
        max_connections: How many connections may be open at once to one host, per event loop. Who comes when all are in
            use waits, for as long as `Timeouts.acquire` allows.
        timeouts: How long to wait; what a session or a turn says is laid over it.
        verify: How certificates are checked: True trusts what the machine trusts, a text is the path of a CA bundle
            (file or folder), an `ssl.SSLContext` is used as it is, client certificates included. False checks nothing.
            A bundle is read when TLS is first spoken.
        proxy: The proxy's address, such as `"http://user:password@host:port"`; what the environment says is not read.
        headers: More headers, which beat those that the backend sets. Their values are never shown.
    """

    max_connections: int = 1000
    timeouts: Timeouts = field(default_factory=Timeouts)
    verify: bool | str | ssl.SSLContext = True
    proxy: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        """Check everything.

        Raises:
            ConfigurationError: A value is none that can be used; the message names it.
        """
        _check_count(self.max_connections)
        _check_timeouts(self.timeouts)
        _check_verify(self.verify)
        if self.proxy is not None:
            _check_proxy(self.proxy)
        _check_headers(self.headers)

    @classmethod
    def split(cls, given: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """Return the options of this class among those that a backend was given, and the rest of them.

        None says the same as an option that is not given.

        Raises:
            ConfigurationError: A value is none that can be used.
        """
        names = {item.name for item in fields(cls)}
        own = {name: value for name, value in given.items() if name in names and value is not None}
        return cls(**own), {name: value for name, value in given.items() if name not in names}


def check_base_url(url: object, name: str = "base_url") -> str:
    """Return the address that a backend's requests begin with, without a slash at its end.

    Args:
        url: The address.
        name: What the option is called, for the error.

    Raises:
        ConfigurationError: It is no address that requests can be sent to.
    """
    message = f"{name} must be an address such as https://host:port/path"
    if not isinstance(url, str):
        raise ConfigurationError(f"{message}, not a {type(url).__name__}")
    address = url.strip()  # what is pasted often brings a blank or a line break along
    parts = _address(address)
    if parts is None:
        raise ConfigurationError(message)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{message}, without a user or a password in it")
    if not _ADDRESS.fullmatch(address) or parts.query or parts.fragment:
        raise ConfigurationError(f"{message}, in ASCII, and without a query")
    scheme, colon, rest = address.partition(":")
    return f"{scheme.lower()}{colon}{rest}".rstrip("/")


def _check_proxy(proxy: object) -> None:
    # Proxies come with passwords: no message shows the address.
    message = "proxy must be an address such as http://host:port or https://host:port"
    if not isinstance(proxy, str) or _address(proxy) is None or not _ADDRESS.fullmatch(proxy):
        raise ConfigurationError(message)


def _address(text: str) -> SplitResult | None:
    """Return the parts of an address that can be sent to; None where it is none."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none; the cause would show the address
        return None
    return parts if is_usable else None


def _check_count(count: object) -> None:
    if type(count) is not int or count < 1:
        raise ConfigurationError(f"max_connections must be a number of at least 1, not {count!r}")


def _check_timeouts(timeouts: object) -> None:
    if not isinstance(timeouts, Timeouts):
        raise ConfigurationError(f"timeouts must be a Timeouts, not a {type(timeouts).__name__}")


def _check_verify(verify: object) -> None:
    message = "verify must be True, False, the path of a CA bundle or an ssl.SSLContext"
    if not isinstance(verify, bool | str | ssl.SSLContext):
        raise ConfigurationError(f"{message}, not a {type(verify).__name__}")
    if verify == "":
        raise ConfigurationError(f"{message}, not blank")


def _check_headers(headers: Mapping[Any, Any]) -> None:
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers must be values by name, not a {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"headers: {name!r} is no name of a header")
        if name.lower() in _OWN_NAMES:
            raise ConfigurationError(f"headers: {name} cannot be given; it says how the connection is used")
        check_header_value(value, f"headers[{name!r}]")


def check_header_value(value: object, name: str) -> str:
    """Return what is to be sent as the value of a header, such as a key; no message shows it.

    Args:
        value: The value.
        name: What it is called, for the error.

    Raises:
        ConfigurationError: It is no text, or has characters that cannot be sent.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a text, not a {type(value).__name__}")
    if not _FIELD_VALUE.fullmatch(value):
        raise ConfigurationError(f"{name} has characters that no header can have, or blanks around it")
    return value
