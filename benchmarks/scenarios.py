"""What is measured, with whom, and what is aimed at. Data only."""

from dataclasses import dataclass, field
from typing import Any, Final

BASE: Final = "aiobotocore"
"""What every ratio is a ratio to."""

VENDOR_BASE: Final = "SDK"
"""The same for backends whose vendor has an SDK of its own: that one."""

_ALL: Final = (BASE, "floor", "events", "text", "httpx2 on asyncio", "trio")
_PAIR: Final = (BASE, "events")


@dataclass(frozen=True, slots=True)
class Aim:
    """A limit that a figure should keep.

    Attributes:
        client: Whose figure.
        figure: Which.
        limit: The most it may be; the least for a share of what is done.
        is_ratio: Whether the limit is a ratio to the base; else it is in the figure's unit.
        at_least: Whether it is the least.
    """

    client: str
    figure: str
    limit: float
    is_ratio: bool = True
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to measure.

    Attributes:
        name: For `--only`, and the first column of the table.
        measure: A function of `measures`, or `"cold"` or `"import"` for those that start processes.
        parameters: Its arguments.
        quick: What is different in a short run.
        clients: Who is measured, taking turns.
        once: Who is measured a single time, since it takes long and there is nothing to compare.
        aims: The limits.
        base: The client that ratios are to.
    """

    name: str
    measure: str
    parameters: dict[str, Any]
    quick: dict[str, Any]
    clients: tuple[str, ...] = _PAIR
    once: tuple[str, ...] = ()
    aims: tuple[Aim, ...] = field(default=())
    base: str = BASE


_CPU: Final = "CPU per event, µs"
_DONE: Final = "streams done, of all"

SCENARIOS: Final = (
    Scenario(
        "burst of 5,000 deltas",
        "burst",
        {"count": 5000},
        {"count": 500},
        _ALL,
        aims=(
            Aim("events", _CPU, 0.30),
            Aim("text", _CPU, 0.30),
            Aim("httpx2 on asyncio", _CPU, 0.65),
            Aim("trio", _CPU, 0.65),
        ),
    ),
    Scenario(
        "burst, 16 frames a chunk",
        "burst",
        {"count": 5000, "bunch": 16},
        {"count": 500},
        _ALL,
        aims=(Aim("events", _CPU, 0.20), Aim("text", _CPU, 0.20)),
    ),
    Scenario(
        "burst of 5,000 reasoning deltas",
        "burst",
        {"count": 5000, "kind": "reasoning"},
        {"count": 500},
        (BASE, "events"),
    ),
    Scenario("burst of 5,000 argument deltas", "burst", {"count": 5000, "kind": "tool"}, {"count": 500}),
    Scenario(
        "decode in memory, a frame a read",
        "decode",
        {"count": 5000},
        {"count": 500},
        (BASE, "floor", "events"),
    ),
    Scenario(
        "decode in memory, 16 frames a read",
        "decode",
        {"count": 5000, "bunch": 16},
        {"count": 500},
        (BASE, "floor", "events"),
        aims=(Aim("events", _CPU, 2.0, is_ratio=False),),
    ),
    Scenario(
        "200 streams of 20 events/s",
        "paced",
        {"streams": 200, "rate": 20, "seconds": 5},
        {"streams": 20, "seconds": 0.5},
        _ALL,
        ("aiobotocore, default pool",),
        aims=(
            Aim("events", _CPU, 0.80),
            Aim("events", "lag p99, ms", 2.0),
            Aim("events", _DONE, 1.0, is_ratio=False, at_least=True),
        ),
    ),
    Scenario(
        "1,000 streams of 20 events/s",
        "paced",
        {"streams": 1000, "rate": 20, "seconds": 5},
        {"streams": 50, "seconds": 0.5},
        (BASE, "floor", "events"),
        aims=(
            Aim("events", _CPU, 0.75),
            Aim("events", "lag p50, ms", 5.0, is_ratio=False),
            Aim("events", "lag p99, ms", 1.0),
            Aim("events", "peak memory, MB", 1.15),
            Aim("events", "threads", 1.0),
            Aim("events", _DONE, 1.0, is_ratio=False, at_least=True),
        ),
    ),
    Scenario(
        "answers, one after the other",
        "unary",
        {"calls": 200},
        {"calls": 30},
        (BASE, "floor", "events", "httpx2 on asyncio", "trio"),
        aims=(Aim("events", "CPU per call, µs", 0.80),),
    ),
    Scenario(
        "answers, 50 at once",
        "unary",
        {"calls": 500, "together": 50},
        {"calls": 100},
        (BASE, "floor", "events", "httpx2 on asyncio", "trio"),
        aims=(Aim("events", "CPU per call, µs", 0.80),),
    ),
    Scenario(
        "first event of a warm stream",
        "first_event",
        {"streams": 100},
        {"streams": 20},
        _ALL,
        aims=(Aim("events", "first event, µs", 1.0),),
    ),
    Scenario(
        "an image of 3.7 MB",
        "image",
        {"megabytes": 3.7},
        {},
        (BASE, "events", "trio"),
        aims=(
            Aim("events", "CPU, ms", 0.45),
            Aim("events", "traced memory, MB", 0.75),
            Aim("events", "loop stall, ms", 20.0, is_ratio=False),
        ),
    ),
    Scenario("cold start to the first text", "cold", {}, {}, aims=(Aim("events", "wall, ms", 1.30),)),
    Scenario("import", "import", {}, {}, aims=(Aim("events", "wall, ms", 150.0, is_ratio=False),)),
    Scenario(
        "20,000 deltas against 2,000",
        "growth",
        {"kind": "text", "count": 20_000},
        {"count": 2000},
        aims=(Aim("events", "CPU of 10 x the size, x", 11.0, is_ratio=False),),
    ),
    Scenario(
        "an argument of 1 MB against 100 kB",
        "growth",
        {"kind": "tool", "count": 20_000},
        {"count": 2000},
        aims=(Aim("events", "CPU of 10 x the size, x", 11.0, is_ratio=False),),
    ),
)


def _against_sdk(vendor: str) -> tuple[Scenario, ...]:
    """What is measured of a backend beside its vendor's own SDK; the clients' names begin with the vendor's."""
    clients = (VENDOR_BASE, "events", "text", "trio")
    aims = tuple(Aim(client, _CPU, 0.50) for client in clients[1:])
    return (
        Scenario(
            f"{vendor}, burst of 5,000 deltas",
            "burst",
            {"count": 5000},
            {"count": 200},
            clients,
            aims=aims,
            base=VENDOR_BASE,
        ),
        Scenario(
            f"{vendor}, burst, 16 events a chunk",
            "burst",
            {"count": 5000, "bunch": 16},
            {"count": 200},
            clients,
            aims=aims,
            base=VENDOR_BASE,
        ),
        Scenario(
            f"{vendor}, 50 streams of 20 events/s",
            "paced",
            {"streams": 50, "rate": 20, "seconds": 5},
            {"streams": 5, "seconds": 0.5},
            (VENDOR_BASE, "floor", *clients[1:]),
            base=VENDOR_BASE,
        ),
        Scenario(
            f"{vendor}, 400 streams of 20 events/s",
            "paced",
            {"streams": 400, "rate": 20, "seconds": 5},
            {"streams": 10, "seconds": 0.5},
            (VENDOR_BASE, "floor", *clients[1:]),
            base=VENDOR_BASE,
        ),
    )


VENDORS: Final = ("openai", "anthropic")
VENDOR_SCENARIOS: Final = tuple(scenario for vendor in VENDORS for scenario in _against_sdk(vendor))
