"""Answers that go wrong on the way, and what callers are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.http_exchanges import KEY

from chatport.testing import HttpReply, HttpStep

if TYPE_CHECKING:
    from chatport.backend import BackendError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: r-1\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def raw(*steps: bytes | HttpStep) -> HttpReply:
    """A reply that is these bytes and steps, head and all."""
    return HttpReply(body=steps, framing="raw")


def told(error: BackendError) -> tuple[type[BackendError], str | None, bool]:
    """What a caller is told: class, phase, and whether to ask again."""
    assert error.backend == "tested"
    assert error.model == "a-model"
    assert KEY not in f"{error!r}{error}{error.__cause__!r}"
    return type(error), error.phase, error.retryable
