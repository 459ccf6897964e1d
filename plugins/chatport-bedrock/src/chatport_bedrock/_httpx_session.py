"""aiobotocore's HTTP session for httpx2, which runs on trio; a module of its own, because httpx2 is optional."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
import httpx2
from aiobotocore.httpxsession import HttpxSession

from chatport_bedrock._httpx_body import DirectBackend
from chatport_bedrock._httpx_trace import ConnectTrace
from chatport_bedrock._patience import CONNECT_SECONDS, TimedOutError

if TYPE_CHECKING:
    from chatport_bedrock._calls import HttpRequest

# Under the one name httpx2 itself looks for a target, under the other aiobotocore's own transport for proxies.
_TARGETS: Final = ("target", "aiobotocore_raw_proxy_target")


class OriginFormSession(HttpxSession):  # type: ignore[misc] # aiobotocore has no types
    """The session with the usual request line, as every other client of AWS sends it.

    aiobotocore 3.10 puts the whole address there (`POST https://host/path HTTP/1.1`), so that httpx2 leaves the encoded
    path alone. Servers have to accept that and not all do, and proxies take it for a request that they are to forward.

    It has no limit of its own: who sends has one of the backend's places already. httpcore2 2.16 never gives back the
    place of a connection whose TLS handshake through a proxy failed or was cancelled.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "max_pool_connections": None})

    async def send(self, request: HttpRequest, seconds: float = inf) -> Any:
        """Send a request and return its answer once the head of it is there.

        Args:
            request: The request.
            seconds: How long to wait.

        Raises:
            TimedOutError: There was no answer in time.
            Exception: As aiobotocore's own `send`.
        """
        if isinstance(request.body, tuple):
            request.body = b"".join(request.body)
        with anyio.move_on_after(seconds):
            return await super().send(request)
        raise TimedOutError

    def _make_async_client(self) -> httpx2.AsyncClient:
        client: httpx2.AsyncClient = super()._make_async_client()
        client.event_hooks = {"request": [_use_origin_form, _use_connect_limit]}
        # There is no option for it. What goes through a proxy has a transport of its own, and is read as ever.
        pool = client._transport._pool  # type: ignore[attr-defined] # noqa: SLF001
        pool._network_backend = DirectBackend(pool._network_backend)  # noqa: SLF001
        return client


async def _use_connect_limit(request: httpx2.Request) -> None:
    request.extensions["timeout"] = httpx2.Timeout(None, connect=CONNECT_SECONDS.get()).as_dict()
    request.extensions["trace"] = ConnectTrace()


async def _use_origin_form(request: httpx2.Request) -> None:
    for name in _TARGETS:
        if name in request.extensions:
            parts = urlsplit(request.extensions[name])
            request.extensions[name] = parts.path + (b"?" + parts.query if parts.query else b"")
