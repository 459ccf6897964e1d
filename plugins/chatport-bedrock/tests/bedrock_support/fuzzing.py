"""Damaged answers by the million: our own frames and the vectors, mutated, through reader, decoder and fold.

An input may end in a message or in an error of ours. It must not end in another exception, take long, or leave more
behind than came in. All inputs are made from one seed: the same seed gives the same inputs.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

from bedrock_support.answers import METADATA, START, STOP, block_stop, converse, event, exception, frame, text
from chatport.backend import BackendError, BackendEvent, Fold
from chatport_bedrock._decode import StreamDecoder, decode_response
from chatport_bedrock._errors import error_from_frame_error
from chatport_bedrock._frames import FrameError, FrameReader

_VECTORS = Path(__file__).resolve().parents[5] / "shared" / "eventstream-vectors"
_MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"

# An input has some KiB and is read in well under a millisecond; the rest is for a busy machine (seconds).
_TOO_LONG = 5.0
# What an answer may become for each of its bytes. `\ud800` escapes and base64 shrink, metadata is kept as it is.
_GROWTH = 20
_ALLOWANCE = 2_000

_Frames: TypeAlias = list[bytes]


class FuzzError(AssertionError):
    """An input did what none may do."""


# --- what is mutated -------------------------------------------------------------------------------------------------


def _start(index: int, value: dict[str, Any]) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": value})


def _delta(index: int, value: dict[str, Any]) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": value})


_TOOL = {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather"}}
_CITATION = {"citation": {"title": "A", "source": "s", "location": {"documentChar": {"documentIndex": 0, "start": 1}}}}
_OWN: list[_Frames] = [
    [START, text("Hel"), text("lo"), block_stop(), STOP, METADATA],
    [START, _delta(0, {"reasoningContent": {"text": "hm"}}), _delta(0, {"reasoningContent": {"signature": "c2ln"}}),
     block_stop(), _start(1, _TOOL), _delta(1, {"toolUse": {"input": '{"city": '}}),
     _delta(1, {"toolUse": {"input": '"Oslo"}'}}), block_stop(1), STOP, METADATA],
    [START, _delta(0, {"reasoningContent": {"redactedContent": "AAEC"}}), text("a", index=1), _delta(1, _CITATION),
     text("\ud83d", index=1), text("\ude00", index=1), block_stop(1), METADATA, STOP],
    [START, _start(0, {"image": {"format": "png"}}), _delta(0, {"image": {"source": {"bytes": "iVBORw0KGgo="}}}),
     block_stop(), _start(1, {"toolResult": {"toolUseId": "t", "status": "success"}}),
     _delta(1, {"toolResult": [{"text": "x"}]}), block_stop(1), _delta(2, {"hologram": {"x": 1}}), STOP],
    [START, text("x"), exception("throttlingException", originalStatusCode=500)],
    [START, frame({":error-code": "Bad", ":error-message": "no", ":message-type": "error"}, b"")],
]  # fmt: skip


def _vectors() -> list[bytes]:
    """The vectors beside the repository, where they are."""
    file = _VECTORS / "bedrock-derived" / "vectors.json"
    if not file.is_file():
        return []
    named = [base64.b64decode(one["bytes"]) for one in json.loads(file.read_text(encoding="utf-8"))["vectors"]]
    # A whole recorded stream has hundreds of frames: its beginning is read more often in the same time.
    files = [*_VECTORS.glob("aws-eventstream/encoded/*/*"), *_VECTORS.glob("smithy-rs/*")]
    return [data[:4096] for data in [*named, *(path.read_bytes() for path in files if path.is_file())]]


_VALUES: list[bytes] = [
    b"null", b"true", b"0", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b'"\\ud800"', b'"\xff"', b"9" * 400,
    b"[" * 200, b'{"a":' * 200, b'{"text":1}', b'{"a":1,"a":2}', b'"toolUse"', b'"end_turn"', b"1.5", b"2147483648",
]  # fmt: skip
_SIZES = [0, 1, 11, 12, 15, 16, 17, 255, 2**16, 2**17, 2**24, 24 * 2**20 + 17, 2**31 - 1, 2**31, 2**32 - 1]


def _bytes(dice: random.Random, data: bytes) -> bytes:  # noqa: PLR0911 - one return for each kind of damage
    """A little damage to bytes."""
    place = dice.randrange(len(data) + 1)
    end = min(len(data), place + dice.choice((1, 1, 2, 4, 30)))
    match dice.randrange(7):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + data[end:]
        case 2:
            return data[:place] + data[place:end] * 2 + data[end:]
        case 3:
            return data[:place] + dice.randbytes(end - place) + data[end:]
        case 4:
            return data[:place] + dice.randbytes(dice.choice((1, 4, 40))) + data[place:]
        case 5:
            return data[:place] + dice.choice(_VALUES) + data[end:]
        case _:
            return data[:place] + bytes(byte ^ (1 << dice.randrange(8)) for byte in data[place:end]) + data[end:]


def _json(dice: random.Random, payload: bytes) -> bytes:
    """Another value in place of one in JSON: between a colon and what follows."""
    colons = [place for place, byte in enumerate(payload) if byte == ord(":")]
    if not colons:
        return _bytes(dice, payload)
    place = dice.choice(colons) + 1
    end = min((found for mark in b",}" if (found := payload.find(bytes((mark,)), place)) > 0), default=len(payload))
    return payload[:place] + dice.choice(_VALUES) + payload[end:]


def _sealed(dice: random.Random, data: bytes) -> bytes:
    """A frame with damage inside and good checksums, so that it reaches the decoder."""
    headers_length = struct.unpack_from("!I", data, 4)[0]
    block, payload = data[12 : 12 + headers_length], data[12 + headers_length : -4]
    match dice.randrange(6):
        case 0:
            block = _bytes(dice, block)
        case 1:
            payload = _bytes(dice, payload)
        case _:
            payload = _json(dice, payload)
    lengths = (16 + len(block) + len(payload), len(block))
    if not dice.randrange(20):
        lengths = (dice.choice(_SIZES), dice.choice((*_SIZES, len(block))))
    prelude = struct.pack("!II", *lengths)
    body = prelude + struct.pack("!I", crc32(prelude)) + block + payload
    return body + struct.pack("!I", crc32(body))


def _stream(dice: random.Random) -> bytes:
    """One of our own streams, its frames in another order or damaged."""
    frames = list(dice.choice(_OWN))
    for _ in range(dice.choice((1, 1, 2, 4))):
        place = dice.randrange(len(frames))
        match dice.randrange(6):
            case 0:
                frames.insert(place, dice.choice(dice.choice(_OWN)))
            case 1:
                frames[place] = dice.choice(dice.choice(_OWN))
            case 2 if len(frames) > 1:
                del frames[place]
            case _:
                frames[place] = _sealed(dice, frames[place]) if len(frames[place]) >= 16 else frames[place]
    return b"".join(frames)


def inputs(seed: int) -> Iterator[tuple[Callable[[bytes, int], None], bytes, int]]:
    """Yield what to call, the input, and in pieces of which size it comes; without end."""
    dice = random.Random(seed)  # noqa: S311 - damage is no secret
    raw = [*_vectors(), *(b"".join(frames) for frames in _OWN)]
    body = converse(trace={"a": [1, {"b": None}]})
    while True:
        size = dice.choice((1, 7, 50, 300, 1 << 20, 1 << 20, 1 << 20))
        chance = dice.random()
        if chance < 0.65:
            yield read_stream, _stream(dice), size
        elif chance < 0.9:
            yield read_stream, _bytes(dice, dice.choice(raw)), size
        else:
            yield read_whole, (_json if dice.randrange(2) else _bytes)(dice, body), size


# --- what is tested --------------------------------------------------------------------------------------------------


def read_stream(data: bytes, size: int) -> None:
    """Read bytes as a stream in pieces of a size, as the backend does.

    Raises:
        FuzzError: More is kept than came.
    """
    reader, decoder, fold = FrameReader(), StreamDecoder(model=_MODEL, request_id=None), Fold()
    try:
        for position in range(0, len(data), size):
            frames, damage = reader.read(data[position : position + size])
            events: list[BackendEvent] = []
            try:
                decoder.feed_all(frames, events)
            finally:
                for found in events:
                    if not fold.feed_delta(found):
                        fold.feed(found)
            if damage is not None:
                raise damage
        reader.finish()
        for found in decoder.finish():
            fold.feed(found)
    except FrameError as error:
        str(error_from_frame_error(error, model=_MODEL, request_id=None))
    except BackendError as error:
        str(error)
    if reader.pending_bytes > len(data):
        message = f"{reader.pending_bytes} bytes are held of {len(data)}"
        raise FuzzError(message)
    _check_size(fold, len(data))


def read_sealed(data: bytes, size: int) -> None:
    """Read bytes as payloads, one a line, of frames that are in order: for a fuzzer that knows no checksums.

    Raises:
        FuzzError: More is kept than came.
    """
    names = ("contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStop", "metadata", "messageStart")
    lines = [line for line in data.split(b"\n") if line]
    sealed = [frame({":event-type": names[line[0] % len(names)], ":message-type": "event"}, line[1:]) for line in lines]
    read_stream(START + b"".join(sealed), size)


def read_whole(data: bytes, _: int) -> None:
    """Read bytes as an answer of Converse, which comes in one piece.

    Raises:
        FuzzError: More is kept than came.
    """
    fold = Fold()
    try:
        for found in decode_response(data, model=_MODEL, request_id=None):
            fold.feed(found)
    except BackendError as error:
        str(error)
    _check_size(fold, len(data))


def _check_size(fold: Fold, came: int) -> None:
    kept = len(repr(fold.snapshot())) + len(repr(fold.end))
    if kept > _GROWTH * came + _ALLOWANCE:
        message = f"{came} bytes became {kept} characters"
        raise FuzzError(message)


def run(seed: int, *, count: int | None = None, seconds: float | None = None) -> int:
    """Try inputs until so many were tried, or until the time is over; return how many were.

    Raises:
        FuzzError: One of them did what none may do; the message has the input.
    """
    begun = last = time.monotonic()
    number = 0
    for number, (read, data, size) in enumerate(inputs(seed), start=1):
        try:
            read(data, size)
        except Exception as error:
            message = f"input {number} of seed {seed}, {read.__name__} in pieces of {size}: {base64.b64encode(data)!r}"
            raise FuzzError(message) from error
        now = time.monotonic()
        if now - last > _TOO_LONG:
            message = f"input {number} of seed {seed} took {now - last:.1f} s: {base64.b64encode(data)!r}"
            raise FuzzError(message)
        last = now
        if number == count or (seconds is not None and now - begun >= seconds):
            break
    return number
