"""A request over HTTP as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class HttpRequest:
    """What is sent. Its `repr` shows no address, no value of a header and no body: they hold secrets.

    Attributes:
        method: The verb, such as `"POST"`.
        url: The whole address. What stands in its path and query is sent as it is.
        headers: Names and values. `Host`, `Content-Length`, `Accept-Encoding` and, unless it is there, `User-Agent` are
            added; names that the options have, too, are theirs.
        body: What is sent after the head; None for nothing.
        unary: Whether the answer is read as a whole, so that `Timeouts.first_event` holds for all of it.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    unary: bool = False

    def __repr__(self) -> str:
        """Show what may be shown."""
        names = ", ".join(name for name, _ in self.headers)
        size = "no body" if self.body is None else f"{len(self.body)} bytes"
        return f"<{type(self).__name__} {self.method}, headers {names or 'none'}, {size}>"
