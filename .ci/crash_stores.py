"""Kill processes while they write to a SQLite store, and look at the file after each.

They take turns, replace them and take them back. Fewer kills than asked for, as time ran out, are a failure.

Run `python .ci/crash_stores.py --kills 1000`, from an environment with the tests. Without a seed it takes a new one.
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    """Parse the arguments, run, and print seed, count and time."""
    from tests import crashing  # noqa: PLC0415 - found through the path above

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1800, help="fail after so many")
    parser.add_argument("--seed", type=int, help="the seed that an earlier run printed")
    given = parser.parse_args()
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    print(f"--seed {seed}", flush=True)
    begun = time.monotonic()
    kills, changes = crashing.run(seed, given.kills, given.seconds)
    took = time.monotonic() - begun
    print(f"{kills} processes killed in {took:.0f} s, all of the {changes} changes that they were told of are there")
    if kills < given.kills:
        sys.exit(f"{given.kills} were to be killed, and there was no time for more than {kills}")


if __name__ == "__main__":
    main()
