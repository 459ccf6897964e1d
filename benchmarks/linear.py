"""Whether a long answer costs more per byte than a short one: ten times the size against the time of one.

Run `python benchmarks/linear.py`. Frames in memory go the whole way, through reader, decoder, session and fold to the
events of `session.stream`; the size grows by ten, and the time should too.
"""

import asyncio
import json
import statistics
from collections.abc import AsyncGenerator
from time import process_time
from typing import Any

from chatport import Session
from chatport.backend import BackendEvent, ChatRequest
from chatport_bedrock._decode import StreamDecoder
from chatport_bedrock._frames import FrameReader, encode_frame

ROUNDS = 7
READ_BYTES = 64 * 1024
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"


class MemoryBackend:
    """Answers with the same bytes every time, read as the wire reads them."""

    name = "memory"

    def __init__(self, data: bytes, read_bytes: int) -> None:
        self._reads = [data[start : start + read_bytes] for start in range(0, len(data), read_bytes)]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:  # noqa: ARG002 - the protocol's
        """Yield the events of the bytes."""
        reader, decoder = FrameReader(), StreamDecoder(model=MODEL, request_id=None)
        for data in self._reads:
            for frame in reader.feed(data):
                for event in decoder.feed(frame):
                    yield event
        reader.finish()

    async def aclose(self) -> None:
        """Close nothing."""


def event(name: str, payload: dict[str, Any]) -> bytes:
    """One frame as the service sends it."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_frame(headers, json.dumps({**payload, "p": "abcdefghijkl"}, separators=(",", ":")).encode())


def answer(begun: dict[str, Any], deltas: list[dict[str, Any]]) -> bytes:
    """A whole stream of one block."""
    start = [event("contentBlockStart", {"contentBlockIndex": 0, "start": begun})] if begun else []
    pieces = [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas]
    stop = event("contentBlockStop", {"contentBlockIndex": 0})
    end = event("messageStop", {"stopReason": "end_turn"}) + event("metadata", {"usage": {}})
    return b"".join((event("messageStart", {"role": "assistant"}), *start, *pieces, stop, end))


def text_of(deltas: int) -> bytes:
    """An answer of so many words."""
    return answer({}, [{"text": " words"}] * deltas)


def argument_of(size: int) -> bytes:
    """A call of a tool with an argument of so many bytes, in pieces of twenty."""
    written = json.dumps({"content": "x" * size})
    pieces = [{"toolUse": {"input": written[start : start + 20]}} for start in range(0, len(written), 20)]
    return answer({"toolUse": {"toolUseId": "t", "name": "write"}}, pieces)


async def turn(data: bytes, read_bytes: int) -> float:
    """Processor time of one turn, in seconds."""
    async with Session(MemoryBackend(data, read_bytes), MODEL) as session:
        begun = process_time()
        async with session.stream("hi") as stream:
            async for _ in stream:
                pass
        return process_time() - begun


async def main() -> None:
    """Print one line for each kind of answer and way of reading it."""
    kinds = {
        "2,000 and 20,000 deltas of text": (text_of(2_000), text_of(20_000)),
        "0.1 and 1 MB of a tool's argument": (argument_of(100_000), argument_of(1_000_000)),
    }
    print(f"{'median of ' + str(ROUNDS) + ' rounds':36}{'read':>8}{'short':>11}{'long':>11}{'ratio':>8}")
    for name, (short, long) in kinds.items():
        for read_bytes in (READ_BYTES, 200, 16):
            rounds = [(await turn(short, read_bytes), await turn(long, read_bytes)) for _ in range(ROUNDS)]
            first = statistics.median(times for times, _ in rounds)
            second = statistics.median(times for _, times in rounds)
            print(f"{name:36}{read_bytes:8}{first * 1e3:8.1f} ms{second * 1e3:8.1f} ms{second / first:8.2f}")


if __name__ == "__main__":
    asyncio.run(main())
