"""Answers of HTTP as bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def head(status: str = "200 OK", headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a status line and headers."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in pairs)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whole(body: bytes, *, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole answer with a length."""
    return head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST_CHUNK = b"0\r\n\r\n"


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Cut bytes into pieces of one size."""
    return (data[start : start + size] for start in range(0, len(data), size))
