"""What a decoder does not know is kept up to a bound, and what goes beyond it is counted."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatport.backend.translation import UnknownContent


def kept_of(*found: dict[str, Any]) -> dict[str, Any]:
    """What comes out for the metadata."""
    unknown = UnknownContent()
    for each in found:
        unknown.add(each)
    return unknown.metadata()


def test_what_was_found_comes_out_in_order() -> None:
    """Each thing as it was added; where nothing was, there is no member."""
    assert kept_of() == {}
    assert kept_of({"event": "b"}, {"event": "a"}, {"event": "b"}) == {
        "unknown": [{"event": "b"}, {"event": "a"}, {"event": "b"}]
    }


def test_entries_beyond_the_bound_are_counted() -> None:
    """Thirty-two are kept, the first ones; the last entry says how many more there were."""
    entries: list[dict[str, Any]] = [{"n": number} for number in range(40)]
    assert kept_of(*entries[:32]) == {"unknown": entries[:32]}
    assert kept_of(*entries) == {"unknown": [*entries[:32], {"left_out": 8}]}


def test_large_things_are_counted_and_small_ones_after_them_are_kept() -> None:
    """The bound is on all characters together: what does not fit is left out, and what comes next may fit again."""
    large = {"words": "x" * 40_000}
    assert kept_of(large, large, {"n": 1}) == {"unknown": [large, {"n": 1}, {"left_out": 1}]}
    assert kept_of({"words": "x" * 70_000}) == {"unknown": [{"left_out": 1}]}


@given(st.lists(st.integers(0, 40_000), max_size=50))
def test_nothing_is_lost_unsaid(sizes: list[int]) -> None:
    """Whatever comes: the entries that are there and those that are counted are all that was added, in bounds."""
    found: list[dict[str, Any]] = kept_of(*({"n": "x" * size} for size in sizes)).get("unknown", [])
    counted = sum(each.get("left_out", 0) for each in found)
    kept = [each for each in found if "left_out" not in each]
    assert len(kept) + counted == len(sizes)
    assert len(kept) <= 32
    assert sum(len(repr(each)) for each in kept) <= 64 * 1024
