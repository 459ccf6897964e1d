"""The chunks of an HTTP body, joined as they come.

Pure: bytes in, bytes out. Services send each event in a chunk of its own, so this runs once per token. It knows chunks
as servers write them, and the end of a body not at all: what is left, in whatever way it is unusual, is for the parser
of the HTTP library, which then sees a body that begins there.
"""

from __future__ import annotations

import re
from typing import Final

# What ends a chunk, and the size of the next. h11 takes longer numbers and extensions as well.
_NEXT_CHUNK: Final = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})\r\n")
_FIRST_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_MAX_SIZE_BYTES: Final = 64
_CHUNK_END: Final = b"\r\n"


class ChunkReader:
    """Takes the data out of chunks, however the bytes are cut. A reader belongs to one body.

    Attributes:
        rest: What is not read here: from the size of the last chunk on, or of one that is unusual. None before that.
        is_broken: Whether a chunk does not end where its size says. Nothing behind it can be read.
    """

    __slots__ = ("_left", "_tail", "is_broken", "rest")

    def __init__(self) -> None:
        self.rest: bytes | None = None
        self.is_broken = False
        self._left = 0  # how much of a chunk's data is still to come
        self._tail = _CHUNK_END  # an incomplete size and what stands before it, which the first one lacks

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the body, and return the data in them: none where only a part of a size has come.

        Not to be called any more once there is a `rest`, or the body is broken.
        """
        if self._tail == _CHUNK_END and (whole := _whole_chunk(data)):
            return whole
        data = self._tail + data
        self._tail = b""
        length, position = len(data), self._left
        if position >= length:
            self._left = position - length
            return data
        pieces = [data[:position]]
        read_size = _NEXT_CHUNK.match
        while (found := read_size(data, position)) is not None:
            start = found.end()
            size = int(found[1], 16)
            if not size:
                break
            position = start + size
            pieces.append(data[start:position])
            if position >= length:
                self._left = position - length
                return b"".join(pieces)
        self._left = 0
        self._keep(data[position:])
        return b"".join(pieces)

    def _keep(self, tail: bytes) -> None:
        """Judge what stands where a chunk should end and another one begin."""
        size = tail[2:]
        if not b"\r\n".startswith(tail[:2]):
            self.is_broken = True
        elif b"\n" in size or len(size) > _MAX_SIZE_BYTES:
            self.rest = size
        else:
            self._tail = tail


def _whole_chunk(data: bytes) -> bytes:
    """Return what is in one whole chunk, as a read of a live stream mostly is; nothing where these bytes are none."""
    found = _FIRST_SIZE.match(data)
    if found is None:
        return b""
    start, end = found.end(), len(data) - len(_CHUNK_END)
    return data[start:end] if start + int(found[1], 16) == end and data.endswith(_CHUNK_END) else b""
