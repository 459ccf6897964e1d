"""Structured output: ask for a type, read it as it comes, and see what happens when an answer does not fit."""

from typing import Literal

import anyio
from pydantic import BaseModel, Field

from chatport import OutputError, OutputRetryStart, TextDelta, open_session
from chatport_bedrock.emulator import Answer, Emulator


# --8<-- [start:type]
class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int = Field(ge=0, description="How many people live in it")
    # --8<-- [end:type]


# --8<-- [start:tool]
def get_weather(location: str) -> dict[str, object]:
    """Get the current weather in a location."""
    return {"location": location, "celsius": 21}


class Weather(BaseModel):
    """The weather in a place."""

    location: str
    celsius: int


# --8<-- [end:tool]


def saying(text: str) -> Answer:
    return Answer(
        body={
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 20, "outputTokens": 12, "totalTokens": 32},
            "metrics": {"latencyMs": 300},
        }
    )


NOT_A_NUMBER = saying('{"name": "Paris", "inhabitants": "many"}')
A_NUMBER = saying('{"name": "Paris", "inhabitants": 2100000}')


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        model = "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        async with open_session(model, tools=[get_weather], backend_options=options) as session:
            # --8<-- [start:ask]
            reply = await session.ask("The city of Paris has 2100000 inhabitants.", output=City)
            print(reply.output.name, reply.output.inhabitants)
            # --8<-- [end:ask]
            # --8<-- [start:any]
            answer = await session.ask("Is the sky red or blue?", output=Literal["red", "blue"])
            numbers = await session.ask("Which numbers are there in 7, 12 and 30?", output=list[int])
            print(answer.output, numbers.output)
            # --8<-- [end:any]
            # --8<-- [start:stream]
            async with session.stream("The city of Rome has 2800000 inhabitants.", output=City) as stream:
                async for piece in stream.text:
                    print(piece, end="")
            print("\n", stream.reply.output)
            # --8<-- [end:stream]
            # --8<-- [start:with-tools]
            weather = await session.ask("What is the weather in Paris?", output=Weather)
            print(weather.output, len(weather.steps))
            # --8<-- [end:with-tools]
            # --8<-- [start:way]
            print(reply.metadata["bedrock"]["output"])
            for adjustment in reply.adjustments:
                print(adjustment.code, adjustment.path, adjustment.message)
            # --8<-- [end:way]
            emulator.enqueue(NOT_A_NUMBER, A_NUMBER)
            # --8<-- [start:again]
            async with session.stream("How many people live in Paris?", output=City, output_retries=2) as stream:
                async for event in stream:
                    match event:
                        case TextDelta():
                            print(event.text, end="")
                        case OutputRetryStart():
                            print(f"\nanswer {event.attempt}, because: {event.error}")
                        case _:
                            pass
            print("\n", stream.reply.output, len(stream.reply.steps), stream.reply.usage.output_tokens)
            # --8<-- [end:again]
            emulator.enqueue(NOT_A_NUMBER)
            # --8<-- [start:error]
            try:
                await session.ask("How many people live in Paris?", output=City, output_retries=0)
            except OutputError as error:
                print(error)
                print(error.reply.text, error.reply.usage.output_tokens)
            # --8<-- [end:error]


anyio.run(main)
