"""Frames that break the format or the order, and frames that say what went wrong."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

from bedrock_support.answers import METADATA, START, STOP, block_stop, event, exception, frame, text
from chatport import (
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitError,
    ServiceError,
)


def _with_lengths(total: int, headers: int, rest: bytes = b"x" * 64) -> bytes:
    """A frame that states these lengths, with a good checksum of them."""
    prelude = struct.pack("!II", total, headers)
    return prelude + struct.pack("!I", crc32(prelude)) + rest


def _sealed(block: bytes, payload: bytes = b"{}") -> bytes:
    """A frame with this block of headers, and good checksums."""
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    body = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return body + struct.pack("!I", crc32(body))


def _event(name: str, payload: bytes) -> bytes:
    return frame({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload)


def _delta(delta: Any, **members: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta, **members})


BAD_FRAMES = {
    "shorter than a frame can be": _with_lengths(15, 0),
    "of length 0": _with_lengths(0, 0),
    "with more headers than frame": _with_lengths(100, 200),
    "of 4 GiB": _with_lengths(2**32 - 1, 80),
    "with 1 GiB of headers": _with_lengths(2**30 + 100, 2**30),
    "just above the limit": _with_lengths(25 * 1024 * 1024, 80),
    "of zeros": bytes(200),
    "of ones": b"\xff" * 200,
    "of text": b"event: message_start\ndata: {}\n\n" * 4,
    "with a header cut short": _sealed(b"\x05:even"),
    "with a header without a name": _sealed(b"\x00\x07\x00\x01x"),
    "with a header twice": _sealed(b"\x01a\x00\x01a\x00"),
    "with a header of an unknown type": _sealed(b"\x01a\x63"),
    "with a header that is not UTF-8": _sealed(b"\x01a\x07\x00\x02\xff\xfe"),
    "without headers": _sealed(b""),
    "without a message type": frame({":event-type": "contentBlockDelta"}, b"{}"),
    "without an event type": frame({":message-type": "event"}, b"{}"),
    "with a payload that is no JSON": _event("contentBlockDelta", b"{"),
    "with a payload that is no object": _event("contentBlockDelta", b"[1]"),
    "with a payload that is not UTF-8": _event("contentBlockDelta", b'{"delta":"\xff"}'),
    "with no payload": _event("contentBlockDelta", b""),
    "nested too deeply": _event("contentBlockDelta", b"[" * 100_000),
    "without an index": event("contentBlockDelta", {"delta": {"text": "x"}}),
    "without a delta": event("contentBlockDelta", {"contentBlockIndex": 0}),
    "with text that is no string": _delta({"text": 7}),
    "with a tool's input for a text": _delta({"toolUse": {"input": "{"}}),
    "that begins the message again": START,
    "that ends the block, then adds to it": block_stop() + text("late"),
    "that begins a block twice": (
        event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "a", "name": "b"}}})
    ),
    "that ends the message, then adds to it": STOP + text("late"),
    "that ends the message twice": STOP + STOP,
    "with the metadata twice": METADATA + METADATA,
}

ERROR_FRAMES: dict[str, tuple[bytes, type[BackendError]]] = {
    "throttlingException": (exception("throttlingException"), RateLimitError),
    "serviceUnavailableException": (exception("serviceUnavailableException"), ServiceError),
    "internalServerException": (exception("internalServerException"), ServiceError),
    "modelStreamErrorException": (exception("modelStreamErrorException"), ServiceError),
    "modelTimeoutException": (exception("modelTimeoutException"), ServiceError),
    "validationException": (exception("validationException"), InvalidRequestError),
    "an input that is too long": (
        exception("validationException", "Input is too long for requested model."),
        ContextWindowError,
    ),
    "accessDeniedException": (exception("accessDeniedException"), PermissionDeniedError),
    "an exception that is not known": (exception("brandNewException"), ServiceError),
    "an exception that is no JSON": (
        frame({":exception-type": "internalServerException", ":message-type": "exception"}, b"oops"),
        ServiceError,
    ),
    "an error": (frame({":error-code": "Bad", ":error-message": "no", ":message-type": "error"}, b""), ServiceError),
    "an error without a code": (frame({":message-type": "error"}, b""), ServiceError),
}
