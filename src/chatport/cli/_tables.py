"""Tables for people: columns that stand below each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatport.cli._output import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equal length as lines, each cell as one line."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    # The last column is not padded: it may be long, and nothing stands behind it.
    widths[-1:] = [0]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(f"{line}\n" for line in lines)
