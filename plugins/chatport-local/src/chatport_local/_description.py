"""How the backend is set up, in words, for `chatport doctor`."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from chatport_local._engine import available_cores
from chatport_local._models import ENGINE_PACKAGE, find_weights, missing_weights

if TYPE_CHECKING:
    from chatport_local._engine import Engines
    from chatport_local._options import LocalOptions


def describe(options: LocalOptions, engines: Engines) -> dict[str, str]:
    """Return facts by their names; it looks at the disk, and loads nothing."""
    weights = find_weights()
    cores = available_cores()
    loaded = ", ".join(engine.settings.files.name for engine in engines.loaded())
    return {
        "engine": _engine_version(),
        "weights": f"none: {missing_weights()}" if weights is None else str(weights),
        "threads": f"{options.threads or max(1, cores - 1)} of {cores} cores",
        "context": f"{options.context_size} tokens for each of {options.slots} slots",
        "loaded": loaded or "nothing yet",
    }


def _engine_version() -> str:
    try:
        return f"{ENGINE_PACKAGE} {importlib.metadata.version(ENGINE_PACKAGE)}"
    except importlib.metadata.PackageNotFoundError:
        return f"none: {ENGINE_PACKAGE} is not installed"
