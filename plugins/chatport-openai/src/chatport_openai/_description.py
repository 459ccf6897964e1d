"""How a backend is set up, in words for `chatport doctor`; no secret is among them."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from chatport.backend.http import HttpOptions
from chatport_openai._options import Server

__all__ = ["describe_server"]

_PACKAGES: Final = ("chatport-openai", "httpx2", "httpcore2")


def describe_server(server: Server, http: HttpOptions) -> dict[str, str]:
    """Return address, dialect, the way there, the source of the key, and versions; what is missing says so."""
    is_secure = server.base_url.startswith("https:")
    checked = "checked" if http.verify is True else "checked against what the option verify says"
    return {
        "server": server.dialect.name,
        "endpoint": server.base_url,
        "endpoint from": server.source,
        "proxy": "none" if http.proxy is None else "as the option proxy says",
        "certificates": ("NOT checked" if http.verify is False else checked) if is_secure else "none: no TLS",
        "credentials": server.key_source(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none: not installed"
