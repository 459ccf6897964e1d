"""The process of one client: reads a measure a line from its input, writes figures a line to its output.

Between two measures the event loop stands still on purpose: nothing of this process takes time from another's turn.
"""

import argparse
import json
import sys

from benchmarks.clients import CLIENTS, load_client
from benchmarks.loops import make_loop
from benchmarks.machine import CLIENT_CORE, pin
from benchmarks.measures import take_measure


def main() -> None:
    """Serve measures until the input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("client", choices=list(CLIENTS))
    parser.add_argument("url")
    arguments = parser.parse_args()
    pin(CLIENT_CORE)
    loop = make_loop(CLIENTS[arguments.client][1])
    # What a library prints must not pass for figures.
    answers, sys.stdout = sys.stdout, sys.stderr

    async def work() -> None:
        async with load_client(arguments.client)(arguments.url) as client:
            print("ready", file=answers, flush=True)
            for line in sys.stdin:
                order = json.loads(line)
                figures = await take_measure(order["measure"], client, loop, order["parameters"])
                print(json.dumps(figures), file=answers, flush=True)

    loop.run(work)


if __name__ == "__main__":
    main()
