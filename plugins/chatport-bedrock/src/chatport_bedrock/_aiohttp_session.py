"""aiobotocore's HTTP session for aiohttp, which runs on asyncio, without what aiohttp does unasked."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import ClientResponse, ClientSession, ClientTimeout, payload

from chatport_bedrock._patience import CONNECT_SECONDS

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from botocore.awsrequest import AWSPreparedRequest

# What aiohttp and asyncio take at once, and would have to get rid of before a connection can be closed.
_PIECE_BYTES: Final = 2**16


class PlainSession(AIOHTTPSession):  # type: ignore[misc] # aiobotocore has no types
    """The session, following no redirects, and writing large bodies in pieces.

    A redirect would carry the prompt, and the session token, to whatever host the answer names.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._opening = anyio.Lock()
        self._opened: dict[str | None, _WithoutRedirects] = {}

    async def send(self, request: AWSPreparedRequest) -> Any:
        """Send a request, as aiobotocore does."""
        if len(request.body) > _PIECE_BYTES:
            request.body = _LargeBody(request.body)
        return await super().send(request)

    async def _get_session(self, proxy_url: str | None) -> Any:
        found = self._opened.get(proxy_url)
        if found is None:
            # aiobotocore 3.9 opens one for each of several requests that come first, and each has its own limit.
            async with self._opening:
                found = self._opened[proxy_url] = _WithoutRedirects(await super()._get_session(proxy_url))
        return found


class _WithoutRedirects:
    """A session of aiohttp, as far as aiobotocore uses it."""

    __slots__ = ("_session",)

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def request(self, method: str, url: Any, **options: Any) -> ClientResponse:
        # Above its threshold aiohttp rounds up to full seconds, so that timers may go off together.
        timeout = ClientTimeout(connect=CONNECT_SECONDS.get(), ceil_threshold=inf)
        ours: dict[str, Any] = {"timeout": timeout, "allow_redirects": False}
        return await self._session.request(method, url, **{**options, **ours})


class _LargeBody(payload.Payload):
    """Bytes that are written in pieces, so that other tasks run in between, and so that leaving is quick.

    aiohttp hands bytes to asyncio as a whole, with a warning from 1 MiB on. asyncio then closes a connection only
    after the server has taken all of them. (For `io.BytesIO` aiohttp does as much, but copies everything first.)
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        view = memoryview(self._value)[:content_length]
        transport = getattr(writer, "transport", None)  # asked for early: aiohttp forgets it before it cancels
        try:
            for start in range(0, len(view), _PIECE_BYTES):
                await writer.write(bytes(view[start : start + _PIECE_BYTES]))
                await anyio.lowlevel.checkpoint()
        except BaseException:
            # Half a request is of no use to the server: what is still to be written holds up nobody.
            if transport is not None:
                transport.abort()
            raise
