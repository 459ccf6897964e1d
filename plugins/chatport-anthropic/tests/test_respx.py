"""respx, which people know from httpx, can stand in for the service where httpcore2 carries the bytes."""

from __future__ import annotations

import json

import httpx
import pytest
import respx
from anthropic_support.decoding import MODEL, body_of, stream_events
from tests.core_mocker import CoreMocker

import chatport
from chatport import RateLimitError


@pytest.mark.anyio
async def test_a_mocked_turn() -> None:
    """Streamed and refused without a socket: the address, the key and the body are what respx sees."""
    hello = body_of(stream_events(({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Mocked."}])))
    limit = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    with respx.mock(using=CoreMocker.name, assert_all_called=True) as mock:
        route = mock.post("https://api.anthropic.com/v1/messages").mock(
            side_effect=[
                httpx.Response(200, content=hello, headers={"content-type": "text/event-stream", "request-id": "r1"}),
                httpx.Response(429, json=limit, headers={"retry-after": "7"}),
            ]
        )
        options = {"api_key": "test-key"}
        async with chatport.open_session(f"anthropic:{MODEL}", backend_options=options, retry=None) as session:
            async with session.stream("hi") as stream:
                reply = await stream.finish()
            assert (reply.text, reply.request_id) == ("Mocked.", "r1")
            with pytest.raises(RateLimitError, match="slow down") as caught:
                await session.ask("hi again")
            assert caught.value.retry_after == 7
        sent = route.calls[0].request
        assert sent.headers["x-api-key"] == "test-key"
        assert json.loads(sent.content)["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
