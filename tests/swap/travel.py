"""Asking with a conversation: what was sent for it, what was adjusted, and which media had to be left out by name."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.swap.facts import LEFT_OUT
from tests.swap.speech import Answer, Body
from tests.swap.station import Station, Visit

from chatport import Audio, Document, Image, Message, Reply, Session, Text, Tool, ToolResult, UnsupportedError, Video
from chatport.backend import (
    Adjustment,
    Backend,
    BackendError,
    BackendEvent,
    ChatRequest,
    InvalidRequestError,
    Media,
    MessageStart,
    Part,
)

_PLACE: Final = re.compile(r"messages\[(\d+)\]\.parts\[(\d+)\](?:\.content\[(\d+)\])?")
_MEDIA: Final = (Image, Document, Audio, Video)
_LEFT_OUT: Final = Text(LEFT_OUT)

Place = tuple[int, int, int | None]
"""Where a medium stands: message, part, and entry of a result."""


class Tap:
    """A backend that passes everything on, and keeps the adjustments, those that cost nothing as well."""

    def __init__(self, backend: Backend) -> None:
        """Stand before a backend."""
        self._backend = backend
        self.adjustments: tuple[Adjustment, ...] = ()
        self.name = backend.name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent]:
        """Pass a request on."""
        async with aclosing(self._backend.stream(request)) as events:
            async for event in events:
                if isinstance(event, MessageStart):
                    self.adjustments = event.adjustments
                yield event

    async def aclose(self) -> None:
        """Leave it open: somebody else's."""

    def native_urls(self, medium: Media, model: str) -> bool:
        """Ask it."""
        native: Any = getattr(self._backend, "native_urls", lambda _medium, _model: False)
        return bool(native(medium, model))


class StuckError(AssertionError):
    """A conversation cannot go on, and no medium is named that is to blame."""


@dataclass(frozen=True)
class Trip:
    """A conversation that was carried on somewhere.

    Attributes:
        messages: What was asked with: the history and the question, with words in the place of what was refused.
        given: The same with everything.
        body: What the service was sent.
        adjustments: What was noted, what costs nothing too.
        refused: The media that were refused by name, by their paths, with the reason.
        reply: What was answered.
    """

    messages: tuple[Message, ...]
    given: tuple[Message, ...]
    body: Body
    adjustments: tuple[Adjustment, ...]
    refused: dict[str, str]
    reply: Reply[None]


async def ask_with(
    station: Station,
    visit: Visit,
    history: Sequence[Message],
    content: Sequence[Any],
    *,
    tools: Sequence[Tool] = (),
    answer: Answer,
) -> Trip:
    """Ask a question at the end of a history; media that are refused by name are left out, one after the other.

    Raises:
        StuckError: Something is refused that is no medium, or not by name.
    """
    carried = tuple(history)
    refused: dict[str, str] = {}
    given: tuple[Message, ...] = ()
    options = station.options(answer)
    visit.enqueue(answer)
    tap = Tap(visit.backend)
    while True:
        session = Session(tap, station.model, messages=carried, tools=tools)
        question = session.request(*content).messages[len(carried) :]
        asked = (*carried, *question)
        given = given or asked
        try:
            if answer.streaming:
                async with session.stream(*content, run_tools=False, **options) as stream:
                    reply = await stream.finish()
            else:
                reply = await session.ask(*content, run_tools=False, **options)
        except (UnsupportedError, InvalidRequestError) as error:
            places = refused_places(station, error, asked)
            refused |= {path_of(place): str(error) for place in places}
            for place in places:
                asked = without(asked, place)
            carried, question = asked[: len(carried)], asked[len(carried) :]
            content = [part for message in question for part in message.parts]
            continue
        assert reply.adjustments == tuple(note for note in tap.adjustments if note.kind != "lossless")
        return Trip(asked, given, visit.bodies[-1], tap.adjustments, refused, reply)


def refused_places(station: Station, error: UnsupportedError | BackendError, asked: Sequence[Message]) -> list[Place]:
    """Return where the media stand that an error names.

    Raises:
        StuckError: It names none.
    """
    if isinstance(error, UnsupportedError):
        found = _PLACE.match(str(error))
        if found is None:
            raise StuckError(f"{station.name}: {error}") from error
        place: Place = (int(found[1]), int(found[2]), None if found[3] is None else int(found[3]))
        if not isinstance(part_at(asked, place), _MEDIA):
            raise StuckError(f"{station.name} refuses what is no medium: {error}") from error
        return [place]
    kind = station.refused_medium(error)
    places = [place for place, part in media_in(asked) if type(part).__name__.lower() == kind]
    if not places:
        raise StuckError(f"{station.name}: {error}") from error
    return places


def media_in(messages: Sequence[Message]) -> list[tuple[Place, Part]]:
    """Return the media of a conversation, those inside results too."""
    found: list[tuple[Place, Part]] = []
    for index, message in enumerate(messages):
        for position, part in enumerate(message.parts):
            if isinstance(part, _MEDIA):
                found.append(((index, position, None), part))
            elif isinstance(part, ToolResult):
                entries = enumerate(part.content)
                found += [((index, position, at), entry) for at, entry in entries if isinstance(entry, _MEDIA)]
    return found


def part_at(messages: Sequence[Message], place: Place) -> Part:
    """Return what stands at a place."""
    index, position, entry = place
    part = messages[index].parts[position]
    if entry is None:
        return part
    assert isinstance(part, ToolResult)
    return part.content[entry]


def path_of(place: Place) -> str:
    """Return a place as adjustments name it."""
    index, position, entry = place
    inside = "" if entry is None else f".content[{entry}]"
    return f"messages[{index}].parts[{position}]{inside}"


def without(messages: Sequence[Message], place: Place) -> tuple[Message, ...]:
    """Return a conversation with words in the place of a medium, so that every other place stays what it is."""
    index, position, entry = place
    message = messages[index]
    part: Part = _LEFT_OUT
    if entry is not None:
        result = message.parts[position]
        assert isinstance(result, ToolResult)
        part = replace_entry(result, entry)
    parts = (*message.parts[:position], part, *message.parts[position + 1 :])
    return (*messages[:index], replace(message, parts=parts), *messages[index + 1 :])


def replace_entry(result: ToolResult, entry: int) -> ToolResult:
    """Return a result with words in the place of one of its entries."""
    content = (*result.content[:entry], _LEFT_OUT, *result.content[entry + 1 :])
    return ToolResult(result.id, content, result.is_error, metadata=result.metadata)
