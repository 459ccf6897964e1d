"""Streams that break, through the public API: each becomes the documented error, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from bedrock_support.answers import (
    MODEL,
    REQUEST_ID,
    START,
    STOP,
    STREAM_HEAD,
    block_stop,
    chunked,
    exception,
    frame,
    frames,
    stream,
    text,
)
from bedrock_support.http_bytes import LAST_CHUNK, chunk, cut, head
from bedrock_support.loopback import End, LoopbackServer, Step

import chatport
from chatport import (
    BackendError,
    InvalidRequestError,
    Message,
    ProtocolError,
    RateLimitError,
    ServiceError,
    Session,
    StreamInterruptedError,
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


# --- streams ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """A stream that breaks, and what becomes of it.

    Attributes:
        name: For the reader of the test's report.
        steps: What the server does.
        kind: The class, exactly.
        words: What the message says.
        code: The service's code.
        status: The HTTP status.
        retryable: Whether trying again may help.
        partial: The text that had arrived.
    """

    name: str
    steps: tuple[Any, ...]
    kind: type[BackendError]
    words: str
    code: str | None = None
    status: int | None = 200
    retryable: bool = False
    partial: str = "Hello"


# A place where the server waits until the reader has read "Hello": what follows comes in a packet of its own.
_GATE = object()
_HELLO = chunked([START, text("Hel"), text("lo")])
_HALF_FRAME = text("never seen")[:40]

_BROKEN = [
    Broken("ends inside a frame", (STREAM_HEAD, _HELLO, chunk(_HALF_FRAME), LAST_CHUNK), StreamInterruptedError,
           "ended after 40 bytes of a frame of", retryable=True),
    Broken("ends inside a prelude", (STREAM_HEAD, _HELLO, chunk(_HALF_FRAME[:7]), LAST_CHUNK), StreamInterruptedError,
           "ended after 7 bytes of a frame", retryable=True),
    Broken("ends before messageStop", (STREAM_HEAD, _HELLO, chunk(block_stop()), LAST_CHUNK), StreamInterruptedError,
           "no messageStop", retryable=True),
    Broken("has no length and ends", (head(headers={"x-amzn-RequestId": REQUEST_ID}), START + text("Hello"), End.FIN),
           StreamInterruptedError, "no messageStop", retryable=True),
    Broken("closes inside a frame", (STREAM_HEAD, _HELLO, chunk(_HALF_FRAME), End.FIN), StreamInterruptedError,
           "connection broke in the middle of the stream", retryable=True),
    Broken("closes between frames", (STREAM_HEAD, _HELLO, End.FIN), StreamInterruptedError,
           "connection broke in the middle of the stream", retryable=True),
    Broken("closes inside a chunk's length", (STREAM_HEAD, _HELLO, b"4", End.FIN), StreamInterruptedError,
           "connection broke in the middle of the stream", retryable=True),
    Broken("has a chunk length that is none", (STREAM_HEAD, _HELLO, _GATE, b"zz\r\n" + text("x")),
           StreamInterruptedError, "connection broke in the middle of the stream", retryable=True),
    Broken("is reset between frames", (STREAM_HEAD, _HELLO, End.RST), StreamInterruptedError,
           "connection broke in the middle of the stream", retryable=True),
    Broken("is reset with good frames in the same packet", (STREAM_HEAD + _HELLO, End.RST), StreamInterruptedError,
           "connection broke in the middle of the stream", retryable=True),
    Broken("has a bad message checksum", (STREAM_HEAD, _HELLO, chunk(text("bad", checksum=1)), LAST_CHUNK),
           ProtocolError, "message checksum mismatch"),
    Broken("has a bad message checksum in the chunk of good frames",
           (STREAM_HEAD, chunk(START + text("Hello") + text("bad", checksum=1) + text("late")), LAST_CHUNK),
           ProtocolError, "message checksum mismatch"),
    Broken("has a bad prelude checksum", (STREAM_HEAD, _HELLO, chunk(b"\0" * 12 + b"x" * 30), LAST_CHUNK),
           ProtocolError, "cannot be read as an event stream"),
    Broken("has a payload that is no JSON",
           (STREAM_HEAD, _HELLO,
            chunk(frame({":event-type": "contentBlockDelta", ":message-type": "event"}, b"{")), LAST_CHUNK),
           ProtocolError, "cannot be decoded"),
    Broken("is throttled", (STREAM_HEAD, _HELLO, chunk(exception("throttlingException", "slow down")), LAST_CHUNK),
           RateLimitError, "slow down", "throttlingException", 429, retryable=True),
    Broken("is out of service",
           (STREAM_HEAD, _HELLO, chunk(exception("serviceUnavailableException", "later")), LAST_CHUNK),
           ServiceError, "later", "serviceUnavailableException", 503, retryable=True),
    Broken("has an internal error",
           (STREAM_HEAD, _HELLO, chunk(exception("internalServerException", "oops")), LAST_CHUNK),
           ServiceError, "oops", "internalServerException", 500, retryable=True),
    Broken("has a model error",
           (STREAM_HEAD, _HELLO, chunk(exception("modelStreamErrorException", "odd", originalStatusCode=500)),
            LAST_CHUNK),
           ServiceError, "odd", "modelStreamErrorException", 424, retryable=True),
    Broken("is refused late",
           (STREAM_HEAD, _HELLO, chunk(exception("validationException", "no such thing")), LAST_CHUNK),
           InvalidRequestError, "no such thing", "validationException", 400),
    Broken("has an error outside the model",
           (STREAM_HEAD, _HELLO,
            chunk(frame({":error-code": "BadThing", ":error-message": "dunno", ":message-type": "error"}, b"")),
            LAST_CHUNK),
           ServiceError, "dunno", "BadThing", None),
]  # fmt: skip


@pytest.mark.parametrize("broken", _BROKEN, ids=lambda broken: broken.name.replace(" ", "-"))
async def test_a_broken_stream(broken: Broken, server: LoopbackServer, options: dict[str, Any]) -> None:
    """It raises the documented class with all facts; what arrived before is delivered, kept, and lands as a turn."""
    gate = server.hold()
    server.answer(*(gate if step is _GATE else step for step in broken.steps))
    server.answer(stream("Good."))
    pieces: list[str] = []
    async with _open(options) as session:
        with pytest.raises(BackendError) as caught:
            async with session.stream("hi") as reading:
                async for piece in reading.text:
                    pieces.append(piece)
                    if piece == "lo":
                        gate.release()
        error = caught.value
        assert type(error) is broken.kind
        assert broken.words in str(error)
        assert (error.backend, error.model, error.request_id) == ("bedrock", MODEL, REQUEST_ID)
        assert (error.status, error.code) == (broken.status, broken.code)
        assert (error.phase, error.retryable) == ("stream", broken.retryable)
        assert "".join(pieces) == broken.partial
        _check_partial(session, error, broken.partial)
        await _check_next_turn(session)


def _check_partial(session: Session, error: BackendError, words: str) -> None:
    assert session.messages == _BEFORE
    assert error.partial is not None
    assert error.partial.messages == (Message("user", (Text("hi"),)), Message("assistant", (Text(words),)))
    assert error.partial.usage.complete is False
    session.keep(error.partial)
    assert list(session.messages) == [*_BEFORE, *error.partial.messages]


async def _check_next_turn(session: Session) -> None:
    """The session and the pool are as good as new."""
    with anyio.fail_after(5):
        async with session.stream("and now?") as reading:
            assert (await reading.finish()).text == "Good."


_FIRST = [
    ("throttlingException", RateLimitError, 429, True),
    ("serviceUnavailableException", ServiceError, 503, True),
    ("internalServerException", ServiceError, 500, True),
    ("modelStreamErrorException", ServiceError, 424, True),
    ("validationException", InvalidRequestError, 400, False),
]


@pytest.mark.parametrize(("code", "kind", "status", "retryable"), _FIRST)
async def test_rule_68_an_exception_as_the_first_frame(
    code: str, kind: type[BackendError], status: int, retryable: bool, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """It is raised where the stream is entered, with nothing but the user's message in `partial`."""
    server.answer(STREAM_HEAD, chunk(exception(code, "not today")), LAST_CHUNK)
    async with _open(options) as session:
        reading = session.stream("hi")
        with pytest.raises(kind, match="not today") as caught:
            await reading.__aenter__()
        error = caught.value
        assert type(error) is kind
        assert (error.code, error.status, error.retryable) == (code, status, retryable)
        assert (error.request_id, error.phase) == (REQUEST_ID, "stream")
        assert error.partial is not None
        assert error.partial.messages == (Message("user", (Text("hi"),)),)
        assert session.messages == _BEFORE


async def test_a_stream_without_metadata_is_complete_and_without_usage(
    server: LoopbackServer, options: dict[str, Any]
) -> None:
    """`messageStop` says that the answer is whole; what it cost is then unknown, and said to be."""
    server.answer(STREAM_HEAD, chunked([START, text("Hello"), block_stop(), STOP]), LAST_CHUNK)
    async with _open(options) as session, session.stream("hi") as reading:
        reply = await reading.finish()
    assert (reply.text, reply.stop_reason) == ("Hello", "stop")
    assert reply.usage.complete is False


@pytest.mark.parametrize("end", [End.FIN, End.RST, b"zz\r\n", LAST_CHUNK], ids=["fin", "rst", "no-chunk", "in-order"])
async def test_an_end_after_the_last_event_is_no_error(
    end: Step, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """The message is complete; that the connection breaks afterwards costs nothing but the connection."""
    gate = server.hold()
    server.answer(STREAM_HEAD, chunked(frames("Hello")), gate, end)
    server.answer(stream("Good."))
    async with _open(options) as session:
        async with session.stream("hi") as reading:
            async for _ in reading.text:
                gate.release()
            assert reading.reply.text == "Hello"
        await _check_next_turn(session)


async def test_a_body_that_does_not_end_after_the_last_event(
    server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply does not wait for it longer than said, and its connection is not used again."""
    monkeypatch.setattr(_wire, "LAST_BYTES_SECONDS", 0.01)
    server.answer(STREAM_HEAD, chunked(frames("Hello")), server.hold())
    server.answer(stream("Good."))
    async with _open(options) as session:
        with anyio.fail_after(5):
            async with session.stream("hi") as reading:
                assert (await reading.finish()).text == "Hello"
        await server.connections[0].until_closed()
        await _check_next_turn(session)
    assert len(server.connections) == 2


async def test_frames_before_a_reset_survive_a_slow_reader(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Data and the end of the connection wait together until the reader comes back: the data is handed out first."""
    gate, written = server.hold(), server.hold()
    server.answer(STREAM_HEAD, chunked([START, text("1")]), gate, chunked([text("2"), text("3")]), written, End.RST)
    async with _open(options) as session:
        with pytest.raises(StreamInterruptedError) as caught:
            async with session.stream("hi") as reading:
                events = aiter(reading.text)
                assert await anext(events) == "1"
                gate.release()
                await written.until_reached()
                written.release()
                await server.connections[0].until_closed()
                # The event loop sees data and reset while nobody reads.
                for _ in range(20):
                    await anyio.lowlevel.checkpoint()
                assert await anext(events) == "2"
                assert await anext(events) == "3"
                await anext(events)
        assert caught.value.partial is not None
        assert caught.value.partial.messages[-1].text == "123"


@pytest.mark.parametrize("size", [1, 7, 1000], ids=lambda size: f"{size}-bytes")
async def test_any_cut_of_a_good_stream(size: int, server: LoopbackServer, options: dict[str, Any]) -> None:
    """Neither the cut of chunks nor that of packets matters: frames span chunks, chunks hold several frames."""
    data = b"".join(frames("Hel", "lo", " ", "Wörld"))
    server.answer(STREAM_HEAD, *(chunk(piece) for piece in cut(data, size)), LAST_CHUNK)
    server.answer(*cut(STREAM_HEAD + chunk(data) + LAST_CHUNK, size))
    async with _open(options) as session:
        for _ in range(2):
            async with session.stream("hi") as reading:
                assert (await reading.finish()).text == "Hello Wörld"


async def test_a_broken_chunk_in_the_packet_of_the_head(
    server: LoopbackServer, options: dict[str, Any], anyio_backend: str
) -> None:
    """On asyncio nothing of it is handed out. The service has answered, so it is not asked for a second time."""
    server.answer(STREAM_HEAD + chunked([START, text("Hello")]) + b"zz\r\n")
    server.answer(stream("Good."))
    kind = TransportError if anyio_backend == "asyncio" else StreamInterruptedError
    async with _open(options) as session:
        with pytest.raises(kind) as caught:
            async with session.stream("hi") as reading:
                await reading.finish()
        assert type(caught.value) is kind
        assert caught.value.retryable is (anyio_backend != "asyncio")
        await server.connections[0].until_closed()
        await _check_next_turn(session)


async def test_a_stream_that_falls_silent(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Silence in the middle of a stream: what had come is there, and the connection is closed."""
    options["timeouts"] = Timeouts(idle=0.05)
    server.answer(STREAM_HEAD, chunked([START, text("Hello")]), server.hold())
    async with _open(options) as session:
        with pytest.raises(StreamTimeoutError, match="fell silent") as caught:
            async with session.stream("hi") as reading:
                await reading.finish()
        error = caught.value
        assert (error.phase, error.retryable, error.status) == ("stream", False, 200)
        assert error.request_id == REQUEST_ID
        await server.connections[0].until_closed()
        _check_partial(session, error, "Hello")
