"""Draw the kept results as SVG below docs/assets. Needs matplotlib: `pip install -r requirements/benchmarks.txt`.

The same results give the same files: no date, no random ids, text as text.

    python -m benchmarks.plots
"""

import os
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.page import PEERS_FILE, PLOTS, RUN_FILE
from benchmarks.results import read_results
from benchmarks.scenarios import BASE

ASSETS: Final = Path(__file__).resolve().parents[1] / "docs" / "assets"

_OURS: Final = ("events", "text", "httpx2 on asyncio", "trio")


def bars(clients: dict[str, dict[str, float]], figure: str, title: str, path: Path) -> None:
    """Draw a figure of each client as a ratio to aiobotocore, the cheapest on top."""
    base = clients[BASE][figure]
    ratios = sorted(((values[figure] / base, name) for name, values in clients.items()), reverse=True)
    names = [f"chatport, {name}" if name in _OURS else name for _, name in ratios]
    colours = ["#00796b" if name in _OURS else "#9e9e9e" for _, name in ratios]
    drawing = Figure(figsize=(7, 0.6 + 0.32 * len(ratios)), layout="constrained")
    axes: Any = drawing.subplots()
    drawn = axes.barh(names, [ratio for ratio, _ in ratios], color=colours)
    axes.bar_label(drawn, fmt="%.2f", padding=3)
    axes.axvline(1, color="#424242", linewidth=0.8)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("times aiobotocore's own client")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    drawing.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    """Draw what there are results for."""
    mpl.rcParams.update({"svg.hashsalt": "chatport", "svg.fonttype": "none", "font.size": 9})
    for source in (RUN_FILE, PEERS_FILE):
        if not source.is_file():
            print(f"no results in {os.path.relpath(source)}")
            continue
        results = read_results(source)
        for plot in PLOTS:
            if plot.source == source:
                ASSETS.mkdir(exist_ok=True)
                bars(results.scenarios[plot.scenario], plot.figure, plot.title, ASSETS / f"{plot.name}.svg")


if __name__ == "__main__":
    main()
