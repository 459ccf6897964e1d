"""Turns that are cancelled: what the server says, what the turn does, and how many pauses it has."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from bedrock_support.answers import (
    METADATA,
    MODEL,
    START,
    STOP,
    STREAM_HEAD,
    block_stop,
    chunked,
    converse,
    event,
    refusal,
    text,
    unary,
)
from bedrock_support.http_bytes import LAST_CHUNK, chunk
from bedrock_support.killing import Paced, Pauses
from bedrock_support.loopback import Hold, LoopbackServer, Step
from chatport import Image, RateLimitError, Retry, Session
from chatport_bedrock import AwsCredentials
from chatport_bedrock.backend import BedrockBackend

_Answers = list[tuple[Step, ...]]


@dataclass
class Stage:
    """What a scene plays on.

    Attributes:
        server: The server.
        backend: The backend, with as many connections as the scene says.
        session: A session with a history.
        paced: What writes answers piece by piece.
        hold: A place for the server to stop at, for the neighbour.
        pauses: What tools note their pauses in.
        entered: Set when the neighbour begins.
    """

    server: LoopbackServer
    backend: BedrockBackend
    session: Session
    paced: Paced
    hold: Hold
    pauses: Pauses = field(default_factory=lambda: Pauses(0, int))
    entered: anyio.Event = field(default_factory=anyio.Event)


_Play = Callable[[Stage], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Scene:
    """A turn that is cancelled.

    Attributes:
        name: What it is.
        play: The turn.
        answers: What the server answers, request by request.
        floor: How many pauses it has at least.
        is_warm: Whether there is a connection already.
        retry: When the session repeats.
        options: Options of the backend.
        neighbour: A turn at the same time, which nobody cancels.
        leads: Whether the neighbour begins first.
        tls: Whether the server speaks TLS.
        proxy: Whether it is a proxy, on the way to an endpoint that speaks TLS.
        falls_back: Whether the session asks through a `FallbackBackend`, whose second target is asked next.
    """

    name: str
    play: _Play
    answers: Callable[[Stage], _Answers]
    floor: int
    is_warm: bool = False
    retry: Retry | None = None
    options: dict[str, Any] = field(default_factory=dict)
    neighbour: _Play | None = None
    leads: bool = False
    tls: bool = False
    proxy: bool = False
    falls_back: bool = False


_FIRST_DELTA = chunk(text("Hel"))
_PIECES = (
    STREAM_HEAD,
    chunk(START),
    _FIRST_DELTA[:50],
    _FIRST_DELTA[50:],
    chunk(text("lo")),
    chunked([block_stop(), STOP]),
    chunk(METADATA),
    LAST_CHUNK,
)
UNARY = unary()
_CALL = {"toolUse": {"toolUseId": "t1", "name": "look_up"}}
_SECOND_CALL = {"toolUse": {"toolUseId": "t2", "name": "compute"}}
_INPUT = {"toolUse": {"input": "{}"}}
_CALLS = (
    STREAM_HEAD,
    chunk(START),
    chunk(event("contentBlockStart", {"contentBlockIndex": 0, "start": _CALL})),
    chunked([event("contentBlockDelta", {"contentBlockIndex": 0, "delta": _INPUT}), block_stop()]),
    chunk(event("contentBlockStart", {"contentBlockIndex": 1, "start": _SECOND_CALL})),
    chunked([event("contentBlockDelta", {"contentBlockIndex": 1, "delta": _INPUT}), block_stop(1)]),
    chunk(event("messageStop", {"stopReason": "tool_use"})),
    chunk(METADATA) + LAST_CHUNK,
)


def _streams(stage: Stage) -> _Answers:
    return [stage.paced.steps(*_PIECES)]


def _whole(stage: Stage) -> _Answers:
    cut = len(UNARY) - len(converse())
    return [stage.paced.steps(UNARY[:cut], UNARY[cut : cut + 20], UNARY[cut + 20 :])]


def _throttled(stage: Stage) -> _Answers:
    refused = refusal("429 Too Many Requests", "ThrottlingException")
    return [stage.paced.steps(refused[:-5], refused[-5:]), *_streams(stage)]


def _refused(stage: Stage) -> _Answers:
    return _throttled(stage)[:1]


def _calling(stage: Stage) -> _Answers:
    return [stage.paced.steps(*_CALLS), *_streams(stage)]


def _held(stage: Stage) -> _Answers:
    """The neighbour's answer stops in its middle."""
    return [(STREAM_HEAD, chunk(START), stage.hold, *_PIECES[2:]), *_streams(stage)]


async def _stream(stage: Stage) -> None:
    async with stage.session.stream("hi") as reading:
        assert (await reading.finish()).text == "Hello"


async def _ask(stage: Stage) -> None:
    assert (await stage.session.ask("hi")).text == "Hello!"


async def _leave(stage: Stage) -> None:
    async with stage.session.stream("hi") as reading:
        async for _ in reading.text:
            break


async def _send_much(stage: Stage) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(600_000)
    async with stage.session.stream("hi", Image.from_bytes(png)) as reading:
        await reading.finish()


async def _fail(stage: Stage) -> None:
    with pytest.raises(RateLimitError):
        await stage.session.ask("hi")


async def _run_tools(stage: Stage) -> None:
    async def look_up() -> str:
        """Look it up."""
        for _ in range(3):
            stage.pauses.note()
            await anyio.lowlevel.checkpoint()
        return "found"

    def compute() -> int:
        """Compute it, in a thread."""
        return 7

    async with stage.session.stream("hi", tools=[look_up, compute]) as reading:
        assert (await reading.finish()).text == "Hello"


async def neighbour(stage: Stage) -> None:
    """Ask at the same time, in a session of its own."""
    async with Session(stage.backend, MODEL, retry=None) as session:
        stage.entered.set()
        assert (await session.ask("neighbour")).text == "Hello!"


async def slow_neighbour(stage: Stage) -> None:
    """Read a stream that the server holds in its middle."""
    async with Session(stage.backend, MODEL, retry=None) as session, session.stream("neighbour") as reading:
        await reading.finish()


async def _keys() -> AwsCredentials:
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    return AwsCredentials(access_key_id="id", secret_access_key="secret")


_KEYS: dict[str, Any] = {"credentials": _keys, "api_key": None, "max_connections": 2}
_NO_WAIT = Retry(base_delay=0.0)

SCENES = (
    Scene("stream-warm", _stream, _streams, 8, is_warm=True),
    Scene("stream-cold", _stream, _streams, 12),
    Scene("stream-tls", _stream, _streams, 12, tls=True),
    Scene("stream-through-a-proxy", _stream, _streams, 12, tls=True, proxy=True),
    Scene("ask-warm", _ask, _whole, 3, is_warm=True),
    Scene("ask-cold", _ask, _whole, 6),
    Scene("left", _leave, _streams, 4, is_warm=True),
    Scene("large-request", _send_much, _streams, 8, is_warm=True),
    Scene("refused", _fail, _refused, 2, is_warm=True),
    Scene("repeated", _stream, _throttled, 10, is_warm=True, retry=_NO_WAIT),
    Scene("fallback", _stream, _throttled, 10, is_warm=True, falls_back=True),
    Scene("tools", _run_tools, _calling, 20, is_warm=True),
    Scene("pool", _stream, _held, 9, is_warm=True, neighbour=slow_neighbour, leads=True),
    Scene("keys-first", _ask, _whole, 6, options=_KEYS, neighbour=neighbour),
    Scene("keys-second", _ask, _whole, 6, options=_KEYS, neighbour=neighbour, leads=True),
)
