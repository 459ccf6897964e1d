"""A stream that is open when its session ends: the service sees its connection close at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from bedrock_support.answers import MODEL, START, STREAM_HEAD, chunked, stream, text

import chatport
from chatport import Session

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_collecting")]

# From leaving to the moment when the server knows (seconds): at once, on a busy machine.
AT_ONCE = 1.0
_BEGUN = (STREAM_HEAD, chunked([START, text("Hel"), text("lo")]))


@pytest.mark.parametrize("begun", [False, True], ids=["before-a-word", "after-a-word"])
async def test_the_end_of_the_session_closes_what_is_open(
    server: LoopbackServer, options: dict[str, Any], begun: bool
) -> None:
    """The block of the stream is left later, or never: its connection is closed, and the pool is whole."""
    server.answer(*_BEGUN, server.hold())
    async with chatport.open_backend("bedrock", **options) as backend:
        async with Session(backend, MODEL) as chat:
            reading = chat.stream("hi")
            await reading.__aenter__()
            if begun:
                assert await anext(reading.text) == "Hel"
            left = time.monotonic()
        connection = server.connections[-1]
        took = await connection.until_closed() - left
        assert (connection.closed_by_client, took <= AT_ONCE) == (True, True), f"it took {took * 1000:.0f} ms"
        with pytest.raises(chatport.StreamClosedError, match="the block of the session has ended"):
            await reading.finish()
        assert chat.messages == ()
        server.answer(stream("Good."))
        async with Session(backend, MODEL) as another, another.stream("and now?") as good:
            assert (await good.finish()).text == "Good."
    await server.connections[-1].until_closed()
    assert len(server.connections) == 2
