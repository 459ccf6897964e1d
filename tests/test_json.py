import json
import math
from typing import Any

import pytest
from hypothesis import given
from tests.strategies import json_values, texts

from chatport._json import MAX_DEPTH, check_json, join_halves, parse_json


@given(json_values())
def test_what_json_can_say_is_read_and_passes(value: Any) -> None:
    """Every JSON value passes the check, and its text gives an equal value back."""
    check_json(value)
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "property name"),
        ("[1] 2", "Extra data"),
        ("NaN", "NaN is no JSON number"),
        ("[Infinity]", "Infinity is no JSON number"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        ("1e400", "too large for a float"),
        ("[-1e400]", "too large for a float"),
        ('{"a": 1, "a": 2}', "names a twice"),
        ('[{"a b": {}, "": 1, "a b": {}}]', r'names \["a b"\] twice'),
        ("9" * 4301, "digits"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        ("[" * 200_000, "nested more than 100 levels"),
        ('{"a":' * 200_000, "nested more than 100 levels"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_plain_json_is_refused(text: str, reason: str) -> None:
    """What Python's reader lets through, bends or breaks at is a ValueError that says why."""
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_the_deepest_text_allowed_is_read() -> None:
    """The limit is the number of arrays and objects within each other, not one less."""
    value = parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    for _ in range(MAX_DEPTH - 1):
        [value] = value
    assert value == []


def test_a_refusal_carries_no_content() -> None:
    """The decoder's own error holds the whole text; ours does not, not even as a cause."""
    with pytest.raises(ValueError, match="Expecting") as caught:
        parse_json('["confidential" x]')
    assert not isinstance(caught.value, json.JSONDecodeError)
    assert "confidential" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append({"again": loop})
    return loop


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (b"", TypeError, "at: bytes is no JSON value"),
        ({"a": [1, b""]}, TypeError, r"at\.a\[1\]: bytes is no JSON value"),
        ({"a b": {1}}, TypeError, r'at\["a b"\]: set is no JSON value'),
        ([(1,)], TypeError, r"at\[0\]: a tuple is no JSON value"),
        ({"a": {1: 2}}, TypeError, r"at\.a: a JSON object has names of type str, not int"),
        ([math.nan], ValueError, r"at\[0\]: nan is no JSON number"),
        ([math.inf], ValueError, r"at\[0\]: inf is no JSON number"),
        ([10**4300], ValueError, r"at\[0\]: an integer of more than 4300 digits"),
        ([-(10**4300)], ValueError, r"at\[0\]: an integer of more than 4300 digits"),
        (["\ud83d\ude00"], ValueError, r"at\[0\]: it holds a character as two surrogates"),
        ({"\ud83d\ude00": 1}, ValueError, "at: it holds a character as two surrogates"),
        (_loop(), ValueError, "nested too deeply, or holds itself"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_what_json_cannot_say_is_refused_with_its_place(value: Any, kind: type[Exception], message: str) -> None:
    """Nothing is written as something else: it is refused, and the error says where it stands."""
    with pytest.raises(kind, match=message):
        check_json(value, path="at")


def test_the_root_has_no_path() -> None:
    """Without a path the names of the value's own members begin it."""
    with pytest.raises(TypeError, match=r"^a\.b: bytes is no JSON value$"):
        check_json({"a": {"b": b""}})


def test_a_long_name_is_cut_in_the_message() -> None:
    """Names may come from outside and be of any length; a message stays readable."""
    with pytest.raises(TypeError) as caught:
        check_json({"x" * 10_000: b""})
    assert len(str(caught.value)) < 100


@given(texts())
def test_a_character_cut_in_two_is_joined(text: str) -> None:
    """Text cut into UTF-16 units and put together again is the text."""
    units = text.encode("utf-16-le", "surrogatepass")
    halves = "".join(units[place : place + 2].decode("utf-16-le", "surrogatepass") for place in range(0, len(units), 2))
    assert join_halves(halves) == text


def test_a_lone_half_stays() -> None:
    """Half a character without its other half is kept as it is; nobody can say what was meant."""
    assert join_halves("a\ud83d b\ude00\ud83d") == "a\ud83d b\ude00\ud83d"
