"""The wire over TLS and through proxies: which certificates it trusts, and where it says its passwords."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from tests.http_exchanges import PEM, a_request, a_wire, pieces, serving, warmed, whole

from chatport import _http_connections
from chatport.backend import ConfigurationError, Load, StreamTimeoutError, Timeouts, TransportError
from chatport.backend.http import HttpRequest
from chatport.testing import HttpReply, HttpService, HttpStep

pytestmark = pytest.mark.anyio


async def test_a_trusted_certificate(tmp_path: Path) -> None:
    """A bundle, a folder of certificates, or a context of the caller's; requests share a connection."""
    trusting = ssl.create_default_context(cafile=PEM)
    with HttpService(tls=serving()) as service:
        for number, verify in enumerate((str(PEM), trusting), start=1):
            service.reply(HttpReply(body=b"whole"), HttpReply(body=(b"in ", b"pieces")))
            wire = a_wire(verify=verify)
            assert await whole(wire, a_request(service)) == b"whole"
            assert b"".join(await pieces(wire, a_request(service))) == b"in pieces"
            assert len(service.connections) == number
            await wire.aclose()
        wire = a_wire(verify=str(tmp_path))
        with pytest.raises(TransportError, match="certificate verify failed"):
            await whole(wire, a_request(service))
        await wire.aclose()


async def test_an_unknown_certificate() -> None:
    """It is refused before anything is sent, and not worth trying again."""
    with HttpService(tls=serving()) as service:
        wire = a_wire()
        with pytest.raises(TransportError, match=r"TLS failed: .*certificate verify failed") as caught:
            await whole(wire, a_request(service))
        assert type(caught.value) is TransportError
        assert (caught.value.phase, caught.value.retryable) == ("connect", False)
        assert not service.requests
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


async def test_a_certificate_for_another_host() -> None:
    """The name counts: the certificate is good, but not for this address."""
    with HttpService(tls=serving(), host="127.0.0.2") as service:
        wire = a_wire(verify=str(PEM))
        with pytest.raises(TransportError, match="not valid for") as caught:
            await whole(wire, a_request(service))
        assert caught.value.retryable is False
        assert not service.requests
        await wire.aclose()


async def test_certificates_that_cannot_be_loaded(tmp_path: Path) -> None:
    """A bundle that is not there, or holds none: an error before anything is sent, at each request anew."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with HttpService(tls=serving()) as service:
        for path in (tmp_path / "missing.pem", empty):
            wire = a_wire(verify=str(path))
            for _ in range(2):
                with pytest.raises(ConfigurationError, match="verify: the certificates cannot be loaded"):
                    await whole(wire, a_request(service))
        assert not service.connections


async def test_certificates_that_nobody_needs(tmp_path: Path) -> None:
    """Without TLS on the way none are loaded, whatever `verify` says; with it they are, before anything is sent."""
    with HttpService() as plain, HttpService(tls=serving()) as service:
        plain.reply_always(HttpReply(body=b"a"))
        missing = str(tmp_path / "missing.pem")
        for wire in (a_wire(verify=missing), a_wire(verify=missing, proxy=plain.url)):
            for _ in range(2):
                assert await whole(wire, a_request(plain)) == b"a"
            with pytest.raises(ConfigurationError, match="verify: the certificates cannot be loaded"):
                await whole(wire, a_request(service))
            assert await whole(wire, a_request(plain)) == b"a"
            await wire.aclose()
        wire = a_wire(verify=missing, proxy=f"HTTPS://127.0.0.1:{service.port}")
        with pytest.raises(ConfigurationError, match="verify: the certificates cannot be loaded"):
            await whole(wire, a_request(plain))
        assert not service.connections
        assert (len(plain.requests), len(plain.connections)) == (6, 2)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return when certificates were loaded, from now on."""
    loads: list[float] = []
    make = _http_connections.make_context

    def note(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:
        loads.append(time.monotonic())
        return make(verify)

    monkeypatch.setattr(_http_connections, "make_context", note)
    return loads


async def test_a_burst_loads_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come first together over TLS wait for one load, and share what is opened to their host."""
    loads = _counted(monkeypatch)
    with HttpService(tls=serving()) as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire(verify=str(PEM))
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(whole, wire, a_request(service))
        assert (len(loads), len(service.requests)) == (1, 20)
        await wire.aclose()
        assert await whole(wire, a_request(service)) == b"a"
        assert len(loads) == 1
        await wire.aclose()


async def test_threads_load_certificates_once(monkeypatch: pytest.MonkeyPatch, anyio_backend_name: str) -> None:
    """Event loops in threads of their own that come first together: one of them loads for all."""
    loads = _counted(monkeypatch)
    with HttpService(tls=serving()) as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire(verify=str(PEM))
        together = threading.Barrier(4)

        def ask() -> bytes:
            together.wait(20)
            return anyio.run(whole, wire, a_request(service), backend=anyio_backend_name)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(anyio.to_thread.run_sync, ask)
        assert (len(loads), len(service.requests)) == (1, 4)


async def test_closing_while_certificates_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for them while the wire is closed opens no connection."""
    with HttpService(tls=serving()) as service:
        wire = a_wire(verify=str(PEM))
        make = _http_connections.make_context

        def make_late(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:
            anyio.from_thread.run(wire.aclose)
            return make(verify)

        monkeypatch.setattr(_http_connections, "make_context", make_late)
        with pytest.raises(TransportError, match="the backend was closed"):
            await wire.send(a_request(service))
        assert not service.connections


async def test_a_service_that_speaks_no_tls() -> None:
    """A plain answer where TLS was to begin."""
    with HttpService() as service:
        service.reply(HttpReply())
        request = a_request(service)
        request = HttpRequest("POST", request.url.replace("http:", "https:"), request.headers, b"\r\n\r\n")
        wire = await warmed(a_wire(verify=False), tls=True)
        with pytest.raises((TransportError, StreamTimeoutError)) as caught:
            await whole(wire, request, Timeouts(connect=0.2))
        assert caught.value.phase == "connect"
        await service.until_closed(service.connections[0])
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


async def test_closing_notices_and_extra_records() -> None:
    """A connection on which TLS ended in order, or more came than was asked for, has no other request."""
    with HttpService(tls=serving()) as service:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
        wire = a_wire(verify=str(PEM))
        for steps in ((answer, b"more"), (answer + b"more",), (answer, HttpStep.CLOSE)):
            service.reply(HttpReply(body=steps, framing="raw"))
            assert await whole(wire, a_request(service)) == b"a"
            service.reply(HttpReply(body=b"next"))
            await anyio.sleep(0.02)
            assert await whole(wire, a_request(service)) == b"next"
            await wire.aclose()
        assert len(service.connections) == 6


async def test_a_cut_under_tls() -> None:
    """A connection that ends without TLS saying so is a break, as everywhere."""
    with HttpService(tls=serving()) as service:
        service.reply(HttpReply(body=(b"a", HttpStep.CLOSE)), HttpReply(body=(b"a", HttpStep.RESET)))
        wire = a_wire(verify=str(PEM))
        for _ in range(2):
            with pytest.raises(TransportError, match="connection broke before the answer was complete"):
                await whole(wire, a_request(service))
        await wire.aclose()


# --- proxies ---------------------------------------------------------------------------------------------------------


async def test_a_tunnel_through_a_proxy() -> None:
    """Encrypted requests go through a tunnel: the proxy sees the host and nothing else; requests share a tunnel."""
    with HttpService(tls=serving(), is_proxy=True) as proxy:
        proxy.reply_always(HttpReply(body=(b"through ", b"it")))
        wire = a_wire(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}", verify=str(PEM))
        request = HttpRequest("POST", "https://localhost:4711/v1/x", (("Authorization", "Bearer k"),), b"{}")
        for _ in range(2):
            assert await whole(wire, request) == b"through it"
        assert proxy.tunnels == ["localhost:4711"]
        assert [each.target for each in proxy.requests] == ["/v1/x"] * 2
        assert "proxy-authorization" not in proxy.requests[0].headers
        await wire.aclose()


async def test_leaving_through_a_tunnel() -> None:
    """Leaving in the middle closes the tunnel at once, and cancelling at any moment loses no place."""
    with HttpService(tls=serving(), is_proxy=True) as proxy:
        proxy.reply(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = a_wire(proxy=f"http://127.0.0.1:{proxy.port}", verify=str(PEM))
        request = HttpRequest("POST", "https://localhost/x", (), b"{}")
        async with await wire.send(request) as response:
            assert await response.read(has_begun=False) == b"a"
            left = time.monotonic()
        assert await proxy.until_left() - left < 1  # at once, on a busy machine
        proxy.reply_always(HttpReply(body=b"a"))
        for milliseconds in range(0, 30, 2):
            with anyio.move_on_after(milliseconds / 1000):
                await whole(wire, request)
            assert wire.load() == Load(0, 0, 1000)
            await wire.aclose()
        for connection in proxy.connections:
            await proxy.until_closed(connection)


async def test_a_proxy_for_what_is_not_encrypted() -> None:
    """Others go to the proxy itself, with the whole address and the password for it."""
    with HttpService() as proxy:
        proxy.reply_always(HttpReply(body=b"a"))
        wire = a_wire(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert await whole(wire, HttpRequest("POST", "http://api.test/v1/x?a=b", (), b"{}")) == b"a"
        (request, _), (_,) = proxy.requests, proxy.connections
        assert request.target == "http://api.test/v1/x?a=b"
        assert request.headers["host"] == "api.test"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        await wire.aclose()


async def test_a_proxy_that_is_asked_over_tls() -> None:
    """The proxy itself may speak TLS; its certificate is checked as any other."""
    with HttpService(tls=serving()) as proxy:
        proxy.reply_always(HttpReply(body=b"a"))
        address = f"https://127.0.0.1:{proxy.port}"
        wire = a_wire(proxy=address, verify=str(PEM))
        assert await whole(wire, HttpRequest("POST", "http://api.test/x", (), b"{}")) == b"a"
        await wire.aclose()
        wire = a_wire(proxy=address)
        with pytest.raises(TransportError, match="certificate verify failed"):
            await whole(wire, HttpRequest("POST", "http://api.test/x", (), b"{}"))
        await wire.aclose()


@pytest.mark.parametrize(("status", "retryable"), [(407, False), (403, False), (502, True)])
async def test_a_proxy_that_refuses(status: int, retryable: bool) -> None:
    """One that wants another password will want it the next time, too; no message shows the password."""
    with HttpService() as proxy:
        proxy.reply(HttpReply(status=status, body=b"no"))
        wire = a_wire(proxy=f"http://user:secret@127.0.0.1:{proxy.port}", verify=str(PEM))
        with pytest.raises(TransportError, match=f"the proxy made no connection: {status}") as caught:
            await whole(wire, HttpRequest("POST", "https://api.test/x", (), b"{}"))
        assert (caught.value.phase, caught.value.retryable) == ("connect", retryable)
        assert proxy.requests[0].method == "CONNECT"
        assert "secret" not in f"{caught.value!r}{caught.value.__cause__!r}"
        await proxy.until_closed(proxy.connections[0])
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


async def test_a_proxy_that_says_too_much() -> None:
    """Bytes behind the answer of a proxy would be taken for TLS."""
    with HttpService() as proxy:
        proxy.reply(HttpReply(body=(b"HTTP/1.1 200 OK\r\n\r\nmore",), framing="raw"))
        wire = a_wire(proxy=f"http://127.0.0.1:{proxy.port}", verify=str(PEM))
        with pytest.raises(TransportError, match="more than its answer"):
            await whole(wire, HttpRequest("POST", "https://api.test/x", (), b"{}"))
        await wire.aclose()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where keys go is said by the options, not by whoever sets variables."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with HttpService() as service:
        service.reply(HttpReply(body=b"a"))
        wire = a_wire()
        assert await whole(wire, a_request(service)) == b"a"
        await wire.aclose()
