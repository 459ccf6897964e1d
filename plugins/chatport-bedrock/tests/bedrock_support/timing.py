"""Limits of time, and what waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import chatport
from bedrock_support.answers import MODEL, unary
from chatport import Session, StreamTimeoutError, Timeouts

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer
    from chatport_bedrock.backend import BedrockBackend

SECONDS = 0.2
# A machine that does something else at the same time is late; where a limit does not hold, nothing else ends the wait.
LATE = 3.0


def open_bedrock(options: dict[str, Any], **more: Any) -> AbstractAsyncContextManager[BedrockBackend]:
    """Open the backend with the options of a fixture, and more."""
    opened: Any = chatport.open_backend("bedrock", **{**options, **more})
    return opened  # type: ignore[no-any-return] # by its name it could be any backend


def pause(seconds: float) -> Callable[[], bool]:
    """A step of the server that takes its time."""
    return partial(threading.Event().wait, seconds)


async def warm(server: LoopbackServer, backend: BedrockBackend) -> None:
    """Load what is loaded once, whatever the backend's limits."""
    server.answer(unary())
    await Session(backend, MODEL).ask("hi", timeouts=Timeouts(first_event=20, idle=20, total=20))


@contextmanager
def times_out(name: str, *, seconds: float = SECONDS) -> Generator[Any]:
    """Expect that this limit ends what is done, after so many seconds and not much later."""
    started = time.monotonic()
    with pytest.raises(StreamTimeoutError) as caught:
        yield caught
    elapsed = time.monotonic() - started
    assert caught.value.timeout == name
    assert seconds - 0.02 <= elapsed < seconds + LATE


async def ask_by(session: Session, way: str, **options: Any) -> Any:
    """Ask for a whole answer or for a stream."""
    if way == "ask":
        return await session.ask("hi", **options)
    async with session.stream("hi", **options) as reading:
        return await reading.finish()
