"""Many turns with random faults: what the process holds ends where it began. The nightly run takes 10,000 turns."""

import random

import pytest
from bedrock_support.loopback import LoopbackServer
from bedrock_support.soak import run_turns

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_turns_with_random_faults(server: LoopbackServer) -> None:
    """Connections, file descriptors, threads and objects are as many after 200 turns more. The seed is printed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown where the test fails
    before, after = await run_turns(server, seed=seed, turns=200)
    assert (after.descriptors, after.threads) == (before.descriptors, before.threads)
    assert after.objects - before.objects < 500
