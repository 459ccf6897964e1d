"""Streams take no threads: not one each, not some for all, neither while they run nor afterwards."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from bedrock_support.answers import MODEL, START, STREAM_HEAD, chunked, frames, text
from bedrock_support.http_bytes import LAST_CHUNK

import chatport
from chatport import Session

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

_STREAMS = 50


def _threads() -> set[threading.Thread]:
    """The threads of this process, without the server's."""
    return {each for each in threading.enumerate() if each.name != "loopback"}


async def test_many_streams_take_no_thread(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Fifty at once, all in the middle of an answer: the threads are those that were there before the first."""
    first, last = chunked([START, text("Hel")]), chunked(frames("Hel", "lo")[2:])
    hold = server.hold()
    async with chatport.open_backend("bedrock", **options) as backend:
        # One that a program has anyway: what the first request loads is loaded by it.
        await anyio.to_thread.run_sync(int)
        before = _threads()
        begun, in_the_middle, go_on = 0, anyio.Event(), anyio.Event()

        async def read() -> None:
            nonlocal begun
            async with Session(backend, MODEL) as session, session.stream("hi") as reading:
                pieces = aiter(reading.text)
                assert await anext(pieces) == "Hel"
                begun += 1
                if begun == _STREAMS:
                    in_the_middle.set()
                await go_on.wait()
                assert await anext(pieces) == "lo"
                await reading.finish()

        server.answer_always(STREAM_HEAD, first, hold, last, LAST_CHUNK)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for _ in range(_STREAMS):
                    group.start_soon(read)
                await in_the_middle.wait()
                assert len(server.open_connections) == _STREAMS
                assert _threads() <= before
                hold.release()
                go_on.set()
        assert _threads() <= before
    assert len(server.requests) == _STREAMS
