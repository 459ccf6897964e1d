"""The wire over TLS: which certificates it trusts, and that leaving closes the connection there too."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from bedrock_support.answers import MODEL, START, STREAM_HEAD, chunked, stream, text, unary
from bedrock_support.http_bytes import whole
from bedrock_support.loopback import LoopbackServer

import chatport
from chatport import ConfigurationError, Session, Timeouts, TransportError
from chatport_bedrock._endpoints import Endpoint

pytestmark = pytest.mark.anyio

_CERTIFICATE = Path(__file__).parent / "bedrock_support" / "localhost.pem"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A raw server that speaks TLS, in place of the one without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    with LoopbackServer(tls=context) as running:
        yield running
    assert not running.failures


@pytest.fixture
def trusting(options: dict[str, Any]) -> dict[str, Any]:
    """Options that trust the server."""
    return {**options, "verify": str(_CERTIFICATE)}


def _open(options: dict[str, Any]) -> Any:
    return chatport.open_session(f"bedrock:{MODEL}", backend_options=options, retry=None)


async def test_turns_over_one_connection(server: LoopbackServer, trusting: dict[str, Any]) -> None:
    """A trusted certificate: both operations work, over one connection."""
    server.answer(unary("One."))
    server.answer(stream("Two."))
    async with _open(trusting) as session:
        assert (await session.ask("hi")).text == "One."
        async with session.stream("hi") as reading:
            assert (await reading.finish()).text == "Two."
    assert len(server.connections) == 1


async def test_an_unknown_certificate(server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is refused before anything is sent, and not worth trying again."""
    async with _open(options) as session:
        with pytest.raises(TransportError, match="certificate verify failed") as caught:
            await session.ask("hi")
    assert type(caught.value) is TransportError
    assert (caught.value.phase, caught.value.retryable) == ("connect", False)
    assert not server.requests


@pytest.mark.parametrize("place", ["option", "environment", "profile"])
@pytest.mark.parametrize("scheme", ["HTTPS", "Https"])
async def test_the_case_of_the_scheme(
    scheme: str,
    place: str,
    server: LoopbackServer,
    options: dict[str, Any],
    aws_files: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It makes no difference: wherever the address comes from, the certificate is checked, and nothing is sent."""
    address = options["endpoint_url"].replace("https", scheme)
    if place == "option":
        options["endpoint_url"] = address
    else:
        del options["endpoint_url"]
    if place == "environment":
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
    elif place == "profile":
        aws_files(f"[default]\nendpoint_url = {address}\n")
    async with _open(options) as session:
        with pytest.raises(TransportError, match="certificate verify failed"):
            await session.ask("hi")
    assert not server.requests
    server.answer(unary())
    async with _open({**options, "verify": str(_CERTIFICATE)}) as session:
        assert (await session.ask("hi")).text == "Hello!"


async def test_a_certificate_for_another_host(server: LoopbackServer, trusting: dict[str, Any]) -> None:
    """The name counts: the certificate is good, but not for this address."""
    with LoopbackServer(tls=server.tls, host="127.0.0.2") as other:
        async with _open({**trusting, "endpoint_url": other.url}) as session:
            with pytest.raises(TransportError, match="not valid for") as caught:
                await session.ask("hi")
    assert caught.value.retryable is False
    assert not other.requests


async def test_checking_can_be_turned_off(server: LoopbackServer, options: dict[str, Any]) -> None:
    """`verify=False` is the caller's decision."""
    server.answer(unary())
    async with _open({**options, "verify": False}) as session:
        assert (await session.ask("hi")).text == "Hello!"


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
async def test_a_bundle_from_the_environment(
    variable: str, server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that botocore reads count here too."""
    monkeypatch.setenv(variable, str(_CERTIFICATE))
    server.answer(unary())
    async with _open(options) as session:
        assert (await session.ask("hi")).text == "Hello!"


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "not-a-bundle"])
async def test_a_bundle_that_cannot_be_used(content: str | None, options: dict[str, Any], tmp_path: Path) -> None:
    """It is an error of configuration that names the file, not one of the network."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    async with _open({**options, "verify": str(path)}) as session:
        with pytest.raises(ConfigurationError, match=r"CA bundle .*bundle\.pem"):
            await session.ask("hi")


@pytest.mark.parametrize("way", ["break", "cancel"])
async def test_leaving_closes_the_connection(way: str, server: LoopbackServer, trusting: dict[str, Any]) -> None:
    """At once, while the server is silent; TLS's own goodbye does not hold it up."""
    server.answer(STREAM_HEAD, chunked([START, text("Hello")]), server.hold())
    async with _open(trusting) as session:
        left = await _leave(session, way)
        took = await server.connections[0].until_closed() - left
        assert server.connections[0].closed_by_client
        assert took <= 1  # a busy machine is late; a goodbye is waited for longer
        server.answer(stream("Good."))
        with anyio.fail_after(5):
            async with session.stream("hi") as reading:
                assert (await reading.finish()).text == "Good."


async def _leave(session: Session, way: str) -> float:
    left = 0.0
    with anyio.CancelScope() as scope:
        async with session.stream("hi") as reading:
            async for _ in reading.text:
                left = time.monotonic()
                if way == "break":
                    break
                scope.cancel()
    assert scope.cancelled_caught is (way == "cancel")
    return left


async def test_a_proxy(server: LoopbackServer, trusting: dict[str, Any]) -> None:
    """It is asked for a tunnel to the endpoint; what goes through it is what goes to the endpoint without one."""
    server.tunnels = []
    server.answer(unary("One."))
    server.answer(stream("Two."))
    proxies = {"https": server.url.replace("https:", "http:")}
    async with _open({**trusting, "endpoint_url": "https://localhost:4443", "proxies": proxies}) as session:
        assert (await session.ask("hi")).text == "One."
        async with session.stream("hi") as reading:
            assert (await reading.finish()).text == "Two."
    assert server.tunnels == ["localhost:4443"]
    assert [request.target.partition("/model/")[0] for request in server.requests] == ["", ""]
    assert server.requests[0].headers["host"] == "localhost:4443"


async def test_a_proxy_that_refuses(options: dict[str, Any]) -> None:
    """The error says that it is the proxy, and shows no password."""
    with LoopbackServer() as proxy:
        proxy.answer(whole(b"no", status="407 Proxy Authentication Required"))
        proxies = {"https": proxy.url.replace("http://", "http://me:hidden@")}
        async with _open({**options, "endpoint_url": "https://localhost:4443", "proxies": proxies}) as session:
            with pytest.raises(TransportError, match="proxy") as caught:
                await session.ask("hi")
        assert caught.value.phase == "connect"
        assert "hidden" not in str(caught.value)
        # aiobotocore 3.10 sends the password twice through httpx2.
        assert dict(proxy.requests[0].header_lines)["Proxy-Authorization"].startswith("Basic ")


@pytest.mark.parametrize("limit", ["connect", "total"])
async def test_a_handshake_that_nobody_answers(limit: str, options: dict[str, Any]) -> None:
    """The system accepts the connection, the server says nothing: it ends in time, and the server sees the end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with _open({**options, "endpoint_url": address}) as session:
            with anyio.fail_after(5), pytest.raises(TransportError) as caught:
                await session.ask("hi", timeouts=Timeouts(**{limit: 0.2}))
            assert (await anyio.to_thread.run_sync(_read_to_the_end, silent)).startswith(b"\x16")
    expected = ("connect", True) if limit == "connect" else ("request", False)
    assert (caught.value.phase, caught.value.retryable) == expected


def _read_to_the_end(listener: socket.socket) -> bytes:
    """Return what a client sends before it hangs up, which it has to do within a second."""
    peer, _ = listener.accept()
    with peer, peer.makefile("rb") as stream:
        peer.settimeout(1)
        return stream.read()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28"],
                         ids=["nothing", "words", "an-alert"])  # fmt: skip
async def test_a_handshake_that_breaks(said: bytes, options: dict[str, Any]) -> None:
    """Whoever answers speaks no TLS, or refuses, or hangs up: a `TransportError` of connecting, nothing was sent."""

    def answer(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), name="loopback")
        thread.start()
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with _open({**options, "endpoint_url": address}) as session:
            with anyio.fail_after(5), pytest.raises(TransportError) as caught:
                await session.ask("hi")
        thread.join(5)
    assert type(caught.value) is TransportError
    assert caught.value.phase == "connect"


@pytest.mark.parametrize(
    ("url", "proxies", "may"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", (), True),
        ("HTTPS://bedrock-runtime.us-east-1.amazonaws.com", (), True),
        ("HTTP://127.0.0.1:8080", (), True),  # never made; what is not plain HTTP is checked
        ("http://127.0.0.1:8080", (), False),
        ("http://127.0.0.1:8080", (("http", "https://proxy.example.com"),), True),
    ],
)
def test_certificates_are_loaded_where_one_may_be_checked(
    url: str, proxies: tuple[tuple[str, str], ...], may: bool
) -> None:
    """That takes longer than a request, and an endpoint without TLS shows none; a proxy may."""
    assert Endpoint(url=url, region="us-east-1", verify=True, proxies=proxies).may_use_tls is may
