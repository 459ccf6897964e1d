"""The service on loopback that tests of backends are made with: it says what it is told, and sees what it should."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Literal

import anyio
import httpx2
import pytest

from chatport.testing import HttpReply, HttpService, HttpStep, ServedRequest

PEM = Path(__file__).parent / "localhost.pem"


@pytest.mark.anyio
async def test_it_answers_what_it_is_told_and_keeps_what_it_was_asked() -> None:
    """Replies go out in order, then the default; the request is kept with everything in it."""
    with HttpService() as service:
        service.reply(
            HttpReply(body=b"whole", headers={"X-One": "1"}),
            HttpReply(body=(b"in ", b"", b"pieces")),
            HttpReply(body=(b"in ", b"pieces"), framing="length", write_size=2),
            lambda request: HttpReply(status=404, body=request.body[::-1]),
            HttpReply(body=b"to the end", framing="end"),
            HttpReply(body=(b"HTTP/1.1 299 Odd\r\nContent-Length: 1\r\n\r\nx",), framing="raw"),
        )
        service.reply_always(HttpReply(status=599))
        async with httpx2.AsyncClient(trust_env=False) as client:
            answers = [await client.post(f"{service.url}/p%20q?a=b", content=b"body") for _ in range(7)]
        assert [(each.status_code, each.content) for each in answers] == [
            (200, b"whole"),
            (200, b"in pieces"),
            (200, b"in pieces"),
            (404, b"ydob"),
            (200, b"to the end"),
            (299, b"x"),
            (599, b""),
        ]
        assert answers[0].headers["x-one"] == "1"
        request = service.requests[0]
        assert (request.method, request.target, request.path, request.body) == (
            "POST",
            "/p%20q?a=b",
            "/p%20q",
            b"body",
        )
        assert request.headers["content-length"] == "4"
        assert ("Content-Length", "4") in request.header_lines
        assert len(service.connections) == 2
        assert service.requests[0].connection is service.connections[0]


@pytest.mark.anyio
async def test_it_holds_and_sees_who_leaves() -> None:
    """A held reply goes on when it is released; a client that leaves is noted with the time."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD, b"b")))
        async with httpx2.AsyncClient(trust_env=False) as client, anyio.create_task_group() as group:

            async def leave() -> None:
                with anyio.CancelScope() as scope:
                    group.start_soon(cancel, scope)
                    await client.get(service.url)

            async def cancel(scope: anyio.CancelScope) -> None:
                await service.until_held()
                scope.cancel()

            start = time.monotonic()
            await leave()
            assert start < await service.until_left() < start + 5
            assert service.connections[0].closed_by_client
            service.release()
            assert (await client.get(service.url)).content == b"ab"
        await service.until_requests(2)
        await service.until_closed(service.connections[1])
        assert service.open_connections == []


@pytest.mark.anyio
@pytest.mark.parametrize("step", [HttpStep.CLOSE, HttpStep.RESET])
@pytest.mark.parametrize("before", [True, False])
async def test_it_breaks_off(step: HttpStep, before: bool) -> None:
    """A reply ends before its head or in its body, in order or torn down, and nothing of it follows."""
    with HttpService() as service:
        service.reply(HttpReply(before=step) if before else HttpReply(body=(b"a", step, b"b")))
        async with httpx2.AsyncClient(trust_env=False) as client:
            with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
                await client.get(service.url)
        await service.until_closed(service.connections[0])
        assert not service.connections[0].closed_by_client


@pytest.mark.anyio
async def test_it_sees_who_leaves_while_it_writes() -> None:
    """A client that is gone is seen before the next piece, or in the middle of one."""
    with HttpService() as service:
        service.reply(HttpReply(body=b"a" * 50_000_000))
        async with httpx2.AsyncClient(trust_env=False) as client, client.stream("GET", service.url) as answer:
            assert answer.status_code == 200
        await service.until_left()


@pytest.mark.anyio
async def test_it_speaks_tls_and_stands_in_for_a_proxy() -> None:
    """With a context it serves https, also as a proxy, for whatever name the client wants to reach."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    trusted = ssl.create_default_context(cafile=PEM)
    with HttpService(tls=context) as service, HttpService(tls=context, is_proxy=True) as proxy:
        service.reply(HttpReply(body=b"direct"))
        proxy.reply(HttpReply(body=b"through"))
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        async with httpx2.AsyncClient(trust_env=False, verify=trusted) as client:
            assert (await client.get(service.url)).content == b"direct"
        async with httpx2.AsyncClient(trust_env=False, verify=trusted, proxy=proxy_url) as client:
            assert (await client.get("https://localhost:4711/x")).content == b"through"
        assert proxy.tunnels == ["localhost:4711"]
        assert proxy.requests[0].target == "/x"


def test_a_request_without_a_reply_fails_the_test() -> None:
    """The client gets an error, and so does the test."""

    def ask() -> None:
        with HttpService() as service:
            assert httpx2.get(service.url, trust_env=False).status_code == 501

    with pytest.raises(AssertionError, match=r"the service failed: .*GET / came") as caught:
        ask()
    assert "GET / came" in str(caught.value.__cause__)


@pytest.mark.anyio
async def test_a_reply_that_cannot_be_made_fails_the_test() -> None:
    """The client gets an error; who waits for the service learns of it at once, and so does the test."""

    def no_reply(request: ServedRequest) -> HttpReply:
        raise KeyError(request.target)

    async def ask() -> None:
        with HttpService() as service:
            service.reply(no_reply)
            async with httpx2.AsyncClient(trust_env=False) as client:
                assert (await client.get(f"{service.url}/zebra")).status_code == 501
            with anyio.fail_after(5), pytest.raises(AssertionError, match=r"no use to wait for 1 replies .*/zebra"):
                await service.until_held()

    with pytest.raises(AssertionError, match=r"the service failed: KeyError.*/zebra"):
        await ask()


@pytest.mark.parametrize("framing", ["chunks", "end", None])
def test_a_body_ends_in_order(framing: Literal["chunks", "end"] | None) -> None:
    """What follows `HttpStep.END` does not come, and nothing but that says so."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"One, ", HttpStep.END, b"two."), framing=framing))
        assert httpx2.get(service.url, trust_env=False).content == b"One, "


def test_a_body_with_a_length_does_not_end_before_it() -> None:
    """Its length has been said."""
    with pytest.raises(ValueError, match="a body with a length"):
        HttpReply(body=(b"One, ", HttpStep.END), framing="length").steps()


def test_an_error_of_the_test_goes_first() -> None:
    """What the test itself raises is not hidden by what the service has to say."""

    def ask() -> None:
        with HttpService() as service:
            httpx2.get(service.url, trust_env=False)
            raise KeyError("the test")

    with pytest.raises(KeyError, match="the test"):
        ask()


@pytest.mark.anyio
async def test_it_listens_at_other_addresses() -> None:
    """An IPv6 address stands in brackets in its URL."""
    try:
        service = HttpService(host="::1").__enter__()
    except OSError:
        pytest.skip("there is no IPv6 here")
    try:
        service.reply(HttpReply(body=b"six"))
        async with httpx2.AsyncClient(trust_env=False) as client:
            assert (await client.get(service.url)).content == b"six"
    finally:
        service.__exit__(None, None, None)


@pytest.mark.anyio
async def test_what_never_comes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting in vain ends with a reason."""
    monkeypatch.setattr("chatport.testing._http_service._PATIENCE", 0.05)
    with HttpService() as service:
        for wait in (service.until_requests, service.until_held, service.until_left):
            with pytest.raises(AssertionError, match="in vain"):
                await wait()
        async with httpx2.AsyncClient(trust_env=False) as client:
            service.reply(HttpReply(body=b"a"))
            await client.get(service.url)
            with pytest.raises(AssertionError, match="stays open"):
                await service.until_closed(service.connections[0])
