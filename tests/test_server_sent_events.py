"""Events come out of a body the same however its bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatport.backend.http import EventReader, ServerSentEvent, UnreadableEventError


def _read(*pieces: bytes, max_bytes: int = 1000) -> list[ServerSentEvent]:
    reader = EventReader(max_bytes=max_bytes)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


def _datas(body: bytes) -> list[str]:
    return [event.data for event in _read(body)]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")]),
        (b"event: ping\ndata: {}\n\n", [("ping", "{}")]),
        (b"data: {}\nevent: ping\n\n", [("ping", "{}")]),
        (b"data:a\n\n", [("", "a")]),
        (b"data:  a\n\n", [("", " a")]),
        (b"data\n\n", [("", "")]),
        (b"data: a\ndata: b\ndata:\n\n", [("", "a\nb\n")]),
        (b"data: a: b\n\n", [("", "a: b")]),
        (b"event: a\nevent: b\ndata: c\n\n", [("b", "c")]),
        (b"event: a\n\ndata: b\n\n", [("", "b")]),
        (b"id: 1\nretry: 5\ndata: a\n\n", [("", "a")]),
        (b": comment\n\ndata: a\n\n", [("", "a")]),
        (b": comment\ndata: a\n: more\n\n", [("", "a")]),
        (b":\n\n:\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [("", "a"), ("", "b")]),
        (b"\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
        (b"data: a\r\n\rdata: b\n\r\n", [("", "a"), ("", "b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\ndata: [DONE]", [("", "a"), ("", "[DONE]")]),
        (b"data: a\n\ndata: [DONE]\n", [("", "a"), ("", "[DONE]")]),
        ("data: é€🙂\n\n".encode(), [("", "é€🙂")]),
        (b"data: \xe2\x80\xa8\xc2\x85\x0b\x0c\x1c\n\n", [("", "\u2028\x85\x0b\x0c\x1c")]),
        (b"", []),
    ],
)
def test_bodies(body: bytes, events: list[tuple[str, str]]) -> None:
    """What the standard says of names, data lines, comments, line ends and the byte order mark."""
    found = [(event.event, event.data) for event in _read(body) if not event.other]
    assert found == events
    single = [(event.event, event.data) for event in _read(*(bytes([byte]) for byte in body)) if not event.other]
    assert single == events


def test_fields_of_no_standard_are_kept() -> None:
    """A field named `error`, with or without data beside it, is handed on with its name."""
    assert _read(b'error: {"code":500}\n\n') == [ServerSentEvent("", "", (("error", '{"code":500}'),))]
    assert _read(b"data: a\nx\nerror:b\n\n") == [ServerSentEvent("", "a", (("x", ""), ("error", "b")))]


def test_what_is_there_comes_out_at_once() -> None:
    """An event is returned with the bytes that complete it, also where a carriage return ends it."""
    reader = EventReader()
    assert reader.feed(b"data: a\n") == []
    assert reader.feed(b"\n") == [ServerSentEvent("", "a")]
    assert reader.feed(b"data: b\r\n\r") == [ServerSentEvent("", "b")]
    assert reader.feed(b"") == []
    assert reader.feed(b"\ndata: c\r\r") == [ServerSentEvent("", "c")]
    assert reader.finish() == []
    assert reader.finish() == []


def test_characters_may_be_cut() -> None:
    """The bytes of one character come in two pieces."""
    body = "data: 🙂\n\n".encode()
    for place in range(len(body)):
        assert _read(body[:place], body[place:]) == [ServerSentEvent("", "🙂")]


@pytest.mark.parametrize(
    "pieces", [(b"data: \xff\n\n",), (b"data: \xe2\x82",), (b"\xef",), (b"event: \xff\ndata: a\n\n",)]
)
def test_what_is_no_utf8_is_refused(pieces: tuple[bytes, ...]) -> None:
    """Bytes that are no text raise, and are not replaced."""
    with pytest.raises(ValueError, match="utf-8"):
        _read(*pieces)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_long_events_are_refused(size: int) -> None:
    """The limit holds for an event that never ends, and for one that comes at once; one that fits is read."""
    exact = b"data: " + b"a" * 94
    assert [len(event.data) for event in _read(*_cut(exact + b"\n\n", size), max_bytes=100)] == [94]
    assert [len(event.data) for event in _read(*_cut(exact + b"\n", size), max_bytes=100)] == [94]
    for body in (exact + b"a\n\n", exact + b"a" * 1000, b": " + b"a" * 1000):
        with pytest.raises(ValueError, match="longer than 100 bytes"):
            _read(*_cut(body, size), max_bytes=100)


def test_many_small_pieces_take_time_in_proportion() -> None:
    """Pieces of a long event are put together once: its bytes are not copied again with each of them."""
    reader = EventReader()
    for _ in range(200_000):
        assert reader.feed(b"data: 0123456789 0123456789 ") == []
    (event,) = reader.feed(b"\n\n")
    assert len(event.data) == 28 * 200_000 - 6


def _cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


_LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"event: ping",
        b"event",
        b": comment",
        b":",
        b"id: 1",
        b"error: x",
        b"",
        b"",
        b"data: \xe2\x82\xac",
    ]
)
_ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
_BODIES = st.builds(
    lambda mark, lines: mark + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(_LINES, _ENDS), max_size=30),
)


def _outcome(pieces: list[bytes]) -> list[ServerSentEvent] | str:
    try:
        return _read(*pieces)
    except ValueError:
        return "refused"


@given(_BODIES, st.lists(st.integers(0, 200)))
@example(b"data: a\r\n\r\n", [9, 10])
def test_any_cut_gives_the_same_events(body: bytes, places: list[int]) -> None:
    """However a body is cut, its events are the same, or it is refused."""
    cuts = sorted({0, len(body), *(place for place in places if place < len(body))})
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    assert _outcome(pieces) == _outcome([body])


def _by_the_standard(body: bytes) -> list[ServerSentEvent]:
    """The algorithm of the standard, line by line; what is left at the end counts, and other fields are kept."""
    text = body.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events: list[ServerSentEvent] = []
    name, datas, others = "", list[str](), list[tuple[str, str]]()
    for line in [*text.split("\n"), ""]:
        if not line:
            if datas or others:
                events.append(ServerSentEvent(name, "\n".join(datas), tuple(others)))
            name, datas, others = "", [], []
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value[:1] == " " else value
        if field == "data":
            datas.append(value)
        elif field == "event":
            name = value
        elif field not in {"", "id", "retry"}:
            others.append((field, value))
    return events


@given(_BODIES.filter(lambda body: not body.startswith(b"\xef\xbb") or body.startswith(b"\xef\xbb\xbf")))
def test_events_are_those_of_the_standard(body: bytes) -> None:
    """The quick ways give what the algorithm of the standard gives."""
    assert _read(body) == _by_the_standard(body)


@pytest.mark.parametrize("bad", [b"data: \xff\n\n", b"data: " + b"x" * 100 + b"\n\n", b"data: " + b"x" * 200])
def test_what_is_good_comes_before_what_is_bad(bad: bytes) -> None:
    """The error has the events that came before it in the same piece."""
    with pytest.raises(UnreadableEventError) as caught:
        EventReader(max_bytes=100).feed(b"data: a\n\nevent: e\ndata: b\n\n" + bad)
    assert [(event.event, event.data) for event in caught.value.events] == [("", "a"), ("e", "b")]
