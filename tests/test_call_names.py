"""Names of tools and ids of calls that a service refuses: what they go as, and the way back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend.translation import SentCallIds, ToolNames

PLAIN = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NINE = re.compile(r"[a-zA-Z0-9]{9}")
HALF_OF_A_PAIR = "\ud83d"


def is_plain(call_id: str) -> bool:
    """What most services take."""
    return PLAIN.fullmatch(call_id) is not None


def is_nine(call_id: str) -> bool:
    """What some models take."""
    return NINE.fullmatch(call_id) is not None


@given(
    st.lists(st.text(min_size=1, max_size=140) | st.sampled_from(["a.b", "a_b", "a/b"]), unique=True, max_size=8),
    st.sampled_from([14, 64, 128]),
)
def test_names_are_accepted_different_and_lead_back(names: list[str], longest: int) -> None:
    """Any set of names; the order in which they come up changes nothing."""
    tools = ToolNames(names, max_length=longest)
    sent = [tools.sent(name) for name in names]
    assert all(re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{longest}}}", name) for name in sent)
    assert len(set(sent)) == len(names)
    back = tools.given_names()
    assert [back.get(name, name) for name in sent] == names
    assert [tools.has_sent(name) for name in names] == [name != other for name, other in zip(names, sent, strict=True)]
    again = ToolNames(names, max_length=longest)
    assert [again.sent(name) for name in reversed(names)] == sent[::-1]


def test_a_tool_that_has_the_name_already_keeps_it() -> None:
    """The other one gets yet another name."""
    first = ToolNames(["a.b"]).sent("a.b")
    tools = ToolNames(["a.b", first])
    assert tools.sent(first) == first
    assert tools.sent("a.b") not in {first, "a.b"}


@pytest.mark.parametrize(
    ("name", "longest", "sent"),
    [
        ("files.read", 64, "files_read_d60418c5c280"),
        ("x" * 65, 64, "x" * 51 + "_53fc389985e6"),
        ("x" * 65, 128, "x" * 65),
        (HALF_OF_A_PAIR, 64, "__f6641fb6ea8a"),
    ],
)
def test_names_stay_what_they_were(name: str, longest: int, sent: str) -> None:
    """A service keeps what a conversation begins with: another version of this library must not change a letter."""
    assert ToolNames([name], max_length=longest).sent(name) == sent


@pytest.mark.parametrize(
    ("call_id", "prefix", "is_short", "sent"),
    [
        ("a b", "call_", False, "call_2e5dfb668a51c6922a2f0b80"),
        ("a b", "toolu_", False, "toolu_2e5dfb668a51c6922a2f0b80"),
        ("", "call_", False, "call_7daed43814b633951fa277cd"),
        ("a b", "call_", True, "Q3XqdW0dF"),
        (HALF_OF_A_PAIR, "call_", False, "call_f6641fb6ea8a584ffd02d98f"),
        ("a-b", "call_", False, "a-b"),
    ],
)
def test_ids_stay_what_they_were(call_id: str, prefix: str, *, is_short: bool, sent: str) -> None:
    """Likewise."""
    assert SentCallIds([call_id], is_plain=is_plain, prefix=prefix, is_short=is_short).sent(call_id) == sent


@given(
    st.lists(st.text(max_size=70) | st.sampled_from(["a", "a b", "a|b"]), unique=True, max_size=8),
    st.booleans(),
)
def test_ids_are_accepted_and_different(given_ids: list[str], is_short: bool) -> None:
    """Any set of ids, alike in every request that has the same."""
    plain = is_nine if is_short else is_plain
    ids = SentCallIds(given_ids, is_plain=plain, is_short=is_short)
    sent = [ids.sent(call_id) for call_id in given_ids]
    assert all(plain(call_id) for call_id in sent)
    assert len(set(sent)) == len(given_ids)
    again = SentCallIds(given_ids, is_plain=plain, is_short=is_short)
    assert [again.sent(call_id) for call_id in given_ids] == sent


def test_ids_that_the_service_issued_go_back_as_they_came() -> None:
    """Whatever they look like, and no other call gets one of them."""
    made = SentCallIds(is_plain=is_plain).sent("a b")
    ids = SentCallIds(["a b", "a/b", made], ["a/b"], is_plain=is_plain)
    assert ids.sent("a/b") == "a/b"
    assert ids.sent(made) == made
    assert ids.sent("a b") not in {"a b", "a/b", made}


def test_an_id_that_is_repeated_very_often_costs_no_more_each_time() -> None:
    """Some services give every call the same id: another one is found at once, and never the same."""
    ids = SentCallIds(["call_0"], is_plain=is_plain)
    assert len({ids.another("call_0") for _ in range(5000)}) == 5000
    assert ids.sent("call_0") == "call_0"
