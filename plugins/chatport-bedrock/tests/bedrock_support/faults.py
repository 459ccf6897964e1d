"""What can go wrong on the wire, as data: what the server does, and what has to become of it.

Each row is one fault of one answer. `STREAMS` are the faults of ConverseStream, `WHOLE_ANSWERS` those of Converse,
`WITH_THE_HEAD` those of ConverseStream that the two event loops see in different ways; the tests play every row on both
event loops, and at random one after the other.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from bedrock_support.answers import (
    METADATA,
    REQUEST_ID,
    START,
    STOP,
    STREAM_HEAD,
    STREAM_HEADERS,
    block_stop,
    chunked,
    converse,
    refusal,
    text,
)
from bedrock_support.fault_frames import BAD_FRAMES, ERROR_FRAMES
from bedrock_support.http_bytes import LAST_CHUNK, chunk, cut, head, whole
from bedrock_support.loopback import End, Step
from chatport import (
    AuthenticationError,
    BackendError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
    StreamTimeoutError,
    TransportError,
)
from chatport.backend import Phase


class Pause(Enum):
    """A place in an answer where the server says nothing."""

    STALL = auto()  # any more
    UNTIL_READ = auto()  # until the client has read what came: what follows comes in a packet of its own


STALL, UNTIL_READ = Pause.STALL, Pause.UNTIL_READ


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: What it is; unique.
        steps: What the server does.
        kind: The class of the error, exactly.
        phase: Its phase.
        arrived: The text of the good frames before the fault.
        is_lost_on_asyncio: Whether aiohttp hands out nothing of it, not even its head.
    """

    name: str
    steps: tuple[Step | Pause, ...]
    kind: type[BackendError]
    phase: Phase = "stream"
    arrived: str = ""
    is_lost_on_asyncio: bool = False

    @property
    def stalls(self) -> bool:
        """Whether nothing but a timeout ends it."""
        return STALL in self.steps


_WHOLE = (START, text("Hel"), text("lo"), block_stop(), STOP, METADATA)
_NAMES = ("messageStart", "first delta", "second delta", "contentBlockStop", "messageStop", "metadata")
_ARRIVED = ("", "", "Hel", "Hello", "Hello", "Hello", "Hello")
"""By the number of frames that came."""
_HELLO = (STREAM_HEAD, chunked((START, text("Hel"), text("lo"))))

_ENDS: dict[str, tuple[Step | Pause, ...]] = {
    "closed": (End.FIN,),
    "reset": (End.RST,),
    "ended in order": (LAST_CHUNK,),
    "stalled": (STALL,),
}


def _places(data: bytes) -> dict[str, int]:
    """Places inside a frame, by what is cut there."""
    headers = struct.unpack_from("!I", data, 4)[0]
    return {
        "total length": 2,
        "headers length": 6,
        "prelude checksum": 10,
        "header name": 14,
        "headers": 12 + headers // 2,
        "payload": 12 + headers + 5,
        "message checksum": len(data) - 2,
    }


def _kind_of(end: str) -> type[BackendError]:
    return StreamTimeoutError if end == "stalled" else StreamInterruptedError


def _at_boundaries() -> Iterator[Fault]:
    for end, steps in _ENDS.items():
        for count in range(len(_WHOLE)):
            if (count, end) == (5, "ended in order"):
                continue  # messageStop came: that is a whole answer, of unknown cost
            came = (chunked(_WHOLE[:count]),) if count else ()
            name = f"{end} before {_NAMES[count]}"
            phase: Phase = "request" if end == "stalled" and not count else "stream"
            yield Fault(name, (STREAM_HEAD, *came, *steps), _kind_of(end), phase, arrived=_ARRIVED[count])


def _inside_frames() -> Iterator[Fault]:
    for end, steps in _ENDS.items():
        for what, place in _places(_WHOLE[2]).items():
            came = chunked((*_WHOLE[:2], _WHOLE[2][:place]))
            yield Fault(f"{end} inside the {what}", (STREAM_HEAD, came, *steps), _kind_of(end), arrived="Hel")


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 0x10,)) + data[place + 1 :]


def _damaged() -> Iterator[Fault]:
    for what, place in _places(_WHOLE[2]).items():
        came = chunked((*_WHOLE[:2], _flipped(_WHOLE[2], place), *_WHOLE[3:]))
        yield Fault(f"damaged in the {what}", (STREAM_HEAD, came, LAST_CHUNK), ProtocolError, arrived="Hel")


def _bad_frames() -> Iterator[Fault]:
    for name, data in BAD_FRAMES.items():
        steps = (*_HELLO, chunk(data), LAST_CHUNK)
        yield Fault(f"a frame {name}", steps, ProtocolError, arrived="Hello")
    for name, (data, kind) in ERROR_FRAMES.items():
        yield Fault(f"{name}, first", (STREAM_HEAD, chunk(data), LAST_CHUNK), kind)
        yield Fault(f"{name}, after text", (*_HELLO, chunk(data), LAST_CHUNK), kind, arrived="Hello")
        yield Fault(f"{name}, then a reset", (*_HELLO, chunk(data), End.RST), kind, arrived="Hello")
    yield Fault("a delta before the message begins", (STREAM_HEAD, chunk(text("x")), LAST_CHUNK), ProtocolError)
    yield Fault("metadata before the message begins", (STREAM_HEAD, chunk(METADATA), LAST_CHUNK), ProtocolError)
    dripped = b"".join(_WHOLE[:3]) + _flipped(_WHOLE[2], 40)
    drops = tuple(chunk(piece) for piece in cut(dripped, 1))
    yield Fault("dripped byte by byte, then damaged", (STREAM_HEAD, *drops), ProtocolError, arrived="Hello")
    drops = tuple(cut(STREAM_HEAD + chunked(_WHOLE[:2]), 1))
    yield Fault("dripped byte by byte, then closed", (*drops, End.FIN), StreamInterruptedError, arrived="Hel")


def _broken_chunks(*came: Step | Pause) -> Iterator[tuple[str, tuple[Step | Pause, ...]]]:
    """Bodies whose chunks break after something that came."""
    yield "a chunk length that is no number", (*came, b"zz\r\n")
    yield "a negative chunk length", (*came, b"-5\r\nhello\r\n")
    yield "a chunk longer than it says", (*came, b"3\r\nabcdef\r\n0\r\n\r\n")
    yield "a chunk length without an end", (*came, b"1" * 20_000, End.FIN)
    yield "a chunk shorter than it says", (*came, b"fff\r\nabc", End.FIN)
    yield "a chunk length cut", (*came, b"f", End.FIN)


def _with_the_head() -> Iterator[Fault]:
    """Chunks that break in the very packet that brings the head and good frames."""
    for name, (chunks, *rest) in _broken_chunks():
        assert isinstance(chunks, bytes)
        steps = (STREAM_HEAD + chunked(_WHOLE[:2]) + chunks, *rest)
        # aiohttp knows at the end only that something is missing; before, it hands out what came.
        is_lost = name not in {"a chunk shorter than it says", "a chunk length cut"}
        yield Fault(f"{name}, with the head", steps, StreamInterruptedError, arrived="Hel", is_lost_on_asyncio=is_lost)


def _of_http() -> Iterator[Fault]:
    for name, steps in _broken_chunks(STREAM_HEAD, chunked(_WHOLE[:2]), UNTIL_READ):
        yield Fault(name, steps, StreamInterruptedError, arrived="Hel")
    # The same, where a good frame comes in one packet with what is broken.
    for name, (chunks, *rest) in _broken_chunks():
        assert isinstance(chunks, bytes)
        steps = (STREAM_HEAD, chunked(_WHOLE[:2]), UNTIL_READ, chunk(_WHOLE[2]) + chunks, *rest)
        yield Fault(f"a frame and {name}", steps, StreamInterruptedError, arrived="Hello")
    short = {name: value for name, value in STREAM_HEADERS.items() if name != "Transfer-Encoding"}
    body = b"".join(_WHOLE)
    yield Fault(
        "a length longer than the body",
        (head(headers={**short, "Content-Length": "9999"}), body[: len(_WHOLE[0] + _WHOLE[1]) + 9], End.FIN),
        StreamInterruptedError,
        arrived="Hel",
    )
    yield Fault(
        "a length that ends inside a frame",
        (whole(body[: len(_WHOLE[0] + _WHOLE[1]) + 9], headers=short),),
        StreamInterruptedError,
        arrived="Hel",
    )
    yield Fault("an empty answer", (whole(b"", headers=short),), StreamInterruptedError)
    yield Fault("an empty answer in chunks", (STREAM_HEAD, LAST_CHUNK), StreamInterruptedError)
    yield Fault("an answer without content", (head("204 No Content", short),), StreamInterruptedError)
    yield Fault("garbage in place of a stream", (whole(b"\x00\xff" * 500, headers=short),), ProtocolError)
    for kind, page in _OTHERS.items():
        yield Fault(f"{kind} in place of a stream", (whole(page, headers={"Content-Type": kind}),), ProtocolError,
                    "request")  # fmt: skip
    yield Fault(
        "half a page in place of a stream",
        (head(headers={"Content-Type": "text/html", "Content-Length": "999"}), b"<html>", End.RST),
        ProtocolError,
        "request",
    )
    json_type = {"Content-Type": "application/json; charset=utf-8"}
    yield Fault("JSON in place of a stream", (whole(converse(), headers=json_type),), ProtocolError, "request")


_OTHERS = {
    "text/html": b"<html><body>Please log in to the network.</body></html>",
    "text/plain": b"upstream timed out",
    "application/xml": b"<Error><Code>Oops</Code></Error>",
    "text/event-stream": b"data: {}\n\n",
}

_STATUSES: dict[str, tuple[str, str | None, type[BackendError]]] = {
    "a refusal": ("400 Bad Request", "ValidationException", InvalidRequestError),
    "unknown credentials": ("403 Forbidden", "UnrecognizedClientException", AuthenticationError),
    "a missing permission": ("403 Forbidden", "AccessDeniedException", PermissionDeniedError),
    "an unknown model": ("404 Not Found", "ResourceNotFoundException", ModelNotFoundError),
    "throttling": ("429 Too Many Requests", "ThrottlingException", RateLimitError),
    "an internal error": ("500 Internal Server Error", "InternalServerException", ServiceError),
    "a gateway's error": ("502 Bad Gateway", None, ServiceError),
    "an overload": ("503 Service Unavailable", "ServiceUnavailableException", ServiceError),
}


def _errors() -> Iterator[Fault]:
    for name, (status, code, kind) in _STATUSES.items():
        yield Fault(name, (refusal(status, code),), kind, "request")
        cut_body = refusal(status, code, b'{"message":"' + b"x" * 500)[:-400]
        yield Fault(f"{name} with a cut body", (cut_body, End.FIN), kind, "request")
        yield Fault(f"{name} with a reset body", (cut_body, End.RST), kind, "request")
    stalled = head("500 Internal Server Error", {"Content-Length": "99"})
    yield Fault("an error whose body stalls", (stalled, STALL), ServiceError, "request")
    yield Fault("a redirect", (head("302 Found", {"Location": "/", "Content-Length": "0"}),), ProtocolError, "request")


_NO_ANSWERS: dict[str, tuple[Step, ...]] = {
    "closed before the answer": (End.FIN,),
    "reset before the answer": (End.RST,),
    "closed inside the status line": (b"HTTP/1.1 20", End.FIN),
    "reset inside the status line": (b"HTTP/1.1 20", End.RST),
    "closed inside the HTTP headers": (STREAM_HEAD[:40], End.FIN),
    "reset inside the HTTP headers": (STREAM_HEAD[:40], End.RST),
    "garbage in place of HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", End.FIN),
    "a status that is no number": (b"HTTP/1.1 OK\r\n\r\n", End.FIN),
    "a header without an end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, End.FIN),
    "a length that is no number": (head(headers={"Content-Length": "many"}), End.FIN),
    "two lengths": (head(headers=[("Content-Length", "5"), ("Content-Length", "7")]), b"hello", End.FIN),
}


def _without_answer() -> Iterator[Fault]:
    for name, steps in _NO_ANSWERS.items():
        yield Fault(name, steps, TransportError, "request")
    yield Fault("silent before the answer", (STALL,), StreamTimeoutError, "request")
    yield Fault("silent inside the HTTP headers", (STREAM_HEAD[:40], STALL), StreamTimeoutError, "request")


_JSON = {"Content-Type": "application/json", "x-amzn-RequestId": REQUEST_ID}


def _whole_answers() -> Iterator[Fault]:
    bodies = {
        "an empty answer": b"",
        "an answer cut in order": converse()[:-20],
        "an answer that is no JSON": b"<html>",
        "an answer that is no object": b"[]",
        "an answer that is another object": b"{}",
        "an answer that is not UTF-8": b'{"output":"\xff"}',
        "an answer nested too deeply": b"[" * 100_000,
        "an answer with NaN for content": b'{"stopReason":"end_turn","output":{"message":{"content":NaN}}}',
        "an answer whose blocks are none": json.dumps(
            {"stopReason": "end_turn", "output": {"message": {"content": [1]}}}
        ).encode(),
    }
    for name, body in bodies.items():
        yield Fault(name, (whole(body, headers=_JSON),), ProtocolError, "request")
    for kind, page in _OTHERS.items():
        yield Fault(f"{kind} in place of an answer", (whole(page, headers={"Content-Type": kind}),), ProtocolError,
                    "request")  # fmt: skip
    stream_type = {"Content-Type": STREAM_HEADERS["Content-Type"]}
    yield Fault("a stream in place of an answer", (whole(b"".join(_WHOLE), headers=stream_type),), ProtocolError,
                "request")  # fmt: skip
    cut_body = whole(converse(), headers=_JSON)[:-20]
    yield Fault("an answer closed", (cut_body, End.FIN), TransportError, "request")
    yield Fault("an answer reset", (cut_body, End.RST), TransportError, "request")
    yield Fault("an answer stalled", (cut_body, STALL), StreamTimeoutError, "request")
    yield Fault("an answer dripped, then closed", (*cut(cut_body, 1), End.FIN), TransportError, "request")
    for name, steps in _broken_chunks(head(headers={**_JSON, "Transfer-Encoding": "chunked"}), chunk(converse()[:20])):
        yield Fault(f"an answer with {name}", steps, TransportError, "request")


STREAMS = (
    *_at_boundaries(),
    *_inside_frames(),
    *_damaged(),
    *_bad_frames(),
    *_of_http(),
    *_errors(),
    *_without_answer(),
)
WITH_THE_HEAD = tuple(_with_the_head())
WHOLE_ANSWERS = (*_whole_answers(), *_errors(), *_without_answer())
