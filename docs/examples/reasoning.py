"""Let the model think first: as much as it should, as its model understands it, and see what was thought."""

import anyio

from chatport import ReasoningDelta, Settings, TextDelta, UnsupportedError, open_session
from chatport_bedrock.emulator import Emulator

CLAUDE = "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "bedrock:us.amazon.nova-2-lite-v1:0"


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:ask]
        settings = Settings(reasoning="low", max_tokens=500)
        async with open_session(CLAUDE, settings=settings, backend_options=options) as session:
            reply = await session.ask("What is 17 * 23?")
            print(reply.reasoning)  # what it thought
            print(reply.text)  # what it answered

            reply = await session.ask("And 18 * 23?", settings=Settings(reasoning="off"))
            print(repr(reply.reasoning))
        # --8<-- [end:ask]

        # --8<-- [start:stream]
        async with open_session(CLAUDE, settings=Settings(reasoning=4000), backend_options=options) as session:
            async with session.stream("What is 17 * 23?") as stream:
                async for event in stream:
                    match event:
                        case ReasoningDelta(text=text):
                            print(text, end="")
                        case TextDelta(text=text):
                            print(text, end="")
                        case _:
                            pass
            print()
        # --8<-- [end:stream]

        # --8<-- [start:report]
        settings = Settings(reasoning="max", max_tokens=500)
        async with open_session(NOVA, settings=settings, backend_options=options) as session:
            preview = await session.preview("What is 17 * 23?")
            print(preview.request["additionalModelRequestFields"])
            for adjustment in preview.adjustments:
                print(f"{adjustment.kind} {adjustment.path}: {adjustment.message}")

            try:
                await session.ask("What is 17 * 23?", strict=True)
            except UnsupportedError as error:
                print(error)
        # --8<-- [end:report]


anyio.run(main)
