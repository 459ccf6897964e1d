"""Histories at random: whatever a conversation holds, all of it is sent or named, and nothing is changed."""

import copy
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chatport
from chatport import Message, UnsupportedError
from chatport.backend import ChatRequest
from tests import strategies
from tests.swap.ledger import account_for
from tests.swap.pairs import pairing_faults
from tests.swap.station import Station
from tests.swap.stations import DESTINATIONS

PLACE = re.compile(r"messages\[\d+\]")
QUESTION = Message.user("And now, sixty?")

histories = st.lists(strategies.messages(), max_size=5).map(lambda found: chatport.repair_messages(found).messages)


@pytest.mark.parametrize("station", [station for station in DESTINATIONS if station.reads_all], ids=str)
def test_all_of_any_history_is_sent_or_named(station: Station) -> None:
    """Any parts in any message, as far as a history can be put right; what is refused is refused with its place."""
    outcomes: Counter[str] = Counter()

    @settings(max_examples=settings().max_examples // 2)  # of each station; the profile says how many
    @given(histories)
    def check(history: tuple[Message, ...]) -> None:
        messages = (*history, QUESTION)
        before = copy.deepcopy(messages)
        try:
            body, adjustments = station.plan(ChatRequest(station.model, messages))
        except UnsupportedError as error:
            assert PLACE.match(str(error))
            outcomes["refused"] += 1
            return
        outcomes["sent"] += 1
        assert messages == before
        account = account_for(messages, body, station.turns(body), adjustments, in_words=station.in_words)
        lost = [fault for fault in account.faults if fault.startswith("lost in silence")]
        calls, results = list(station.calls(body)), list(station.results(body))
        assert [*lost, *pairing_faults(messages, calls, results, adjustments, in_words=station.in_words)] == []

    check()
    assert outcomes["sent"] > 0.3 * outcomes.total()
