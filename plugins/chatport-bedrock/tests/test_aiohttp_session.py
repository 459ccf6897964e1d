"""Requests that are handed to aiohttp directly: nothing of what aiobotocore does for them is missed."""

import asyncio
import socket
import time
from typing import Any
from unittest.mock import Mock

import aiohttp
import anyio
import anyio.lowlevel
import pytest
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadStatusLine
from bedrock_support.http_bytes import whole
from bedrock_support.loopback import LoopbackServer

from chatport.backend.http import TimedOutError
from chatport_bedrock._aiohttp_session import PlainSession
from chatport_bedrock._calls import HttpRequest
from chatport_bedrock._connect_limit import CONNECT_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

_URL = "http://127.0.0.1:9/model/amazon.nova-lite-v1%3A0/converse"
_KEY = Mock(spec=ConnectionKey, ssl=True, host="127.0.0.1", port=9)
_FAILURES = [
    aiohttp.ClientConnectorSSLError(_KEY, OSError("handshake")),
    aiohttp.ClientConnectorCertificateError(_KEY, Exception("not trusted")),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("cut"),
    BadStatusLine("nonsense"),
    aiohttp.ConnectionTimeoutError("Connection timeout to host http://127.0.0.1:9"),
    aiohttp.SocketTimeoutError("Timeout on reading data from socket"),
    aiohttp.ClientConnectorError(_KEY, OSError(111, "refused")),
    aiohttp.ClientConnectorDNSError(_KEY, OSError("no such host")),
    aiohttp.ClientOSError(104, "reset"),
    socket.gaierror(-2, "Name or service not known"),
    TimeoutError("late"),
    aiohttp.InvalidURL("nonsense"),
    ValueError("something else"),
]


def _session(**options: Any) -> PlainSession:
    return PlainSession(verify=False, timeout=(None, None), max_pool_connections=4, **options)


def _request(url: str = _URL, body: Any = b"{}") -> HttpRequest:
    return HttpRequest("POST", url, {"Host": "127.0.0.1:9", "Accept": "application/json"}, body)


@pytest.mark.parametrize("failure", _FAILURES, ids=lambda failure: type(failure).__name__)
async def test_exceptions_are_those_of_aiobotocore(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever aiohttp raises, it comes out as the kind and with the cause that aiobotocore's own `send` gives it."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(aiohttp.ClientSession, "request", fail)
    async with _session() as session:
        with pytest.raises(Exception) as ours:  # noqa: PT011 - which one is what is compared
            await session.send(_request())
        with pytest.raises(Exception) as theirs:  # noqa: PT011 - as above
            await AIOHTTPSession.send(session, _request())
    assert type(ours.value) is type(theirs.value)
    assert str(ours.value) == str(theirs.value)
    caught: Any = ours.value
    assert caught.kwargs["error"] is failure


async def test_the_same_request_arrives(server: LoopbackServer) -> None:
    """Line, headers and body are those that aiobotocore's own `send` writes."""
    server.answer(whole(b"{}"))
    server.answer(whole(b"{}"))
    url = f"{server.url}/model/a%3A0%2Fb/converse?x=%20y"
    async with _session() as session:
        ours = await session.send(HttpRequest("POST", url, {"Accept-Encoding": "identity", "X-A": "b"}, b"{}"))
        assert (ours.status_code, await ours.raw.read()) == (200, b"{}")
        assert ours.headers.get("content-length") == "2"
        theirs = await AIOHTTPSession.send(
            session, HttpRequest("POST", url, {"Accept-Encoding": "identity", "X-A": "b"}, b"{}")
        )
        await theirs.raw.read()
    first, second = server.requests
    assert first.target == second.target
    assert sorted(first.header_lines) == sorted(second.header_lines)
    assert first.body == second.body == b"{}"


@pytest.mark.parametrize(
    ("proxies", "goes_there"),
    [({}, False), ({"https": "http://127.0.0.1:1"}, False), ({"http": ""}, False), ({"http": "{}"}, True)],
    ids=["none", "of-another-scheme", "empty", "one"],
)
async def test_a_proxy_is_left_to_aiobotocore(
    proxies: dict[str, str], goes_there: bool, server: LoopbackServer
) -> None:
    """Where one is on the way, the request takes aiobotocore's own, which knows how."""
    server.answer(whole(b"{}"))
    named = {scheme: address.format(server.url) for scheme, address in proxies.items()}
    url = "http://unknown.invalid/model/a/converse" if goes_there else f"{server.url}/model/a/converse"
    async with _session(proxies=named) as session:
        answer = await session.send(_request(url))
        assert await answer.raw.read() == b"{}"
    assert server.requests[0].target == (url if goes_there else "/model/a/converse")


async def test_an_answer_that_does_not_come(server: LoopbackServer) -> None:
    """The limit of the wait is ours alone, and leaves a session that works."""
    server.answer(server.hold())
    server.answer(whole(b"{}"))
    async with _session() as session:
        with pytest.raises(TimedOutError):
            await session.send(_request(server.url), 0.05)
        assert (await session.send(_request(server.url), 5)).status_code == 200


async def test_cancelling_is_no_timeout(server: LoopbackServer) -> None:
    """A scope around it that ends first ends it."""
    server.answer(server.hold())
    async with _session() as session:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(0.05, scope.cancel)
            await session.send(_request(server.url), 60.0)
        assert scope.cancelled_caught


async def test_cancelled_when_the_limit_is_over(server: LoopbackServer) -> None:
    """Where both come in the same round of the loop, it is one of the two: never an answer, or another error."""
    server.answer(server.hold())
    loop = asyncio.get_running_loop()
    async with _session() as session:
        is_late = False
        with anyio.CancelScope() as scope:
            end = loop.time() + 0.05
            loop.call_at(end, scope.cancel)
            loop.call_at(end - 0.001, time.sleep, 0.02)  # noqa: TID251 - both are due when the loop looks again
            try:
                await session.send(_request(server.url), end - loop.time())
            except TimedOutError:
                is_late = True
        assert scope.cancel_called
        assert is_late != scope.cancelled_caught


async def test_one_session_for_requests_that_come_first(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the session of aiohttp, and so its limit, also where aiobotocore opens one for each, as 3.9 does."""
    opened: list[aiohttp.ClientSession] = []

    async def get_session(self: Any, proxy_url: str | None) -> Any:
        if (found := self._sessions.get(proxy_url)) is None:
            connector = await self._create_connector(proxy_url)
            await anyio.lowlevel.checkpoint()
            found = await self._exit_stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            self._sessions[proxy_url] = found
            opened.append(found)
        return found

    monkeypatch.setattr(AIOHTTPSession, "_get_session", get_session)
    server.answer_always(whole(b"{}"))

    async def ask(session: PlainSession) -> None:
        answer = await session.send(_request(server.url), 20)
        await answer.raw.read()

    async with _session() as session, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask, session)
    assert (len(opened), len(server.requests)) == (1, 5)


async def test_the_limit_of_new_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of the request at hand, also where others were sent with another one."""
    seen: list[float | None] = []

    async def note(*_: Any, **options: Any) -> Any:
        seen.append(options["timeout"].connect)
        raise aiohttp.ServerDisconnectedError

    monkeypatch.setattr(aiohttp.ClientSession, "request", note)
    async with _session() as session:
        for seconds in (3, None, 5, 3):
            token = CONNECT_SECONDS.set(seconds)
            with pytest.raises(Exception, match="closed"):
                await session.send(_request())
            CONNECT_SECONDS.reset(token)
    assert seen == [3, None, 5, 3]
