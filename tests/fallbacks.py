"""Two backends as one, and what became of each."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio

from chatport import FallbackBackend, Message, ServiceError, Session
from chatport.backend import Backend, BackendEvent, ChatRequest, Load
from chatport.testing import ScriptedBackend

BUSY = ServiceError("busy", status=503)
REQUEST = ChatRequest("model-1", (Message.user("Hi"),))


def two(first: Any, second: Any, **options: Any) -> tuple[FallbackBackend, ScriptedBackend, ScriptedBackend]:
    """Return a fallback from one scripted backend to another, where the model has another name."""
    near = ScriptedBackend(*first, name="near")
    far = ScriptedBackend(*second, name="far")
    return FallbackBackend([(near, None), (far, "model-2")], **options), near, far


def ask(backend: Backend, **options: Any) -> Session:
    """Return a session that repeats nothing."""
    return Session(backend, "model-1", retry=None, **options)


class Watched:
    """A backend that notes when its generator is opened and closed; `events` may break off with an error."""

    name = "watched"

    def __init__(self, *events: BackendEvent, error: BaseException | None = None) -> None:
        self.log: list[str] = []
        self._events = events
        self._error = error

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        self.log.append(f"open {request.model}")
        try:
            for event in self._events:
                await anyio.lowlevel.checkpoint()
                yield event
            if self._error is not None:
                raise self._error
        finally:
            self.log.append("close")

    async def aclose(self) -> None:
        self.log.append("aclose")


class Busy(ScriptedBackend):
    """A backend that says how busy it is."""

    def load(self) -> Load:
        return Load(in_flight=3, waiting=1, max_connections=10)
