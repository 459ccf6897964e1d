"""Every conversation goes from every station to every other one, and comes back with nothing of its own lost."""

from collections import Counter

import pytest
from tests.swap.facts import facts_of
from tests.swap.matrix import as_it_was_had, carried_on, history_of, turns_for
from tests.swap.station import Station
from tests.swap.stations import DESTINATIONS, STATIONS

import chatport
from chatport import Message

pytestmark = pytest.mark.anyio

PAIRS = [
    pytest.param(origin, destination, id=f"{origin}-{destination}")
    for origin in STATIONS
    for destination in DESTINATIONS
]


@pytest.mark.parametrize("station", STATIONS, ids=str)
async def test_twelve_turns_are_had(station: Station, anyio_backend_name: str) -> None:
    """By the station's own backend, from its service's answers; the history is valid, and holds what it can."""
    history = await history_of(station, anyio_backend_name)
    assert sum(message.role == "user" for message in history) == 12
    assert chatport.validate_messages(history) == ()
    kinds = Counter(fact.kind for fact in facts_of(history))
    assert kinds["text"] > 20
    assert kinds["system message inside"] == 2
    if station.reads_all:
        assert kinds["tool call"] > 6
        assert kinds["failed result"] >= 2


@pytest.mark.parametrize(("origin", "destination"), PAIRS)
async def test_a_conversation_goes_on_elsewhere(origin: Station, destination: Station, anyio_backend_name: str) -> None:
    """What is sent fits the service's schema and rules; all that was said is in it, or named; nothing is changed.

    Back where it began, what is sent for the conversation is what would have been sent without the journey.
    """
    history = await history_of(origin, anyio_backend_name)
    carried = await carried_on(origin, destination, anyio_backend_name)
    assert carried.faults == ()
    text = as_it_was_had(origin, anyio_backend_name)
    assert chatport.dump_messages(history) == text
    assert chatport.load_messages(text) == history
    assert carried.messages[: len(history)] == history
    assert chatport.dump_messages(carried.messages[: len(history)]) == text
    if origin.reads_all:
        await _nothing_is_lost(origin, history, carried.messages)


async def _nothing_is_lost(origin: Station, history: tuple[Message, ...], came_back: tuple[Message, ...]) -> None:
    own = await turns_for(origin, history, origin)
    assert await turns_for(origin, came_back[: len(history)], origin) == own
    assert (await turns_for(origin, came_back, origin))[: len(own)] == own
