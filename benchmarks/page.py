"""Write the kept results into the page about performance, between its markers.

python -m benchmarks.page
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers import PEERS
from benchmarks.results import FOLDER, Results, missed_aims, read_results, table
from benchmarks.scenarios import VENDOR_BASE

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "performance.md"
RUN_FILE: Final = FOLDER / "run.json"
PEERS_FILE: Final = FOLDER / "peers.json"
VENDORS_FILE: Final = FOLDER / "vendors.json"

_NOTHING: Final = "No run is kept yet: it takes a machine on which nothing else runs.\n"


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing of one figure of one scenario.

    Attributes:
        name: The name of its file.
        source: The results that it shows.
        scenario: What was measured.
        figure: What is shown of it.
        title: What stands above it.
    """

    name: str
    source: Path
    scenario: str
    figure: str
    title: str


_CPU: Final = "CPU per event, µs"
PLOTS: Final = (
    Plot("burst", RUN_FILE, "burst of 5,000 deltas", _CPU, "Processor time per event, 5,000 deltas at once"),
    Plot("paced", RUN_FILE, "200 streams of 20 events/s", _CPU, "Processor time per event, 200 live streams"),
    Plot("peers-burst", PEERS_FILE, "burst of 5,000 deltas", _CPU, "Processor time per event, 5,000 deltas at once"),
    Plot("peers-paced", PEERS_FILE, "10 streams of 20 events/s", _CPU, "Processor time per event, 10 live streams"),
)


def render(path: Path) -> str:
    """Return what the page says of a file of results, which may not be there."""
    if not path.is_file():
        return _NOTHING
    results = read_results(path)
    plots = [f"![{plot.title}](../assets/{plot.name}.svg)\n" for plot in PLOTS if plot.source == path]
    if path == RUN_FILE:
        body = table(results)
    elif path == VENDORS_FILE:
        body = table(results, base_client=VENDOR_BASE)
    else:
        body = table(results, ("events", *PEERS), with_aims=False)
    return "\n".join([_facts(results), *plots, body, *_shortfalls(results)])


def page_with_results(text: str) -> str:
    """Return the page's text with the results that are kept.

    Raises:
        ValueError: A marker is missing.
    """
    for name, path in (("run", RUN_FILE), ("vendors", VENDORS_FILE), ("peers", PEERS_FILE)):
        start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise ValueError(f"the page needs one block named {name}")
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n\n{render(path)}\n{end}{rest.partition(end)[2]}"
    return text


def _facts(results: Results) -> str:
    facts = [f"{name}: {value}" for name, value in (results.machine | results.packages).items()]
    return f"Medians of {results.rounds}; load before the run {results.load:.1f}. {'; '.join(facts)}.\n"


def _shortfalls(results: Results) -> list[str]:
    lines = [f"- missed: {line}" for line in missed_aims(results)]
    lines += [f"- failed: {name}: {reason}" for name, reason in results.failures.items()]
    return ["\n".join(lines) + "\n"] if lines else []


def main() -> None:
    """Write the page."""
    PAGE.write_text(page_with_results(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
