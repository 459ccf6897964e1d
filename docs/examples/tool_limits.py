"""Tools with a time limit and with a state that the model does not see."""

import logging
import sys
from dataclasses import dataclass, field

import anyio

from chatport import Session, ToolCall, ToolContext, ToolResult, tool
from chatport.testing import ScriptedBackend

logging.basicConfig(stream=sys.stdout)  # what goes wrong in a tool is logged


# --8<-- [start:context]
@dataclass
class Shop:
    """What the tools of one customer share."""

    customer: str
    basket: list[str] = field(default_factory=list)


@tool
async def add_to_basket(article: str, context: ToolContext[Shop]) -> str:
    """Put an article into the basket."""
    context.state.basket.append(article)
    return f"{len(context.state.basket)} articles are in the basket"


# --8<-- [end:context]


# --8<-- [start:timeout]
@tool(timeout=0.1)
async def ask_the_warehouse(article: str) -> str:
    """Ask whether an article is there."""
    await anyio.sleep_forever()  # nobody answers
    return article


# --8<-- [end:timeout]


async def main() -> None:
    backend = ScriptedBackend(
        [
            ToolCall("1", "add_to_basket", {"article": "tea"}),
            ToolCall("2", "ask_the_warehouse", {"article": "milk"}),
        ],
        "The tea is in your basket; nobody knows about milk.",
    )
    # --8<-- [start:session]
    shop = Shop("anna")
    async with Session(
        backend, "a-model", tools=[add_to_basket, ask_the_warehouse], state=shop, tool_timeout=30, max_parallel_tools=4
    ) as session:
        reply = await session.ask("Tea and milk, please.")
        print(shop.basket)
        for message in reply.messages:
            for part in message.parts:
                if isinstance(part, ToolResult) and part.is_error:
                    print(part.error_kind, part.text)
    # --8<-- [end:session]


anyio.run(main)
