"""Take many turns with random faults, and compare what the process holds before and after.

Run `python .ci/soak.py --turns 10000 --loop trio`, from an environment with the plugin's tests.
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugins" / "chatport-bedrock" / "tests"))

# Caches fill up, and memory comes back in pages: more than this is a leak (objects, KiB).
MORE_OBJECTS = 1_000
MORE_KIBIBYTES = 8_192


def main() -> None:
    """Parse the arguments, run, and print seed, time and both levels."""
    from bedrock_support.loopback import LoopbackServer  # noqa: PLC0415 - found through the path above
    from bedrock_support.soak import Levels, run_turns  # noqa: PLC0415 - the same

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--loop", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("--seed", type=int, help="the seed that an earlier run printed")
    given = parser.parse_args()
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    print(f"--seed {seed} --turns {given.turns} --loop {given.loop}", flush=True)

    async def turns() -> tuple[Levels, Levels]:
        with LoopbackServer() as server:
            levels = await run_turns(server, seed=seed, turns=given.turns)
        if server.failures:
            sys.exit(f"the server failed: {server.failures!r}")
        return levels

    begun = time.monotonic()
    before, after = anyio.run(turns, backend=given.loop)
    print(f"{given.turns} turns in {time.monotonic() - begun:.0f} s\nbefore: {before}\nafter:  {after}")
    grown = (
        after.descriptors > before.descriptors,
        after.threads > before.threads,
        after.objects > before.objects + MORE_OBJECTS,
        after.kibibytes > before.kibibytes + MORE_KIBIBYTES,
    )
    if any(grown):
        sys.exit("more is held than before")


if __name__ == "__main__":
    main()
