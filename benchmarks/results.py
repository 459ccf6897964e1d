"""Results: to JSON and back, and as a table. Pure, but for the two functions that read and write a file."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.scenarios import BASE, SCENARIOS, VENDOR_SCENARIOS, Aim

FOLDER: Final = Path(__file__).resolve().parent / "results"

_ALL: Final = (*SCENARIOS, *VENDOR_SCENARIOS)
_COLUMNS: Final = ("floor", "events", "text", "httpx2 on asyncio", "trio")
_UNRATED: Final = ("streams done, of all", "threads", "CPU of 10 x the size, x")


@dataclass(frozen=True, slots=True)
class Results:
    """One run.

    Attributes:
        machine: What it ran on.
        packages: The versions that took part.
        rounds: How many measurements each median is of.
        quick: Whether it was a short run, whose figures are good for nothing but to see that they come.
        load: The load of the machine over the minute before the run, in processes.
        scenarios: Scenario → client → figure → value.
        failures: Who could not be measured, and why.
    """

    machine: dict[str, str]
    packages: dict[str, str]
    rounds: int
    quick: bool
    load: float
    scenarios: dict[str, dict[str, dict[str, float]]]
    failures: dict[str, str]


def write_results(results: Results, path: Path) -> None:
    """Write a run as JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(_rounded(asdict(results)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Read a run."""
    return Results(**json.loads(path.read_text(encoding="utf-8")))


def table(
    results: Results, columns: Iterable[str] = _COLUMNS, *, with_aims: bool = True, base_client: str = BASE
) -> str:
    """Return a run as a table in Markdown: the figures of the base, and ratios to them."""
    last = ("aim", "---|") if with_aims else ("", "")
    shown = [name for name in columns if any(name in clients for clients in results.scenarios.values())]
    lines = [
        f"| | | {base_client} | " + " | ".join([*shown, *last[:1]]).rstrip(" |") + " |",
        "|---|---|--:|" + "--:|" * len(shown) + last[1],
    ]
    for scenario, clients in results.scenarios.items():
        title = scenario
        for figure, base in clients[base_client].items():
            cells = [_cell(figure, clients.get(name, {}).get(figure), base) for name in shown]
            cells += [_aim(scenario, figure)] if with_aims else []
            lines.append(f"| {title} | {figure} | {_number(base)} | {' | '.join(cells)} |")
            title = ""
    return "\n".join(lines) + "\n"


def missed_aims(results: Results) -> list[str]:
    """Return a line for each aim that the run did not reach."""
    missed: list[str] = []
    for scenario in _ALL:
        clients = results.scenarios.get(scenario.name, {})
        for aim in scenario.aims:
            value = clients.get(aim.client, {}).get(aim.figure)
            if value is None:
                continue
            if aim.is_ratio:
                value /= clients[scenario.base][aim.figure]
            if value < aim.limit if aim.at_least else value > aim.limit:
                missed.append(f"{scenario.name}, {aim.client}, {aim.figure}: {value:.2f}, aim {_limit(aim)}")
    return missed


def _aim(scenario: str, figure: str) -> str:
    aims = [aim for item in _ALL if item.name == scenario for aim in item.aims if aim.figure == figure]
    return ", ".join(f"{aim.client} {_limit(aim)}" for aim in aims)


def _limit(aim: Aim) -> str:
    return f"{'≥' if aim.at_least else '≤'} {aim.limit:g}{' x' if aim.is_ratio else ''}"


def _cell(figure: str, value: float | None, base: float) -> str:
    if value is None:
        return ""
    if figure in _UNRATED or not base:
        return _number(value)
    return f"{value / base:.2f} x ({_number(value)})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _rounded(value: Any) -> Any:
    """Four digits are more than the noise leaves."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
