"""Measure the backends that speak HTTP against their vendors' own SDKs, in one run, and print a table of ratios.

python -m benchmarks.vendors [--quick] [--rounds 5] [--save NAME]
"""

import argparse
import os
import sys
from dataclasses import replace
from typing import Final

from benchmarks.machine import machine_facts, package_versions
from benchmarks.measures import Figures
from benchmarks.results import FOLDER, Results, missed_aims, table, write_results
from benchmarks.runner import WorkerError, run_scenario
from benchmarks.scenarios import VENDOR_BASE, VENDOR_SCENARIOS, Scenario
from benchmarks.server import running_server

_PACKAGES: Final = (
    *("chatport", "chatport-openai", "chatport-anthropic", "openai", "anthropic"),
    *("httpcore2", "httpx2", "httpx", "h11", "trio", "anyio", "pydantic", "pydantic_core"),
)


def say(line: str) -> None:
    """Tell what goes on, beside the table."""
    print(line, file=sys.stderr, flush=True)


def measure(scenario: Scenario, url: str, *, rounds: int, quick: bool) -> dict[str, Figures]:
    """Measure a backend beside its vendor's SDK; return the figures by client, without the vendor's name.

    Raises:
        WorkerError: A client could not be measured.
    """
    vendor = scenario.name.partition(",")[0]
    named = replace(scenario, clients=tuple(f"{vendor} {client}" for client in scenario.clients))
    figures = run_scenario(named, url, rounds=rounds, quick=quick, say=say)
    return {client.removeprefix(f"{vendor} "): values for client, values in figures.items()}


def main() -> int:
    """Measure; 1 when a client could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vendors", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="measure little: to see whether everything works")
    parser.add_argument("--rounds", type=int, help="measurements per figure (default: 5, and 2 in a short run)")
    parser.add_argument("--save", metavar="NAME", help="write benchmarks/results/NAME.json as well")
    arguments = parser.parse_args()
    if arguments.save and arguments.quick:
        parser.error("a short run is not kept")
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    load = os.getloadavg()[0]
    measured: dict[str, dict[str, Figures]] = {}
    failures: dict[str, str] = {}
    with running_server() as url:
        for scenario in VENDOR_SCENARIOS:
            say(scenario.name)
            try:
                measured[scenario.name] = measure(scenario, url, rounds=rounds, quick=arguments.quick)
            except WorkerError as error:
                failures[scenario.name] = str(error)
    versions = package_versions(_PACKAGES)
    results = Results(machine_facts(), versions, rounds, arguments.quick, load, measured, failures)
    print(table(results, base_client=VENDOR_BASE))
    for line in missed_aims(results):
        print(f"missed: {line}")
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}")
    if arguments.save:
        write_results(results, FOLDER / f"{arguments.save}.json")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
