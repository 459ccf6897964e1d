"""Frames of `application/vnd.amazon.eventstream`: when they are handed out, and when they are refused."""

import struct
import zlib
from typing import Any, cast

import pytest

from chatport_bedrock import _frames
from chatport_bedrock._frames import (
    MAX_HEADERS_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PAYLOAD_BYTES,
    OVERHEAD_BYTES,
    ChecksumError,
    Frame,
    FrameError,
    FrameLengthError,
    FrameReader,
    HeaderError,
    HeaderValue,
    IncompleteFrameError,
    encode_frame,
)

EVENT: dict[str, HeaderValue] = {":message-type": "event", ":event-type": "contentBlockDelta"}


def make_frame(block: bytes, *, total: int | None = None, headers_length: int | None = None) -> bytes:
    """A frame with right checksums around any header block, and with any lengths."""
    lengths = struct.pack(
        "!II",
        OVERHEAD_BYTES + len(block) if total is None else total,
        len(block) if headers_length is None else headers_length,
    )
    frame = lengths + struct.pack("!I", zlib.crc32(lengths)) + block
    return frame + struct.pack("!I", zlib.crc32(frame))


def read_all(data: bytes) -> list[Frame]:
    """The frames of a whole stream."""
    reader = FrameReader()
    frames = list(reader.feed(data))
    reader.finish()
    return frames


class TestFrame:
    def test_names_of_the_specification(self) -> None:
        """The properties read the headers that the specification names."""
        event, exception, error = read_all(
            encode_frame({":message-type": "event", ":event-type": "e", ":content-type": "application/json"})
            + encode_frame({":message-type": "exception", ":exception-type": "x"})
            + encode_frame({":message-type": "error", ":error-code": "c", ":error-message": "m"})
        )
        assert (event.message_type, event.event_type, event.content_type) == ("event", "e", "application/json")
        assert (exception.message_type, exception.exception_type) == ("exception", "x")
        assert (error.message_type, error.error_code, error.error_message) == ("error", "c", "m")
        assert (event.exception_type, event.error_code, event.error_message) == (None, None, None)
        assert (exception.event_type, error.content_type) == (None, None)

    def test_not_a_string(self) -> None:
        """A type header that holds no string reads as None and stays visible."""
        names = [":message-type", ":event-type", ":exception-type", ":error-code", ":error-message", ":content-type"]
        headers: dict[str, HeaderValue] = dict.fromkeys(names, b"event")
        (frame,) = read_all(encode_frame(headers))
        assert frame.message_type is frame.event_type is frame.exception_type is None
        assert frame.error_code is frame.error_message is frame.content_type is None
        assert frame.headers[":message-type"] == b"event"

    def test_repr_leaves_the_payload_out(self) -> None:
        """A log line of a frame does not hold what people wrote to each other."""
        (frame,) = read_all(encode_frame(EVENT, b"secret"))
        assert "contentBlockDelta" in repr(frame)
        assert "secret" not in repr(frame)


class TestFeed:
    def test_frames_come_as_soon_as_they_are_whole(self) -> None:
        """The last byte of a frame hands it out; none is held back for the next one."""
        reader = FrameReader()
        data = encode_frame(EVENT, b"payload")
        assert list(reader.feed(data[:-1])) == []
        assert reader.pending_bytes == len(data) - 1
        (frame,) = reader.feed(data[-1:])
        assert frame.payload == b"payload"
        assert reader.pending_bytes == 0
        reader.finish()

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_kinds_of_buffer(self, kind: type[Any]) -> None:
        """What a transport hands over is taken as it is, whole or in parts."""
        data = encode_frame(EVENT, b"payload") * 2
        reader = FrameReader()
        parts = [data[:5], data[5:100], data[100:], b""]
        assert [frame.payload for part in parts for frame in reader.feed(kind(part))] == [b"payload"] * 2
        reader.finish()

    def test_buffer_may_be_reused(self) -> None:
        """The bytes are taken at the call: overwriting the buffer before iterating does no harm."""
        buffer = bytearray(encode_frame(EVENT, b"payload"))
        frames = FrameReader().feed(buffer)
        buffer[:] = bytes(len(buffer))
        assert [frame.payload for frame in frames] == [b"payload"]

    def test_number_is_no_data(self) -> None:
        """An int is refused, where bytes(int) would make that many zeros of it."""
        with pytest.raises(TypeError):
            FrameReader().feed(cast("bytes", 12))

    def test_empty_stream(self) -> None:
        """No bytes are a valid stream of no frames."""
        assert read_all(b"") == []

    def test_more_headers_than_are_remembered(self) -> None:
        """Streams with many different or very long header blocks are read right, and what is kept has a bound."""
        blocks: list[dict[str, HeaderValue]] = [{"n": number} for number in range(500)]
        blocks.append({"long": "x" * 5_000})
        blocks.append({"n": 3})
        frames = list(FrameReader().feed(b"".join(encode_frame(block) for block in blocks)))
        assert [dict(frame.headers) for frame in frames] == blocks
        kept = _frames._read_short_headers.cache_info()
        assert 0 < kept.currsize <= 64
        assert len(list(FrameReader().feed(encode_frame(blocks[500])))) == 1
        assert _frames._read_short_headers.cache_info() == kept  # a long one is not even looked for

    def test_more_lengths_than_are_remembered(self) -> None:
        """Frames of many different lengths are read right, and what is kept of them has a bound."""
        payloads = [b"x" * length for length in range(2_000)]
        frames = FrameReader().feed(b"".join(encode_frame({}, payload) for payload in payloads))
        assert [frame.payload for frame in frames] == payloads
        assert 0 < _frames._read_prelude.cache_info().currsize <= 1024

    def test_equal_headers_are_one_object(self) -> None:
        """Frames with the same headers share them, in all streams: so they can be told by identity."""
        first, second = (next(FrameReader().feed(encode_frame(EVENT, payload))) for payload in (b"a", b"b"))
        assert first.headers is second.headers
        with pytest.raises(TypeError):
            first.headers["a"] = "b"  # type: ignore[index] # read-only, as it is shared


class TestBadFrames:
    GOOD = encode_frame(EVENT, b"good")

    @pytest.mark.parametrize(
        ("total", "headers_length", "problem"),
        [
            pytest.param(15, 0, "no room", id="shorter-than-nothing"),
            pytest.param(0, 0, "no room", id="zero"),
            pytest.param(20, 5, "no room for 5 bytes", id="headers-longer-than-frame"),
            pytest.param(2**32 - 1, 2**32 - 1, "no room", id="all-ones"),
            pytest.param(2**18, MAX_HEADERS_BYTES + 1, "bytes of headers", id="headers"),
            pytest.param(OVERHEAD_BYTES + MAX_PAYLOAD_BYTES + 1, 0, "bytes of payload", id="payload"),
            pytest.param(2**32 - 1, 0, "bytes of payload", id="four-gigabytes"),
        ],
    )
    def test_lengths(self, total: int, headers_length: int, problem: str) -> None:
        """Lengths that are impossible or beyond a limit are refused at the prelude, before anything is buffered."""
        prelude = make_frame(b"", total=total, headers_length=headers_length)[:12]
        reader = FrameReader()
        assert list(reader.feed(prelude[:11])) == []
        with pytest.raises(FrameLengthError, match=problem):
            list(reader.feed(prelude[11:]))
        assert reader.pending_bytes == 0

    def test_largest_frame(self) -> None:
        """What is exactly at the limits is read: the limits are inclusive."""
        lengths = struct.pack("!II", MAX_MESSAGE_BYTES, MAX_HEADERS_BYTES)
        reader = FrameReader()
        assert list(reader.feed(lengths + struct.pack("!I", zlib.crc32(lengths)))) == []
        assert reader.pending_bytes == 12

    def test_own_limit(self) -> None:
        """`max_message_bytes` is the longest frame that is read."""
        frame = encode_frame(EVENT, b"payload")
        assert len(list(FrameReader(max_message_bytes=len(frame)).feed(frame))) == 1
        with pytest.raises(FrameLengthError, match=f"{len(frame) - 1} at most"):
            list(FrameReader(max_message_bytes=len(frame) - 1).feed(frame))
        with pytest.raises(ValueError, match="the shortest frame has 16 bytes"):
            FrameReader(max_message_bytes=15)

    def test_checksum_says_which_and_what(self) -> None:
        """A checksum error names the checksum and both values."""
        prelude = bytearray(self.GOOD)
        prelude[0] ^= 0x80
        with pytest.raises(ChecksumError, match="prelude checksum mismatch") as caught:
            read_all(bytes(prelude))
        assert caught.value.checksum == "prelude"
        assert caught.value.expected == int.from_bytes(self.GOOD[8:12])
        assert caught.value.actual == zlib.crc32(prelude[:8])
        message = bytearray(self.GOOD)
        message[-5] ^= 1
        with pytest.raises(ChecksumError, match="message checksum mismatch") as caught:
            read_all(bytes(message))
        assert caught.value.checksum == "message"
        assert caught.value.expected == int.from_bytes(self.GOOD[-4:])
        assert caught.value.actual == zlib.crc32(message[:-4])

    def test_lengths_are_not_trusted_before_their_checksum(self) -> None:
        """A damaged length is a checksum error as soon as the prelude is there, not a wait for more."""
        damaged = bytearray(self.GOOD)
        damaged[1] ^= 0x01  # 64 KiB longer
        reader = FrameReader()
        with pytest.raises(ChecksumError):
            list(reader.feed(bytes(damaged[:12])))

    @pytest.mark.parametrize("size", [1, 5, 1000])
    def test_good_frames_come_first(self, size: int) -> None:
        """Frames before a bad one are handed out, however they arrive; then comes the error with its place."""
        stream = self.GOOD * 3 + make_frame(b"\x01a\x0a") + self.GOOD
        reader = FrameReader()
        payloads: list[bytes] = []

        def read() -> None:
            for start in range(0, len(stream), size):
                for frame in reader.feed(stream[start : start + size]):
                    payloads.append(frame.payload)  # noqa: PERF401 - the frames before an error count

        with pytest.raises(HeaderError) as caught:
            read()
        assert payloads == [b"good"] * 3
        assert caught.value.offset == 3 * len(self.GOOD)
        assert caught.value.__notes__ == [f"in the frame at byte {3 * len(self.GOOD)} of the stream"]

    def test_no_further_use_after_an_error(self) -> None:
        """Behind a bad frame nothing can be trusted: every later call raises the error, seen or not."""
        reader = FrameReader()
        frames = reader.feed(self.GOOD + make_frame(b"\x00\x00"))
        next(frames)  # and the iterator is dropped before it raises
        assert reader.pending_bytes == 0
        for _ in range(2):
            with pytest.raises(HeaderError, match="no name"):
                reader.feed(self.GOOD)
            with pytest.raises(HeaderError, match="no name"):
                reader.finish()

    def test_all_are_frame_errors(self) -> None:
        """One `except FrameError` catches them all, and each is a ValueError."""
        for kind in (ChecksumError, FrameLengthError, HeaderError, IncompleteFrameError):
            assert issubclass(kind, FrameError)
        assert issubclass(FrameError, ValueError)


class TestFinish:
    def test_cut_in_the_prelude(self) -> None:
        """A stream that ends before a frame said its length is incomplete."""
        reader = FrameReader()
        data = encode_frame(EVENT)
        assert len(list(reader.feed(data + data[:11]))) == 1
        with pytest.raises(IncompleteFrameError, match=r"after 11 bytes of a frame$") as caught:
            reader.finish()
        assert (caught.value.pending_bytes, caught.value.expected_bytes) == (11, None)
        assert caught.value.offset == len(data)

    @pytest.mark.parametrize("missing", [1, 20])
    def test_rule_69_cut_behind_the_prelude(self, missing: int) -> None:
        """The error says how much had come, and of how much."""
        reader = FrameReader()
        data = encode_frame(EVENT, b"payload")
        assert list(reader.feed(data[:-missing])) == []
        with pytest.raises(IncompleteFrameError) as caught:
            reader.finish()
        assert (caught.value.pending_bytes, caught.value.expected_bytes) == (len(data) - missing, len(data))

    def test_nothing_follows_the_end(self) -> None:
        """Feeding after the end is a mistake of the caller; declaring the end twice is none."""
        reader = FrameReader()
        reader.finish()
        reader.finish()
        with pytest.raises(RuntimeError, match="finished"):
            reader.feed(b"")

    def test_incomplete_stays_incomplete(self) -> None:
        """Once a stream was found cut, it does not become whole again."""
        reader = FrameReader()
        reader.feed(b"\x00")
        for _ in range(2):
            with pytest.raises(IncompleteFrameError):
                reader.finish()
            assert reader.pending_bytes == 0
        with pytest.raises(IncompleteFrameError):
            reader.feed(b"\x00" * 11)


class TestEncode:
    def test_limits(self) -> None:
        """Headers and payload are bounded as they are for reading; what is at the bound passes."""
        assert len(encode_frame({}, bytes(MAX_PAYLOAD_BYTES))) == OVERHEAD_BYTES + MAX_PAYLOAD_BYTES
        with pytest.raises(FrameLengthError, match="bytes of payload"):
            encode_frame({}, bytes(MAX_PAYLOAD_BYTES + 1))
        with pytest.raises(FrameLengthError, match="bytes of headers"):
            encode_frame({str(number): "x" * 32_767 for number in range(5)})
