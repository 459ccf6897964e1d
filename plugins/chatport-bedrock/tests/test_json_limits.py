"""Values that JSON can say pass, whatever they look like; anything else is found wherever it stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_values

from chatport.backend import UnsupportedError
from chatport_bedrock import _json_limits
from chatport_bedrock._json_limits import check_json, check_text, json_text

FAULTS = st.sampled_from([float("nan"), float("inf"), b"x", {1}, 1j, "\udc00", {"\ud800": 1}, {None: 1}, 10**4301])


@given(json_values())
def test_what_json_can_say_passes(value: Any) -> None:
    """It goes through the encoder, and comes back equal."""
    check_json(value, "here")
    assert json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.data(), FAULTS)
def test_a_fault_is_found_wherever_it_stands(data: st.DataObject, fault: Any) -> None:
    """The place leads to it: each step is a name or an index on the way."""
    value, place = fault, ""
    for _ in range(data.draw(st.integers(0, 4))):
        neighbours = data.draw(st.lists(json_values(), max_size=2))
        if data.draw(st.booleans()):
            name = data.draw(st.sampled_from(["a", "b_1", "with a blank", "é"]))
            value = {**{f"other {n}": each for n, each in enumerate(neighbours)}, name: value}
            place = (f".{name}" if name.isidentifier() and name.isascii() else f"[{json.dumps(name)}]") + place
        else:
            value = [*neighbours, value]
            place = f"[{len(neighbours)}]{place}"
    with pytest.raises(UnsupportedError) as caught:
        check_json(value, "here")
    assert str(caught.value).startswith(f"here{place}")


@given(json_values())
def test_tuples_and_bytes_pass_where_they_stand_for_something(value: Any) -> None:
    """The two are told apart: each passes only where it is allowed."""
    for strange, allowed in (((value,), {"tuples": True}), ({"a": b"x"}, {"blobs": True})):
        check_json(strange, "here", **allowed)
        with pytest.raises(UnsupportedError, match=r"^here"):
            check_json(strange, "here")


def test_classes_derived_from_plain_ones_are_what_they_are() -> None:
    """The encoder writes them as their base, so they pass."""

    class Text(str):
        __slots__ = ()

    class Number(int):
        pass

    class Record(dict[str, Any]):
        pass

    check_json(Record({Text("a"): [Text("é"), Number(1)]}), "here")


def test_a_value_too_long_for_the_quick_look_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long is not wrong; what holds itself is."""
    monkeypatch.setattr(_json_limits, "_QUICK_STEPS", 10)
    check_json(list(range(100)), "here")
    loop: dict[str, Any] = {}
    loop["again"] = [loop]
    with pytest.raises(UnsupportedError, match=r"^here: it is nested too deeply, or holds itself$"):
        check_json(loop, "here")


def test_text_is_text() -> None:
    """In UTF-8; the place of half a character is named."""
    check_text("é 🎉", "here")
    with pytest.raises(UnsupportedError, match=r"^here: character 2 is half of a surrogate pair \(U\+DC00\)"):
        check_text("é \udc00", "here")
    with pytest.raises(UnsupportedError, match=r"^here: it is a bytes, not a str$"):
        check_text(b"x", "here")


def test_what_is_nested_too_deeply_is_no_text() -> None:
    """Deeper than Python's own limit; the place is said."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UnsupportedError, match=r"^there: it is nested too deeply"):
        json_text(value, "there")
    assert json_text(value[0][0][:0], "there") == "[]"


def test_what_holds_itself_many_times_over_is_refused_at_once() -> None:
    """Looking at all that waits to be looked at would take memory without end."""
    value: list[Any] = []
    value += [value] * 1000
    with pytest.raises(UnsupportedError, match=r"^there: it is nested too deeply, or holds itself"):
        check_json(value, "there")
