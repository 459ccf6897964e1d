"""Programs whose tests use respx need no server: its answers are read like any other, streams too."""

from __future__ import annotations

import json

import httpx
import pytest
import respx
from openai_support.streams import chunk, sse
from tests.core_mocker import CoreMocker

import chatport

pytestmark = pytest.mark.anyio

ANSWER = {"id": "c1", "model": "m-1", "choices": [{"index": 0, "message": {"content": "Ho"}, "finish_reason": "stop"}]}


async def test_a_mocked_conversation() -> None:
    """A whole answer, a streamed one and a refusal: address, key and body are what respx sees."""
    with respx.mock(using=CoreMocker.name, assert_all_called=True) as mock:
        streamed = sse(chunk({"content": "Hey"}, finish="stop"))
        route = mock.post("https://api.openai.com/v1/chat/completions").mock(
            side_effect=[
                httpx.Response(200, json=ANSWER, headers={"x-request-id": "r-1"}),
                httpx.Response(200, content=streamed, headers={"content-type": "text/event-stream"}),
                httpx.Response(429, json={"error": {"message": "slow down"}}, headers={"retry-after": "2"}),
            ]
        )
        options = {"api_key": "test-key"}
        async with chatport.open_session("openai:gpt-4o", backend_options=options, retry=None) as session:
            reply = await session.ask("Hi")
            assert (reply.text, reply.request_id) == ("Ho", "r-1")
            async with session.stream("And?") as stream:
                assert (await stream.finish()).text == "Hey"
            with pytest.raises(chatport.RateLimitError, match="slow down") as caught:
                await session.ask("And?")
        assert caught.value.retry_after == 2
        sent = route.calls[1].request
        assert sent.headers["authorization"] == "Bearer test-key"
        assert [message["content"] for message in json.loads(sent.content)["messages"]] == ["Hi", "Ho", "And?"]
        assert route.call_count == 3
