"""respx, which people know from httpx, can stand in for Bedrock where httpx2 carries the bytes.

respx 0.23 replaces httpcore's connections; httpx2 brings its own copy of httpcore, for which a mocker with other
targets is enough.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import httpcore2
import httpx
import pytest
import respx
from bedrock_support.answers import MODEL, REQUEST_ID, converse
from respx.mocks import HTTPCoreMocker

import chatport
from chatport import RateLimitError


class HTTPCore2Mocker(HTTPCoreMocker):
    """respx's mocker for httpcore, for the copy that httpx2 uses."""

    name: ClassVar[str] = "httpcore2"
    targets: ClassVar[list[str]] = [target.replace("httpcore.", "httpcore2.", 1) for target in HTTPCoreMocker.targets]

    @classmethod
    def from_sync_httpx_response(cls, httpx_response: httpx.Response, target: object, **_: object) -> Any:
        """Return an answer of httpcore2 in place of httpcore's."""
        del target
        return httpcore2.Response(
            status=httpx_response.status_code,
            headers=httpx_response.headers.raw,
            content=httpx_response.stream,
            extensions=httpx_response.extensions,
        )


@pytest.fixture
def anyio_backend() -> str:
    """httpx2 carries the bytes on trio."""
    return "trio"


@pytest.mark.anyio
async def test_a_mocked_turn() -> None:
    """A unary call is answered without a socket: the address, as people write it, and the body are what respx sees."""
    with respx.mock(using="httpcore2", assert_all_called=True) as mock:
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
