"""What Bedrock answers, as bytes: written here a second time, so that reader and writer cannot share a mistake."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from bedrock_support.http_bytes import LAST_CHUNK, chunk, head, whole

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
REQUEST_ID = "00000000-0000-0000-0000-0000000000ab"
STREAM_HEADERS = {
    "Content-Type": "application/vnd.amazon.eventstream",
    "Transfer-Encoding": "chunked",
    "x-amzn-RequestId": REQUEST_ID,
}
STREAM_HEAD = head("200 OK", STREAM_HEADERS)
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


def frame(headers: dict[str, str], payload: bytes, *, checksum: int | None = None) -> bytes:
    """Return one frame; with a checksum of the test's own where the right one is not wanted."""
    block = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    body = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return body + struct.pack("!I", crc32(body) if checksum is None else checksum)


def event(name: str, payload: dict[str, Any], *, checksum: int | None = None) -> bytes:
    """Return an event's frame."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps({**payload, "p": "abcdefg"}).encode(), checksum=checksum)


def exception(name: str, message: str = "something went wrong", **members: Any) -> bytes:
    """Return an exception's frame."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message, **members}).encode())


START = event("messageStart", {"role": "assistant"})
STOP = event("messageStop", {"stopReason": "end_turn"})
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 12}})


def text(words: str, *, index: int = 0, checksum: int | None = None) -> bytes:
    """Return the frame of a piece of text."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": words}}, checksum=checksum)


def block_stop(index: int = 0) -> bytes:
    """Return the frame that ends a block."""
    return event("contentBlockStop", {"contentBlockIndex": index})


def frames(*words: str) -> list[bytes]:
    """Return a complete answer of text, frame by frame."""
    return [START, *map(text, words), block_stop(), STOP, METADATA]


def stream(*words: str) -> bytes:
    """Return a complete streamed answer, one chunk for each frame."""
    return STREAM_HEAD + b"".join(map(chunk, frames(*words))) + LAST_CHUNK


def chunked(parts: Iterable[bytes]) -> bytes:
    """Return parts as chunks, one each, without the last chunk."""
    return b"".join(map(chunk, parts))


def converse(words: str = "Hello!", **members: Any) -> bytes:
    """Return the body of an answer of Converse."""
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": words}]}},
        "stopReason": "end_turn",
        "usage": USAGE,
        "metrics": {"latencyMs": 12},
        **members,
    }
    return json.dumps(answer).encode()


def unary(words: str = "Hello!", **members: Any) -> bytes:
    """Return a complete answer of Converse."""
    headers = {"Content-Type": "application/json", "x-amzn-RequestId": REQUEST_ID}
    return whole(converse(words, **members), headers=headers)


def refusal(status: str, code: str | None, body: bytes | None = None, **headers: str) -> bytes:
    """Return an answer with an error."""
    given = {"Content-Type": "application/json", "x-amzn-RequestId": REQUEST_ID}
    if code is not None:
        given["x-amzn-ErrorType"] = f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    given.update({name.replace("_", "-"): value for name, value in headers.items()})
    return whole(b'{"message":"no"}' if body is None else body, status=status, headers=given)
