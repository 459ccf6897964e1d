"""Web addresses read strictly: what two readers could understand differently is refused, not repaired.

The attacks on whoever fetches an address for somebody else live on such differences (RFC 3986 against the URL standard
of browsers, `inet_aton` against both), so there is one spelling of everything here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote, urljoin

SCHEMES = ("http", "https")
DEFAULT_PORTS = {"http": 80, "https": 443}
STANDARD_PORTS = frozenset(DEFAULT_PORTS.values())
"""The ports that may be asked unless somebody says otherwise."""
MAX_BYTES = 20 * 1024 * 1024
"""The most that is read from an address unless somebody says otherwise."""
_MAX_LENGTH = 8192  # characters; longer than servers accept, shorter than what makes reading expensive
_MAX_HOST_LENGTH = 253  # RFC 1035, 2.3.4
_MAX_PORT = 0xFFFF
# Texts, which `re` compiles when they are needed: a conversation without URLs needs none.
_SHAPE = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?:#.*)?"
_BEGINS_WITH_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_PORT = r"[0-9]{1,5}"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NUMBER = r"[0-9]+|0x[0-9a-f]*"
# Control characters, spaces and the backslash, which browsers take for a slash and others for a letter.
_AMBIGUOUS = r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff]"
# IDNA 2003, which Python has, and IDNA 2008, which browsers use, lead these to different hosts.
_DEVIATING = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
_KEPT = "/?%:@!$&'()*+,;=-._~[]|"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address on the web, in its one spelling.

    Attributes:
        scheme: `"http"` or `"https"`.
        host: A name in ASCII, lower case and without a final dot, or a literal address without brackets.
        port: The port, the scheme's own if none is said.
        target: Path and query as they are sent, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header says them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The part that may be shown: a path or a query can be as secret as a password."""
        return f"{self.scheme}://{self.authority}"

    @property
    def file_name(self) -> str:
        """The last piece of the path, decoded; empty where it ends with a slash."""
        return unquote(self.target.partition("?")[0].rpartition("/")[2])

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.target


def parse_url(url: str) -> WebAddress:
    """Read an address.

    Raises:
        TypeError: It is no str.
        ValueError: It is no address on the web, or one that can be read in two ways. The message never shows more of
            it than its scheme or host.
    """
    if not isinstance(url, str):
        raise TypeError(f"a URL is a str, not {type(url).__name__}")
    if len(url) > _MAX_LENGTH:
        raise ValueError(f"the URL has {len(url)} characters; the limit is {_MAX_LENGTH}")
    if re.search(_AMBIGUOUS, url):
        raise ValueError("the URL has a space, a control character or a backslash in it; percent-encode it")
    shape = re.fullmatch(_SHAPE, url)
    scheme = shape["scheme"].lower() if shape is not None else ""
    if shape is None or scheme not in SCHEMES:
        raise ValueError("a URL begins with http:// or https://" + (f", not {scheme}://" if scheme else ""))
    if "@" in shape["authority"]:
        raise ValueError("a URL with a user name or password in it is refused: it would be kept and shown with it")
    host, port = _split_authority(shape["authority"])
    target = shape["target"]
    if not target.startswith("/"):
        target = "/" + target
    return WebAddress(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, _encoded(target))


def join_url(base: WebAddress, location: str) -> WebAddress:
    """Read the address that a redirect from `base` names, which may be relative.

    Raises:
        ValueError: As for `parse_url`.
    """
    if len(location) > _MAX_LENGTH or re.search(_AMBIGUOUS, location):
        raise ValueError("the redirect leads to something that is no plain URL")
    # `urljoin` repairs what is almost absolute, each case in its own way; these are read as they stand.
    if re.match(_BEGINS_WITH_SCHEME, location):
        return parse_url(location)
    if location.startswith("//"):
        return parse_url(f"{base.scheme}:{location}")
    return parse_url(urljoin(base.url, location))


def _encoded(target: str) -> str:
    try:
        return quote(target, safe=_KEPT)
    except UnicodeEncodeError:
        raise ValueError("the URL has half a character (a lone surrogate) in it") from None


def _split_authority(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("the URL's brackets do not match")
        return _ipv6_host(literal), _port(rest[1:] if rest else None)
    host, colon, port = authority.partition(":")
    return _named_host(host), _port(port if colon else None)


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(_PORT, text) or not 0 < int(text) <= _MAX_PORT:
        raise ValueError("the URL's port is no number from 1 to 65535")
    return int(text)


def _ipv6_host(literal: str) -> str:
    if "%" in literal:
        raise ValueError("a URL with a zone id is refused: it means something on one machine only")
    try:
        return IPv6Address(literal).compressed
    except ValueError:
        raise ValueError("what stands in the URL's brackets is no IPv6 address") from None


def _named_host(host: str) -> str:
    """Return a name or an IPv4 address in its one spelling."""
    name = _ascii(host).lower()
    name = name.removesuffix(".")
    if not name:
        raise ValueError("the URL has no host")
    labels = name.split(".")
    if re.fullmatch(_NUMBER, labels[-1]):
        return _ipv4_host(name, host)
    if len(name) > _MAX_HOST_LENGTH or not all(re.fullmatch(_LABEL, label) for label in labels):
        raise ValueError("the URL's host is no valid name")
    return name


def _ipv4_host(name: str, written: str) -> str:
    """Return an IPv4 address; only four decimal numbers are one (octal, hex, short and disguised forms are not)."""
    try:
        address = IPv4Address(name)
    except ValueError:
        address = None
    if address is None or written.removesuffix(".") != name:
        raise ValueError("the URL's host is a number; write an IPv4 address as four decimal numbers")
    return str(address)


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    if len(host) > _MAX_HOST_LENGTH or _DEVIATING.intersection(host):
        raise ValueError("the URL's host cannot be put into ASCII without doubt; write it in its xn-- form")
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("the URL's host is no valid name") from None
