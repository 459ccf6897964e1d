"""A backend that is closed while requests are on their way: whoever waits is told, and nothing stays open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL, unary

from chatport import Session, TransportError
from chatport_bedrock import Load
from chatport_bedrock.backend import BedrockBackend

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

_WORDS = "the backend was closed while the request waited for a connection; nothing was sent"


async def _failure_of(backend: BedrockBackend, failures: list[TransportError]) -> None:
    with pytest.raises(TransportError) as caught:
        await Session(backend, MODEL).ask("hi")
    failures.append(caught.value)


async def test_who_waits_for_a_place_is_told(server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is not sent, though a place gets free by the closing; not even asked again. A later one is answered."""
    server.answer(server.hold())
    backend = BedrockBackend(**options, max_connections=1)
    first: list[TransportError] = []
    waiting: list[TransportError] = []

    async def ask_first() -> None:
        with pytest.raises(TransportError) as caught:
            await Session(backend, MODEL, retry=None).ask("hi")
        first.append(caught.value)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(ask_first)
            await server.until_requests(1)
            for _ in range(3):
                group.start_soon(_failure_of, backend, waiting)
            while backend.load().waiting != 3:
                await anyio.lowlevel.checkpoint()
            await backend.aclose()
        await server.connections[0].until_closed()
        assert backend.load() == Load(0, 0, 1)
        assert not server.open_connections
        assert (len(first), len(server.requests), len(server.connections)) == (1, 1, 1)
        server.answer(unary("Again."))
        assert (await Session(backend, MODEL).ask("hi")).text == "Again."
        await backend.aclose()
        await server.connections[1].until_closed()
    assert len(waiting) == 3
    for failure in waiting:
        assert _WORDS in str(failure)
        assert (failure.phase, failure.retryable, failure.model) == ("connect", False, MODEL)


class _Session:
    """Sessions of HTTP, as far as they are opened and closed; opening takes until it is let go on."""

    def __init__(self) -> None:
        self.opening, self.go_on = anyio.Event(), anyio.Event()
        self.is_open = False
        self.closings = 0

    async def __aenter__(self) -> None:
        self.opening.set()
        await self.go_on.wait()
        self.is_open = True

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False
        self.closings += 1


async def test_closed_while_the_first_request_opens_sessions(
    server: LoopbackServer, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is opened for a request after the closing is closed at once, and the request is told."""
    session = _Session()

    async def make(*_: Any) -> _Session:
        await anyio.lowlevel.checkpoint()
        return session

    monkeypatch.setattr("chatport_bedrock._pool._make_session", make)
    backend = BedrockBackend(**options)
    failures: list[TransportError] = []
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(_failure_of, backend, failures)
            await session.opening.wait()
            await backend.aclose()
            session.go_on.set()
    assert _WORDS in str(failures[0])
    assert (session.is_open, session.closings) == (False, 1)
    assert not server.connections
