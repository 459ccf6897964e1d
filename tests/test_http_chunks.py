"""Chunks of HTTP bodies under any cuts and any damage, held against h11, which reads what is left."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatport.backend.http import ChunkReader

CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def body_of(chunks: Iterable[bytes], *, end: bytes = b"0\r\n\r\n") -> bytes:
    """The chunks as they stand in a body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in chunks) + end


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in pieces, none of them empty."""
    places = sorted({place % (len(data) + 1) for place in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def read_by_h11(pieces: Iterable[bytes]) -> tuple[bytes, bool, bool]:
    """The data that h11 finds in a body, whether that ends in order, and whether h11 refuses it."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "localhost")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Response)
    found = b""
    for piece in pieces:
        connection.receive_data(piece)
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError:
                return found, False, True
            if isinstance(event, h11.EndOfMessage):
                return found, True, False
            if not isinstance(event, h11.Data):
                break
            found += event.data
    return found, False, False


def read(pieces: Iterable[bytes]) -> tuple[bytes, bool, bool]:
    """The same, read here as far as that goes, and the rest by h11."""
    reader = ChunkReader()
    found, left = b"", iter(pieces)
    for piece in left:
        found += reader.feed(piece)
        if reader.is_broken:
            return found, False, True
        if reader.rest is not None:
            by_h11, ends, fails = read_by_h11((reader.rest, *left))
            return found + by_h11, ends, fails
    return found, False, False


@given(CHUNKS, CUTS)
def test_any_cuts(chunks: list[bytes], cuts: list[int]) -> None:
    """However a body is cut, its data comes out, and the end is left to h11."""
    assert read(cut(body_of(chunks), cuts)) == (b"".join(chunks), True, False)


@given(CHUNKS, CUTS, st.integers(0, 400), st.sampled_from(b"\r\n0 5;xa\x00\xff"), st.booleans())
@example([b"hello"], [], 0, ord("5"), False)
@example([b"hello"], [], 9, ord("\n"), False)
def test_any_damage(chunks: list[bytes], cuts: list[int], place: int, byte: int, insert: bool) -> None:
    """A byte that is another, or one too many: the same data comes out and the same bodies are refused as by h11."""
    body = body_of(chunks)
    place %= len(body)
    damaged = body[:place] + bytes((byte,)) + body[place + (not insert) :]
    pieces = cut(damaged, cuts)
    assert read(pieces) == read_by_h11(pieces)


@given(st.binary(max_size=60), CUTS)
def test_anything(data: bytes, cuts: list[int]) -> None:
    """What is no chunked body at all is judged as by h11."""
    pieces = cut(data, cuts)
    assert read(pieces) == read_by_h11(pieces)


@pytest.mark.parametrize(
    "body",
    [
        b"5;name=value\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nx-checksum: 1\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n00\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"6\r\nhello\r\n0\r\n\r\n",
        b"5" * 100 + b"\r\n",
        b"z" * 100,
    ],
)
def test_unusual(body: bytes) -> None:
    """Extensions, trailers and long numbers are left to h11; nothing passes here that it would not take."""
    for pieces in ([body], [body[start : start + 1] for start in range(len(body))]):
        assert read(pieces) == read_by_h11(pieces)


@given(CHUNKS)
@example([b"hello", b"5\r\nhello\r\n", b"0", b"\r\n"])
def test_a_chunk_at_a_time(chunks: list[bytes]) -> None:
    """Chunks that come one by one, as live streams send them, are handed out one by one."""
    reader = ChunkReader()
    assert [reader.feed(body_of([data], end=b"")) for data in chunks] == chunks
    assert reader.feed(b"0\r\n\r\n") == b""
    assert reader.rest == b"0\r\n\r\n"


@given(st.binary(max_size=20), CHUNKS, CUTS)
@example(b"3\r\nabc\r\n", [b"x"], [3, 11])
def test_data_that_looks_like_a_chunk(data: bytes, chunks: list[bytes], cuts: list[int]) -> None:
    """A piece that reads like a whole chunk, inside another or behind a part of a size, is not taken for one."""
    body = body_of([body_of([b"abc"], end=data), *chunks])
    pieces = cut(body, cuts)
    assert read(pieces) == read_by_h11(pieces)
    for first in (b"1\r", b"1", b"8\r\n", b"8\r\n3\r\nabc\r\n"):
        pieces = [first, b"3\r\nabc\r\n", b"0\r\n\r\n"]
        assert read(pieces) == read_by_h11(pieces)


def test_what_arrives_together_is_handed_out_together() -> None:
    """Whole chunks and the beginning of another are one piece of data; what then comes of that one is the next."""
    reader = ChunkReader()
    assert reader.feed(b"3\r\nabc\r\n3\r\ndef\r\n5\r\ngh") == b"abcdefgh"
    assert reader.feed(b"ijk\r") == b"ijk"
    assert reader.feed(b"\n") == b""
    assert reader.feed(b"0") == b""
    assert reader.rest is None
    assert reader.feed(b"\r\n\r\nmore") == b""
    assert reader.rest == b"0\r\n\r\nmore"
