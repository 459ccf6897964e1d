"""What the server answers on the wires of two vendors, as bytes that are ready to send. Pure.

The events have the members that the services send, so that each client has to read what it would read there.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from benchmarks.answers import LAST_CHUNK, Order, chunk

EVENT_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nx-request-id: req_1\r\nrequest-id: req_1\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)

_OPENAI_MEMBERS: Final = {
    "id": "chatcmpl-CQxyzAbCdEfGhIjKlMnOpQrStUvWx",
    "object": "chat.completion.chunk",
    "created": 1760000000,
    "model": "gpt-4.1-mini-2025-04-14",
    "service_tier": "default",
    "system_fingerprint": "fp_0123456789",
}
_USAGE: Final = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def is_vendor_path(path: bytes) -> bool:
    """Whether a request goes to one of the two wires."""
    return path.endswith((b"/chat/completions", b"/v1/messages"))


def text_event(path: bytes, text: str) -> bytes:
    """Return one delta of text."""
    if path.endswith(b"/v1/messages"):
        delta = {"type": "text_delta", "text": text}
        return _anthropic_event({"type": "content_block_delta", "index": 0, "delta": delta})
    return _openai_event({"content": text})


def first_events(path: bytes) -> list[bytes]:
    """Return what comes before the first delta."""
    if not path.endswith(b"/v1/messages"):
        return [_openai_event({"role": "assistant", "content": "", "refusal": None})]
    message: dict[str, Any] = {
        "id": "msg_01AbCdEfGhIjKlMnOpQrStUv",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1},
    }
    return [
        _anthropic_event({"type": "message_start", "message": message}),
        _anthropic_event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        _anthropic_event({"type": "ping"}),
    ]


def last_events(path: bytes) -> list[bytes]:
    """Return what comes after the last delta."""
    if not path.endswith(b"/v1/messages"):
        usage = {**_OPENAI_MEMBERS, "choices": [], "usage": _USAGE}
        return [_openai_event({}, finish_reason="stop"), b"data: " + _dumped(usage) + b"\n\n", b"data: [DONE]\n\n"]
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        _anthropic_event({"type": "content_block_stop", "index": 0}),
        _anthropic_event({"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}}),
        _anthropic_event({"type": "message_stop"}),
    ]


@lru_cache
def vendor_chunks(path: bytes, order: Order) -> tuple[bytes, ...]:
    """Return an answer that is not paced as HTTP chunks, the last one included."""
    deltas = [text_event(path, f" word{number % 10}") for number in range(order.count)]
    events = [*first_events(path), *deltas, *last_events(path)]
    return (*(chunk(events[start : start + order.bunch]) for start in range(0, len(events), order.bunch)), LAST_CHUNK)


def _openai_event(delta: dict[str, Any], *, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    members = {**_OPENAI_MEMBERS, "choices": [choice], "usage": None, "obfuscation": "Hf3kQ9"}
    return b"data: " + _dumped(members) + b"\n\n"


def _anthropic_event(members: dict[str, Any]) -> bytes:
    return f"event: {members['type']}\ndata: ".encode() + _dumped(members) + b"\n\n"


def _dumped(members: Iterable[Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()
