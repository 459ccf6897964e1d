"""aiobotocore's HTTP session for aiohttp, which runs on asyncio, without what aiohttp does unasked."""

from __future__ import annotations

from asyncio import sleep, timeout  # noqa: TID251 - to let others run, which this does for less
from contextlib import suppress
from functools import lru_cache
from math import inf
from socket import gaierror
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import anyio
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse, ClientSession, ClientTimeout, payload
from aiohttp.http_exceptions import BadStatusLine
from botocore import exceptions as botocore_errors
from yarl import URL

from chatport.backend.http import TimedOutError
from chatport_bedrock._connect_limit import CONNECT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aiohttp.abc import AbstractStreamWriter

    from chatport_bedrock._calls import HttpRequest

# What aiohttp and asyncio take at once, and would have to get rid of before a connection can be closed.
_PIECE_BYTES: Final = 2**16


class PlainSession(AIOHTTPSession):  # type: ignore[misc] # aiobotocore has no types
    """The session, following no redirects, and writing large bodies in pieces.

    A redirect would carry the prompt, and the session token, to whatever host the answer names.

    aiobotocore makes the sessions of aiohttp, with all that is configured: certificates, connections, proxies. Where no
    proxy is on the way, requests are handed to them directly: what aiobotocore does for each one besides finding the
    proxy is to copy headers to and fro.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        proxies: Mapping[str, str] = options.get("proxies") or {}
        self._proxied = tuple(f"{scheme}:" for scheme, address in proxies.items() if address)
        self._opening = anyio.Lock()
        self._opened: dict[str | None, _WithoutRedirects] = {}

    async def send(self, request: HttpRequest, seconds: float = inf) -> Any:
        """Send a request and return its answer once the head of it is there.

        Args:
            request: The request.
            seconds: How long to wait.

        Raises:
            BotoCoreError: As aiobotocore's own `send`.
            TimedOutError: There was no answer in time.
        """
        body = request.body
        if isinstance(body, tuple) or len(body) > _PIECE_BYTES:
            request.body = _LargeBody(body if isinstance(body, tuple) else (body,))
        # Those of aiohttp are exceptions of botocore by now. What the limit raised comes with frames of aiohttp, which
        # hold the headers, so it is left behind: not even `from None` would do that.
        with suppress(TimeoutError):
            async with timeout(None if seconds == inf else seconds):
                if request.url.startswith(self._proxied):
                    return await super().send(request)
                return await self._send_directly(request)
        raise TimedOutError

    async def _send_directly(self, request: HttpRequest) -> _Answer:
        found = self._opened.get(None)
        try:
            response = await (await self._get_session(None) if found is None else found).session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                timeout=_connect_limit(CONNECT_SECONDS.get()),
                allow_redirects=False,
            )
        except Exception as error:
            raise _as_aiobotocore(error, request.url) from error
        return _Answer(response)

    async def _get_session(self, proxy_url: str | None) -> Any:
        found = self._opened.get(proxy_url)
        if found is None:
            # aiobotocore 3.9 opens one for each of several requests that come first, and each has its own limit.
            async with self._opening:
                found = self._opened[proxy_url] = _WithoutRedirects(await super()._get_session(proxy_url))
        return found


class _Answer:
    """An answer, as far as those of aiobotocore are used."""

    __slots__ = ("headers", "raw", "status_code")

    def __init__(self, response: ClientResponse) -> None:
        self.raw = response
        self.status_code = response.status
        self.headers: Mapping[str, str] = response.headers


# What aiobotocore makes of exceptions of aiohttp where no proxy is on the way; the first row that fits counts.
_KINDS: Final[tuple[tuple[tuple[type[Exception], ...], Any], ...]] = (
    ((aiohttp.ClientSSLError,), botocore_errors.SSLError),
    (
        (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, BadStatusLine),
        botocore_errors.ConnectionClosedError,
    ),
    ((aiohttp.ConnectionTimeoutError,), botocore_errors.ConnectTimeoutError),
    ((aiohttp.ServerTimeoutError,), botocore_errors.ReadTimeoutError),
    ((aiohttp.ClientConnectionError, gaierror), botocore_errors.EndpointConnectionError),
    ((TimeoutError,), botocore_errors.ReadTimeoutError),
)


def _as_aiobotocore(error: Exception, url: str) -> Exception:
    kind = next((kind for causes, kind in _KINDS if isinstance(error, causes)), botocore_errors.HTTPClientError)
    made: Exception = kind(endpoint_url=url, error=error)
    return made


class _WithoutRedirects:
    """A session of aiohttp, as far as aiobotocore uses it."""

    __slots__ = ("session",)

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def request(self, method: str, url: Any, **options: Any) -> ClientResponse:
        options["timeout"] = _connect_limit(CONNECT_SECONDS.get())
        options["allow_redirects"] = False
        return await self.session.request(method, url, **options)


@lru_cache(maxsize=16)
def _connect_limit(seconds: float | None) -> ClientTimeout:
    # Above its threshold aiohttp rounds up to full seconds, so that timers may go off together.
    return ClientTimeout(connect=seconds, ceil_threshold=inf)


class _LargeBody(payload.Payload):
    """Bytes that are written in pieces, so that other tasks run in between, and so that leaving is quick.

    aiohttp hands bytes to asyncio as a whole, with a warning from 1 MiB on. asyncio then closes a connection only
    after the server has taken all of them. (For `io.BytesIO` aiohttp does as much, but copies everything first.)
    """

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        super().__init__(pieces)
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(b"".join(self._value), encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - that of all pieces: nobody says another one
    ) -> None:
        transport = getattr(writer, "transport", None)  # asked for early: aiohttp forgets it before it cancels
        try:
            for piece in _cut(self._value):
                await writer.write(piece)
                await sleep(0)
        except BaseException:
            # Half a request is of no use to the server: what is still to be written holds up nobody.
            if transport is not None:
                transport.abort()
            raise


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if len(piece) <= _PIECE_BYTES:
            yield piece
        else:
            view = memoryview(piece)
            for start in range(0, len(view), _PIECE_BYTES):
                yield bytes(view[start : start + _PIECE_BYTES])
