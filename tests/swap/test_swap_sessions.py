"""A stored conversation goes on elsewhere, and comes back, by way of `open_session`; strict sessions refuse a loss."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.swap.conversation import addressed, tools_of, turns_at
from tests.swap.ledger import account_for
from tests.swap.matrix import LEAST, QUESTION, faults_of, history_of, turns_for
from tests.swap.station import Station, Visit
from tests.swap.stations import DESTINATIONS, STATIONS
from tests.swap.travel import Tap, Trip, ask_with, refused_places, without

import chatport
from chatport import Message, Session, UnsupportedError
from chatport.backend import InvalidRequestError
from chatport.testing import MemoryStore

pytestmark = pytest.mark.anyio

PAIRS = [
    pytest.param(origin, destination, id=f"{origin}-{destination}")
    for origin in STATIONS
    for destination in DESTINATIONS
    if origin != destination
]


@asynccontextmanager
async def session_at(
    station: Station, tools_from: Station, messages: Sequence[Message] = (), **options: Any
) -> AsyncGenerator[tuple[Session, Visit, Tap]]:
    """Open a session as an application does, by the name of a backend, on a service of its own."""
    async with station.open() as visit:
        tap = Tap(visit.backend)
        with chatport.register_backend("here", lambda: tap):
            tools = tools_of(tools_from)
            opening = chatport.open_session(f"here:{station.model}", messages=messages, tools=tools, **options)
            async with opening as session:
                yield session, visit, tap


async def talk(session: Session, station: Station, visit: Visit, turns: slice) -> None:
    """Have turns of the conversation; media that the station's model refuses are left out of what is asked."""
    for turn in turns_at(station)[turns]:
        for exchange in turn:
            content: Sequence[Any] = addressed(exchange.content, session.messages)
            if not content:
                continue
            answer = station.answer(exchange.answer)
            visit.enqueue(answer)
            while True:
                try:
                    await session.ask(*content, run_tools=False, **station.options(answer))
                    break
                except (UnsupportedError, InvalidRequestError) as error:
                    asked = session.request(*content).messages
                    for place in refused_places(station, error, asked):
                        asked = without(asked, place)
                    content = [part for message in asked[len(session.messages) :] for part in message.parts]


def answered(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return a history whose last call has an answer, as it has to before somebody else asks with it."""
    return chatport.repair_messages(messages).messages


@pytest.mark.parametrize(("origin", "destination"), PAIRS)
async def test_a_stored_conversation_goes_on_elsewhere_and_comes_back(origin: Station, destination: Station) -> None:
    """Six turns here, six turns there, and on here: the whole of it is sent, and what was said here as it was."""
    half = slice(0, 6)
    async with session_at(origin, origin) as (session, visit, _):
        await talk(session, origin, visit, half)
        stored = chatport.dump_messages(answered(session.messages))
    home = chatport.load_messages(stored)
    assert sum(message.role == "user" for message in home) == 6
    moved, refused = await fit_for(destination, home)
    async with session_at(destination, origin, moved) as (session, visit, tap):
        await talk(session, destination, visit, slice(6, 12))
        assert session.messages[: len(moved)] == moved
        away = answered(session.messages)
        visit.enqueue(destination.answer(LEAST))
        reply = await Session(tap, session.model, messages=away, tools=tools_of(origin)).ask(
            QUESTION, **destination.options(LEAST)
        )
        if destination.reads_all:
            asked = (*away, Message.user(QUESTION))
            trip = Trip(asked, asked, visit.bodies[-1], tap.adjustments, refused, reply)
            turns = destination.turns(trip.body)
            account = account_for(asked, trip.body, turns, tap.adjustments, in_words=destination.in_words)
            assert (*account.faults, *faults_of(origin, destination, trip, foreign=len(moved))) == ()
    stored = chatport.dump_messages((*home, *away[len(home) :]))
    back = chatport.load_messages(stored)
    assert back[: len(home)] == home
    if origin.reads_all:
        own = await turns_for(origin, home, origin)
        assert (await turns_for(origin, back, origin))[: len(own) - 1] == own[:-1]


@pytest.mark.parametrize(("origin", "destination"), PAIRS)
async def test_a_session_in_a_store_goes_on_elsewhere(origin: Station, destination: Station) -> None:
    """Under its id: whoever opens it next goes on with it, and where it began it is what it was."""
    kept: dict[str, Any] = {"store": MemoryStore(), "id": "talk"}
    async with session_at(origin, origin, **kept) as (session, visit, _):
        await talk(session, origin, visit, slice(2, 4))
        home = session.messages
    async with session_at(destination, origin, **kept) as (session, visit, _):
        assert session.messages == home
        await talk(session, destination, visit, slice(0, 1))
        assert session.messages[: len(home)] == home
        away = session.messages
    async with session_at(origin, origin, **kept) as (session, visit, _):
        assert session.messages == away
        visit.enqueue(origin.answer(LEAST))
        await session.ask(QUESTION, **origin.options(LEAST))
        if origin.reads_all:
            own = await turns_for(origin, home, origin)
            assert origin.turns(visit.bodies[-1])[: len(own) - 1] == own[:-1]
    stored = await kept["store"].load("talk")
    assert stored is not None
    assert stored.messages == session.messages


async def fit_for(station: Station, history: Sequence[Message]) -> tuple[tuple[Message, ...], dict[str, str]]:
    """Return a history without the media that a station refuses by name, and which these are."""
    async with station.open() as visit:
        trip = await ask_with(station, visit, history, [QUESTION], answer=station.answer(LEAST))
    return trip.messages[: len(history)], trip.refused


@pytest.mark.parametrize(("origin", "destination"), PAIRS)
async def test_a_strict_session_refuses_a_loss(origin: Station, destination: Station, anyio_backend_name: str) -> None:
    """With all that would be lost, in the words of the adjustments, and with nothing sent; without a loss it asks."""
    history = await history_of(origin, anyio_backend_name)
    answer, tools = destination.answer(LEAST), tools_of(origin)
    async with destination.open() as visit:
        trip = await ask_with(destination, visit, history, [QUESTION], tools=tools, answer=answer)
        losses = [note for note in trip.adjustments if note.kind in {"changed", "dropped"}]
        sent = len(visit.bodies)
        visit.enqueue(answer)
        session = Session(visit.backend, destination.model, messages=trip.messages[:-1], tools=tools, strict=True)
        if not losses:
            await session.ask(QUESTION, **destination.options(answer))
            return
        with pytest.raises(UnsupportedError) as caught:
            await session.ask(QUESTION, **destination.options(answer))
        assert list(caught.value.adjustments) == losses
        assert len(visit.bodies) == sent
        assert session.messages == trip.messages[:-1]
