"""The server that every client is measured against: prepared bytes on loopback, in a process of its own.

A plain protocol of asyncio, so that it is cheaper than what it measures. Run as a program it prints its port.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias

from benchmarks.answers import (
    LAST_CHUNK,
    STREAM_HEAD,
    Order,
    chunk,
    chunks_of,
    first_frames,
    last_frames,
    read_order,
    text_frame,
    unary_answer,
)
from benchmarks.machine import SERVER_CORE, pin
from benchmarks.vendor_answers import (
    EVENT_STREAM_HEAD,
    first_events,
    is_vendor_path,
    last_events,
    text_event,
    vendor_chunks,
)

# What one text is on a wire, and what comes after the last.
_Wire: TypeAlias = tuple[Callable[[str], bytes], Callable[[Order], Sequence[bytes]]]
_BEDROCK: Final[_Wire] = (text_frame, last_frames)


class BenchmarkProtocol(asyncio.Protocol):
    """One connection: requests in, prepared answers out, one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the loop on which paced streams are timed."""
        self._loop = loop
        self._received = bytearray()
        self._body_starts = 0  # 0: the head of the next request is not complete
        self._body_ends = 0
        self._waiting: Iterator[bytes] = iter(())
        self._is_paused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name that asyncio's protocol has
        """Stop a stream whose reader has left."""
        self._waiting = iter(())
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """Wait until the client has read."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on with what waits."""
        self._is_paused = False
        self._write_waiting()

    def data_received(self, data: bytes) -> None:
        """Answer a request as soon as all of it is there."""
        self._received += data
        if not self._body_starts:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._body_starts = end + 4
            lines = bytes(self._received[:end]).lower().split(b"\r\n")
            lengths = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
            self._body_ends = self._body_starts + int(lengths[0])
        if len(self._received) < self._body_ends:
            return
        path = bytes(self._received[: self._received.index(b"\r")]).split(b" ")[1]
        order = read_order(bytes(self._received[self._body_starts : self._body_ends]))
        del self._received[: self._body_ends]
        self._body_starts = 0
        self._answer(path, order)

    def _answer(self, path: bytes, order: Order) -> None:
        if is_vendor_path(path):
            self._answer_as_vendor(path, order)
        elif not path.endswith(b"/converse-stream"):
            self._transport.write(unary_answer())
        elif order.rate:
            self._transport.write(STREAM_HEAD + chunk(first_frames("text")))
            self._pace(order, 1, self._loop.time(), _BEDROCK)
        else:
            self._transport.write(STREAM_HEAD)
            self._waiting = iter(chunks_of(order))
            self._write_waiting()

    def _answer_as_vendor(self, path: bytes, order: Order) -> None:
        self._transport.write(EVENT_STREAM_HEAD)
        if order.rate:
            self._transport.write(chunk(first_events(path)))
            self._pace(order, 1, self._loop.time(), (partial(text_event, path), lambda _: last_events(path)))
        else:
            self._waiting = iter(vendor_chunks(path, order))
            self._write_waiting()

    def _write_waiting(self) -> None:
        while not self._is_paused:
            data = next(self._waiting, None)
            if data is None:
                return
            self._transport.write(data)

    def _pace(self, order: Order, number: int, start: float, wire: _Wire) -> None:
        text_of, last_of = wire
        # The clock that stands in the text is the same in all processes of a machine.
        if number > 1:
            self._transport.write(chunk([text_of(f"{time.monotonic():.6f} ")]))
        if number > order.count:
            self._transport.write(chunk(last_of(order)) + LAST_CHUNK)
        else:
            at = start + (number - 1) / order.rate
            self._timer = self._loop.call_at(at, self._pace, order, number + 1, start, wire)


async def serve() -> None:
    """Answer until the process is ended; print the port first."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BenchmarkProtocol(loop), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running_server() -> Generator[str]:
    """Run the server in a process of its own; the value is its address."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:  # noqa: S603 - the interpreter that runs us
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def main() -> None:
    """Run the server."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    pin(SERVER_CORE)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
