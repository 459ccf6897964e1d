"""An answer over a connection of httpcore2, and what its failures mean."""

from __future__ import annotations

import ssl
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import httpcore2

from chatport._http_failures import ConnectionFailedError, TimedOutError
from chatport._http_headers import joined_headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from chatport._http_connections import Connection, Connections
    from chatport._http_failures import FailureKind
    from chatport._http_network import DirectStream

_BODILESS: Final = frozenset({204, 304})
# The first row that fits counts.
_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (httpcore2.ConnectTimeout, "connect-timeout"),
    (httpcore2.ConnectError, "connect"),
    (httpcore2.ProxyError, "proxy"),
    (httpcore2.LocalProtocolError, "unsayable"),
    (httpcore2.RemoteProtocolError, "no-http"),
    (httpcore2.NetworkError, "broken"),
)
ERRORS: Final[tuple[type[Exception], ...]] = tuple(kind for kind, _ in _KINDS)
"""What httpcore2 raises where a connection fails."""


class HttpAnswer:
    """An answer whose body is still to be read. Whoever gets one closes it.

    Attributes:
        status: The HTTP status.
        headers: The headers by name in lower case.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_connections",
        "_has_ended",
        "_pieces",
        "_response",
        "headers",
        "status",
    )

    def __init__(self, response: httpcore2.Response, connection: Connection, connections: Connections) -> None:
        """Look at how the body comes."""
        self.status = response.status
        self.headers: Mapping[str, str] = joined_headers(response.headers)
        self._response = response
        self._connection: Connection | None = connection
        self._connections = connections
        self._pieces: AsyncGenerator[bytes, None] | None = None
        self._has_ended = False
        self._chunked: DirectStream | None = None  # where chunks are read from, until the last one
        stream = connection.network.stream
        if stream is not None:
            self._expect(stream)

    def _expect(self, stream: DirectStream) -> None:
        """Tell the connection how the body comes. h11 has refused what is odd."""
        if self.status in _BODILESS:
            stream.expect_bytes(0)
        elif "transfer-encoding" in self.headers:
            stream.expect_chunks()
            self._chunked = stream
        else:
            length = self.headers.get("content-length", "").partition(",")[0].strip()
            stream.expect_bytes(int(length) if length else inf)

    async def read(self, seconds: float) -> bytes:
        """Return the next bytes of the body; none at its end.

        Args:
            seconds: How long to wait for them.

        Raises:
            TimedOutError: They did not come in time.
            ConnectionFailedError: The connection broke, or the body is cut off.
        """
        if self._connection is None or self._has_ended:
            return b""
        if seconds <= 0:
            raise TimedOutError
        try:
            if self._chunked is not None:
                if data := await self._chunked.read_chunks(seconds):
                    return data
                self._chunked = None
            return await self._read_rest(seconds)
        except ERRORS as error:
            raise failed(error) from error

    async def _read_rest(self, seconds: float) -> bytes:
        if self._pieces is None:
            self._pieces = cast("AsyncGenerator[bytes, None]", aiter(cast("Any", self._response.stream)))
        with anyio.move_on_after(seconds):
            piece = await anext(self._pieces, b"")
            self._has_ended = not piece
            return piece
        raise TimedOutError

    async def aclose(self) -> None:
        """Close the connection, or keep it for the next request where the body was read to its end."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with anyio.CancelScope(shield=True):
            try:
                if self._pieces is not None and not self._has_ended:
                    await self._unwind(self._pieces)
                await self._response.aclose()
            finally:
                await self._connections.give_back(connection)

    @staticmethod
    async def _unwind(pieces: AsyncGenerator[bytes, None]) -> None:
        # Cancelled where they wait for bytes, the generators unwind one after the other and close the connection;
        # closed where they yield, those inside may be left suspended, to be collected some time, with a warning.
        with anyio.CancelScope(shield=True) as scope:
            scope.cancel()
            with suppress(*ERRORS, ConnectionFailedError):
                async for _ in pieces:
                    pass


def failed(error: Exception) -> ConnectionFailedError:
    """Return what a failure of httpcore2's means, one of `ERRORS`."""
    kind: FailureKind = next(kind for cause, kind in _KINDS if isinstance(error, cause))
    reason = " ".join(str(error).split()) or type(error).__name__
    if kind == "connect" and isinstance(error.__cause__, ssl.SSLError):
        kind = "tls"
    elif kind == "no-http" and reason.startswith("Server disconnected"):
        kind = "broken"
    elif kind == "unsayable":
        # What h11 says shows the value that it refuses, which may be a key.
        reason = "a header, the address or the length of the body is not what HTTP allows"
    return ConnectionFailedError(kind, reason)
