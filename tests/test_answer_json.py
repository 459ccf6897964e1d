"""JSON of answers: every value, halves of surrogate pairs among it, and one error for all that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend.translation import parse_answer

_numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(_values, st.booleans())
def test_what_was_written_is_read(value: object, as_bytes: bool) -> None:
    """Whatever value, as text or in UTF-8, escaped or not."""
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert parse_answer(text.encode() if as_bytes else text) == value


@pytest.mark.parametrize("code", [0xD83D, 0xDE00])
def test_half_of_a_pair_is_read(code: int) -> None:
    """Its other half may stand in the next piece: the two together are a character."""
    text = json.dumps({"text": chr(code)})
    assert parse_answer(text) == parse_answer(text.encode()) == {"text": chr(code)}


@pytest.mark.parametrize("data", ["", " ", "no", "{", '{"a": 1', "[1,]", "{'a': 1}", b"\xff", b'"\xff"', '"\n"', "1 2"])
def test_what_is_no_json_is_one_kind_of_error(data: str | bytes) -> None:
    """Bytes that are no UTF-8 among it."""
    with pytest.raises(ValueError, match=r".+"):
        parse_answer(data)


def test_nesting_without_end_is_an_error_and_no_crash() -> None:
    """As deep as nobody means it; a few levels are read."""
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_answer("[" * 200_000 + "]" * 200_000)
    assert parse_answer("[" * 50 + "]" * 50) == json.loads("[" * 50 + "]" * 50)
