"""`chatport backends`: what is installed, and whether it works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chatport._registry import BackendStatus, backend_status
from chatport.cli._output import write_output
from chatport.cli._tables import table_text

if TYPE_CHECKING:
    from chatport.cli._commands import BackendsCommand

_HEADINGS = ("NAME", "VERSION", "DISTRIBUTION", "STATE")


def run_backends(command: BackendsCommand) -> int:
    """List the backends and return the exit code, which a broken one does not change.

    Raises:
        OutputError: Standard output takes no more.
    """
    rows = backend_status()
    write_output(_as_json(rows) if command.json else _as_table(rows))
    return 0


def _as_json(rows: tuple[BackendStatus, ...]) -> str:
    records = [
        {
            "name": row.name,
            "version": row.version,
            "distribution": row.origin,
            "state": "ok" if row.error is None else "broken",
            "reason": row.error,
        }
        for row in rows
    ]
    return json.dumps(records) + "\n"


def _as_table(rows: tuple[BackendStatus, ...]) -> str:
    if not rows:
        return "no backend is installed\n"
    return table_text([_HEADINGS, *(_cells(row) for row in rows)])


def _cells(row: BackendStatus) -> tuple[str, ...]:
    state = "ok" if row.error is None else f"broken: {row.error}"
    return row.name, row.version or "-", row.origin, state
