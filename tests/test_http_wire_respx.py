"""respx, which people know from httpx, can stand in for any service behind the HTTP wire."""

from __future__ import annotations

import httpcore2
import httpx
import pytest
import respx
from tests.core_mocker import CoreMocker
from tests.http_exchanges import a_wire, pieces, whole

from chatport.backend import Load, TransportError
from chatport.backend.http import HttpRequest


@pytest.mark.anyio
async def test_answers_without_a_socket() -> None:
    """Address, headers and body are what respx sees; its answers are read like any other, errors too."""
    with respx.mock(using=CoreMocker.name, assert_all_called=True) as mock:
        route = mock.post("https://api.test/v1/x").mock(
            side_effect=[
                httpx.Response(200, content=b"data: a\n\n", headers={"x-request-id": "r-1"}),
                httpx.Response(429, json={"message": "slow down"}),
                httpcore2.ConnectError("nobody there"),
            ]
        )
        wire = a_wire()
        request = HttpRequest("POST", "https://api.test/v1/x", (("Authorization", "Bearer k"),), b"{}")
        assert await pieces(wire, request) == [b"data: a\n\n"]
        async with await wire.send(request) as response:
            assert (response.status, await response.read_error()) == (429, b'{"message":"slow down"}')
        with pytest.raises(TransportError, match="nobody there"):
            await whole(wire, request)
        sent = route.calls[0].request
        assert (sent.headers["authorization"], sent.content) == ("Bearer k", b"{}")
        assert (route.call_count, wire.load()) == (3, Load(0, 0, 1000))
        await wire.aclose()
