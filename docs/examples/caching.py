"""Let the service keep what a conversation begins with, and see where it does."""

from typing import Any

import anyio

from chatport import CachePoint, Part, Settings, Text, open_session, tool
from chatport_bedrock.emulator import Answer, Emulator

NOVA = "bedrock:us.amazon.nova-lite-v1:0"
MODEL = "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MANUAL = "You answer questions about the manual. It says: press the red button to stop. " * 100


@tool
def look_up(page: int) -> str:
    """Look up a page of the manual."""
    return f"Page {page}: press the red button to stop."


def answer(text: str, **cached: int) -> Answer:
    """What the service says of its cache: the emulator has none, so it is told what to say."""
    usage = {"inputTokens": 12, "outputTokens": 6, "totalTokens": 18 + sum(cached.values()), **cached}
    message = {"role": "assistant", "content": [{"text": text}]}
    return Answer(body={"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {}})


def places_of_points(request: dict[str, Any]) -> list[str]:
    """Say behind what the cache points of a request stand."""
    lists = {"tools": request["toolConfig"]["tools"], "system prompt": request["system"]}
    lists |= {f"message {number}": message["content"] for number, message in enumerate(request["messages"])}
    return [name for name, blocks in lists.items() if "cachePoint" in blocks[-1]]


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        emulator.enqueue(answer("The red one.", cacheWriteInputTokens=1900))
        emulator.enqueue(answer("Yes.", cacheReadInputTokens=1900, cacheWriteInputTokens=20))
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:ask]
        async with open_session(
            MODEL, system=MANUAL, tools=[look_up], settings=Settings(cache="auto"), backend_options=options
        ) as session:
            for question in ("Which button stops it?", "Are you sure?"):
                reply = await session.ask(question)
                usage = reply.usage
                print(usage.input_tokens, "read of them:", usage.cache_read_tokens, "kept:", usage.cache_write_tokens)
            # --8<-- [end:ask]

            # --8<-- [start:places]
            preview = await session.preview("And where is it?")
            print(places_of_points(preview.request))
            # --8<-- [end:places]

        # --8<-- [start:lasting]
        system: list[Part] = [Text(MANUAL), CachePoint(), Text("Today is Monday.")]
        # --8<-- [end:lasting]
        async with open_session(
            MODEL, system=system, tools=[look_up], settings=Settings(cache="auto"), backend_options=options
        ) as session:
            preview = await session.preview("Which button stops it?")
            print([next(iter(block)) for block in preview.request["system"]])

        # --8<-- [start:hour]
        settings = Settings(cache="1h")
        # --8<-- [end:hour]
        async with open_session(NOVA, settings=settings, backend_options=options) as session:
            preview = await session.preview("Hello!")
            print(*(adjustment.message for adjustment in preview.adjustments))


anyio.run(main)
