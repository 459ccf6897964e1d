"""How a backend is set up, in words for `chatport doctor`; no secret is among them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, TypeVar

from chatport.backend import ChatError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from chatport_bedrock._endpoints import Endpoint
    from chatport_bedrock._identity import Identity

_T = TypeVar("_T")
_SAME: Final = "none: for the same reason"
_CERTIFICATES: Final[dict[bool | str, str]] = {True: "checked", False: "NOT checked"}
_PACKAGES: Final = ("chatport-bedrock", "aiobotocore", "botocore", "aiohttp", "httpx2")


async def describe_identity(identity: Identity) -> dict[str, str]:
    """Return region, endpoints, the way there, the source of the credentials, and versions; what is missing says so."""
    endpoint = await _or_reason(identity.endpoint(None))
    control = await _or_reason(identity.endpoint(None, service="bedrock"))
    credentials = await _or_reason(identity.credential_source())
    return {
        **_described(endpoint),
        "control plane": _SAME if isinstance(control, str) else control.url,
        "credentials": credentials,
        **{name: _version(name) for name in _PACKAGES},
    }


def _described(endpoint: Endpoint | str) -> dict[str, str]:
    if isinstance(endpoint, str):
        return {"region": endpoint, "endpoint": _SAME}
    return {
        "region": endpoint.region,
        "region from": endpoint.region_source,
        "endpoint": endpoint.url,
        "endpoint from": endpoint.url_source,
        "proxy": endpoint.proxy or "none",
        "certificates": _certificates(endpoint),
    }


def _certificates(endpoint: Endpoint) -> str:
    if not endpoint.may_use_tls:
        return "none: no TLS"
    return _CERTIFICATES.get(endpoint.verify) or f"checked against {endpoint.verify}"


async def _or_reason(found: Awaitable[_T]) -> _T | str:
    try:
        return await found
    except ChatError as error:
        return f"none: {error}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none: not installed"
