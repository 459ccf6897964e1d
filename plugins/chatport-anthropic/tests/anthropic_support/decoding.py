"""Answers as tests write them, and what decoding makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from chatport.backend import BackendEvent, Fold, Message, MessageEnd, MessageStart
from chatport.backend.http import EventReader, ServerSentEvent
from chatport_anthropic._decode import StreamDecoder, decode_response

MODEL = "claude-sonnet-4-5"


def sent(value: dict[str, Any]) -> ServerSentEvent:
    """An event as the service sends it."""
    return ServerSentEvent(value["type"], json.dumps(value))


def stream_events(
    *blocks: tuple[dict[str, Any], Iterable[dict[str, Any]]],
    stop_reason: str = "end_turn",
    usage: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The events of a whole stream: each block as its start and its deltas."""
    start: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 3, "output_tokens": 1}}}
    ]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        events.append({"type": "content_block_stop", "index": index})
    said = {"output_tokens": 7} if usage is None else usage
    events.append(
        {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": said}
    )
    events.append({"type": "message_stop"})
    return events


def body_of(events: Iterable[dict[str, Any]]) -> bytes:
    """The bytes of a stream."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def decoded(events: Iterable[dict[str, Any] | ServerSentEvent], *, model: str = MODEL) -> list[BackendEvent]:
    """What a stream is decoded to."""
    decoder = StreamDecoder(model=model, request_id="req_1")
    found = [
        event for each in events for event in decoder.feed(each if isinstance(each, ServerSentEvent) else sent(each))
    ]
    return [*found, *decoder.finish()]


def decoded_bytes(pieces: Iterable[bytes], *, model: str = MODEL) -> list[BackendEvent]:
    """What a stream in pieces is decoded to."""
    reader = EventReader()
    received = [event for piece in pieces for event in reader.feed(piece)]
    return decoded([*received, *reader.finish()], model=model)


def decoded_whole(content: list[Any], *, model: str = MODEL, **members: Any) -> list[BackendEvent]:
    """What a whole answer with this content is decoded to."""
    usage = {"input_tokens": 3, "output_tokens": 7}
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": content}
    whole = {**body, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage, **members}
    return list(decode_response(json.dumps(whole).encode(), model=model, request_id="req_1"))


def folded(events: Iterable[BackendEvent]) -> tuple[MessageStart, Message, MessageEnd]:
    """Events as a message between its start and its end."""
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.complete()
