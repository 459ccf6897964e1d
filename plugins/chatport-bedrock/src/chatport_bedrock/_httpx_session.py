"""aiobotocore's HTTP session for httpx2, which runs on trio; a module of its own, because httpx2 is optional."""

from __future__ import annotations

from importlib import import_module
from typing import Final
from urllib.parse import urlsplit

import httpx2
from aiobotocore.httpxsession import HttpxSession

from chatport_bedrock._patience import CONNECT_SECONDS

# httpx2 loads this one when it first needs it, which would be on the event loop.
import_module("httpcore2")

# Under the one name httpx2 itself looks for a target, under the other aiobotocore's own transport for proxies.
_TARGETS: Final = ("target", "aiobotocore_raw_proxy_target")


class OriginFormSession(HttpxSession):  # type: ignore[misc] # aiobotocore has no types
    """The session with the usual request line, as every other client of AWS sends it.

    aiobotocore 3.10 puts the whole address there (`POST https://host/path HTTP/1.1`), so that httpx2 leaves the encoded
    path alone. Servers have to accept that and not all do, and proxies take it for a request that they are to forward.
    """

    def _make_async_client(self) -> httpx2.AsyncClient:
        client: httpx2.AsyncClient = super()._make_async_client()
        client.event_hooks = {"request": [_use_origin_form, _use_connect_limit]}
        return client


async def _use_connect_limit(request: httpx2.Request) -> None:
    request.extensions["timeout"] = httpx2.Timeout(None, connect=CONNECT_SECONDS.get()).as_dict()


async def _use_origin_form(request: httpx2.Request) -> None:
    for name in _TARGETS:
        if name in request.extensions:
            parts = urlsplit(request.extensions[name])
            request.extensions[name] = parts.path + (b"?" + parts.query if parts.query else b"")
