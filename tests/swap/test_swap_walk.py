"""A conversation that walks through all stations, one after the other, and comes home."""

import json

import pytest
from tests.swap.conversation import tools_of
from tests.swap.ledger import Reading, account_for
from tests.swap.matrix import history_of, leaked, turns_for
from tests.swap.pairs import pairing_faults
from tests.swap.speech import Answer, Call, Sealed, Thought, Unknown, Words
from tests.swap.station import Station
from tests.swap.stations import DESTINATIONS, STATIONS
from tests.swap.travel import ask_with

import chatport

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("origin", STATIONS, ids=str)
async def test_a_conversation_walks_through_all_and_comes_home(origin: Station, anyio_backend_name: str) -> None:
    """Each hears all that was said before, by whomever, but for what is not theirs; at home nothing is lost.

    Everybody says all that they can: thoughts of every kind, and a call whose id another one may have used before.
    """
    home = await history_of(origin, anyio_backend_name)
    messages = home
    signers = [origin.signer] * len(home)
    tools = tools_of(origin)
    for number, station in enumerate(DESTINATIONS):
        answer = station.answer(_all_that_can_be_said(station, number))
        async with station.open() as visit:
            trip = await ask_with(station, visit, messages, [f"Stop {number}, eighty?"], tools=tools, answer=answer)
        turns = station.turns(trip.body)
        faults: list[str] = []
        if station.reads_all:
            account = account_for(
                trip.given, trip.body, turns, trip.adjustments, refused=trip.refused, in_words=station.in_words
            )
            calls, results = list(station.calls(trip.body)), list(station.results(trip.body))
            faults += [*account.faults, *station.violations(trip.body)]
            faults += pairing_faults(trip.messages, calls, results, trip.adjustments, in_words=station.in_words)
        foreign = [message for message, signer in zip(messages, signers, strict=True) if signer != station.signer]
        faults += leaked(foreign, Reading(trip.body, turns))
        assert faults == [], station.name
        added = (*trip.given[len(messages) :], trip.reply.message)
        messages = chatport.repair_messages(
            chatport.load_messages(chatport.dump_messages((*messages, *added)))
        ).messages
        signers += [station.signer] * (len(messages) - len(signers))
    assert messages[: len(home)] == home
    if origin.reads_all:
        own_turns = await turns_for(origin, home, origin)
        back = await turns_for(origin, messages, origin)
        assert back[: len(own_turns) - 1] == own_turns[:-1]


def _all_that_can_be_said(station: Station, number: int) -> Answer:
    """What a model says at one stop, in words that nobody else says."""
    said = (
        Thought(f"A thought at stop {number}."),
        Sealed(f"sealed at stop {number}".encode()),
        Unknown(f"new at stop {number}"),
        Words(f"This is stop {number}."),
        Call(station.ids[0], "get_time", json.dumps({"location": f"Stop {number}, eighty-one"})),
    )
    return Answer(said, "tool_calls", streaming=True)
