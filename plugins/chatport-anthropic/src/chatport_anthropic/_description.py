"""How the backend is set up, in words for `chatport doctor`; no secret is among them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from chatport.backend import ConfigurationError
from chatport_anthropic._options import AnthropicOptions, base_url, credential

__all__ = ["describe_options"]

_CERTIFICATES: Final = {True: "checked", False: "NOT checked"}
_PACKAGES: Final = ("chatport-anthropic", "httpcore2")


def describe_options(options: AnthropicOptions, environment: Mapping[str, str]) -> dict[str, str]:
    """Return address, source of the key, versions and the way there; what is missing says so."""
    try:
        address, said_by = base_url(options, environment)
    except ConfigurationError as error:
        address, said_by = f"none: {error}", "none: for the same reason"
    try:
        origin = credential(options, environment).origin
    except ConfigurationError as error:
        origin = f"none: {error}"
    verify = options.http.verify
    certificates = _CERTIFICATES[verify] if isinstance(verify, bool) else f"checked against {_named(verify)}"
    return {
        "address": address,
        "address from": said_by,
        "key from": origin,
        "API version": options.version,
        "betas": ", ".join(options.betas) or "none",
        "proxy": "none" if options.http.proxy is None else "set",
        "certificates": certificates,
        **{name: _version(name) for name in _PACKAGES},
    }


def _named(verify: object) -> str:
    return verify if isinstance(verify, str) else "a context of the caller's"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none: not installed"
