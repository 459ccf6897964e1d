"""The floor: a socket, both checksums, and the standard library's JSON. No signature, no types, no errors."""

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.clients import MODEL, Seen

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FloorClient:
    """The least that can be done to read an answer."""

    def __init__(self, url: str) -> None:
        """Take the address."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        """Open nothing: connections are made when they are needed, and kept."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the idle connections."""
        for _, writer in self._idle:
            writer.close()

    async def count(self, prompt: str) -> int:
        """Count the events."""
        count = 0
        async with aclosing(self._events(prompt)) as events:
            async for _ in events:
                count += 1
        return count

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async with aclosing(self._events(prompt)) as events:
            async for event in events:
                if "delta" in event:
                    seen(event["delta"]["text"])

    async def ask(self, prompt: str) -> str:
        """Return the text."""
        connection = await self._send(f"/model/{MODEL}/converse", _question(prompt))
        reader = connection[0]
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        self._idle.append(connection)
        return str(answer["output"]["message"]["content"][0]["text"])

    def decode(self, chunks: Sequence[bytes]) -> int:
        """Decode frames to dictionaries."""
        buffer, count = bytearray(), 0
        for data in chunks:
            buffer += data
            count += sum(1 for _ in _read_frames(buffer))
        return count

    async def _send(self, path: str, question: dict[str, Any]) -> _Connection:
        body = json.dumps(question).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-length: {len(body)}\r\n\r\n"
        opened = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        opened[1].write(head.encode() + body)
        return opened

    async def _events(self, prompt: str) -> AsyncGenerator[Any, None]:
        connection = await self._send(f"/model/{MODEL}/converse-stream", _question(prompt))
        reader = connection[0]
        await reader.readuntil(b"\r\n\r\n")
        raw, frames = bytearray(), bytearray()
        is_complete = False
        while not is_complete:
            raw += await reader.read(1 << 18)
            is_complete = move_chunks(raw, frames)
            for event in _read_frames(frames):
                yield event
        self._idle.append(connection)


def _question(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": prompt}]}]}


def move_chunks(raw: bytearray, frames: bytearray) -> bool:
    """Move the data of whole HTTP chunks; return whether the last chunk was there."""
    at, is_complete = 0, False
    while not is_complete and (line := raw.find(b"\r\n", at)) >= 0:
        size = int(raw[at:line], 16)
        if len(raw) < line + size + 4:
            break
        frames += raw[line + 2 : line + 2 + size]
        at, is_complete = line + size + 4, size == 0
    del raw[:at]
    return is_complete


def _read_frames(buffer: bytearray) -> Iterator[Any]:
    """Take whole frames off the buffer and return their payloads, both checksums tested."""
    data, at = bytes(buffer), 0
    while len(data) >= at + 12:
        total, headers, checksum = struct.unpack_from(">III", data, at)
        if len(data) < at + total:
            break
        if zlib.crc32(data[at : at + 8]) != checksum:
            raise ValueError("checksum of a prelude")
        if zlib.crc32(data[at : at + total - 4]) != struct.unpack_from(">I", data, at + total - 4)[0]:
            raise ValueError("checksum of a frame")
        yield json.loads(data[at + 12 + headers : at + total - 4])
        at += total
    del buffer[:at]
