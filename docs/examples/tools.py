"""Tools: from functions, with models as arguments, answered by hand."""

from typing import Any, Literal

import anyio
from pydantic import BaseModel, Field

from chatport import Tool, ToolResult, open_session, tool
from chatport_bedrock.emulator import Emulator


# --8<-- [start:function]
@tool
def get_weather(location: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict[str, Any]:
    """Get the current weather in a location.

    Args:
        location: The city and country, e.g. Paris, France
        unit: The unit of the temperature
    """
    return {"location": location, "temperature": 21 if unit == "celsius" else 70, "unit": unit}


# --8<-- [end:function]


# --8<-- [start:model]
class Guest(BaseModel):
    """Somebody who comes to dinner."""

    name: str
    age: int = Field(ge=0, description="In years")


async def book_table(guests: list[Guest], hour: int = 19) -> str:
    """Book a table at the restaurant for some guests."""
    return f"a table for {', '.join(guest.name for guest in guests)} at {hour}"


# --8<-- [end:model]

# --8<-- [start:schema]
ask_owner = Tool(
    "ask_owner",
    "Ask the owner of the account for permission.",
    {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]},
)
# --8<-- [end:schema]


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:run]
        async with open_session(
            "bedrock:us.amazon.nova-lite-v1:0", tools=[get_weather, book_table], backend_options=options
        ) as session:
            reply = await session.ask("What is the weather in Paris and in London?")
            for step in reply.steps:
                print(step.stop_reason, [(call.name, call.arguments) for call in step.message.tool_calls])
            print(reply.text)
        # --8<-- [end:run]
        # --8<-- [start:by-hand]
        async with open_session(
            "bedrock:us.amazon.nova-lite-v1:0", tools=[ask_owner], backend_options=options
        ) as session:
            reply = await session.ask("Ask the owner for permission.", tool_choice="ask_owner")
            results = [ToolResult(id=call.id, content={"granted": True}) for call in reply.tool_calls]
            reply = await session.ask(*results)
            print(reply.text)
        # --8<-- [end:by-hand]


anyio.run(main)
