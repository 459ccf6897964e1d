"""Frames of ConverseStream as the service sends them, for tests of what reads them."""

import json
from typing import Any

from chatport_bedrock._frames import Frame


def event_headers(event: str) -> dict[str, Any]:
    """The headers of an event, in the service's order."""
    return {":event-type": event, ":content-type": "application/json", ":message-type": "event"}


def frame(event: str, payload: dict[str, Any] | bytes | None = None, **members: Any) -> Frame:
    """An event; its padding included, unless the payload is given as bytes."""
    if not isinstance(payload, bytes):
        payload = json.dumps({"p": "abcdefgh", **(payload or {}), **members}).encode()
    return Frame(event_headers(event), payload)


def start(index: int, **block: Any) -> Frame:
    """A `contentBlockStart`."""
    return frame("contentBlockStart", contentBlockIndex=index, start=block)


def delta(index: int, **piece: Any) -> Frame:
    """A `contentBlockDelta`."""
    return frame("contentBlockDelta", contentBlockIndex=index, delta=piece)


def stop(index: int) -> Frame:
    """A `contentBlockStop`."""
    return frame("contentBlockStop", contentBlockIndex=index)


USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}
BEGIN = frame("messageStart", role="assistant")
END = (frame("messageStop", stopReason="end_turn"), frame("metadata", usage=USAGE, metrics={"latencyMs": 250}))
