"""Backends that fail for a while."""

from collections.abc import AsyncGenerator

import anyio.lowlevel
import pytest

import chatport
from chatport import MessageStart, Retry, ServiceError, TextDelta, Usage
from chatport._pace import Paces
from chatport.backend import BackendEvent, ChatRequest

AT_ONCE = Retry(base_delay=0)
BUSY = ServiceError("busy")


class BreaksOff:
    """A backend that begins to answer, and breaks off before the first word so often."""

    name = "breaks-off"

    def __init__(self, times: int, error: BaseException | None = None) -> None:
        self.requests: list[ChatRequest] = []
        self._times = times
        self._error = error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        self.requests.append(request)
        yield MessageStart(request.model, f"r-{len(self.requests)}")
        if len(self.requests) <= self._times:
            if self._error is not None:
                raise self._error
            return
        yield TextDelta(0, "Hello.")
        yield chatport.MessageEnd("stop", usage=Usage(7, 3))

    async def aclose(self) -> None:
        pass


def note_delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let turns wait without really waiting; how long they would have, each time."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr("chatport._turn.sleep", sleep)
    monkeypatch.setattr("chatport._attempts.PACES", Paces(clock=lambda: sum(waited)))
    return waited
