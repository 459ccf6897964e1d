"""A picture made in code, so that the demo needs no file: a yellow disc on blue, as a PNG."""

from __future__ import annotations

import struct
import zlib

WIDTH = 64
HEIGHT = 48
"""The size of the picture, in pixels; unusual enough to show whether somebody has really looked at it."""

_BLUE = bytes((32, 96, 208))
_YELLOW = bytes((255, 208, 32))
_RADIUS = 18


def draw_picture() -> bytes:
    """Return the picture: PNG, 8 bits per channel, RGB (W3C, Portable Network Graphics, third edition)."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    # Each row begins with the number of its filter, 0: none.
    rows = b"".join(b"\0" + b"".join(_color(x, y) for x in range(WIDTH)) for y in range(HEIGHT))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _color(x: int, y: int) -> bytes:
    inside = (2 * x + 1 - WIDTH) ** 2 + (2 * y + 1 - HEIGHT) ** 2 <= (2 * _RADIUS) ** 2
    return _YELLOW if inside else _BLUE


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
