"""Streams that say which events are there already: read in a short way, and read as any other."""

import gc
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatport
from chatport import PartEnd, ReasoningDelta, ReplyEnd, Text, TextDelta, ToolCallDelta, ToolCallStart
from chatport._fold import Fold
from chatport.backend import (
    BackendEvent,
    ChatRequest,
    CitationDelta,
    EventStream,
    MessageEnd,
    MessageStart,
    ProtocolError,
    ServiceError,
    Usage,
)

_START = MessageStart("parrot-1", "r-1")
_END = MessageEnd("stop", "end_turn", Usage(1, 2))
_EVENTS: tuple[BackendEvent, ...] = (
    _START,
    ReasoningDelta(0, "Hm"),
    ReasoningDelta(0, ", well"),
    ReasoningDelta(0, signature="c2ln"),
    TextDelta(1, "It "),
    TextDelta(1, ""),
    TextDelta(1, "rai"),
    CitationDelta(1, chatport.Citation("weather")),
    TextDelta(1, "ns."),
    ToolCallStart(2, "1", "add"),
    ToolCallDelta(2, '{"a"'),
    ToolCallDelta(2, ": 1}"),
    PartEnd(3, Text("And so on.")),
    _END,
)


class _Bunched:
    """A backend that gets its events in bunches."""

    name = "bunched"

    def __init__(self, *bunches: Iterable[Any], error: Exception | None = None) -> None:
        self.bunches = bunches
        self.error = error
        self.is_closed = False
        self.more = anyio.Event()
        self.ready: Any = deque[BackendEvent]()

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        return EventStream(self._events(), self.ready, backend=self.name)

    async def _events(self) -> AsyncGenerator[BackendEvent, None]:
        try:
            for bunch in self.bunches:
                if bunch == "wait":
                    await self.more.wait()
                    continue
                self.ready.extend(bunch)
                while self.ready:
                    yield self.ready.popleft()
            if self.error is not None:
                raise self.error
        finally:
            self.is_closed = True

    async def aclose(self) -> None:
        """Nothing is open."""


def _chat(backend: Any) -> chatport.Session:
    return chatport.Session(backend, "m", retry=None)


def _bunches(cuts: Sequence[int]) -> list[tuple[BackendEvent, ...]]:
    places = [0, *sorted(cuts), len(_EVENTS)]
    return [_EVENTS[start:end] for start, end in pairwise(places)]


_cuts = st.lists(st.integers(0, len(_EVENTS)), max_size=len(_EVENTS))


async def _read(backend: Any) -> tuple[list[chatport.Event], list[chatport.Partial], chatport.Reply[None]]:
    chat = _chat(backend)
    events: list[chatport.Event] = []
    partials: list[chatport.Partial] = []
    async with chat.stream("Hi") as stream:
        async for event in stream:
            events.append(event)
            partials.append(stream.partial)
        return events, partials, stream.reply


@given(_cuts)
def test_bunches_change_nothing(cuts: list[int]) -> None:
    """However events are bunched: the same events, the same partial turn after each, the same reply."""

    async def main() -> None:
        alone = await _read(_Bunched(*((event,) for event in _EVENTS)))
        together = await _read(_Bunched(*_bunches(cuts)))
        assert [event for event in alone[0] if not isinstance(event, ReplyEnd)] == [
            event for event in together[0] if not isinstance(event, ReplyEnd)
        ]
        assert alone[1] == together[1]
        assert alone[2].messages == together[2].messages

    anyio.run(main)


@given(_cuts)
def test_texts_are_the_same(cuts: list[int]) -> None:
    """Read as text, empty pieces left out, a part that came whole included."""

    async def main() -> None:
        async with _chat(_Bunched(*_bunches(cuts))).stream("Hi") as stream:
            assert [text async for text in stream.text] == ["It ", "rai", "ns.", "And so on."]

    anyio.run(main)


@given(st.lists(st.sampled_from(_EVENTS)))
def test_the_short_way_into_a_fold_is_the_long_one(events: list[BackendEvent]) -> None:
    """What `feed_delta` takes does what `feed` does; what it leaves changes nothing."""
    short, long = Fold(), Fold()
    for event in (_START, *events):
        before = short.snapshot()
        taken = short.feed_delta(event)
        try:
            ends = long.feed(event)
        except ProtocolError:
            assert not taken
            assert short.snapshot() == before
            return
        if taken:
            assert ends == ()
        else:
            assert short.snapshot() == before
            short.feed(event)
        assert short.snapshot() == long.snapshot()


@pytest.mark.parametrize(
    "event",
    [
        TextDelta(1, 5),  # type: ignore[arg-type] # what a backend may do wrong
        TextDelta([1], "a"),  # type: ignore[arg-type]
        ToolCallDelta(1, "a"),
        ReasoningDelta(1, "a"),
        "nothing of the kind",
    ],
)
@pytest.mark.anyio
async def test_what_cannot_stand_there_ends_the_turn(event: Any) -> None:
    """An event that is wrong is told as ever, with what came before it, and the stream is closed."""
    backend = _Bunched([_START, TextDelta(1, "a"), TextDelta(1, "b"), event, TextDelta(1, "c")])
    async with _chat(backend).stream("Hi") as stream:
        texts: list[str] = []
        with pytest.raises((ProtocolError, TypeError)):
            texts.extend([text async for text in stream.text])
    assert stream.partial.messages[-1].text == "ab"
    assert backend.is_closed


@pytest.mark.anyio
async def test_events_before_an_error_come_first() -> None:
    """The error comes after the last of them, with all of them in `partial`."""
    backend = _Bunched([_START, *(TextDelta(0, str(i)) for i in range(5))], error=ServiceError("down", backend="x"))
    texts: list[str] = []
    with pytest.raises(ServiceError) as caught:
        async with _chat(backend).stream("Hi") as stream:
            async for text in stream.text:
                texts.append(text)  # noqa: PERF401 - a comprehension would be lost with the error
    assert texts == list("01234")
    assert caught.value.partial is not None
    assert caught.value.partial.messages[-1].text == "01234"


@pytest.mark.anyio
async def test_left_in_the_middle_of_a_bunch() -> None:
    """Events that nobody has read are no part of what has happened; the stream is closed."""
    backend = _Bunched([_START, *(TextDelta(0, str(i)) for i in range(5))], "wait")
    async with _chat(backend).stream("Hi") as stream:
        async for event in stream:
            if event == TextDelta(0, "2"):
                break
    assert stream.partial.messages[-1].text == "012"
    assert backend.is_closed


@pytest.mark.anyio
async def test_one_reader_at_a_time() -> None:
    """While one task waits for the next bunch, another one is refused; then the first goes on."""
    backend = _Bunched([_START, TextDelta(0, "a"), TextDelta(0, "b")], "wait", [TextDelta(0, "c"), _END])
    seen: list[str] = []
    waits = anyio.Event()
    async with _chat(backend).stream("Hi") as stream:

        async def read() -> None:
            async for event in stream:
                if isinstance(event, TextDelta):
                    seen.append(event.text)
                    if event.text == "b":
                        waits.set()

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await waits.wait()
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(chatport.BusyError):
                await anext(stream)
            backend.more.set()
    assert seen == ["a", "b", "c"]


@pytest.mark.anyio
async def test_the_targets_of_a_fallback_are_read_the_same_way() -> None:
    """A `FallbackBackend` passes on what has come."""
    inner = _Bunched([_START, *(TextDelta(0, str(i)) for i in range(5)), _END])
    backend = chatport.FallbackBackend([(inner, None)])
    request = _chat(backend).request("Hi")
    start = replace(_START, backend="bunched")
    async with aclosing(backend.stream(request)) as events:
        assert isinstance(events, EventStream)
        assert [await anext(events) for _ in range(3)] == [start, TextDelta(0, "0"), TextDelta(0, "1")]
        assert list(events.ready) == [*(TextDelta(0, str(i)) for i in range(2, 5)), _END]
    assert (await _chat(backend).ask("Hi")).text == "01234"


@pytest.mark.anyio
async def test_another_kind_of_ready_is_left_alone() -> None:
    """Only what is documented is taken for it."""
    backend = _Bunched()

    class _Foreign(EventStream):
        __slots__ = ()

    async def events() -> AsyncGenerator[BackendEvent, None]:
        for event in _EVENTS:
            yield event

    def stream(request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        foreign = _Foreign(events(), deque(), backend="foreign")
        foreign.ready = [TextDelta(1, "never")]  # type: ignore[assignment] # what a backend may do wrong
        return foreign

    backend.stream = stream  # type: ignore[method-assign] # a backend of its own
    assert (await _chat(backend).ask("Hi")).text == "It rains.And so on."


@pytest.mark.anyio
async def test_it_is_a_generator() -> None:
    """The three other methods reach the generator inside."""
    backend = _Bunched([_START, TextDelta(0, "a"), TextDelta(0, "b")])
    stream = backend.stream(_chat(backend).request("Hi"))
    assert await stream.asend(None) == _START
    with pytest.raises(KeyError):
        await stream.athrow(KeyError("here"))
    assert backend.is_closed
    await stream.aclose()


@pytest.mark.anyio
async def test_dropping_it_half_read_is_told(anyio_backend: str) -> None:
    """With the backend's name; one that was never read, or was read to its end, is nobody's loss."""
    if anyio_backend == "trio":
        pytest.skip("trio tells of dropped generators itself, at the end of the program")
    backend = _Bunched(_EVENTS)
    request = _chat(backend).request("Hi")
    unread = backend.stream(request)
    del unread
    whole = backend.stream(request)
    assert [event async for event in whole] == list(_EVENTS)
    del whole
    gc.collect()
    stream = backend.stream(request)
    await anext(stream)
    with pytest.warns(ResourceWarning, match="'bunched' was dropped half read"):
        del stream
        gc.collect()
    await anyio.wait_all_tasks_blocked()
