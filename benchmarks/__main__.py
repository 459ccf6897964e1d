"""Measure chatport against aiobotocore's own client, in one run, and print a table of ratios.

python -m benchmarks [--quick] [--only NAME] [--rounds 5] [--save NAME]
"""

import argparse
import os
import sys

from benchmarks.machine import machine_facts, package_versions
from benchmarks.results import FOLDER, Results, missed_aims, table, write_results
from benchmarks.runner import WorkerError, run_scenario
from benchmarks.scenarios import SCENARIOS
from benchmarks.server import running_server


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure little: to see whether everything works")
    parser.add_argument("--only", default="", metavar="NAME", help="the scenarios whose name has this in it")
    parser.add_argument("--rounds", type=int, help="measurements per figure (default: 5, and 2 in a short run)")
    parser.add_argument("--save", metavar="NAME", help="write benchmarks/results/NAME.json as well")
    arguments = parser.parse_args()
    if arguments.save and (arguments.quick or (arguments.only and arguments.save == "run")):
        parser.error("a short run is not kept, and a part of one not as `run`")
    return arguments


def say(line: str) -> None:
    """Tell what goes on, beside the table."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure; 1 when a client could not be measured."""
    arguments = read_arguments()
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    scenarios = [scenario for scenario in SCENARIOS if arguments.only in scenario.name]
    if not scenarios:
        say(f"no scenario is named so; there are: {', '.join(scenario.name for scenario in SCENARIOS)}")
        return 2
    load = os.getloadavg()[0]
    measured: dict[str, dict[str, dict[str, float]]] = {}
    failures: dict[str, str] = {}
    with running_server() as url:
        for scenario in scenarios:
            say(scenario.name)
            try:
                measured[scenario.name] = run_scenario(scenario, url, rounds=rounds, quick=arguments.quick, say=say)
            except WorkerError as error:
                failures[scenario.name] = str(error)
    results = Results(machine_facts(), package_versions(), rounds, arguments.quick, load, measured, failures)
    print(table(results))
    for line in missed_aims(results):
        print(f"missed: {line}")
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}")
    if arguments.save:
        write_results(results, FOLDER / f"{arguments.save}.json")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
