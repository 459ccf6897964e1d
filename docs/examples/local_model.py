"""Run a model in the process: words, JSON that fits a type, and a call of a tool."""

from dataclasses import dataclass

import anyio

from chatport import Settings, open_session, tool
from chatport_local import missing


# --8<-- [start:types]
@dataclass
class Weather:
    """What the weather is like."""

    city: str
    degrees: int


@tool
def multiply(first: int, second: int) -> int:
    """Multiply two whole numbers, exactly."""
    return first * second


# --8<-- [end:types]


# --8<-- [start:main]
async def main() -> None:
    lacking = missing()
    if lacking is not None:
        print(lacking)
        return
    async with open_session("local:smollm2", settings=Settings(max_tokens=60)) as session:
        async with session.stream("Tell me a joke.") as stream:
            async for text in stream.text:
                print(text, end="", flush=True)
        print()

        product = await session.ask("Multiply 2741 by 389.", tools=[multiply], tool_choice="multiply")
        print(product.text)

        weather = await session.ask("It is 12 degrees in Oslo.", output=Weather)
        print(weather.output)


# --8<-- [end:main]


anyio.run(main)
