"""Damaged, cut and extended streams, derived from a real one: each ends as it should, with what came before."""

import base64
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from botocore.eventstream import EventStreamBuffer

from chatport.backend import (
    BackendError,
    Fold,
    InvalidRequestError,
    ProtocolError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
)
from chatport_bedrock._decode import StreamDecoder
from chatport_bedrock._errors import error_from_frame_error
from chatport_bedrock._frames import FrameError, FrameReader

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "eventstream-vectors" / "bedrock-derived" / "vectors.json"

# How the stream of each vector ends, and how much of the real stream's content came before: it thinks, then it speaks.
Content = Literal["nothing", "thoughts", "all"]
OUTCOMES: dict[str, tuple[type[BackendError] | None, Content]] = {
    "whole-stream": (None, "all"),
    "single-frame": (StreamInterruptedError, "nothing"),
    "two-frames-one-read": (StreamInterruptedError, "nothing"),
    "prelude-crc-bit": (ProtocolError, "nothing"),
    "message-crc-bit": (ProtocolError, "nothing"),
    "payload-bit": (ProtocolError, "nothing"),
    "header-bit": (ProtocolError, "nothing"),
    "total-length-plus-1": (ProtocolError, "nothing"),
    "headers-length-changed": (ProtocolError, "nothing"),
    "truncated-in-prelude": (StreamInterruptedError, "nothing"),
    "truncated-in-headers": (StreamInterruptedError, "nothing"),
    "truncated-in-payload": (StreamInterruptedError, "nothing"),
    "truncated-last-crc-byte": (StreamInterruptedError, "nothing"),
    "second-frame-corrupt": (ProtocolError, "nothing"),
    "second-frame-truncated": (StreamInterruptedError, "nothing"),
    "stream-cut-before-messageStop": (StreamInterruptedError, "all"),
    "stream-cut-before-metadata": (None, "all"),
    "zero-bytes": (StreamInterruptedError, "nothing"),
    "exception-first": (InvalidRequestError, "nothing"),
    "exception-mid-stream": (InvalidRequestError, "thoughts"),
    "throttling-mid-stream": (RateLimitError, "thoughts"),
    "internalServer-mid-stream": (ServiceError, "thoughts"),
    "modelStreamError-mid-stream": (ServiceError, "thoughts"),
    "serviceUnavailable-mid-stream": (ServiceError, "thoughts"),
    "unmodelled-error-frame": (ServiceError, "thoughts"),
    "unknown-event-type": (None, "all"),
    "unknown-delta-member": (None, "all"),
    "payload-not-json": (ProtocolError, "nothing"),
    "empty-payload": (ProtocolError, "nothing"),
}
STATUSES = {
    "exception-first": 400,
    "exception-mid-stream": 400,
    "throttling-mid-stream": 429,
    "internalServer-mid-stream": 500,
    "modelStreamError-mid-stream": 424,
    "serviceUnavailable-mid-stream": 503,
    "unmodelled-error-frame": 500,
}


def vectors() -> dict[str, bytes]:
    """The vectors by name."""
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return {vector["name"]: base64.b64decode(vector["bytes"]) for vector in found}


def thoughts_and_words(data: bytes) -> tuple[str, str]:
    """The content of the real stream, read by botocore's buffer and a plain pass over the JSON."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    deltas = [json.loads(event.payload).get("delta", {}) for event in buffer]
    thoughts = "".join(delta.get("reasoningContent", {}).get("text", "") for delta in deltas)
    return thoughts, "".join(delta.get("text", "") for delta in deltas)


def run(data: bytes, *, size: int) -> tuple[Fold, BackendError | None]:
    """What is folded of a stream that arrives in pieces of a size, and the error that ends it."""
    reader, decoder, fold = FrameReader(), StreamDecoder(model="openai.x", request_id="id-1"), Fold()
    try:
        for position in range(0, len(data), size):
            for frame in reader.feed(data[position : position + size]):
                for event in decoder.feed(frame):
                    fold.feed(event)
        reader.finish()
        for event in decoder.finish():
            fold.feed(event)
    except FrameError as error:
        return fold, error_from_frame_error(error, model="openai.x", request_id="id-1")
    except BackendError as error:
        return fold, error
    return fold, None


@pytest.mark.skipif(not VECTORS.is_file(), reason="the vectors are not beside the repository")
@pytest.mark.parametrize("size", [1, 50, 1_000_000])
def test_every_derived_vector(size: int) -> None:
    """The class of the error, its facts, and the content that was delivered before it; however the bytes are cut."""
    found = vectors()
    assert found.keys() == OUTCOMES.keys()
    thoughts, words = thoughts_and_words(found["whole-stream"])
    assert thoughts
    assert words
    expected: dict[str, tuple[str, str]] = {"nothing": ("", ""), "thoughts": (thoughts, ""), "all": (thoughts, words)}
    for name, (kind, content) in OUTCOMES.items():
        fold, error = run(found[name], size=size)
        message = fold.snapshot()
        assert (message.reasoning, message.text) == expected[content], name
        assert (None if error is None else type(error)) is kind, name
        if error is not None:
            facts = (error.backend, error.model, error.request_id, error.phase, error.status)
            assert facts == ("bedrock", "openai.x", "id-1", "stream", STATUSES.get(name, 200)), name


@pytest.mark.skipif(not VECTORS.is_file(), reason="the vectors are not beside the repository")
@pytest.mark.parametrize(
    ("name", "complete", "unknown"),
    [
        ("whole-stream", True, None),
        ("stream-cut-before-metadata", False, None),
        ("unknown-event-type", True, {"event": "somethingNew", "payload": {"x": 1}}),
        (
            "unknown-delta-member",
            True,
            {"event": "contentBlockDelta", "payload": {"contentBlockIndex": 0, "delta": {"hologram": {"x": 1}}}},
        ),
    ],
)
def test_the_ends_of_whole_answers(name: str, complete: bool, unknown: Any) -> None:
    """Usage is complete where metadata came, and what a later service added is kept."""
    fold, _ = run(vectors()[name], size=50)
    assert fold.end is not None
    assert fold.end.stop_reason == "stop"
    assert fold.end.usage.complete is complete
    assert fold.end.metadata.get("bedrock", {}).get("unknown") == (None if unknown is None else [unknown])
