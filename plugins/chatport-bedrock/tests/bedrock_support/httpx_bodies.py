"""Streamed bodies through httpx2, read from the connection below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from bedrock_support.http_bytes import chunk, head
from chatport_bedrock._bodies import Body, body_of
from chatport_bedrock._calls import HttpRequest
from chatport_bedrock._httpx_session import OriginFormSession

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer, Step

HEAD = head("200 OK", {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
HELLO = chunk(b"Hel") + chunk(b"lo")


def open_session(*, keepalive_seconds: float = 60.0) -> OriginFormSession:
    """A session as the pool makes it on trio; it works on asyncio as well."""
    return OriginFormSession(
        verify=False,
        proxies={},
        timeout=(None, None),
        max_pool_connections=4,
        connector_args={"keepalive_timeout": keepalive_seconds},
    )


async def ask(session: OriginFormSession, server: LoopbackServer, *steps: Step) -> Body:
    """Let the server answer, and return the body of the answer, which is still on the wire."""
    server.answer(*steps)
    answer = await session.send(HttpRequest("POST", f"{server.url}/path?query", {"Host": "localhost"}, b"{}"))
    return body_of(answer.raw)


async def pieces_of(body: Body) -> list[bytes]:
    """Read a body to its end, as it comes."""
    pieces: list[bytes] = []
    with anyio.fail_after(5):
        while piece := await body.read(5):
            pieces.append(piece)
    return pieces


async def read_all(body: Body) -> list[bytes]:
    """Read a body to its end, and close it."""
    try:
        return await pieces_of(body)
    finally:
        await body.close()
