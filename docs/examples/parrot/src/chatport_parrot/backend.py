"""The backend: translate, wire, decode, in this order and each in a module of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from chatport.backend import BackendEvent, ChatRequest, ConfigurationError, Preview, refuse_losses
from chatport_parrot._decode import Decoder
from chatport_parrot._translate import translate
from chatport_parrot._wire import Connection


class ParrotBackend:
    """Talks to a parrot over TCP. It keeps nothing between two requests, so that any event loop may ask."""

    name = "parrot"

    def __init__(self, *, host: str = "127.0.0.1", port: int = 4711, key: str = "") -> None:
        """Note where the parrot is; nothing is opened before the first request.

        Raises:
            ConfigurationError: The port is none.
        """
        if not 0 < port < 2**16:
            message = f"port is a number from 1 to 65535, not {port!r}"
            raise ConfigurationError(message)
        self._address = (host, port)
        self._key = key

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Send one request and yield its events.

        Raises:
            UnsupportedError: The request is strict, and the parrot cannot be told all of it.
            BackendError: The exchange failed.
        """
        body, adjustments = translate(request)
        if request.strict:
            refuse_losses(adjustments)
        # What errors say about the request; the request's id joins it when the parrot tells it.
        facts: dict[str, Any] = {"backend": self.name, "model": request.model}
        decoder = Decoder(facts, adjustments, secret=self._key)
        async with Connection(self._address, request.timeouts, facts) as connection:
            await connection.send({"key": self._key, **body})
            while not decoder.is_complete:
                for event in decoder.feed(await connection.receive()):
                    yield event

    async def preview(self, request: ChatRequest) -> Preview:
        """Return what would be sent, without the key; nothing is."""
        return Preview(*translate(request))

    async def aclose(self) -> None:
        """There is nothing to close: each request has a connection of its own."""
