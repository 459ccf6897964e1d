"""Frames of a stream decoded and folded, for the tests of the decoder."""

from typing import Any

from bedrock_support.stream_frames import BEGIN, END
from chatport.backend import BackendEvent, Fold, Message, MessageEnd
from chatport_bedrock._decode import StreamDecoder
from chatport_bedrock._frames import Frame

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MARK = {"bedrock": {"family": "anthropic"}}


def decoder() -> StreamDecoder:
    """A fresh decoder."""
    return StreamDecoder(model=MODEL, request_id="id-1")


def decode(*frames: Frame) -> list[BackendEvent]:
    """The events of whole frames, those of the end included."""
    reader = decoder()
    events = [event for one in frames for event in reader.feed(one)]
    return [*events, *reader.finish()]


def blocks(*frames: Frame) -> tuple[Message, MessageEnd]:
    """The message of a stream with these frames of blocks, and its end."""
    fold = Fold(backend="bedrock")
    for event in decode(BEGIN, *frames, *END):
        fold.feed(event)
    assert fold.end is not None
    return fold.message(), fold.end


def unknown(end: MessageEnd) -> Any:
    """What the decoder did not know."""
    return end.metadata["bedrock"].get("unknown")
