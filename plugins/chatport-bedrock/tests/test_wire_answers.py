"""Refusals, broken answers and none at all, through the public API: each becomes the documented error."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from bedrock_support.answers import MODEL, REQUEST_ID, converse, refusal, stream, unary
from bedrock_support.http_bytes import chunk, head, whole
from bedrock_support.loopback import End, LoopbackServer, Step

import chatport
from chatport import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    Message,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
    Session,
    StreamTimeoutError,
    Text,
    Timeouts,
    TransportError,
)
from chatport_bedrock import _wire

pytestmark = pytest.mark.anyio

_BEFORE = (Message("user", (Text("before"),)), Message("assistant", (Text("indeed"),)))


def _open(options: dict[str, Any]) -> Any:
    return chatport.open_session(f"bedrock:{MODEL}", backend_options=options, messages=_BEFORE, retry=None)


async def _check_next_turn(session: Session) -> None:
    """The session and the pool are as good as new."""
    with anyio.fail_after(5):
        async with session.stream("and now?") as reading:
            assert (await reading.finish()).text == "Good."


# --- answers with an error -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """A refusal, and what becomes of it."""

    name: str
    answer: bytes
    kind: type[BackendError]
    status: int
    code: str | None = None
    words: str = "no"
    retryable: bool = False
    retry_after: float | None = None
    request_id: str | None = REQUEST_ID


_PAGE = b"<html><head><style>p{}</style></head><body><h1>502 Bad Gateway</h1></body></html>"
_REFUSED = [
    Refused("validation", refusal("400 Bad Request", "ValidationException", b'{"message":"Malformed input"}'),
            InvalidRequestError, 400, "ValidationException", "Malformed input"),
    Refused("too long",
            refusal("400 Bad Request", "ValidationException", b'{"message":"Input is too long for requested model."}'),
            ContextWindowError, 400, "ValidationException", "too long"),
    Refused("credentials", refusal("403 Forbidden", "UnrecognizedClientException"), AuthenticationError, 403,
            "UnrecognizedClientException"),
    Refused("expired", refusal("403 Forbidden", "ExpiredTokenException"), AuthenticationError, 403,
            "ExpiredTokenException"),
    Refused("rights", refusal("403 Forbidden", "AccessDeniedException"), PermissionDeniedError, 403,
            "AccessDeniedException"),
    Refused("model", refusal("404 Not Found", "ResourceNotFoundException"), ModelNotFoundError, 404,
            "ResourceNotFoundException"),
    Refused("throttled", refusal("429 Too Many Requests", "ThrottlingException", retry_after="7"), RateLimitError, 429,
            "ThrottlingException", retryable=True, retry_after=7),
    Refused("internal", refusal("500 Internal Server Error", "InternalServerException"), ServiceError, 500,
            "InternalServerException", retryable=True),
    Refused("unavailable", refusal("503 Service Unavailable", "ServiceUnavailableException", retry_after="2"),
            ServiceError, 503, "ServiceUnavailableException", retryable=True, retry_after=2),
    Refused("a proxy's page", whole(_PAGE, status="502 Bad Gateway", headers={"Content-Type": "text/html"}),
            ServiceError, 502, None, "502 Bad Gateway", retryable=True, request_id=None),
    Refused("nothing at all", whole(b"", status="500 Internal Server Error"), ServiceError, 500, None,
            "HTTP 500 and no message", retryable=True, request_id=None),
]  # fmt: skip


@pytest.mark.parametrize("way", ["ask", "stream"])
@pytest.mark.parametrize("refused", _REFUSED, ids=lambda refused: refused.name.replace(" ", "-"))
async def test_a_refusal(refused: Refused, way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is raised before anything is read, whichever operation was called, and its connection is used again."""
    server.answer(refused.answer)
    server.answer(stream("Good."))
    async with _open(options) as session:
        with pytest.raises(BackendError, match=refused.words) as caught:
            await (session.ask("hi") if way == "ask" else session.stream("hi").__aenter__())
        error = caught.value
        assert type(error) is refused.kind
        assert (error.status, error.code, error.request_id) == (refused.status, refused.code, refused.request_id)
        assert (error.retryable, error.retry_after) == (refused.retryable, refused.retry_after)
        assert (error.phase, error.backend, error.model) == ("request", "bedrock", MODEL)
        assert error.partial is not None
        assert error.partial.messages == (Message("user", (Text("hi"),)),)
        assert session.messages == _BEFORE
        await _check_next_turn(session)
    assert len(server.connections) == 1


@pytest.mark.parametrize("end", [End.FIN, End.RST])
async def test_a_refusal_that_breaks_off_is_still_that_refusal(
    end: End, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """The status says what happened, even where the connection breaks before the whole explanation has come."""
    headers = {"Content-Length": "1000", "x-amzn-ErrorType": "AccessDeniedException", "x-amzn-RequestId": REQUEST_ID}
    server.answer(head("403 Forbidden", headers), b'{"message":"You may n', end)
    async with _open(options) as session:
        with pytest.raises(PermissionDeniedError) as caught:
            await session.ask("hi")
    assert (caught.value.status, caught.value.request_id) == (403, REQUEST_ID)


async def test_a_refusal_of_any_length_is_cut(server: LoopbackServer, options: dict[str, Any]) -> None:
    """What a proxy has to say at length is neither read to its end nor mistaken for another error."""
    server.answer(head("503 Service Unavailable", {"Content-Length": str(1 << 30)}), b"<p>busy</p>" * 20_000)
    async with _open(options) as session:
        with pytest.raises(ServiceError, match="busy") as caught:
            await session.ask("hi")
    assert len(str(caught.value)) < 1000
    assert server.connections[0].closed_by_client or await server.connections[0].until_closed()


async def test_a_redirect_is_not_followed(server: LoopbackServer, options: dict[str, Any]) -> None:
    """A redirect would take the prompt and the keys to another host: it is an error that nothing was sent for."""
    with LoopbackServer() as other:
        other.answer_always(unary())
        for status in ("301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"):
            server.answer(whole(b"", status=status, headers={"Location": f"{other.url}/model/x/converse"}))
            async with _open(options) as session:
                with pytest.raises(ProtocolError) as caught:
                    await session.ask("hi")
            assert caught.value.status == int(status[:3])
        assert not other.connections
    assert len(server.requests) == 3


# --- whole answers ---------------------------------------------------------------------------------------------------

_UNARY_HEADERS = {"Content-Type": "application/json", "x-amzn-RequestId": REQUEST_ID}
_BROKEN_ANSWERS: list[tuple[str, tuple[Step, ...], type[BackendError], str, bool]] = [
    ("no JSON", (whole(b"<html>", headers=_UNARY_HEADERS),), ProtocolError, "none of Converse", False),
    ("no object", (whole(b"[]", headers=_UNARY_HEADERS),), ProtocolError, "none of Converse", False),
    ("nothing", (whole(b"", headers=_UNARY_HEADERS),), ProtocolError, "none of Converse", False),
    ("something else", (whole(b'{"a":1}', headers=_UNARY_HEADERS),), ProtocolError, "none of Converse", False),
    ("too short", (head(headers={**_UNARY_HEADERS, "Content-Length": "999"}), converse(), End.FIN), TransportError,
     "before the answer was complete", True),
    ("reset", (head(headers={**_UNARY_HEADERS, "Content-Length": "999"}), converse(), End.RST), TransportError,
     "before the answer was complete", True),
    ("chunks that end early",
     (head(headers={**_UNARY_HEADERS, "Transfer-Encoding": "chunked"}), chunk(converse()), End.FIN),
     TransportError, "before the answer was complete", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "kind", "words", "retryable"),
    [row[1:] for row in _BROKEN_ANSWERS],
    ids=[row[0].replace(" ", "-") for row in _BROKEN_ANSWERS],
)
async def test_a_broken_answer(
    steps: tuple[Step, ...],
    kind: type[BackendError],
    words: str,
    retryable: bool,
    server: LoopbackServer,
    options: dict[str, Any],
) -> None:
    """An answer that is read as a whole gives all or nothing; the error has the facts of the exchange."""
    server.answer(*steps)
    async with _open(options) as session:
        with pytest.raises(kind, match=words) as caught:
            await session.ask("hi")
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.request_id, error.phase) == (200, REQUEST_ID, "request")
        assert error.retryable is retryable
        assert error.partial is not None
        assert error.partial.messages == (Message("user", (Text("hi"),)),)
        assert session.messages == _BEFORE


@pytest.mark.parametrize("framed", ["length", "chunks"])
async def test_an_answer_longer_than_the_limit(
    framed: str, server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no service sends is not collected until memory ends: the connection is closed at the limit."""
    monkeypatch.setattr(_wire, "MAX_BODY_BYTES", 100_000)
    hold = server.hold()
    body = converse("x" * 150_000)
    if framed == "length":
        answer = head(headers={**_UNARY_HEADERS, "Content-Length": str(1 << 40)}) + body
    else:
        answer = head(headers={**_UNARY_HEADERS, "Transfer-Encoding": "chunked"}) + chunk(body)
    server.answer(answer, hold)
    async with _open(options) as session:
        with pytest.raises(ProtocolError, match="longer than 100000 bytes") as caught:
            await session.ask("hi")
        assert (caught.value.status, caught.value.request_id) == (200, REQUEST_ID)
        await server.connections[0].until_closed()


# --- no answer -------------------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


async def test_nobody_listens(options: dict[str, Any]) -> None:
    """A refused connection: nothing was sent, trying again may help."""
    async with _open({**options, "endpoint_url": f"http://127.0.0.1:{_free_port()}"}) as session:
        with pytest.raises(TransportError, match="Could not connect to the endpoint") as caught:
            await session.ask("hi")
    assert type(caught.value) is TransportError
    assert (caught.value.phase, caught.value.retryable, caught.value.status) == ("connect", True, None)


@pytest.mark.parametrize("way", ["ask", "stream"])
@pytest.mark.parametrize("steps", [(End.FIN,), (End.RST,), (b"HTTP/1.1 200", End.FIN), (b"SSH-2.0-x\r\n", End.FIN)],
                         ids=["fin", "rst", "half-a-status", "another-protocol"])  # fmt: skip
async def test_no_answer(steps: tuple[Step, ...], way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """The request may have been worked on: the phase says that the connection was there."""
    server.answer(*steps)
    async with _open(options) as session:
        with pytest.raises(TransportError, match="before an answer came") as caught:
            await (session.ask("hi") if way == "ask" else session.stream("hi").__aenter__())
    assert type(caught.value) is TransportError
    assert (caught.value.phase, caught.value.retryable) == ("request", True)
    assert len(server.requests) == 1, "a backend never sends twice"


async def test_tls_to_a_port_without(server: LoopbackServer, options: dict[str, Any]) -> None:
    """A wrong scheme is told as what it is, and not worth trying again."""
    async with _open({**options, "endpoint_url": server.url.replace("http:", "https:")}) as session:
        with pytest.raises(TransportError, match="TLS failed") as caught:
            await session.ask("hi")
    assert type(caught.value) is TransportError
    assert (caught.value.phase, caught.value.retryable) == ("connect", False)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_an_answer_that_does_not_come_in_time(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """Silence is told from a broken connection, and the silent one is closed."""
    options["timeouts"] = Timeouts(first_event=0.4)
    server.answer(server.hold())
    async with _open(options) as session:
        with pytest.raises(StreamTimeoutError, match="no answer came in time") as caught:
            await (session.ask("hi") if way == "ask" else session.stream("hi").__aenter__())
        await server.connections[0].until_closed()
    assert (caught.value.phase, caught.value.retryable) == ("request", True)


async def test_an_answer_that_falls_silent(server: LoopbackServer, options: dict[str, Any]) -> None:
    """The same for an answer that is read as a whole."""
    options["timeouts"] = Timeouts(first_event=0.4)
    server.answer(head(headers={**_UNARY_HEADERS, "Content-Length": "999"}), b"{", server.hold())
    async with _open(options) as session:
        with pytest.raises(StreamTimeoutError, match="where it comes whole") as caught:
            await session.ask("hi")
    assert (caught.value.phase, caught.value.status, caught.value.request_id) == ("request", 200, REQUEST_ID)


async def test_a_connection_that_the_server_closed_while_idle(server: LoopbackServer, options: dict[str, Any]) -> None:
    """The next request goes over a new one, and goes out once."""
    server.answer(unary(), End.FIN)
    server.answer(unary("Again."))
    async with _open(options) as session:
        await session.ask("hi")
        await server.connections[0].until_closed()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert (await session.ask("hi")).text == "Again."
    assert (len(server.requests), len(server.connections)) == (2, 2)


@pytest.mark.parametrize("way", ["ask", "stream"])
async def test_bytes_behind_an_answer(way: str, server: LoopbackServer, options: dict[str, Any]) -> None:
    """Whatever comes behind the end of an answer, in the same write, is no answer to the next question."""
    make = unary if way == "ask" else stream
    server.answer(make("First.") + make("Forged."))
    server.answer_always(make("Right."))
    async with _open(options) as session:
        for words in ("First.", "Right.", "Right."):
            if way == "ask":
                assert (await session.ask("hi")).text == words
                continue
            async with session.stream("hi") as reading:
                assert (await reading.finish()).text == words
        await server.connections[0].until_closed()
    assert (len(server.requests), len(server.connections)) == (3, 2)
