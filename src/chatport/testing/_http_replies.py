"""What an HTTP service on loopback is told to answer, and what it was asked, as values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Literal, TypeAlias


class HttpStep(Enum):
    """Something that happens in a reply, beside the bytes of its body."""

    HOLD = auto()
    """Nothing more comes until `HttpService.release`."""
    END = auto()
    """The body ends here in order, as if that were all of it; the connection stays. Nothing of the reply follows."""
    CLOSE = auto()
    """The connection ends in order: what was written arrives, then its end. Nothing of the reply follows. A body of
    which the client knows that more should come, in chunks or with a length, breaks off by it."""
    RESET = auto()
    """The connection is torn down. Nothing of the reply follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What the service answers to one request.

    Attributes:
        body: The body. Several pieces are written one by one, with what happens between them.
        status: The status of the answer.
        headers: More headers; those that say how the body comes are there already.
        framing: How the body comes: in `"chunks"`, one for each piece; with a `"length"`; up to the `"end"` of the
            connection. `"raw"`: the pieces are the whole answer, head and all. By default a body of bytes has a length,
            one of pieces comes in chunks.
        before: What happens before the head.
        write_size: How many bytes are written at a time; None writes each piece at once.
    """

    body: bytes | tuple[bytes | HttpStep, ...] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    framing: Literal["chunks", "length", "end", "raw"] | None = None
    before: HttpStep | None = None
    write_size: int | None = None

    def steps(self) -> list[bytes | HttpStep]:
        """Return what is written and what happens, in order.

        Raises:
            ValueError: The body is to end before its length.
        """
        pieces = (self.body,) if isinstance(self.body, bytes) else self.body
        before = [] if self.before is None else [self.before]
        framing = self.framing or ("length" if isinstance(self.body, bytes) else "chunks")
        if HttpStep.END in pieces:
            if framing == "length":  # what was said to come does not
                raise ValueError("a body with a length cannot end before it; give it the framing 'chunks'")
            pieces = pieces[: pieces.index(HttpStep.END)]
        if framing == "raw":
            return [*before, *pieces]
        if framing == "chunks":
            chunks = [_chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces if piece != b""]
            return [*before, self._head({"Transfer-Encoding": "chunked"}), *chunks, b"0\r\n\r\n"]
        if framing == "end":
            return [*before, self._head({"Connection": "close"}), *pieces, HttpStep.CLOSE]
        size = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
        head = self._head({"Content-Length": str(size)})
        if isinstance(self.body, bytes):
            return [*before, head + self.body]
        return [*before, head, *pieces]

    def _head(self, framing: Mapping[str, str]) -> bytes:
        lines = [f"{name}: {value}" for name, value in {**framing, **self.headers}.items()]
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else ""
        return "\r\n".join([f"HTTP/1.1 {self.status} {phrase}", *lines, "", ""]).encode("latin-1")


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A request as it came.

    Attributes:
        method: The verb.
        target: What stands after it, undecoded: path and query.
        header_lines: Every header, with the case and in the order of the wire.
        body: The body.
        connection: The connection that it came over.
    """

    method: str
    target: str
    header_lines: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    connection: ServedConnection = field(repr=False)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name in lower case; of one that came twice, all values, with commas between them."""
        found: dict[str, str] = {}
        for written, value in self.header_lines:
            name = written.lower()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found


@dataclass(slots=True, eq=False)
class ServedConnection:
    """One accepted connection.

    Attributes:
        opened_at: When it was accepted, by `time.monotonic()`, in seconds.
        closed_at: When its end was seen; None before that.
        closed_by_client: Whether the client was first.
    """

    opened_at: float = field(default_factory=time.monotonic)
    closed_at: float | None = None
    closed_by_client: bool = False
    ended: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set when its end was seen."""

    def note_end(self, *, by_client: bool) -> None:
        """Note the end, once."""
        if not self.ended.is_set():
            self.closed_at, self.closed_by_client = time.monotonic(), by_client
            self.ended.set()


ReplySource: TypeAlias = HttpReply | Callable[[ServedRequest], HttpReply]
"""A reply, or what makes one of the request."""


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
