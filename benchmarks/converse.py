"""What a reply costs through chatport, against aiobotocore's own client in the same run.

A server process on loopback answers with prepared bytes; both clients run in this process, taking turns, so that a
busy machine slows both alike. Printed is processor time per event and per call, and the ratio to aiobotocore.

    python benchmarks/converse.py [--rounds 7] [--events 5000] [--calls 200]
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import chatport
from chatport_bedrock._frames import encode_frame

MODEL = "amazon.nova-lite-v1:0"
PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
FRAMES_PER_WRITE = {"stream, one frame a chunk": 1, "stream, 16 frames a chunk": 16}


def frame(kind: str, payload: dict[str, Any]) -> bytes:
    """Return one event as the service sends it."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_frame(headers, json.dumps(payload, separators=(",", ":")).encode())


def stream_chunks(events: int, frames_per_write: int) -> list[bytes]:
    """Return a whole streamed answer as HTTP chunks."""
    frames = [frame("messageStart", {"p": PADDING, "role": "assistant"})]
    for number in range(events):
        delta = {"contentBlockIndex": 0, "delta": {"text": f" word{number % 10}"}, "p": PADDING[: number % 52 + 1]}
        frames.append(frame("contentBlockDelta", delta))
    frames.append(frame("contentBlockStop", {"contentBlockIndex": 0, "p": PADDING}))
    frames.append(frame("messageStop", {"p": PADDING, "stopReason": "end_turn"}))
    usage = {"inputTokens": 9, "outputTokens": events, "totalTokens": events + 9}
    frames.append(frame("metadata", {"metrics": {"latencyMs": 5}, "p": PADDING, "usage": usage}))
    groups = (b"".join(frames[at : at + frames_per_write]) for at in range(0, len(frames), frames_per_write))
    return [b"%x\r\n%s\r\n" % (len(group), group) for group in groups]


def serve(pipe: Connection, events: int) -> None:
    """Answer requests until the process is ended: streams by the path's operation, unary otherwise."""
    head = b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\n"
    stream_head = head + b"content-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"
    streams = {count: [*stream_chunks(events, count), b"0\r\n\r\n"] for count in FRAMES_PER_WRITE.values()}
    text = " ".join(f"word{number}" for number in range(50))
    answer = json.dumps(
        {
            "metrics": {"latencyMs": 5},
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 9, "outputTokens": 50, "totalTokens": 59},
        }
    ).encode()
    unary = head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length"))
                body = await reader.readexactly(int(length.partition(b":")[2]))
                if b"/converse-stream" in request.partition(b"\r\n")[0]:
                    writer.write(stream_head)
                    for chunk in streams[16 if b"sixteen" in body else 1]:
                        writer.write(chunk)
                        await writer.drain()
                else:
                    writer.write(unary)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def measure(clients: dict[str, Callable[[], Awaitable[int]]], rounds: int) -> dict[str, float]:
    """Return the median processor seconds per unit of each client, which take turns."""
    figures: dict[str, list[float]] = {name: [] for name in clients}
    for client in clients.values():
        await client()
    for _ in range(rounds):
        for name, client in clients.items():
            started = time.process_time()
            units = await client()
            figures[name].append((time.process_time() - started) / units)
    return {name: statistics.median(values) for name, values in figures.items()}


async def compare(url: str, rounds: int, calls: int) -> None:
    """Measure every phase and print a line each."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(retries={"total_max_attempts": 1}, max_pool_connections=1000)
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "not-a-secret"}
    options = {
        "region": "us-east-1",
        "endpoint_url": url,
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "not-a-secret",
    }
    async with (
        get_session().create_client("bedrock-runtime", "us-east-1", endpoint_url=url, config=config, **keys) as raw,
        chatport.open_backend("bedrock", **options) as backend,
    ):
        for phase, size in FRAMES_PER_WRITE.items():
            word = "sixteen" if size > 1 else "one"

            async def raw_stream(word: str = word) -> int:
                answer = await raw.converse_stream(modelId=MODEL, messages=_messages(word))
                count = 0
                async for _ in answer["stream"]:
                    count += 1
                return count

            async def our_stream(word: str = word) -> int:
                count = 0
                async with chatport.Session(backend, MODEL).stream(word) as stream:
                    async for _ in stream:
                        count += 1
                return count

            async def our_text(word: str = word) -> int:
                count = 0
                async with chatport.Session(backend, MODEL).stream(word) as stream:
                    async for _ in stream.text:
                        count += 1
                return count

            report(phase, "event", await measure({"raw": raw_stream, "events": our_stream, "text": our_text}, rounds))

        async def raw_calls() -> int:
            for _ in range(calls):
                await raw.converse(modelId=MODEL, messages=_messages("hi"))
            return calls

        async def our_calls() -> int:
            for _ in range(calls):
                await chatport.Session(backend, MODEL).ask("hi")
            return calls

        report("unary, one after the other", "call", await measure({"raw": raw_calls, "ask": our_calls}, rounds))


def _messages(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}]}]


def report(phase: str, unit: str, figures: dict[str, float]) -> None:
    """Print one line: microseconds of processor time per unit, and the ratio to aiobotocore."""
    raw = figures.pop("raw")
    ours = "   ".join(f"{name} {value * 1e6:7.2f} ({value / raw:.2f}x)" for name, value in figures.items())
    print(f"{phase:28} us/{unit:5}   aiobotocore {raw * 1e6:7.2f}   chatport {ours}")


def main() -> None:
    """Start the server, measure, end the server."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="measurements per figure")
    parser.add_argument("--events", type=int, default=5000, help="text events per stream")
    parser.add_argument("--calls", type=int, default=200, help="unary calls per measurement")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, arguments.events), daemon=True)
    server.start()
    try:
        asyncio.run(compare(f"http://127.0.0.1:{ours.recv()}", arguments.rounds, arguments.calls))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
