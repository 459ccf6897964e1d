"""What is measured of a client, once, inside its own process. Each measure returns figures by name.

A figure's name ends in its unit. Processor time is that of the whole process, all threads.
"""

import random
import statistics
import struct
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

from benchmarks.answers import Order, frames_of
from benchmarks.clients import Client, CompleteClient
from benchmarks.loops import Loop
from benchmarks.machine import peak_memory, thread_count

Figures = dict[str, float]

_DEADLINE_SECONDS: Final = 600.0


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that `percent` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


async def burst(client: Client, loop: Loop, *, count: int, bunch: int = 1, kind: str = "text") -> Figures:  # noqa: ARG001 - all measures are called alike
    """One stream as fast as it goes."""
    order = Order(kind, count, bunch)
    wall, processor = time.perf_counter(), time.process_time()
    seen = await client.count(order.prompt)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    assert seen >= count, f"{seen} of {count} deltas"
    return {"CPU per event, µs": processor / count * 1e6, "wall per event, µs": wall / count * 1e6}


async def paced(client: Client, loop: Loop, *, streams: int, rate: int, seconds: float) -> Figures:
    """Many streams at once, each with so many events per second; the lag is from the server's write to the reader."""
    order = Order(count=max(1, round(rate * seconds)), rate=rate)
    lags: list[float] = []
    firsts: list[float] = []
    done = 0

    async def read() -> None:
        nonlocal done
        begun = time.monotonic()
        count = 0

        def seen(text: str) -> None:
            nonlocal count
            now = time.monotonic()
            if not count:
                firsts.append(now - begun)
            # Some libraries join texts that arrive together: each stands for itself.
            for sent in text.split():
                lags.append(now - float(sent))
                count += 1

        await client.watch(order.prompt, seen)
        done += count == order.count

    processor = time.process_time()
    await loop.together([read] * streams, deadline=4 * seconds)
    processor = time.process_time() - processor
    assert lags, "no stream began"
    return {
        "streams done, of all": done / streams,
        "CPU per event, µs": processor / len(lags) * 1e6,
        "lag p50, ms": percentile(lags, 50) * 1e3,
        "lag p99, ms": percentile(lags, 99) * 1e3,
        "first event p50, ms": percentile(firsts, 50) * 1e3,
        "peak memory, MB": peak_memory(),
        "threads": thread_count(),
    }


async def unary(client: CompleteClient, loop: Loop, *, calls: int, together: int = 1) -> Figures:
    """Whole answers, so many at once."""
    prompt = Order().prompt
    left = calls

    async def ask() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            assert await client.ask(prompt)

    wall, processor = time.perf_counter(), time.process_time()
    await loop.together([ask] * together, deadline=_DEADLINE_SECONDS)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {"CPU per call, µs": processor / calls * 1e6, "wall per call, µs": wall / calls * 1e6}


async def first_event(client: Client, loop: Loop, *, streams: int) -> Figures:  # noqa: ARG001 - all measures are called alike
    """The time to the first text of a short stream, connections being open."""
    prompt = Order(count=20).prompt
    times: list[float] = []

    async def once() -> float:
        begun = time.perf_counter()
        firsts: list[float] = []
        await client.watch(prompt, lambda _: firsts.append(time.perf_counter()))
        return firsts[0] - begun

    for _ in range(3):
        await once()
    times.extend([await once() for _ in range(streams)])
    return {"first event, µs": statistics.median(times) * 1e6}


async def image(client: CompleteClient, loop: Loop, *, megabytes: float) -> Figures:
    """A question about a large image: processor time, then memory, then how long the loop stands still."""
    data = _make_image(int(megabytes * 1e6))
    prompt = Order().prompt

    async def show() -> None:
        assert await client.show(prompt, data)

    await show()
    wall, processor = time.perf_counter(), time.process_time()
    await show()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    stall = await loop.longest_stall(show)
    tracemalloc.start()
    try:
        await show()
        traced = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {
        "CPU, ms": processor * 1e3,
        "wall, ms": wall * 1e3,
        "loop stall, ms": stall * 1e3,
        "traced memory, MB": traced / 1e6,
    }


async def growth(client: Client, loop: Loop, *, kind: str, count: int) -> Figures:  # noqa: ARG001 - all measures are called alike
    """How much dearer a stream is that is ten times as long."""
    times: list[float] = []
    for size in (count // 10, count):
        prompt = Order(kind, size, 16).prompt
        begun = time.process_time()
        await client.count(prompt)
        times.append(time.process_time() - begun)
    return {"CPU of 10 x the size, x": times[1] / times[0], "CPU, ms": times[1] * 1e3}


async def decode(client: CompleteClient, loop: Loop, *, count: int, bunch: int = 1) -> Figures:  # noqa: ARG001 - all measures are called alike
    """Frames to events in memory, without a network; `bunch` frames to a read."""
    frames = frames_of(Order(count=count))
    reads = [b"".join(frames[start : start + bunch]) for start in range(0, len(frames), bunch)]
    begun = time.process_time()
    seen = client.decode(reads)
    elapsed = time.process_time() - begun
    assert seen >= count
    return {"CPU per event, µs": elapsed / count * 1e6}


_Measure = Callable[..., Awaitable[Figures]]
MEASURES: Final[dict[str, _Measure]] = {
    "burst": burst,
    "paced": paced,
    "unary": unary,
    "first_event": first_event,
    "image": image,
    "growth": growth,
    "decode": decode,
}


async def take_measure(name: str, client: Client, loop: Loop, parameters: dict[str, Any]) -> Figures:
    """Take a measure by its name."""
    return await MEASURES[name](cast("CompleteClient", client), loop, **parameters)


def _make_image(size: int) -> bytes:
    """A PNG as far as anybody looks before it is sent: signature and header, then noise, the same in every run."""
    header = struct.pack(">8sI4sIIBBBBB4x", b"\x89PNG\r\n\x1a\n", 13, b"IHDR", 1200, 900, 8, 2, 0, 0, 0)
    return header + random.Random(1).randbytes(size - len(header))  # noqa: S311 - no secret
