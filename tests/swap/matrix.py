"""The matrix: every conversation carried to every other station, once for each event loop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.swap.conversation import converse, tools_of
from tests.swap.ledger import Account, Entry, Reading, account_for
from tests.swap.pairs import pairing_faults
from tests.swap.speech import Answer, Call, Said, Sealed, Thought, Unknown, Words
from tests.swap.station import Station
from tests.swap.travel import Trip, ask_with

import chatport
from chatport import Message, Reasoning

QUESTION: Final = "And now, sixty?"
LEAST: Final = Answer((Words("Now, sixty-one."),))
_MOST: Final[tuple[Said, ...]] = (
    Thought("A new place, sixty-two."),
    Sealed(b"sixty-three"),
    Unknown("sixty-four"),
    Words("Now, sixty-five."),
)


@dataclass(frozen=True)
class Carried:
    """A conversation that was carried on somewhere else.

    Attributes:
        entries: What became of its parts.
        faults: What is wrong with what was sent; nothing, if all is well.
        messages: The conversation with the turn that was had there, as it came back from storage.
    """

    entries: tuple[Entry, ...]
    faults: tuple[str, ...]
    messages: tuple[Message, ...]


# Kept for as long as the tests run: what a conversation became is asked for by several of them.
_made: dict[tuple[str, str], tuple[tuple[Message, ...], str]] = {}
_carried: dict[tuple[str, str, str], Carried] = {}


async def history_of(station: Station, loop: str) -> tuple[Message, ...]:
    """Return the conversation that was had at a station; it is had once for each event loop."""
    key = station.name, loop
    if key not in _made:
        async with station.open() as visit:
            history = await converse(station, visit)
        _made[key] = history, chatport.dump_messages(history)
    return _made[key][0]


def as_it_was_had(station: Station, loop: str) -> str:
    """Return the same as it was stored when it had just been had, before anybody sent it anywhere."""
    return _made[station.name, loop][1]


async def carried_on(origin: Station, destination: Station, loop: str) -> Carried:
    """Return what becomes of a conversation at another station; it is carried there once for each event loop."""
    key = origin.name, destination.name, loop
    if key not in _carried:
        _carried[key] = await carry(origin, destination, await history_of(origin, loop))
    return _carried[key]


async def carry(origin: Station, destination: Station, history: Sequence[Message]) -> Carried:
    """Carry a conversation on at another station, and hold what was sent there against it."""
    tools = tools_of(origin)
    said = (*_MOST, Call(destination.ids[0], "get_time", '{"location": "Here sixty-six"}'))
    answer = destination.answer(Answer(said, "tool_calls", streaming=True))
    async with destination.open() as visit:
        if destination.reads_all:
            trip = await ask_with(destination, visit, history, [QUESTION], tools=tools, answer=answer)
            account = _account(destination, trip)
            faults = [*account.faults, *faults_of(origin, destination, trip)]
        else:
            trip, account = await _newest_only(destination, history)
            faults = list(account.faults)
    landed = chatport.repair_messages((*history, *trip.given[len(history) :], trip.reply.message)).messages
    return Carried(account.entries, tuple(faults), chatport.load_messages(chatport.dump_messages(landed)))


def _account(station: Station, trip: Trip) -> Account:
    turns = station.turns(trip.body)
    return account_for(trip.given, trip.body, turns, trip.adjustments, refused=trip.refused, in_words=station.in_words)


def faults_of(origin: Station, destination: Station, trip: Trip, *, foreign: int | None = None) -> Iterator[str]:
    """Yield what is wrong with a body by the service's schema and rules, and with its calls, results and signatures.

    Args:
        origin: Where the conversation began.
        destination: Where it was carried on.
        trip: What was sent there.
        foreign: How many of its messages are from where it began; None for all of them.
    """
    body = trip.body
    yield from destination.violations(body)
    calls, results = list(destination.calls(body)), list(destination.results(body))
    yield from pairing_faults(trip.messages, calls, results, trip.adjustments, in_words=destination.in_words)
    if origin.signer != destination.signer:
        yield from leaked(trip.given[:foreign], Reading(body, destination.turns(body)))


def leaked(history: Sequence[Message], reading: Reading) -> Iterator[str]:
    """Signatures and sealed thoughts that were sent to somebody who has not signed them."""
    for message in history:
        for part in message.parts:
            if isinstance(part, Reasoning):
                if part.signature is not None and reading.where(part.signature):
                    yield f"a signature went to another service: {part.signature[:20]}"
                if part.redacted is not None and reading.where_bytes(part.redacted):
                    yield f"sealed reasoning went to another service: {part.redacted!r}"
                for proof in _proofs(part.metadata):
                    if reading.where(proof):
                        yield f"a proof in the metadata went to another service: {proof[:20]}"


def _proofs(value: object) -> Iterator[str]:
    """What proves something in the metadata of reasoning."""
    match value:
        case dict():
            for name, member in value.items():
                if name in {"signature", "data"} and isinstance(member, str):
                    yield member
                yield from _proofs(member)
        case list():
            for item in value:
                yield from _proofs(item)
        case _:
            pass


async def _newest_only(station: Station, history: Sequence[Message]) -> tuple[Trip, Account]:
    """Ask one that reads the newest message only with each message of the user in turn."""
    entries: list[Entry] = []
    faults: list[str] = []
    for index, message in enumerate(history):
        if message.role != "user":
            continue
        async with station.open() as visit:
            trip = await ask_with(station, visit, history[:index], message.parts, answer=station.answer(LEAST))
        body = trip.body
        account = account_for(trip.given, body, station.turns(body), trip.adjustments, only=index)
        entries += account.entries
        faults += account.faults
    async with station.open() as visit:
        trip = await ask_with(station, visit, history, [QUESTION], answer=station.answer(LEAST))
    return trip, Account(tuple(entries), tuple(faults))


async def turns_for(station: Station, history: Sequence[Message], tools_from: Station) -> list[object]:
    """Return the turns that a station's service is sent for a history and the question."""
    async with station.open() as visit:
        trip = await ask_with(
            station, visit, history, [QUESTION], tools=tools_of(tools_from), answer=station.answer(LEAST)
        )
    return station.turns(trip.body)
