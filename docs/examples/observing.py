"""Observe what sessions do: log it, and count what it costs, without changing a line of the program."""

import logging
import sys
from collections import Counter

import anyio

from chatport import Step, open_session, tool
from chatport.hooks import FailReason, LoggingObserver, TurnInfo, hookimpl, observe
from chatport_bedrock.emulator import Emulator


# --8<-- [start:program]
@tool
def get_local_time(city: str) -> str:
    """Get the local time in a city."""
    return f"noon in {city}"


async def program(**backend_options: object) -> None:
    model = "bedrock:amazon.nova-lite-v1:0"
    async with open_session(model, tools=[get_local_time], backend_options=backend_options) as session:
        print((await session.ask("What is the local time in Oslo?")).text)
        async with session.stream("Tell me a story.") as stream:
            async for _ in stream.text:
                break  # enough


# --8<-- [end:program]


# --8<-- [start:observer]
class CostObserver:
    """Counts tokens by model, and the turns that did not reach their end."""

    def __init__(self) -> None:
        self.tokens: Counter[str] = Counter()
        self.broken_off: Counter[str] = Counter()

    @hookimpl
    def chatport_step_end(self, turn: TurnInfo, step: Step) -> None:
        self.tokens[turn.model] += step.usage.total_tokens or 0

    @hookimpl
    def chatport_turn_fail(self, reason: FailReason) -> None:
        self.broken_off[reason] += 1


# --8<-- [end:observer]


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:observe]
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s")
        costs = CostObserver()
        with observe(LoggingObserver()), observe(costs):
            await program(**options)
        print(dict(costs.tokens), dict(costs.broken_off))
        # --8<-- [end:observe]


anyio.run(main)
