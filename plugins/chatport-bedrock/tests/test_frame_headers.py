"""Header values of frames: every wire type against a frame spelled out by hand, and what is refused."""

import struct
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import cast
from uuid import UUID

import pytest

from chatport_bedrock._frames import (
    OVERHEAD_BYTES,
    Frame,
    FrameReader,
    HeaderError,
    HeaderValue,
    Int8,
    Int16,
    Int64,
    encode_frame,
)

# One frame per header type, field by field as the format lists them:
# total length, headers length, prelude CRC, header (name length, name, type, value), payload `{}`, message CRC.
BY_HAND: dict[str, tuple[str, str, HeaderValue]] = {
    "true": ("00000016 00000004 8def7952  02 6f6e 00  7b7d 2f5725c7", "on", True),
    "false": ("00000017 00000005 c7886074  03 6f6666 01  7b7d 73845cf7", "off", False),
    "byte": ("00000019 00000007 96b6bf39  04 74696e79 02 80  7b7d 8100fd6e", "tiny", Int8(-128)),
    "short": ("0000001b 00000009 0bcec15e  05 736d616c6c 03 7fff  7b7d 798efb75", "small", Int16(32767)),
    "integer": ("0000001d 0000000b 6a8055d2  05 706c61696e 04 fffffffe  7b7d 9bf9584c", "plain", -2),
    "long": ("00000021 0000000f 093cc44c  05 6c61726765 05 0000010000000000  7b7d b2dd2ac3", "large", Int64(2**40)),
    "byte_array": ("0000001c 0000000a 20e74cf4  03 726177 06 0003 00ff10  7b7d c77e153a", "raw", b"\x00\xff\x10"),
    "string": ("00000021 0000000f 093cc44c  04 6e616d65 07 0007 5ac3bc72696368  7b7d 30f6696b", "name", "Zürich"),
    "timestamp": (
        "00000020 0000000e 435bdd6a  04 7768656e 08 0000018bcfe5687b  7b7d 99b6899b",
        "when",
        datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC),
    ),
    "uuid": (
        "00000026 00000014 3179d1b0  02 6964 09 101112131415161718191a1b1c1d1e1f  7b7d bf4889d0",
        "id",
        UUID("10111213-1415-1617-1819-1a1b1c1d1e1f"),
    ),
}


def read_all(data: bytes) -> list[Frame]:
    """The frames of a whole stream."""
    reader = FrameReader()
    frames = list(reader.feed(data))
    reader.finish()
    return frames


class TestTypes:
    @pytest.mark.parametrize("kind", BY_HAND)
    def test_read(self, kind: str) -> None:
        """Each type arrives as its own Python type with its value."""
        text, name, value = BY_HAND[kind]
        (frame,) = read_all(bytes.fromhex(text))
        assert list(frame.headers.items()) == [(name, value)]
        assert type(frame.headers[name]) is type(value)
        assert frame.payload == b"{}"

    @pytest.mark.parametrize("kind", BY_HAND)
    def test_write(self, kind: str) -> None:
        """Each Python type is written as its wire type, bit for bit."""
        text, name, value = BY_HAND[kind]
        assert encode_frame({name: value}, b"{}") == bytes.fromhex(text)

    def test_width_of_int_is_kept(self) -> None:
        """The same number in four widths makes four different frames, and each is read back in its width."""
        values: list[HeaderValue] = [Int8(1), Int16(1), 1, Int64(1), True]
        frames = [encode_frame({"n": value}) for value in values]
        assert len(set(frames)) == len(values)
        read = [frame.headers["n"] for frame in read_all(b"".join(frames))]
        assert [type(value) for value in read] == [Int8, Int16, int, Int64, bool]
        assert read == [1, 1, 1, 1, True]

    def test_order_is_kept(self) -> None:
        """Headers come in the order of the wire, so that a frame can be written again as it was."""
        frame = encode_frame({"b": "1", "a": "2", "c": ""}, b"p")
        (read,) = read_all(frame)
        assert list(read.headers) == ["b", "a", "c"]
        assert encode_frame(read.headers, read.payload) == frame

    def test_time_of_another_zone(self) -> None:
        """A time is written as its instant and read in UTC; milliseconds before 1970 included."""
        there = datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=timezone(timedelta(hours=-5)))
        (frame,) = read_all(encode_frame({"when": there}))
        assert frame.headers["when"] == there
        assert cast("datetime", frame.headers["when"]).utcoffset() == timedelta(0)

    def test_headers_are_read_only(self) -> None:
        """Frames share their headers, so nobody may change them."""
        first, second = read_all(encode_frame({"a": "b"}, b"1") + encode_frame({"a": "b"}, b"2"))
        assert first.headers is second.headers
        with pytest.raises(TypeError):
            cast("dict[str, HeaderValue]", first.headers)["x"] = 1

    def test_longest_values(self) -> None:
        """The longest name and the longest value are written and read."""
        headers: dict[str, HeaderValue] = {"n" * 255: "ü" * 16_383, "b": bytes(32_767)}
        (frame,) = read_all(encode_frame(headers))
        assert frame.headers == headers


class TestMalformed:
    @pytest.mark.parametrize(
        ("block", "problem"),
        [
            pytest.param(b"\x01a\x0a", "unknown type 10", id="unknown-type"),
            pytest.param(b"\x01a\xff", "unknown type 255", id="unknown-type-high-bit"),
            pytest.param(b"\x05abc", "name is cut short: 5 bytes expected, 3 left", id="name-cut"),
            pytest.param(b"\x01a", "'a' is cut short", id="type-missing"),
            pytest.param(b"\x01a\x02", "'a' is cut short", id="byte-cut"),
            pytest.param(b"\x01a\x03\x00", "'a' is cut short", id="short-cut"),
            pytest.param(b"\x01a\x04\x00\x00\x00", "'a' is cut short", id="integer-cut"),
            pytest.param(b"\x01a\x05" + bytes(7), "'a' is cut short", id="long-cut"),
            pytest.param(b"\x01a\x06\x00", "'a' is cut short", id="length-cut"),
            pytest.param(b"\x01a\x06\x00\x03ab", "'a' is cut short: 3 bytes expected, 2 left", id="byte-array-cut"),
            pytest.param(b"\x01a\x07\xff\xffab", "'a' is cut short: 65535 bytes", id="string-cut"),
            pytest.param(b"\x01a\x08" + bytes(7), "'a' is cut short", id="timestamp-cut"),
            pytest.param(b"\x01a\x09" + bytes(15), "'a' is cut short", id="uuid-cut"),
            pytest.param(b"\x01a\x00\x01a\x01", "'a' is there twice", id="duplicate"),
            pytest.param(b"\x00\x00", "no name", id="no-name"),
            pytest.param(b"\x01\xff\x00", "name is not UTF-8", id="name-not-utf-8"),
            pytest.param(b"\x01a\x07\x00\x01\x80", "'a' is not UTF-8", id="string-not-utf-8"),
            pytest.param(b"\x01a\x08\x7f" + b"\xff" * 7, "no time between the years 1 and 9999", id="far-future"),
        ],
    )
    def test_block(self, block: bytes, problem: str) -> None:
        """Header bytes that do not follow the format are refused, even under right checksums."""
        lengths = struct.pack("!II", OVERHEAD_BYTES + len(block), len(block))
        frame = lengths + struct.pack("!I", zlib.crc32(lengths)) + block
        with pytest.raises(HeaderError, match=problem):
            read_all(frame + struct.pack("!I", zlib.crc32(frame)))


class TestUnwritable:
    @pytest.mark.parametrize(
        ("headers", "problem"),
        [
            pytest.param({"": "x"}, "1 to 255 bytes, this has 0", id="no-name"),
            pytest.param({"ü" * 128: "x"}, "1 to 255 bytes, this has 256", id="long-name"),
            pytest.param({"\ud800": "x"}, "UTF-8", id="name-surrogate"),
            pytest.param({"a": "\ud800"}, "UTF-8", id="string-surrogate"),
            pytest.param({"a": "x" * 32_768}, "32768 bytes, 32767 at most", id="long-string"),
            pytest.param({"a": b"x" * 32_768}, "32768 bytes, 32767 at most", id="long-bytes"),
            pytest.param({"a": 2**31}, "does not fit 32 bits: 2147483648", id="wide-integer"),
            pytest.param({"a": Int8(128)}, "does not fit 8 bits: 128", id="wide-byte"),
            pytest.param({"a": Int16(-32_769)}, "does not fit 16 bits", id="wide-short"),
            pytest.param({"a": Int64(2**63)}, "does not fit 64 bits", id="wide-long"),
            pytest.param({"a": datetime(2026, 1, 1)}, "without a time zone", id="naive-time"),  # noqa: DTZ001
            pytest.param({"a": datetime(2026, 1, 1, 0, 0, 0, 1, UTC)}, "finer than milliseconds", id="microseconds"),
        ],
    )
    def test_value_that_does_not_fit(self, headers: dict[str, HeaderValue], problem: str) -> None:
        """What the format cannot say is refused, not cut to size."""
        with pytest.raises(HeaderError, match=problem):
            encode_frame(headers)

    @pytest.mark.parametrize("value", [None, 1.5, ["a"], bytearray(b"a")])
    def test_type_that_does_not_exist(self, value: object) -> None:
        """A value without a wire type is a mistake of the caller."""
        with pytest.raises(TypeError, match=f"'a' has a value of type {type(value).__name__}"):
            encode_frame({"a": cast("str", value)})
