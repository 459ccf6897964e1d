"""aiobotocore's HTTP session for httpx2, which runs on trio; a module of its own, because httpx2 is optional."""

from __future__ import annotations

import ssl
from math import inf
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio
import httpx2
from aiobotocore.httpxsession import HttpxSession
from botocore import exceptions as botocore_errors

from chatport.backend.http import TimedOutError
from chatport_bedrock._connect_limit import CONNECT_SECONDS
from chatport_bedrock._httpx_body import PiecewiseBody
from chatport_bedrock._httpx_connections import DirectConnections, HttpxAnswer
from chatport_bedrock._httpx_trace import ConnectTrace

if TYPE_CHECKING:
    from chatport_bedrock._calls import HttpRequest

# Under the one name httpx2 itself looks for a target, under the other aiobotocore's own transport for proxies.
_TARGETS: Final = ("target", "aiobotocore_raw_proxy_target")


class OriginFormSession(HttpxSession):  # type: ignore[misc] # aiobotocore has no types
    """The session with the usual request line, as every other client of AWS sends it.

    aiobotocore 3.10 puts the whole address there (`POST https://host/path HTTP/1.1`), so that httpx2 leaves the encoded
    path alone. Servers have to accept that and not all do, and proxies take it for a request that they are to forward.

    aiobotocore reads what is configured, and sends where a proxy is on the way. Where none is, connections are our own.

    It has no limit of its own: who sends has one of the backend's places already. httpcore2 2.16 never gives back the
    place of a connection whose TLS handshake through a proxy failed or was cancelled.
    """

    def __init__(self, **options: Any) -> None:
        unlimited: dict[str, Any] = {**options, "max_pool_connections": None}
        super().__init__(**unlimited)
        proxies: dict[str, str] = options["proxies"]
        self._proxied = tuple(f"{scheme}:" for scheme, address in proxies.items() if address)
        self._keepalive_seconds: float = options["connector_args"]["keepalive_timeout"]
        self._direct: DirectConnections | None = None

    async def send(self, request: Any, seconds: float = inf) -> Any:
        """Send a request and return its answer, an `HttpxAnswer`, once the head of it is there.

        Args:
            request: The request, an `HttpRequest`.
            seconds: How long to wait.

        Raises:
            BotoCoreError: As aiobotocore's own `send`.
            TimedOutError: There was no answer in time.
        """
        with anyio.move_on_after(seconds):
            if not request.url.startswith(self._proxied):
                return await self._send_directly(request)
            if isinstance(request.body, tuple):
                request.body = b"".join(request.body)
            answer = await super().send(request)
            raw: httpx2.Response = answer.raw
            body = PiecewiseBody(raw.aiter_raw, raw.aclose, (httpx2.HTTPError, httpx2.StreamError, OSError))
            return HttpxAnswer(answer.status_code, answer.headers, body)
        raise TimedOutError

    async def _send_directly(self, request: HttpRequest) -> HttpxAnswer:
        if self._direct is None:
            context: Any = self._verify  # made on entering
            self._direct = DirectConnections(ssl_context=context, keepalive_seconds=self._keepalive_seconds)
        try:
            return await self._direct.send(request)
        except Exception as error:
            raise _as_aiobotocore(error, request.url) from error

    async def __aexit__(self, *error: object) -> None:
        """Close all connections."""
        direct, self._direct = self._direct, None
        try:
            if direct is not None:
                await direct.aclose()
        finally:
            await super().__aexit__(*error)

    def _make_async_client(self) -> httpx2.AsyncClient:
        client: httpx2.AsyncClient = super()._make_async_client()
        client.event_hooks = {"request": [_use_origin_form, _use_connect_limit]}
        return client


# What aiobotocore makes of exceptions of httpx2 where no proxy is on the way; the first row that fits counts.
_KINDS: Final[tuple[tuple[type[Exception], Any], ...]] = (
    (httpx2.ConnectError, botocore_errors.EndpointConnectionError),
    (httpx2.ReadTimeout, botocore_errors.ReadTimeoutError),
    (httpx2.TimeoutException, botocore_errors.ConnectTimeoutError),
    (ssl.SSLError, botocore_errors.SSLError),
)


def _as_aiobotocore(error: Exception, url: str) -> Exception:
    if isinstance(error, httpx2.ConnectError) and (cause := _tls_error(error)) is not None:
        error = cause
    kind = next((kind for cause, kind in _KINDS if isinstance(error, cause)), botocore_errors.HTTPClientError)
    made: Exception = kind(endpoint_url=url, error=error)
    return made


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """What failed in a handshake, which httpcore2 and httpx2 call a connection that did not come about."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


async def _use_connect_limit(request: httpx2.Request) -> None:
    request.extensions["timeout"] = httpx2.Timeout(None, connect=CONNECT_SECONDS.get()).as_dict()
    request.extensions["trace"] = ConnectTrace()


async def _use_origin_form(request: httpx2.Request) -> None:
    for name in _TARGETS:
        if name in request.extensions:
            parts = urlsplit(request.extensions[name])
            request.extensions[name] = parts.path + (b"?" + parts.query if parts.query else b"")
