"""What tests of the HTTP wire share: one request, and how its answer is read."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatport.backend.http import HttpOptions, HttpRequest, HttpWire
from chatport.testing import HttpReply, HttpService

if TYPE_CHECKING:
    from chatport.backend import Timeouts

PEM = Path(__file__).parent / "localhost.pem"
KEY = "sk-a-key-that-nobody-may-see"


def a_wire(**options: Any) -> HttpWire:
    """Return a wire with these options."""
    return HttpWire(HttpOptions(**options), backend="tested")


def a_request(service: HttpService, path: str = "/v1/answers?a=b", body: bytes = b'{"ask":1}') -> HttpRequest:
    """Return a request with a key in it."""
    return HttpRequest("POST", f"{service.url}{path}", (("Authorization", f"Bearer {KEY}"),), body)


async def warmed(wire: HttpWire, *, tls: bool = False) -> HttpWire:
    """Return the wire once its library is loaded, and its certificates, which takes longer than short limits."""
    with HttpService(tls=serving() if tls else None) as service:
        service.reply(HttpReply())
        await whole(wire, a_request(service))
    return wire


async def whole(wire: HttpWire, request: HttpRequest, timeouts: Timeouts | None = None) -> bytes:
    """Send a request and return the whole body of its answer."""
    async with await wire.send(request, timeouts, model="a-model") as response:
        return await response.read_all()


async def pieces(wire: HttpWire, request: HttpRequest, timeouts: Timeouts | None = None) -> list[bytes]:
    """Send a request and return its answer's body in the pieces in which it is read."""
    found: list[bytes] = []
    async with await wire.send(request, timeouts, model="a-model") as response:
        while piece := await response.read(has_begun=bool(found)):
            found.append(piece)
    return found


def serving() -> ssl.SSLContext:
    """Return how a service on loopback speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context
