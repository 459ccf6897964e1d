"""What turns take: tokens by step, session and model, money as far as known, and limits that end a loop in time."""

from decimal import Decimal

import anyio

from chatport import Cost, LibraryPrices, Usage, UsageLimitError, UsageLimits, open_session, tool
from chatport.hooks import UsageObserver, observe
from chatport_bedrock.emulator import Answer, Emulator


# --8<-- [start:own]
class OurPrices:
    """What we pay: a price for each token in euros, of the models in our contract."""

    def __init__(self) -> None:
        self.by_model = {"amazon.nova-lite-v1:0": (Decimal("0.00000005"), Decimal("0.00000021"))}

    def cost(self, usage: Usage, *, backend: str, model: str) -> Cost:
        if model not in self.by_model:
            return Cost.unknown(f"{backend}:{model} is not in our contract", currency="EUR")
        if usage.input_tokens is None or usage.output_tokens is None:
            return Cost.unknown("the service has not reported its tokens", currency="EUR")
        price_in, price_out = self.by_model[model]
        return Cost(usage.input_tokens * price_in + usage.output_tokens * price_out, "EUR", complete=usage.complete)
        # --8<-- [end:own]


@tool
def look_again(place: str) -> str:
    """Look once more."""
    return f"nothing in {place} yet"


CALL = {"toolUse": {"toolUseId": "tooluse_1", "name": "look_again", "input": {"place": "the attic"}}}
ENDLESS = Answer(
    body={
        "output": {"message": {"role": "assistant", "content": [CALL]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 400, "outputTokens": 100, "totalTokens": 500},
        "metrics": {"latencyMs": 300},
    }
)


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        nova, claude = "bedrock:amazon.nova-lite-v1:0", "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        # --8<-- [start:read]
        async with open_session(nova, backend_options=options) as session:
            reply = await session.ask("What is your name?")
            print(reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.total_tokens)
            async with session.stream("Tell me a story.") as stream:
                async for _ in stream.text:
                    break  # enough
            print(session.usage.known_tokens, session.usage.complete)
            # --8<-- [end:read]
        # --8<-- [start:observe]
        prices = LibraryPrices()  # at the start of the program: it loads a table
        observer = UsageObserver(prices)
        with observe(observer):
            for model in (nova, claude):
                async with open_session(model, backend_options=options) as session:
                    await session.ask("What is your name?")
        for (backend, model), row in observer.rows.items():
            print(backend, model, row.answers, row.usage.total_tokens, row.cost.amount, row.cost.currency)
        total = observer.total.cost
        print(total.amount, total.complete, total.reasons)
        # --8<-- [end:observe]
        print(prices.cost(Usage(1000, 10), backend="bedrock", model="made-up"))
        emulator.enqueue(*[ENDLESS] * 9)
        # --8<-- [start:limit]
        limits = UsageLimits(tokens=1_500, requests=20, cost=0.05, prices=OurPrices())
        async with open_session(nova, tools=[look_again], usage_limits=limits, backend_options=options) as session:
            try:
                await session.ask("Search the house.")
            except UsageLimitError as error:
                print(error, error.limit, error.scope)
                if error.partial is not None:
                    session.keep(error.partial)
            print(len(session.messages), session.usage.total_tokens)
            # --8<-- [end:limit]


anyio.run(main)
