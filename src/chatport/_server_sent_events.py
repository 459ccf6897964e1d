"""Bytes → server-sent events. Pure; this runs once for each piece that comes over a connection.

Source: the section "Server-sent events" of the HTML standard (WHATWG), read as a client that asks once and never again:
`id` and `retry` say how to reconnect, and are left out. Two things go beyond it. An event whose final empty line is
missing counts, as some servers leave it out at the end of a body; and fields that the standard ignores are kept, as
some servers report errors in one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NEW_LINE: Final = 10
_DATA: Final = b"data: "
_EVENT: Final = b"event: "
# Larger than any event that services send: images come in one, as base64.
MAX_EVENT_BYTES: Final = 64 * 1024 * 1024


class ServerSentEvent(NamedTuple):
    """One event of a stream.

    Attributes:
        event: Its name; empty where none was given, which the standard reads as `"message"`.
        data: Its data lines, joined with line feeds; empty where there are only other fields.
        other: The fields that the standard ignores, as pairs of name and value, in order.
    """

    event: str
    data: str
    other: tuple[tuple[str, str], ...] = ()


class UnreadableEventError(ValueError):
    """An event that is too long, or no UTF-8. It is an error of the service, for a backend to say in its own.

    Attributes:
        events: The events before it that came in the same piece: a caller is to see them first.
    """

    def __init__(self, message: str, events: list[ServerSentEvent]) -> None:
        """Keep what was good."""
        super().__init__(message)
        self.events = events


class EventReader:
    """Takes the events out of a body, however its bytes are cut. A reader belongs to one body."""

    __slots__ = ("_ends_with_return", "_has_begun", "_max_bytes", "_pieces", "_size")

    def __init__(self, *, max_bytes: int = MAX_EVENT_BYTES) -> None:
        """Begin with nothing read.

        Args:
            max_bytes: The most bytes of one event.
        """
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []  # of an event that is not complete, without an empty line in them
        self._size = 0
        self._ends_with_return = False
        self._has_begun = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and return the events that are complete with them.

        Raises:
            UnreadableEventError: An event is longer than `max_bytes`, or is no UTF-8. The reader is of no use then.
        """
        if self._ends_with_return or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        if not self._has_begun:
            chunk = self._without_mark(chunk)
        if not chunk:
            return []
        if self._pieces:
            straddles = chunk[0] == _NEW_LINE and self._pieces[-1][-1] == _NEW_LINE
            if not straddles and b"\n\n" not in chunk:
                self._keep(chunk)
                return []
            chunk = b"".join(self._pieces) + chunk
            self._pieces.clear()
            self._size = 0
        *blocks, rest = chunk.split(b"\n\n")
        events = self._events(blocks)
        if rest:
            try:
                self._keep(rest)
            except UnreadableEventError as error:
                error.events = events
                raise
        return events

    def finish(self) -> list[ServerSentEvent]:
        """Return what is left when a body has ended, as if an empty line had come.

        Raises:
            UnreadableEventError: It is no UTF-8.
        """
        rest = b"".join(self._pieces).removesuffix(b"\n")
        self._pieces.clear()
        self._size = 0
        return self._events([rest]) if rest else []

    def _events(self, blocks: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        try:
            for block in blocks:
                if len(block) > self._max_bytes:
                    raise self._too_long(events)
                # The two shapes that nearly all events have; the long way gives the same.
                if block.startswith(_DATA) and _NEW_LINE not in block:
                    events.append(ServerSentEvent("", block[6:].decode()))
                    continue
                if block.startswith(_EVENT):
                    name, _, data = block.partition(b"\n")
                    if data.startswith(_DATA) and _NEW_LINE not in data:
                        events.append(ServerSentEvent(name[7:].decode(), data[6:].decode()))
                        continue
                events += _parsed(block)
        except UnicodeDecodeError as error:
            raise UnreadableEventError(str(error), events) from error
        return events

    def _too_long(self, events: list[ServerSentEvent]) -> UnreadableEventError:
        return UnreadableEventError(f"an event is longer than {self._max_bytes} bytes", events)

    def _keep(self, rest: bytes) -> None:
        self._size += len(rest)
        if self._size > self._max_bytes + 1:  # the line feed at its end is not counted
            raise self._too_long([])
        self._pieces.append(rest)

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """Return the bytes with one kind of line end, so that no event waits for what may follow a carriage return."""
        if self._ends_with_return and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._ends_with_return = False
            if not chunk:
                return chunk
        self._ends_with_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_mark(self, chunk: bytes) -> bytes:
        """Return the bytes without a byte order mark at the beginning of the body."""
        if self._pieces:
            chunk = b"".join(self._pieces) + chunk
            self._pieces.clear()
            self._size = 0
        if len(chunk) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(chunk):
            if chunk:
                self._keep(chunk)
            return b""
        self._has_begun = True
        return chunk.removeprefix(_BYTE_ORDER_MARK)


def _parsed(block: bytes) -> list[ServerSentEvent]:
    """Return the events of lines that have no empty line between them but at their beginning."""
    name = ""
    data: str | None = None
    other: list[tuple[str, str]] = []
    for line in block.decode().split("\n"):
        field, colon, value = line.partition(":")
        if colon:
            value = value.removeprefix(" ")
        match field:
            case "":  # an empty line, or a comment
                continue
            case "data":
                data = value if data is None else f"{data}\n{value}"
            case "event":
                name = value
            case "id" | "retry":
                continue
            case _:
                other.append((field, value))
    if data is None and not other:
        return []
    return [ServerSentEvent(name, data or "", tuple(other))]
