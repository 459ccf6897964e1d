"""Bodies of requests in JSON: the bytes that the plain way gives, media spliced in; what is no JSON is refused."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport._json_body import _MARKER
from chatport.backend import UnsupportedError
from chatport.backend.http import Base64, BodyLeaves, DataUrl, cut_json, encode_json, plain_json

# Text that json.dumps, a naive marker or UTF-8 could stumble over; the marker itself among it.
_text = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [_MARKER, f'"{_MARKER}"', f'x"{_MARKER}', f"\\{_MARKER}", ""]
)
_leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_media = st.builds(Base64, st.binary(max_size=40)) | st.builds(DataUrl, _text, st.binary(max_size=40))
_with_media = st.recursive(
    _leaf | _media,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return the bytes of a body."""
    return anyio.run(encode_json, body)


def reference(value: Any) -> Any:
    """Return the same value with every medium as text, by the plain way."""
    if isinstance(value, Mapping):
        return {name: reference(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [reference(item) for item in value]
    if isinstance(value, Base64):
        return base64.b64encode(value.data).decode()
    if isinstance(value, DataUrl):
        return f"data:{value.media_type};base64,{base64.b64encode(value.data).decode()}"
    return value


@given(st.lists(st.dictionaries(_text, _with_media, max_size=5), min_size=1, max_size=5))
def test_the_bytes_are_those_of_the_plain_way(bodies: list[dict[str, Any]]) -> None:
    """Splicing gives exactly what dumping text gives, whatever stands around the media."""

    async def encode_all() -> list[bytes]:
        return [await encode_json(body) for body in bodies]

    plain = [reference(body) for body in bodies]
    dumped = [json.dumps(each, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() for each in plain]
    assert anyio.run(encode_all) == dumped
    assert [plain_json(body) for body in bodies] == plain


@pytest.mark.parametrize(
    "text",
    [_MARKER, f'"{_MARKER}"', f'say "{_MARKER}', f'x"{_MARKER}', f"{_MARKER}:0", f'\\"{_MARKER}', f"{_MARKER}\\"],
    ids=["the-marker", "quoted", "after-a-quote", "ends-like-a-mark", "numbered", "escaped", "backslash"],
)
def test_text_that_looks_like_the_mark_of_media_is_left_alone(text: str) -> None:
    """Whatever a user writes, media land in their own places: as value, as name, before and after them."""
    body = {
        "a": text,
        text: Base64(b"\x00\xff"),
        "list": [text, DataUrl("image/png", b"m"), text],
        "b": {"c": text * 2},
    }
    assert json.loads(encoded(body)) == reference(body)


def test_a_conversation_that_quotes_the_second_mark_too_is_sent_right() -> None:
    """The mark that is taken after a collision depends on the whole text, so it cannot be prepared."""
    dumped = json.dumps({"text": _MARKER, "data": _MARKER}, separators=(",", ":"))
    body = {"text": _MARKER, "data": Base64(b"media"), "more": sha256(dumped.encode()).hexdigest()}
    assert json.loads(encoded(body)) == reference(body)


def test_order_and_characters_stay() -> None:
    """Keys in the order they have, no blanks, UTF-8 without escapes that need not be; mappings of any kind."""
    body = MappingProxyType({"b": "Zürich 東京 😀", "a": (1, True, None), "c": {"d": MappingProxyType({"e": 1.5})}})
    assert encoded(body) == '{"b":"Zürich 東京 😀","a":[1,true,null],"c":{"d":{"e":1.5}}}'.encode()
    assert plain_json(body) == {"b": "Zürich 東京 😀", "a": [1, True, None], "c": {"d": {"e": 1.5}}}


def test_the_body_is_not_changed() -> None:
    """Encoding and previewing leave the body as it was, and the preview shares nothing with it."""
    body = {"messages": [{"content": [{"image": DataUrl("image/png", b"png")}]}]}
    before = json.dumps(reference(body))
    preview = plain_json(body)
    encoded(body)
    preview["messages"][0]["content"].clear()
    assert json.dumps(reference(body)) == before


@pytest.mark.anyio
async def test_large_media_are_encoded_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes do not hold up the event loop; a few bytes are not worth a thread."""
    threads: list[str] = []
    joined = "chatport._json_body._joined"
    from chatport import _json_body

    original = _json_body._joined

    def note(texts: list[bytes], media: list[Base64 | DataUrl]) -> bytes:
        threads.append(threading.current_thread().name)
        return original(texts, media)

    monkeypatch.setattr(joined, note)
    for size in (10, 2**18 + 1, 2**18 + 1):
        body = {"image": DataUrl("image/png", bytes(size)), "text": "x"}
        assert json.loads(await encode_json(body)) == reference(body)
    main = threading.current_thread().name
    assert [name == main for name in threads] == [True, False, False]


@pytest.mark.parametrize("encode", [encoded, plain_json])
@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"a": [1, {"b": float("nan")}]}, r"a\[1\]\.b is nan, which JSON cannot say"),
        ({"a": {"b": [float("-inf")]}}, r"a\.b\[0\] is -inf, which JSON cannot say"),
        ({"a": ["", "x\ud800y"]}, r"a\[1\] has half of a surrogate pair \(U\+D800\) at character 1"),
        ({"a": {"\udfff": 1}}, r"a name in a has half of a surrogate pair \(U\+DFFF\) at character 0"),
        ({"\udfff": 1}, r"a name in the body has half of a surrogate pair"),
        ({"a": Base64(b"media"), "b": ("\ud83d",)}, r"b\[0\] has half of a surrogate pair \(U\+D83D\)"),
        ({"a": [DataUrl("\ud83d", b"")]}, r"a\[0\] has half of a surrogate pair \(U\+D83D\)"),
        ({"a": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}, r"a\.when is a datetime, which is no JSON value"),
        ({"a": [b"x"]}, r"a\[0\] is a bytes, which is no JSON value"),
        ({"a": [{("x", "y"): 1}]}, r"a\[0\] has a tuple for a name"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(encode: Any, body: dict[str, Any], complaint: str) -> None:
    """Nothing is sent that the service could only misread; the message says where it stands."""
    with pytest.raises(UnsupportedError, match=f"nothing was sent: {complaint}"):
        encode(body)


@pytest.mark.parametrize("encode", [encoded, plain_json])
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


def test_media_and_words_are_in_no_error_and_no_repr() -> None:
    """An error names places and code points; what was said stays out of logs."""
    with pytest.raises(UnsupportedError) as caught:
        encoded({"text": "my secret \ud800", "data": Base64(b"secret")})
    assert "secret" not in str(caught.value)
    assert repr([Base64(b"secret"), DataUrl("image/png", b"secret")]) == (
        "[<base64 of 6 bytes>, <data URL of 6 bytes, image/png>]"
    )


class Blob:
    """A leaf as a backend could have one of its own."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data


BLOBS = BodyLeaves((Blob,), lambda blob: f"{blob.name}:{blob.data.hex()}", lambda blob: blob.name)


def test_leaves_of_a_backends_own_cut_the_body() -> None:
    """The texts around them, and themselves in order: with what they become in between, the JSON of the plain way."""
    first, second = Blob("a", b"\x01"), Blob("b", b"")
    body = {"x": [first, _MARKER, {"y": second}], "z": None}
    texts, found = cut_json(body, BLOBS)
    assert found == (first, second)
    assert len(texts) == 3
    pieces = [f'"{BLOBS.text_of(blob)}"'.encode() + text for blob, text in zip(found, texts[1:], strict=True)]
    plain = plain_json(body, BLOBS)
    assert json.loads(b"".join([texts[0], *pieces])) == plain
    assert plain == {"x": ["a:01", _MARKER, {"y": "b:"}], "z": None}


def test_leaves_that_were_not_named_are_no_json() -> None:
    """What a backend puts in its bodies is its own to say: media of ours are none there, and its own none elsewhere."""
    for refuse, leaf in ((lambda body: cut_json(body, BLOBS), Base64(b"")), (encoded, Blob("a", b""))):
        with pytest.raises(UnsupportedError, match=f"nothing was sent: a is a {type(leaf).__name__}"):
            refuse({"a": leaf})


@pytest.mark.parametrize("refuse", [cut_json, plain_json])
def test_words_of_a_leaf_have_to_be_text(refuse: Any) -> None:
    """They go into the body as they are; where a leaf has none, nothing of it is looked at."""
    body = {"a": [Blob("\ud800", b"")]}
    with pytest.raises(UnsupportedError, match=r"a\[0\] has half of a surrogate pair"):
        refuse(body, BLOBS)
    refuse(body, BodyLeaves((Blob,), lambda blob: blob.data.hex()))
