"""respx, which people know from httpx, can stand in for Bedrock where httpx2 carries the bytes."""

from __future__ import annotations

import json

import httpx
import pytest
import respx
from bedrock_support.answers import MODEL, REQUEST_ID, converse
from tests.core_mocker import CoreMocker

import chatport
from chatport import RateLimitError


@pytest.fixture
def anyio_backend() -> str:
    """httpx2 carries the bytes on trio."""
    return "trio"


@pytest.mark.anyio
async def test_a_mocked_turn() -> None:
    """A unary call is answered without a socket: the address, as people write it, and the body are what respx sees."""
    with respx.mock(using=CoreMocker.name, assert_all_called=True) as mock:
        route = mock.post(f"https://bedrock-runtime.eu-west-1.amazonaws.com/model/{MODEL}/converse").mock(
            side_effect=[
                httpx.Response(200, content=converse("Mocked."), headers={"x-amzn-RequestId": REQUEST_ID}),
                httpx.Response(429, json={"message": "slow down"}, headers={"x-amzn-ErrorType": "ThrottlingException"}),
            ]
        )
        options = {"region": "eu-west-1", "api_key": "test-key"}
        async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options, retry=None) as session:
            reply = await session.ask("hi")
            assert (reply.text, reply.request_id) == ("Mocked.", REQUEST_ID)
            with pytest.raises(RateLimitError, match="slow down"):
                await session.ask("hi again")
        sent = route.calls[0].request
        assert sent.headers["authorization"] == "Bearer test-key"
        assert json.loads(sent.content)["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
        assert route.call_count == 2
