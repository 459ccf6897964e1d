"""Streams and answers as a server might send them, made by hand, and what they fold to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from chatport.backend import BackendEvent, Fold, Message, MessageEnd, MessageStart
from chatport.backend.http import EventReader
from chatport_openai._decode import Asked, StreamDecoder, decode_response

DONE = b"data: [DONE]\n\n"


def asked(**members: Any) -> Asked:
    """What was asked, of a server of no particular kind."""
    given: dict[str, Any] = {"model": "a-model", "server": "a-server", "family": "a-family", **members}
    return Asked(**given)


def chunk(delta: Any = None, /, *, finish: str | None = None, **members: Any) -> dict[str, Any]:
    """Return a chunk with one choice."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "a-model-1", "choices": [choice], **members}


def sse(*chunks: Any, done: bool = True) -> bytes:
    """Return a stream of these chunks; bytes stand for themselves."""
    lines = [each if isinstance(each, bytes) else f"data: {json.dumps(each)}\n\n".encode() for each in chunks]
    return b"".join(lines) + (DONE if done else b"")


def events_of(body: bytes, sizes: Iterable[int] = (), **members: Any) -> list[BackendEvent]:
    """Decode a stream that comes in pieces of these sizes, and then whatever is left of it."""
    reader, decoder = EventReader(), StreamDecoder(asked(**members))
    events: list[BackendEvent] = []
    at = 0
    for size in (*sizes, len(body)):
        decoder.feed_all(reader.feed(body[at : at + size]), events)
        at += size
    decoder.feed_all(reader.finish(), events)
    decoder.finish(events)
    return events


def folded(events: Iterable[BackendEvent]) -> tuple[MessageStart, Message, MessageEnd]:
    """Fold events to start, message and end."""
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.complete()


def streamed(*chunks: Any, done: bool = True, **members: Any) -> tuple[MessageStart, Message, MessageEnd]:
    """Decode and fold a stream of these chunks."""
    return folded(events_of(sse(*chunks, done=done), **members))


def whole(
    message: dict[str, Any], *, finish: str | None = "stop", **members: Any
) -> tuple[MessageStart, Message, MessageEnd]:
    """Decode and fold an answer in one piece, of this message."""
    answer = {"id": "c1", "model": "a-model-1", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    return folded(decode_response({**answer, **members}, asked()))


def call(call_id: str | None, name: str | None, arguments: str | None, **members: Any) -> dict[str, Any]:
    """Return an entry of `tool_calls`; None leaves a member out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**({} if call_id is None else {"id": call_id}), "function": function, **members}
