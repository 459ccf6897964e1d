"""The echo as a station: it says back the newest message, and has no service."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from tests.swap.speech import Answer, Body, Said
from tests.swap.station import Station, Visit, WireCall, WireResult

from chatport.backend import Adjustment, BackendEvent, ChatRequest, MessageStart
from chatport_echo import EchoBackend


class _WatchedEcho(EchoBackend):
    """An echo that remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                if isinstance(event, MessageStart):
                    self.heard.append(request.messages[-1].text)
                yield event


class EchoVisit(Visit):
    """An echo."""

    def __init__(self) -> None:
        """Begin in silence."""
        self._echo = _WatchedEcho()
        self.backend = self._echo

    def enqueue(self, answer: Answer) -> None:
        """Nothing: an echo says what it hears, whatever it should have said."""

    @property
    def bodies(self) -> list[Body]:
        """What it heard, one message at a time."""
        return [{"messages": [{"role": "user", "content": text}]} for text in self._echo.heard]


class EchoStation(Station):
    """A backend that has words only, and reads the newest message only."""

    backend_name: ClassVar[str] = "echo"
    reads_all: ClassVar[bool] = False

    def can_say(self, said: Said) -> bool:
        """See `Station.can_say`: nothing of its own."""
        del said
        return False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Visit]:
        """See `Station.open`."""
        yield EchoVisit()

    def calls(self, body: Body) -> Iterator[WireCall]:
        """See `Station.calls`: nobody looks for them here."""
        del body
        yield from ()

    def results(self, body: Body) -> Iterator[WireResult]:
        """See `Station.results`."""
        del body
        yield from ()

    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """See `Station.plan`."""
        raise NotImplementedError(f"an echo makes no body of {request.model!r}")

    def violations(self, body: Body) -> Iterator[str]:
        """See `Station.violations`: there is no schema."""
        del body
        yield from ()
