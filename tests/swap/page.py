"""The tables of the page on moving a conversation: they come from the conversations that were moved.

    python -m tests.swap.page

writes them anew; a test fails while they are out of date.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
from tests.swap.facts import KINDS
from tests.swap.ledger import FATES, Entry
from tests.swap.matrix import carried_on
from tests.swap.station import Station
from tests.swap.stations import DESTINATIONS, STATIONS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "moving-a-conversation.md"

_START: Final = "<!-- tables:start -->\n"
_END: Final = "<!-- tables:end -->\n"
_NONE: Final = "-"

_ECHO: Final = """
It reads the newest message and nothing else; what became of each message of the user was found out by asking with it.
"""


def table(destination: Station, entries: Mapping[str, Sequence[Entry]]) -> list[str]:
    """Return the table of one destination.

    Args:
        destination: Where conversations went.
        entries: What became of them, by where they began.
    """
    lines = [f"| | {' | '.join(entries)} |", f"|---|{'---|' * len(entries)}"]
    for kind in KINDS:
        cells = [_cell(entry for entry in found if entry.kind == kind) for found in entries.values()]
        if set(cells) != {_NONE}:
            lines.append(f"| {kind} | {' | '.join(cells)} |")
    words = [f"\n### To {destination.name}\n"]
    if not destination.reads_all:
        words.append(_ECHO.strip() + "\n")
    return [*words, *lines, "", *_reasons(entries.values())]


def _cell(entries: Iterable[Entry]) -> str:
    fates = {entry.fate for entry in entries}
    return ", ".join(fate for fate in FATES if fate in fates) or _NONE


def _reasons(entries: Iterable[Sequence[Entry]]) -> list[str]:
    """Say by which adjustments what was changed is known."""
    codes: dict[str, set[str]] = {}
    for found in entries:
        for entry in found:
            for code in entry.codes if entry.fate != "kept" else ():
                codes.setdefault(entry.kind, set()).add(code)
    if not codes:
        return []
    named = [f"{kind}: {', '.join(f'`{code}`' for code in sorted(codes[kind]))}" for kind in KINDS if kind in codes]
    return ["Adjustments:", "", *[f"- {line}" for line in named]]


async def page(loop: str = "asyncio") -> str:
    """Return the page as it has to be: as it stands, with the tables of today."""
    lines: list[str] = []
    for destination in DESTINATIONS:
        entries: dict[str, Sequence[Entry]] = {}
        for origin in STATIONS:
            carried = await carried_on(origin, destination, loop)
            entries[origin.name] = carried.entries
        lines += table(destination, entries)
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(_START)
    _, end, behind = rest.partition(_END)
    assert (start, end) == (_START, _END), "the page has lost the marks around its tables"
    return before + start + "\n".join(lines).rstrip() + "\n\n" + end + behind


if __name__ == "__main__":
    written = anyio.run(page)
    PAGE.write_text(written, encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {len(written.splitlines())} lines\n")
