"""Bodies whose connection ends in ways that their library does not tell them."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from chatport_bedrock._bodies import AiohttpBody

pytestmark = pytest.mark.anyio


class _Answer(SimpleNamespace):
    """As much of aiohttp's answer as a body needs, with aiohttp's own reader in it."""

    @classmethod
    def make(cls, closed: asyncio.Future[None] | None) -> Any:
        loop = asyncio.get_running_loop()
        content = StreamReader(Mock(spec=BaseProtocol), 2**16, loop=loop)
        connection = SimpleNamespace(protocol=SimpleNamespace(closed=closed))
        return cls(content=content, connection=connection, close=Mock())


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
class TestAiohttp:
    async def test_closed_before_it_is_read(self) -> None:
        """A connection that is gone already, and whose body was told nothing: what came is read, then it fails."""
        answer = _Answer.make(None)
        answer.content.feed_data(b"some")
        body = AiohttpBody(answer)
        assert await body.read() == b"some"
        with pytest.raises(aiohttp.ClientPayloadError, match="closed in the middle"):
            await body.read()

    @pytest.mark.parametrize("how", [None, ConnectionResetError("reset")])
    async def test_closed_while_it_is_read(self, how: Exception | None) -> None:
        """The reader is woken up, and the reason of the end is looked at, or asyncio would complain."""
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        body = AiohttpBody(_Answer.make(closed))
        if how is None:
            closed.set_result(None)
        else:
            closed.set_exception(how)
        with pytest.raises(aiohttp.ClientPayloadError, match="closed in the middle"):
            await body.read()

    async def test_closed_after_the_end(self) -> None:
        """A connection that ends while it waits to be used again is no matter of the body that it carried."""
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer = _Answer.make(closed)
        body = AiohttpBody(answer)
        answer.content.feed_data(b"all")
        answer.content.feed_eof()
        closed.cancel()
        assert [await body.read(), await body.read()] == [b"all", b""]

    async def test_what_the_library_said_first_counts(self) -> None:
        """An error that aiohttp has told the body is not replaced."""
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer = _Answer.make(closed)
        body = AiohttpBody(answer)
        answer.content.set_exception(aiohttp.ClientPayloadError("the first"))
        closed.set_result(None)
        for _ in range(2):
            with pytest.raises(aiohttp.ClientPayloadError, match="the first"):
                await body.read()
