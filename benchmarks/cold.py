"""A program that asks one question and prints the first text: started to be timed, from the start of the process.

Without httpx2, whether or not it is installed: aiobotocore imports it where it can, and a user who does not use trio
has no reason to have it.
"""

import sys

from benchmarks.answers import Order
from benchmarks.machine import CLIENT_CORE, pin


def main() -> None:
    """Ask; the arguments are the client's name and the server's address."""
    pin(CLIENT_CORE)
    sys.modules["httpx2"] = None  # type: ignore[assignment] # this is how an import is made to fail
    import asyncio

    from benchmarks.clients import load_client

    async def ask(name: str, url: str) -> None:
        async with load_client(name)(url) as client:
            await client.watch(Order(count=3).prompt, lambda text: print(text, flush=True))

    asyncio.run(ask(*sys.argv[1:]))


if __name__ == "__main__":
    main()
