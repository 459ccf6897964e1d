"""What the server answers, as bytes that are ready to send. Pure; nothing of chatport takes part.

An order stands in the prompt, so that every library can give one: `bench:KIND:COUNT:BUNCH:RATE;`, where KIND is
`text`, `tool` or `reasoning`, COUNT the number of deltas, BUNCH the number of frames to a chunk, and RATE the deltas
per second (0: as fast as they go).
"""

import json
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\n"
    b"content-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK: Final = b"0\r\n\r\n"
ARGUMENT_BYTES: Final = 50  # of a tool's argument, in one delta
WORDS_OF_ANSWER: Final = 50  # in a unary answer

_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORDER: Final = re.compile(rb"bench:(\w+):(\d+):(\d+):(\d+);")
_ORDER_ENDS_BY: Final = 4096  # an image may follow; it is not searched


@dataclass(frozen=True, slots=True)
class Order:
    """What to stream.

    Attributes:
        kind: `"text"`, `"tool"` or `"reasoning"`.
        count: The number of deltas.
        bunch: Frames to an HTTP chunk and a write.
        rate: Deltas per second; 0 is as fast as they go.
    """

    kind: str = "text"
    count: int = 20
    bunch: int = 1
    rate: int = 0

    @property
    def prompt(self) -> str:
        """What a client says to get it."""
        return f"bench:{self.kind}:{self.count}:{self.bunch}:{self.rate};"


def read_order(body: bytes) -> Order:
    """Return the order in a request's body; the last one, since a client may send a history.

    Raises:
        ValueError: There is none.
    """
    # Clients put other members before or after the messages, but none of them is long.
    found = _ORDER.findall(body if len(body) < 1 << 20 else body[:_ORDER_ENDS_BY] + body[-_ORDER_ENDS_BY:])
    if not found:
        raise ValueError("no order in the request")
    kind, count, bunch, rate = found[-1]
    return Order(kind.decode(), int(count), int(bunch), int(rate))


def _header(name: str, value: str) -> bytes:
    return struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name.encode(), 7, len(value), value.encode())


@lru_cache
def _headers(kind: str) -> bytes:
    names = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    return b"".join(_header(name, value) for name, value in names)


def frame(kind: str, payload: bytes) -> bytes:
    """Return one event as the service frames it."""
    headers = _headers(kind)
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


def json_frame(kind: str, payload: dict[str, Any]) -> bytes:
    """Return one event whose payload is given as a value."""
    return frame(kind, json.dumps(payload, separators=(",", ":")).encode())


def chunk(frames: Sequence[bytes]) -> bytes:
    """Return frames as one HTTP chunk."""
    data = b"".join(frames)
    return b"%x\r\n%s\r\n" % (len(data), data)


def first_frames(kind: str) -> list[bytes]:
    """Return what comes before the first delta."""
    frames = [json_frame("messageStart", {"p": _PADDING, "role": "assistant"})]
    if kind == "tool":
        start = {"toolUse": {"toolUseId": "call_1", "name": "note"}}
        frames.append(json_frame("contentBlockStart", {"contentBlockIndex": 0, "p": _PADDING, "start": start}))
    return frames


def text_frame(text: str, number: int = 0) -> bytes:
    """Return a text delta, with padding of varying length as the service sends it."""
    padding = _PADDING[: number % len(_PADDING) + 1]
    payload = '{"contentBlockIndex":0,"delta":{"text":"%s"},"p":"%s"}'
    return frame("contentBlockDelta", (payload % (text, padding)).encode())


def delta_frame(order: Order, number: int) -> bytes:
    """Return one delta of an answer."""
    match order.kind:
        case "text":
            return text_frame(f" word{number % 10}", number)
        case "reasoning":
            delta: dict[str, Any] = {"reasoningContent": {"text": f" word{number % 10}"}}
        case "tool":
            opening = '{"text":"' if number == 0 else ""
            closing = '"}' if number == order.count - 1 else ""
            delta = {"toolUse": {"input": opening + "x" * ARGUMENT_BYTES + closing}}
        case _:
            raise ValueError(f"no answer of the kind {order.kind!r}")
    payload = {"contentBlockIndex": 0, "delta": delta, "p": _PADDING[: number % len(_PADDING) + 1]}
    return json_frame("contentBlockDelta", payload)


def last_frames(order: Order) -> list[bytes]:
    """Return what comes after the last delta."""
    usage = {"inputTokens": 9, "outputTokens": order.count, "totalTokens": order.count + 9}
    reason = "tool_use" if order.kind == "tool" else "end_turn"
    return [
        json_frame("contentBlockStop", {"contentBlockIndex": 0, "p": _PADDING}),
        json_frame("messageStop", {"p": _PADDING, "stopReason": reason}),
        json_frame("metadata", {"metrics": {"latencyMs": 5}, "p": _PADDING, "usage": usage}),
    ]


@lru_cache
def frames_of(order: Order) -> tuple[bytes, ...]:
    """Return all frames of an answer that is not paced."""
    deltas = [delta_frame(order, number) for number in range(order.count)]
    return (*first_frames(order.kind), *deltas, *last_frames(order))


@lru_cache
def chunks_of(order: Order) -> tuple[bytes, ...]:
    """Return an answer that is not paced as HTTP chunks, the last one included."""
    frames = frames_of(order)
    groups = (frames[start : start + order.bunch] for start in range(0, len(frames), order.bunch))
    return (*(chunk(group) for group in groups), LAST_CHUNK)


@lru_cache
def unary_answer() -> bytes:
    """Return a whole HTTP response to `Converse`."""
    text = " ".join(f"word{number}" for number in range(WORDS_OF_ANSWER))
    answer = {
        "metrics": {"latencyMs": 5},
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 9, "outputTokens": WORDS_OF_ANSWER, "totalTokens": WORDS_OF_ANSWER + 9},
    }
    body = json.dumps(answer).encode()
    head = b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body
