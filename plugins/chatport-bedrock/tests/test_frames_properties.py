"""Frames under any values, any cuts and any damage; and the work of reading, counted."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Self, SupportsIndex

import botocore.eventstream
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock import _frames
from chatport_bedrock._frames import (
    ChecksumError,
    Frame,
    FrameError,
    FrameReader,
    HeaderError,
    HeaderValue,
    IncompleteFrameError,
    Int8,
    Int16,
    Int64,
    encode_frame,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
VALUES: st.SearchStrategy[HeaderValue] = st.one_of(
    st.booleans(),
    st.integers(-(2**7), 2**7 - 1).map(Int8),
    st.integers(-(2**15), 2**15 - 1).map(Int16),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.binary(max_size=40),
    TEXT,
    st.integers(-62_135_596_800_000, 253_402_300_799_999).map(lambda number: EPOCH + timedelta(milliseconds=number)),
    st.uuids(),
)
PARTS = st.tuples(st.dictionaries(NAMES, VALUES, max_size=4), st.binary(max_size=200))


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in pieces, some of them empty."""
    places = sorted(place % (len(data) + 1) for place in cuts)
    return [data[start:end] for start, end in pairwise([0, *places, len(data)])]


def read(pieces: Sequence[bytes]) -> tuple[list[Frame], FrameError | None]:
    """The frames of a stream in pieces, and the error that ended it."""
    reader = FrameReader()
    frames: list[Frame] = []
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                frames.append(frame)  # noqa: PERF402 - the frames before an error count
        reader.finish()
    except FrameError as error:
        return frames, error
    return frames, None


def spell(frames: Iterable[Frame]) -> list[tuple[list[tuple[str, type, HeaderValue]], bytes]]:
    """Frames with the types of their values, because 1 == True == Int64(1)."""
    return [([(name, type(value), value) for name, value in frame.headers.items()], frame.payload) for frame in frames]


class TestProperties:
    @given(parts=st.lists(PARTS, max_size=6), cuts=st.lists(st.integers(0, 10_000), max_size=12))
    def test_written_then_read(self, parts: list[tuple[dict[str, HeaderValue], bytes]], cuts: list[int]) -> None:
        """What is written is read again with its types, wherever the stream is cut; written again, it is the same."""
        stream = b"".join(encode_frame(headers, payload) for headers, payload in parts)
        frames, error = read(cut(stream, cuts))
        assert error is None
        assert spell(frames) == spell(Frame(headers, payload) for headers, payload in parts)
        assert b"".join(encode_frame(frame.headers, frame.payload) for frame in frames) == stream

    @given(
        parts=st.lists(PARTS, min_size=1, max_size=4),
        place=st.integers(min_value=0),
        cuts=st.lists(st.integers(0, 10_000), max_size=6),
    )
    def test_flipped_bit(self, parts: list[tuple[dict[str, HeaderValue], bytes]], place: int, cuts: list[int]) -> None:
        """One wrong bit is always found, in the frame where it is; the frames before it come out unchanged."""
        encoded = [encode_frame(headers, payload) for headers, payload in parts]
        stream = bytearray(b"".join(encoded))
        place %= len(stream) * 8
        stream[place // 8] ^= 1 << place % 8
        frames, error = read(cut(bytes(stream), cuts))
        assert isinstance(error, ChecksumError)
        assert error.offset is not None
        before = [len(b"".join(encoded[:count])) for count in range(len(encoded) + 1)]
        assert error.offset == max(start for start in before if start <= place // 8)
        assert [encode_frame(frame.headers, frame.payload) for frame in frames] == encoded[: before.index(error.offset)]

    @given(parts=st.lists(PARTS, min_size=1, max_size=4), place=st.integers(min_value=0), byte_wise=st.booleans())
    def test_cut_stream(self, parts: list[tuple[dict[str, HeaderValue], bytes]], place: int, byte_wise: bool) -> None:
        """A stream that ends early gives its whole frames, then an error unless it ended between two frames."""
        encoded = [encode_frame(headers, payload) for headers, payload in parts]
        stream = b"".join(encoded)
        stream = stream[: place % len(stream)]
        frames, error = read(cut(stream, range(len(stream)) if byte_wise else ()))
        whole = b"".join(encoded[: len(frames)])
        assert stream.startswith(whole)
        assert [encode_frame(frame.headers, frame.payload) for frame in frames] == encoded[: len(frames)]
        rest = len(stream) - len(whole)
        assert rest < len(encoded[len(frames)])
        if rest == 0:
            assert error is None
        else:
            assert isinstance(error, IncompleteFrameError)
            assert error.pending_bytes == rest
            assert error.expected_bytes == (None if rest < 12 else len(encoded[len(frames)]))

    @given(data=st.binary(max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever arrives, nothing but a FrameError comes out, and the same for every cut."""
        once, byte_wise = read([data]), read(cut(data, range(len(data))))
        assert (spell(once[0]), type(once[1]), str(once[1])) == (
            spell(byte_wise[0]),
            type(byte_wise[1]),
            str(byte_wise[1]),
        )
        assert (once[1] is None) == (data == b"" or bool(once[0]))

    @given(
        block=st.one_of(
            st.binary(max_size=60),
            st.lists(
                st.sampled_from(
                    [
                        b"\x01",
                        b"a",
                        b"b",
                        b"\x00",
                        b"\x02",
                        b"\x06",
                        b"\x07",
                        b"\x08",
                        b"\x09",
                        b"\x0a",
                        bytes(8),
                        b"\xff",
                    ]
                ),
                max_size=30,
            ).map(b"".join),
        )
    )
    def test_any_header_block(self, block: bytes) -> None:
        """Header bytes under right checksums are read as botocore reads them, or refused."""
        lengths = struct.pack("!II", 16 + len(block), len(block))
        data = lengths + struct.pack("!I", zlib.crc32(lengths)) + block
        data += struct.pack("!I", zlib.crc32(data))
        frames, error = read([data])
        if error is not None:
            assert isinstance(error, HeaderError)
            return
        buffer = botocore.eventstream.EventStreamBuffer()
        buffer.add_data(data)
        assert [as_botocore(frame) for frame in frames] == [message.headers for message in buffer]
        assert encode_frame(frames[0].headers) == data


def as_botocore(frame: Frame) -> dict[str, Any]:
    """The headers as botocore gives them: timestamps in milliseconds, UUIDs in bytes."""
    values: dict[str, Any] = {}
    for name, value in frame.headers.items():
        match value:
            case datetime():
                values[name] = (value - EPOCH) // timedelta(milliseconds=1)
            case bool() | int() | str() | bytes():
                values[name] = value
            case _:
                values[name] = value.bytes
    return values


class Counter:
    """Counts the bytes that the reader copies or sums.

    It stands in for `bytes`, `bytearray` and `crc32` in the reader's module. Copies inside the interpreter, as when a
    bytearray grows, are not seen; these are linear by its own promise.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work = 0
        counter = self

        class CountingBytes(bytes):
            def __new__(cls, source: bytes | bytearray = b"") -> Self:
                counter.work += len(source)
                return super().__new__(cls, source)

            def __getitem__(self, key: Any) -> Any:
                part = bytes(self)[key] if isinstance(key, SupportsIndex) else bytes.__getitem__(self, key)
                counter.work += len(part) if isinstance(part, bytes) else 0
                return part

        class CountingArray(bytearray):
            def __iadd__(self, data: Any) -> Self:  # type: ignore[misc] # __add__ is not used
                counter.work += len(data)
                return super().__iadd__(data)

            def __getitem__(self, key: Any) -> Any:
                part = super().__getitem__(key)
                counter.work += len(part) if isinstance(part, bytearray) else 0
                return part

            def __delitem__(self, key: Any) -> None:
                counter.work += len(self)
                super().__delitem__(key)

        def counting_crc32(data: bytes, value: int = 0) -> int:
            counter.work += len(data)
            return zlib.crc32(data, value)

        self.bytes = CountingBytes
        monkeypatch.setattr(_frames, "bytes", CountingBytes, raising=False)
        monkeypatch.setattr(_frames, "bytearray", CountingArray, raising=False)
        monkeypatch.setattr(_frames, "crc32", counting_crc32)

    def count(self, stream: bytes, size: int) -> float:
        """The bytes worked on per byte of the stream, read in pieces of `size` bytes."""
        pieces = [self.bytes(stream[start : start + size]) for start in range(0, len(stream), size)]
        self.work = 0
        frames, error = read(pieces)
        assert error is None
        assert sum(16 + len(frame.payload) for frame in frames) <= len(stream)
        return self.work / len(stream)


# Into the buffer and out of it; an incomplete rest out of the data and into the buffer again; each checksum a copy and
# a sum; headers and payload.
MOST_WORK_PER_BYTE = 8


class TestWork:
    """The work per byte has a bound that does not grow with the stream, the frames or the number of cuts."""

    @pytest.mark.parametrize(
        ("length", "size"),
        [(50_000, 1), (50_000, 7), (500_000, 100), (500_000, 188), (500_000, 65_536), (8_000_000, 8_000_000)],
    )
    def test_many_frames(self, monkeypatch: pytest.MonkeyPatch, length: int, size: int) -> None:
        """Many short frames, also when all of them are there at once."""
        frame = encode_frame({":event-type": "contentBlockDelta", ":message-type": "event"}, bytes(100))
        counter = Counter(monkeypatch)
        assert 2 <= counter.count(frame * (length // len(frame)), size) <= MOST_WORK_PER_BYTE

    @pytest.mark.parametrize(
        ("length", "size"),
        [(50_000, 1), (50_000, 7), (500_000, 100), (8_000_000, 65_536), (8_000_000, 8_000_100)],
    )
    def test_one_long_frame(self, monkeypatch: pytest.MonkeyPatch, length: int, size: int) -> None:
        """One long frame that arrives in many small pieces."""
        counter = Counter(monkeypatch)
        assert 2 <= counter.count(encode_frame({}, bytes(length)), size) <= MOST_WORK_PER_BYTE
