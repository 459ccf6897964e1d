"""Feed damaged answers to the frame reader, the decoder and the fold, as many as asked for.

Run `python .ci/fuzz.py --inputs 10000000`, from an environment with the plugin's tests. Without a seed it takes a
new one; with the one that it prints, it makes the same inputs again. Where Atheris is installed, `--coverage-guided`
lets it choose the inputs by the branches that they reach.
"""

import argparse
import logging
import os
import secrets
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugins" / "chatport-bedrock" / "tests"))


def run(seed: int, count: int, seconds: float | None) -> int:
    """Try inputs in this process."""
    from bedrock_support import fuzzing  # noqa: PLC0415 - found through the path above

    logging.disable()  # what comes after the end of an answer is told, and here much does
    return fuzzing.run(seed, count=count, seconds=seconds)


def guided(seconds: float) -> None:
    """Let Atheris choose the inputs. It ends the process; a finding is a traceback and a file with the input."""
    import atheris  # type: ignore[import-untyped] # noqa: PLC0415 - optional, has no types

    with atheris.instrument_imports(include=["chatport_bedrock", "chatport"]):
        from bedrock_support import fuzzing  # noqa: PLC0415 - to be instrumented

    logging.disable()

    def try_one(data: bytes) -> None:
        # The first byte says how it is read.
        if data:
            read = fuzzing.read_whole if data[0] == 0 else fuzzing.read_sealed if data[0] % 2 else fuzzing.read_stream
            read(data[1:], 50 if data[0] & 2 else 1 << 20)

    atheris.Setup([sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=4096"], try_one)
    atheris.Fuzz()


def main() -> None:
    """Parse the arguments, run, and print seed, count and rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many inputs, of all processes together")
    parser.add_argument("--seconds", type=float, help="stop after so many seconds, however many were tried")
    parser.add_argument("--seed", type=int, help="the seed that an earlier run printed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--coverage-guided", action="store_true", help="with Atheris, for --seconds (60)")
    given = parser.parse_args()
    if given.coverage_guided:
        if find_spec("atheris") is None:
            sys.exit("Atheris is not installed")
        guided(given.seconds or 60)
        return
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    print(f"--seed {seed} --processes {given.processes}", flush=True)
    begun = time.monotonic()
    seeds = [seed + number for number in range(given.processes)]
    share = -(-given.inputs // given.processes)
    with ProcessPoolExecutor(given.processes) as pool:
        tried = sum(pool.map(run, seeds, [share] * len(seeds), [given.seconds] * len(seeds)))
    took = time.monotonic() - begun
    print(f"{tried} inputs in {took:.0f} s ({tried / took:.0f} a second), each a message or an error of ours")


if __name__ == "__main__":
    main()
