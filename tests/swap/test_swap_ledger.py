"""The checks of the matrix have teeth: whatever is taken out of a body, or out of the report, is missed."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.swap.conversation import tools_of
from tests.swap.ledger import account_for
from tests.swap.matrix import QUESTION, faults_of, history_of
from tests.swap.speech import Answer, Words
from tests.swap.station import Station
from tests.swap.stations import STATIONS
from tests.swap.travel import Trip, ask_with

pytestmark = pytest.mark.anyio

CLAUDE, NOVA, MISTRAL = STATIONS[:3]
ANOTHER = next(station for station in STATIONS if station.backend_name == "scripted")
# What is made for the wire alone, or says what another adjustment says too: nobody would miss it.
LEFT_UNMISSED = {"turn-separated", "document-text-added", "leading-turn-added"}


async def sent(origin: Station, destination: Station, loop: str) -> Trip:
    """Carry a conversation on."""
    history = await history_of(origin, loop)
    async with destination.open() as visit:
        answer = Answer((Words("Now."),))
        return await ask_with(destination, visit, history, [QUESTION], tools=tools_of(origin), answer=answer)


def faults(origin: Station, destination: Station, trip: Trip, **changes: Any) -> list[str]:
    """Check a trip of which something was changed."""
    changed = replace(trip, **changes)
    turns = destination.turns(changed.body)
    account = account_for(changed.given, changed.body, turns, changed.adjustments, refused=changed.refused)
    return [*account.faults, *faults_of(origin, destination, changed)]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of the strings in a JSON value."""
    match value:
        case dict():
            for name, member in value.items():
                yield from leaves(member, (*path, name))
        case list():
            for index, item in enumerate(value):
                yield from leaves(item, (*path, index))
        case str():
            yield path
        case _:
            pass


def changed_at(body: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """Return a body in which one string is another."""
    other = copy.deepcopy(body)
    holder: Any = other
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = "c2l4dHk="
    return other


@pytest.mark.parametrize("destination", [CLAUDE, NOVA, MISTRAL], ids=str)
async def test_every_report_is_needed(destination: Station, anyio_backend_name: str) -> None:
    """Without an adjustment, the loss that it names is one in silence."""
    trip = await sent(ANOTHER, destination, anyio_backend_name)
    assert faults(ANOTHER, destination, trip) == []
    assert len(trip.adjustments) > 10
    for index, report in enumerate(trip.adjustments):
        if report.kind == "lossless" or report.code in LEFT_UNMISSED:
            continue
        fewer = trip.adjustments[:index] + trip.adjustments[index + 1 :]
        if any(report.path.startswith(other.path) for other in fewer):
            continue  # the other one warns of the place as well
        assert faults(ANOTHER, destination, trip, adjustments=fewer) != [], report


@pytest.mark.parametrize("destination", [CLAUDE, NOVA, MISTRAL], ids=str)
async def test_every_word_is_missed(destination: Station, anyio_backend_name: str) -> None:
    """A string of a turn that is another makes the check fail: text, bytes, an id, a name or a word of the wire."""
    trip = await sent(ANOTHER, destination, anyio_backend_name)
    unmissed = []
    for path in leaves(trip.body["messages"], ("messages",)):
        found = faults(ANOTHER, destination, trip, body=changed_at(trip.body, path))
        if not found:
            unmissed.append((path, trip.body))
    texts = [_at(body, path) for path, body in unmissed]
    # What was put there for the service alone is nobody's.
    assert [text for text in texts if not _is_filling(text)] == []


def _at(body: Any, path: tuple[Any, ...]) -> str:
    for step in path:
        body = body[step]
    return str(body)


def _is_filling(text: str) -> bool:
    """Whether words are the planner's own, beside what was said."""
    return text in {".", "(left out)"} or text.startswith(("This is ", "(see ", "See the attached", "default"))


async def test_a_false_report_is_seen(anyio_backend_name: str) -> None:
    """What is said to be dropped and is sent all the same is a fault, and so is a report of nothing."""
    trip = await sent(CLAUDE, CLAUDE, anyio_backend_name)
    report = next(iter(trip.adjustments))
    for path in ("messages[0].parts[0]", "messages[99].parts[0]"):
        false = type(report)("dropped", "made-up", path, "it is said to be gone")
        assert faults(CLAUDE, CLAUDE, trip, adjustments=(*trip.adjustments, false)) != []
    silent = type(report)("changed", "made-up", "messages[0].parts[0]", "")
    assert faults(CLAUDE, CLAUDE, trip, adjustments=(*trip.adjustments, silent)) != []


async def test_a_signature_in_the_wrong_place_is_seen(anyio_backend_name: str) -> None:
    """Wherever in the body it stands."""
    trip = await sent(CLAUDE, NOVA, anyio_backend_name)
    signed = next(part for message in trip.given for part in message.parts if getattr(part, "signature", None))
    body = {**trip.body, "requestMetadata": {"x": signed.signature}}  # type: ignore[union-attr]  # it has one
    assert any("signature" in fault for fault in faults(CLAUDE, NOVA, trip, body=body))


async def test_words_in_the_wrong_mouth_are_seen(anyio_backend_name: str) -> None:
    """Turns that were swapped, doubled or given to the other side."""
    trip = await sent(NOVA, NOVA, anyio_backend_name)
    turns = trip.body["messages"]
    swapped = [turns[2], turns[3], turns[0], turns[1], *turns[4:]]
    doubled = [*turns[:2], *turns[:2], *turns[2:]]
    assert any("too early" in fault for fault in faults(NOVA, NOVA, trip, body={**trip.body, "messages": swapped}))
    assert any("times" in fault for fault in faults(NOVA, NOVA, trip, body={**trip.body, "messages": doubled}))
    other = copy.deepcopy(turns)
    other[0]["content"], other[1]["content"] = other[1]["content"], other[0]["content"]
    assert any("not by" in fault for fault in faults(NOVA, NOVA, trip, body={**trip.body, "messages": other}))
