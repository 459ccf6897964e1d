"""What a frame costs: our reader against botocore's, on the frames of a long answer.

Run `python benchmarks/frames.py`. Compare ratios, not microseconds: both readers run in turns on the same bytes.
"""

import json
import random
import statistics
from collections.abc import Callable
from time import process_time

from botocore.eventstream import EventStreamBuffer

from chatport_bedrock._frames import FrameReader, encode_frame

FRAMES = 5_000
READ_BYTES = 64 * 1024
ROUNDS = 15
PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def make_frames() -> list[bytes]:
    """Text deltas as the service sends them: short, one header block, padding of random length."""
    dice = random.Random(1)  # noqa: S311 - lengths of texts, the same in every run
    headers = {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"}
    frames: list[bytes] = []
    for _ in range(FRAMES):
        delta = {"text": " words"[: dice.randint(2, 6)]}
        event = {"contentBlockIndex": 0, "delta": delta, "p": PADDING[: dice.randint(2, 61)]}
        frames.append(encode_frame(headers, json.dumps(event, separators=(",", ":")).encode()))
    return frames


def read_with_ours(reads: list[bytes]) -> int:
    """Count the frames with `FrameReader`."""
    reader = FrameReader()
    count = sum(1 for data in reads for _ in reader.feed(data))
    reader.finish()
    return count


def read_with_botocore(reads: list[bytes]) -> int:
    """Count the frames with botocore's buffer."""
    buffer = EventStreamBuffer()
    count = 0
    for data in reads:
        buffer.add_data(data)
        count += sum(1 for _ in buffer)
    return count


def measure(read: Callable[[list[bytes]], int], reads: list[bytes]) -> float:
    """Processor time per frame, in microseconds."""
    start = process_time()
    count = read(reads)
    elapsed = process_time() - start
    assert count == FRAMES
    return elapsed / count * 1e6


def main() -> None:
    """Print one line per way of cutting the stream."""
    frames = make_frames()
    stream = b"".join(frames)
    print(f"{FRAMES} frames, {len(stream) / FRAMES:.0f} bytes on average; median of {ROUNDS} rounds\n")
    print(f"{'':24}{'ours':>10}{'botocore':>12}{'ratio':>8}")
    print(f"{'':24}{'µs/frame':>10}{'µs/frame':>12}")
    ways = {
        "64 KiB a read": [stream[start : start + READ_BYTES] for start in range(0, len(stream), READ_BYTES)],
        "one frame a read (live)": frames,
        "100 bytes a read": [stream[start : start + 100] for start in range(0, len(stream), 100)],
    }
    for name, reads in ways.items():
        rounds = [(measure(read_with_ours, reads), measure(read_with_botocore, reads)) for _ in range(ROUNDS)]
        ours = statistics.median(first for first, _ in rounds)
        botocore = statistics.median(second for _, second in rounds)
        print(f"{name:24}{ours:10.2f}{botocore:12.2f}{ours / botocore:8.2f}")


if __name__ == "__main__":
    main()
