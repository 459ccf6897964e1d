"""One turn against a raw server, and what it says about who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import chatport
from bedrock_support.answers import MODEL, unary

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer, Received

REGION = {"region": "us-east-1"}


async def sent(server: LoopbackServer, **options: Any) -> Received:
    """Return what one turn sends."""
    server.answer(unary())
    options = {"endpoint_url": server.url, **REGION, **options}
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        await session.ask("hi")
    return server.requests[-1]


def who_asked(received: Received) -> str:
    """Return who asked: the bearer token, or the key id and the session token."""
    authorization = received.headers["authorization"]
    if authorization.startswith("Bearer "):
        assert "x-amz-security-token" not in received.headers
        return authorization
    key = authorization.partition("Credential=")[2].partition("/")[0]
    return f"{key} {received.headers.get('x-amz-security-token')}"
