"""Frames against the vectors of others: each gives the documented outcome, however it is cut.

The vectors lie beside the repository, not in it; where they are absent, the tests are skipped.
"""

import base64
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError

from chatport_bedrock._frames import (
    ChecksumError,
    Frame,
    FrameError,
    FrameLengthError,
    FrameReader,
    HeaderError,
    HeaderValue,
    IncompleteFrameError,
    Int8,
    Int16,
    Int64,
    encode_frame,
)

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "eventstream-vectors"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ErrorClass = type[FrameError] | None
Parts = list[tuple[dict[str, Any], bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A stream and what its source says comes out of it."""

    name: str
    data: bytes
    error: ErrorClass = None
    checksum: str | None = None
    parts: Parts | None = None
    """The frames before the error; None where the source gives only their number."""
    typed: bool = True
    """The source says which type each value has; else values are compared as botocore gives them."""
    count: int = 0


# What differs on purpose from the outcome that the source documents.
DIFFERS_FROM_SOURCE: dict[str, tuple[type[FrameError], str]] = dict.fromkeys(
    [
        "smithy-rs/invalid_header_name_length",
        "smithy-rs/invalid_header_name_length_too_long",
        "smithy-rs/invalid_header_string_length_cut_off",
        "smithy-rs/invalid_header_string_value_length",
        "smithy-rs/invalid_header_value_type",
    ],
    (ChecksumError, "its message checksum is wrong too, and nothing is read out of a frame before that is right"),
)
# What differs on purpose from what botocore does.
_CUT = (IncompleteFrameError, "botocore ends in silence, and a cut stream passes for a short answer")
_LENGTHS = (FrameLengthError, "botocore takes lengths that contradict each other, and finds the checksum wrong later")
DIFFERS_FROM_BOTOCORE: dict[str, tuple[type[FrameError], str]] = {
    "smithy-python/TRUNCATED_PRELUDE": _CUT,
    "smithy-python/MISSING_PRELUDE_CRC_BYTES": _CUT,
    "smithy-python/MISSING_MESSAGE_CRC_BYTES": _CUT,
    "bedrock-derived/truncated-in-prelude": _CUT,
    "bedrock-derived/truncated-in-headers": _CUT,
    "bedrock-derived/truncated-in-payload": _CUT,
    "bedrock-derived/truncated-last-crc-byte": _CUT,
    "bedrock-derived/second-frame-truncated": _CUT,
    "smithy-rs/invalid_headers_length": _LENGTHS,
    "aws-c-event-stream/test_streaming_decoder_incoming_illegal_header_length_relationship_fails_fn": _LENGTHS,
}
OUR_NAME: dict[str, type[FrameError]] = {
    "ChecksumMismatch": ChecksumError,
    "DuplicateHeader": HeaderError,
    "InvalidEventBytes": IncompleteFrameError,
    "InvalidHeadersLength": FrameLengthError,
    "InvalidPayloadLength": FrameLengthError,
}


# --- reading the folders ---------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:  # noqa: PLR0911 - one return per literal
    """A value as the vectors' JSON spells it: literals of the original source."""
    match value:
        case {"$hex": text}:
            return bytes.fromhex(text)
        case {"$call": "Byte", "args": [number]}:
            return Int8(number)
        case {"$call": "Short", "args": [number]}:
            return Int16(number)
        case {"$call": "Long", "args": [number]}:
            return Int64(number)
        case {"$call": "datetime.datetime", "args": args}:
            return datetime(*args).replace(tzinfo=UTC)  # noqa: DTZ001 - it gets its zone at once
        case {"$call": "uuid.UUID", "bytes": raw}:
            return UUID(bytes=plain(raw))
        case {"$call": _} | {"$name": _}:
            raise AssertionError(f"unknown literal: {value}")
        case _:
            return value


def aws_eventstream() -> Iterator[Vector]:
    """A file with the frame, and one with its decoding or the text of the error."""
    kinds: dict[int, Callable[[Any], HeaderValue]] = {
        0: bool, 1: bool, 2: Int8, 3: Int16, 4: int, 5: Int64,
        6: base64.b64decode,
        7: lambda text: base64.b64decode(text).decode(),
        8: lambda number: EPOCH + timedelta(milliseconds=number),
        9: lambda text: UUID(bytes=base64.b64decode(text)),
    }  # fmt: skip
    for path in sorted((FOLDER / "aws-eventstream" / "encoded").glob("*/*")):
        decoded = FOLDER / "aws-eventstream" / "decoded" / path.parent.name / path.name
        name, data, text = f"aws-eventstream/{path.name}", path.read_bytes(), decoded.read_text()
        if path.parent.name == "negative":
            which, _, rest = text.strip().partition(" ")
            assert rest == "checksum mismatch"
            yield Vector(name=name, data=data, error=ChecksumError, checksum=which.lower())
        else:
            value = json.loads(text)
            headers = {header["name"]: kinds[header["type"]](header["value"]) for header in value["headers"]}
            yield Vector(name=name, data=data, parts=[(headers, base64.b64decode(value["payload"]))], count=1)


def smithy_rs() -> Iterator[Vector]:
    """A file with the frame; its name says what is wrong with it."""
    errors: dict[str, tuple[type[FrameError], str | None]] = {
        "invalid_prelude_checksum": (ChecksumError, "prelude"),
        "invalid_message_checksum": (ChecksumError, "message"),
        "invalid_headers_length": (FrameLengthError, None),
    }
    for path in sorted((FOLDER / "smithy-rs").iterdir()):
        name, data = f"smithy-rs/{path.name}", path.read_bytes()
        if path.name.startswith("valid_"):
            yield Vector(name=name, data=data, count=1)
        else:
            error, checksum = errors.get(path.name, (HeaderError, None))
            yield Vector(name=name, data=data, error=error, checksum=checksum)


def python_tests(folder: str, file: str) -> Iterator[Vector]:
    """The vectors of botocore and smithy-python, which have one form."""
    for entry in json.loads((FOLDER / folder / file).read_text())["vectors"]:
        expected = entry["expected"]
        if "encoded_note" in entry:
            data = from_note(entry["encoded_note"])
        else:
            encoded = entry["encoded"]
            data = bytes.fromhex(encoded["$hex"] if isinstance(encoded, dict) else encoded)
        error = OUR_NAME[expected["$name"]] if expected and "$name" in expected else None
        parts: Parts = []
        if error is None and expected is not None:
            message = expected.get("message", expected)
            headers = {name: plain(value) for name, value in message["headers"].items()}
            parts = [(headers, plain(message.get("payload", {"$hex": ""})))]
        yield Vector(
            name=f"{folder}/{entry['name']}",
            data=data,
            error=error,
            parts=parts,
            typed=folder != "botocore",
            count=len(parts),
        )


def from_note(note: str) -> bytes:
    """The one vector that is described instead of spelled out, for its 24 MiB."""
    pattern = (
        r"(\d+) bytes: 12-byte prelude (\w{24}), "
        r"then payload byte (\w\w) repeated (\d+) times, then message crc (\w{8})"
    )
    found = re.fullmatch(pattern, note)
    assert found is not None
    prelude, byte, checksum = (bytes.fromhex(found[number]) for number in (2, 3, 5))
    data = prelude + byte * int(found[4]) + checksum
    assert len(data) == int(found[1])
    return data


def smithy_restjson1() -> Iterator[Vector]:
    """Protocol cases; framing is right in all of them, the malformed ones too."""
    kinds: dict[str, Callable[[Any], HeaderValue]] = {
        "boolean": bool, "byte": Int8, "short": Int16, "integer": int, "long": Int64, "string": str,
        "blob": base64.b64decode,
        "timestamp": datetime.fromisoformat,
    }  # fmt: skip
    for case in json.loads((FOLDER / "smithy-restjson1" / "event-stream-tests.json").read_text())["cases"]:
        for number, event in enumerate(case.get("events", [])):
            headers = {
                name: kinds[kind](value) for name, typed in event["headers"].items() for kind, value in typed.items()
            }
            yield Vector(
                name=f"smithy-restjson1/{case['id']}/{number}",
                data=base64.b64decode(event["bytes"]),
                parts=[(headers, event.get("body", "").encode())],
                count=1,
            )


def aws_c_event_stream() -> Iterator[Vector]:
    """Arrays of the C tests, named after the test; what valid ones hold is compared with botocore below."""
    for entry in json.loads((FOLDER / "aws-c-event-stream" / "arrays.json").read_text())["vectors"]:
        name = entry["test"]
        yield Vector(
            name=f"aws-c-event-stream/{name}",
            data=plain(entry["encoded"]),
            error=FrameLengthError if "illegal_header_length_relationship_fails" in name else None,
            count=len(entry["botocore_outcome"].get("messages", [])),
        )


def bedrock_derived() -> Iterator[Vector]:
    """Real streams of the service, damaged in many ways; `expect` says how."""
    for entry in json.loads((FOLDER / "bedrock-derived" / "vectors.json").read_text())["vectors"]:
        expect, outcome = entry["expect"], entry["botocore_outcome"]
        error: ErrorClass = None
        if "reject" in expect:
            error = ChecksumError
        elif expect.startswith("incomplete") or "then incomplete" in expect:
            error = IncompleteFrameError
        found = re.search(r"reject: (prelude|message) checksum", expect)
        yield Vector(
            name=f"bedrock-derived/{entry['name']}",
            data=base64.b64decode(entry["bytes"]),
            error=error,
            checksum=found[1] if found else None,
            count=outcome.get("messages", 1 if expect.startswith("first frame is good") else 0),
        )


SOURCES: dict[str, tuple[int, Callable[[], Iterator[Vector]]]] = {
    "aws-eventstream": (9, aws_eventstream),
    "smithy-rs": (11, smithy_rs),
    "botocore": (16, lambda: python_tests("botocore", "test_eventstream.json")),
    "smithy-python": (25, lambda: python_tests("smithy-python", "test_events.json")),
    "smithy-restjson1": (92, smithy_restjson1),
    "aws-c-event-stream": (15, aws_c_event_stream),
    "bedrock-derived": (29, bedrock_derived),
}
VECTORS = [vector for _, load in SOURCES.values() for vector in load()] if FOLDER.is_dir() else []

needs_vectors = pytest.mark.skipif(not VECTORS, reason="the vectors are not beside the repository")
every_vector = pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.name) for vector in VECTORS])


# --- what comes out --------------------------------------------------------------------------------------------------


def read(data: bytes, size: int) -> tuple[list[Frame], FrameError | None]:
    """The frames of a stream in pieces of `size` bytes, and the error that ended it."""
    reader = FrameReader()
    frames: list[Frame] = []
    try:
        for start in range(0, len(data), size):
            for frame in reader.feed(data[start : start + size]):
                frames.append(frame)  # noqa: PERF402 - the frames before an error count
        reader.finish()
    except FrameError as error:
        return frames, error
    return frames, None


def spell(headers: Any) -> list[tuple[str, type, Any]]:
    """Headers with the types of their values, because 1 == True == Int64(1)."""
    return [(name, type(value), value) for name, value in headers.items()]


def as_botocore(value: HeaderValue) -> Any:
    """A value as botocore gives it: a timestamp in milliseconds, a UUID in bytes."""
    match value:
        case datetime():
            return (value - EPOCH) // timedelta(milliseconds=1)
        case UUID():
            return value.bytes
        case _:
            return value


def our_error(vector: Vector) -> ErrorClass:
    """The documented error, or what we raise instead by the table."""
    different = DIFFERS_FROM_SOURCE.get(vector.name)
    return different[0] if different else vector.error


@every_vector
def test_outcome(vector: Vector) -> None:
    """The frames, with names, types and values, and the error are the documented ones."""
    frames, error = read(vector.data, max(1, len(vector.data)))
    assert type(error) is (our_error(vector) or type(None))
    assert len(frames) == vector.count
    if isinstance(error, ChecksumError) and vector.checksum is not None:
        assert error.checksum == vector.checksum
    if vector.parts is None:
        return
    assert [frame.payload for frame in frames] == [payload for _, payload in vector.parts]
    if vector.typed:
        assert [spell(frame.headers) for frame in frames] == [spell(headers) for headers, _ in vector.parts]
    else:
        ours = [{name: as_botocore(value) for name, value in frame.headers.items()} for frame in frames]
        assert ours == [headers for headers, _ in vector.parts]


@every_vector
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_cut(vector: Vector, size: int) -> None:
    """Cut into small pieces the stream gives the same frames, and the same error at the same place."""
    frames, error = read(vector.data, size)
    whole_frames, whole_error = read(vector.data, max(1, len(vector.data)))
    assert frames == whole_frames
    assert [spell(frame.headers) for frame in frames] == [spell(frame.headers) for frame in whole_frames]
    assert (type(error), str(error)) == (type(whole_error), str(whole_error))
    assert getattr(error, "offset", None) == getattr(whole_error, "offset", None)


@every_vector
def test_write(vector: Vector) -> None:
    """What was read is written again bit for bit, whoever wrote it first."""
    frames, _ = read(vector.data, max(1, len(vector.data)))
    written = b"".join(encode_frame(frame.headers, frame.payload) for frame in frames)
    assert vector.data.startswith(written)
    assert written == vector.data or our_error(vector) is not None


@needs_vectors
def test_table_of_the_sources() -> None:
    """The exceptions from the documented outcomes are those of the table: each is there, and each is needed."""
    differences = {
        vector.name: type(error)
        for vector in VECTORS
        if type(error := read(vector.data, max(1, len(vector.data)))[1]) is not (vector.error or type(None))
    }
    assert differences == {name: error for name, (error, _) in DIFFERS_FROM_SOURCE.items()}


def read_with_botocore(data: bytes) -> tuple[Parts, ErrorClass]:
    """What the installed botocore makes of a stream, its error under our name."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    parts: Parts = []
    try:
        for message in buffer:
            parts.append((message.headers, message.payload))
    except ParserError as error:
        return parts, OUR_NAME[type(error).__name__]
    return parts, None


@every_vector
def test_botocore(vector: Vector) -> None:
    """Botocore reads the same frames, and the same error but for the differences of the table."""
    frames, error = read(vector.data, max(1, len(vector.data)))
    ours = [({name: as_botocore(value) for name, value in frame.headers.items()}, frame.payload) for frame in frames]
    parts, botocore_error = read_with_botocore(vector.data)
    assert ours == parts
    if vector.name in DIFFERS_FROM_BOTOCORE:
        assert type(error) is DIFFERS_FROM_BOTOCORE[vector.name][0]
        assert botocore_error is not type(error)
    else:
        assert type(error) is (botocore_error or type(None))


@needs_vectors
def test_table_of_botocore() -> None:
    """Every entry of the table belongs to a vector."""
    assert DIFFERS_FROM_BOTOCORE.keys() <= {vector.name for vector in VECTORS}


@needs_vectors
@pytest.mark.parametrize("name", DIFFERS_FROM_SOURCE)
def test_fault_behind_the_checksum(name: str) -> None:
    """With its checksum put right, each vector of the table gives the error that its source documents."""
    (vector,) = [vector for vector in VECTORS if vector.name == name]
    frame = vector.data[: int.from_bytes(vector.data[:4]) - 4]
    frames, error = read(frame + struct.pack("!I", zlib.crc32(frame)), 7)
    assert frames == []
    assert type(error) is vector.error


@needs_vectors
def test_none_is_missing() -> None:
    """Each folder has as many vectors as it says, so that none is left out by the loading."""
    found = {folder: sum(vector.name.startswith(f"{folder}/") for vector in VECTORS) for folder in SOURCES}
    assert found == {folder: number for folder, (number, _) in SOURCES.items()}
