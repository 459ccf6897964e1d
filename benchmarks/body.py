"""What a body with a large image costs: base64 spliced into the JSON, against base64 text through the JSON encoder.

Run `python benchmarks/body.py`. Compare the ratios, not the milliseconds: both ways run in turns on the same request.
"""

import base64
import json
import random
import statistics
import tracemalloc
from collections.abc import Callable
from time import perf_counter
from typing import Any

from chatport_bedrock._body import encode_body

IMAGE_BYTES = 4 * 1024 * 1024
ROUNDS = 25


def make_body() -> dict[str, Any]:
    """A question about one image of 4 MiB, after a conversation of some length."""
    image = random.Random(1).randbytes(IMAGE_BYTES)  # noqa: S311 - the same picture in every run
    talk = [{"role": role, "content": [{"text": "words " * 50}]} for _ in range(20) for role in ("user", "assistant")]
    question = [{"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": image}}}]
    return {"messages": [*talk, {"role": "user", "content": question}]}


def encode_plainly(body: dict[str, Any]) -> bytes:
    """Encode bytes as base64 text and give all of it to the JSON encoder."""
    return json.dumps(
        body, ensure_ascii=False, separators=(",", ":"), default=lambda data: base64.b64encode(data).decode()
    ).encode()


def milliseconds(encode: Callable[[dict[str, Any]], bytes], body: dict[str, Any]) -> float:
    """Wall time of one encoding."""
    start = perf_counter()
    encode(body)
    return (perf_counter() - start) * 1e3


def peak_mebibytes(encode: Callable[[dict[str, Any]], bytes], body: dict[str, Any]) -> float:
    """The most memory that one encoding holds at a time, the result included."""
    tracemalloc.start()
    try:
        encode(body)
        return tracemalloc.get_traced_memory()[1] / 1024**2
    finally:
        tracemalloc.stop()


def main() -> None:
    """Measure both ways in turns and print medians."""
    body = make_body()
    assert encode_body(body) == encode_plainly(body)
    ways = {"spliced": encode_body, "json.dumps": encode_plainly}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, encode in ways.items():
            times[name].append(milliseconds(encode, body))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, encode in ways.items():
        print(f"{name:<12}{medians[name]:7.2f} ms{peak_mebibytes(encode, body):8.1f} MiB at most")
    print(f"{'ratio':<12}{medians['spliced'] / medians['json.dumps']:7.2f}")


if __name__ == "__main__":
    main()
