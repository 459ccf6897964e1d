"""Request bodies: the JSON that the plain way gives, media spliced in; what is no JSON refused with its place."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import UnsupportedError
from chatport_bedrock._body import cut_body, encode_body, plain_body
from chatport_bedrock._calls import chat_call

# What stands in the place of media while the rest is encoded.
_MARKER = "a medium, as base64"

# Text that json.dumps, a naive marker or UTF-8 could stumble over; the marker itself among it.
_text = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [_MARKER, f'"{_MARKER}"', f'x"{_MARKER}', f"\\{_MARKER}", ""]
)
_leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_with_bytes = st.recursive(
    _leaf | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


def reference(value: Any) -> Any:
    """The same value with every bytes as base64, by the plain way."""
    if isinstance(value, dict):
        return {name: reference(item) for name, item in value.items()}
    if isinstance(value, list):
        return [reference(item) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


@given(st.dictionaries(_text, _with_bytes, max_size=5))
def test_the_bytes_are_those_of_the_plain_way(body: dict[str, Any]) -> None:
    """Splicing gives exactly what dumping base64 text gives, whatever stands around the media."""
    plain = reference(body)
    expected = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    assert encode_body(body) == expected
    assert plain_body(body) == plain


@pytest.mark.parametrize(
    "text",
    [_MARKER, f'"{_MARKER}"', f'say "{_MARKER}', f'x"{_MARKER}', f"{_MARKER}:0", f'\\"{_MARKER}', f"{_MARKER}\\"],
    ids=["the-marker", "quoted", "after-a-quote", "ends-like-a-mark", "numbered", "escaped", "backslash"],
)
def test_text_that_looks_like_the_mark_of_media_is_left_alone(text: str) -> None:
    """Whatever a user writes, media land in their own places: as value, as name, before and after them."""
    body = {"a": text, text: b"\x00\xff", "list": [text, b"media", text], "nested": {"text": f"{text}{text}"}}
    assert json.loads(encode_body(body)) == reference(body)


@pytest.mark.parametrize("size", [0, 1, 49_151, 49_152, 49_153, 98_304, 200_000])
def test_media_come_in_pieces(size: int) -> None:
    """None is longer than a connection takes at once; together they are the body, with padding at its end only."""
    first, second = bytes(number % 251 for number in range(size)), b"another one"
    body = {"a": {"bytes": first}, "b": [second], "c": _MARKER}
    cut = cut_body(body)
    assert cut.media_size == size + len(second)
    pieces = cut.pieces()
    assert max(map(len, pieces)) <= 2**16
    assert b"".join(pieces) == encode_body(body)
    assert json.loads(b"".join(pieces)) == reference(body)


def test_a_request_with_media_is_dumped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in a request as Converse has it looks like the mark, so that long conversations are not dumped twice."""
    dumps: list[str] = []
    dump = json.dumps

    def note(*arguments: Any, **options: Any) -> str:
        dumps.append(dump(*arguments, **options))
        return dumps[-1]

    monkeypatch.setattr(json, "dumps", note)
    image = {"image": {"format": "png", "source": {"bytes": b"x" * 10}}}
    document = {"document": {"name": "bytes", "format": "txt", "source": {"bytes": b"y"}}}
    encode_body({"messages": [{"role": "user", "content": [{"text": "bytes"}, image, document]}]})
    assert len(dumps) == 1


def test_without_media_there_is_one_piece() -> None:
    """As a body of words goes out at once, however long it is."""
    assert len(cut_body({"a": "x" * 200_000}).pieces()) == 1


def test_a_conversation_that_quotes_the_second_mark_too_is_sent_right() -> None:
    """The mark that is taken after a collision depends on the whole text, so it cannot be prepared."""
    first = {"text": _MARKER, "data": b"media"}
    dumped = json.dumps({"text": _MARKER, "data": _MARKER}, separators=(",", ":"))
    prepared = sha256(dumped.encode()).hexdigest()
    body = {**first, "more": prepared}
    assert json.loads(encode_body(body)) == reference(body)


def test_text_is_sent_as_utf8_and_not_escaped() -> None:
    """Words that are not ASCII take their few bytes in UTF-8; nothing is escaped that need not be."""
    assert encode_body({"text": "Zürich 東京 😀"}) == '{"text":"Zürich 東京 😀"}'.encode()


def test_the_body_is_not_changed() -> None:
    """Encoding and previewing leave the body as it was, and the preview shares nothing with it."""
    body = {"messages": [{"role": "user", "content": [{"image": {"source": {"bytes": b"png"}}}]}]}
    before = json.dumps(reference(body))
    preview = plain_body(body)
    encode_body(body)
    preview["messages"][0]["content"].clear()
    assert json.dumps(reference(body)) == before


@pytest.mark.parametrize("encode", [encode_body, plain_body])
@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"a": [1, {"b": float("nan")}]}, r"a\[1\]\.b is nan, which JSON cannot say"),
        ({"a": {"b": [float("-inf")]}}, r"a\.b\[0\] is -inf, which JSON cannot say"),
        ({"a": ["", "x\ud800y"]}, r"a\[1\] has half of a surrogate pair \(U\+D800\) at character 1"),
        ({"a": {"\udfff": 1}}, r"a name in a has half of a surrogate pair \(U\+DFFF\) at character 0"),
        ({"\udfff": 1}, r"a name in the body has half of a surrogate pair"),
        ({"a": b"media", "b": ("\ud83d",)}, r"b\[0\] has half of a surrogate pair \(U\+D83D\)"),
        ({"a": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}, r"a\.when is a datetime, which is no JSON value"),
        ({"a": [bytearray(b"x")]}, r"a\[0\] is a bytearray, which is no JSON value"),
        ({"a": [{("x", "y"): 1}]}, r"a\[0\] has a tuple for a name"),
    ],
    ids=["nan", "infinity", "surrogate", "name", "top-name", "beside-media", "datetime", "bytearray", "tuple-name"],
)
def test_what_is_no_json_is_refused_with_its_place(encode: Any, body: dict[str, Any], complaint: str) -> None:
    """Nothing is sent that the service could only misread; the message says where it stands."""
    with pytest.raises(UnsupportedError, match=f"nothing was sent: {complaint}"):
        encode(body)


@pytest.mark.parametrize("encode", [encode_body, plain_body])
def test_nesting_without_end_is_refused(encode: Any) -> None:
    """A value that contains itself, and one that is nested too deeply, are errors of ours and no crash."""
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (loop, {"deep": deep}):
        with pytest.raises(UnsupportedError, match="nothing was sent"):
            encode(value)


def test_the_content_of_media_and_text_is_in_no_error() -> None:
    """An error names places and code points; what was said stays out of logs."""
    with pytest.raises(UnsupportedError) as caught:
        encode_body({"text": "my secret \ud800", "data": b"secret"})
    assert "secret" not in str(caught.value)


def test_the_bytes_are_the_same_in_every_process() -> None:
    """Hash seeds decide nothing: prompt caches of the service live from equal beginnings."""
    program = (
        "from chatport_bedrock._body import encode_body\n"
        "import sys\n"
        f"body = {{'b': b'media', 'a': {_MARKER!r}, 'c': {{'z': 1, 'y': [b'x', {_MARKER!r}]}}}}\n"
        "sys.stdout.buffer.write(encode_body(body))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    mark = _MARKER.encode()
    assert outputs == {b'{"b":"bWVkaWE=","a":"%b","c":{"z":1,"y":["eA==","%b"]}}' % (mark, mark)}


def test_a_conversation_is_not_in_a_repr() -> None:
    """Neither its words nor its media: reports of errors show the variables of frames, and this stands in many."""
    body = cut_body({"words": "private", "image": b"private" * 100_000})
    assert repr(body) == "<body: 28 bytes of JSON, 1 media of 700000 bytes>"
    for sent in (body, encode_body({"words": "private"})):
        assert "private" not in repr(chat_call("converse", "a.model:0", sent))
