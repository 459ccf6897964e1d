"""Ask, stream, show a picture, let the model call a tool: against the emulator, so no account is needed."""

import base64

import anyio

from chatport import Image, Session, open_session, tool
from chatport_bedrock.emulator import Emulator


# --8<-- [start:tool]
@tool
async def get_weather(location: str) -> dict[str, object]:
    """Get the current weather in a location.

    Args:
        location: The city and state, e.g. San Francisco, CA
    """
    return {"location": location, "celsius": 21}


# --8<-- [end:tool]

# One red pixel, as PNG.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")


# --8<-- [start:ask]
async def ask(session: Session) -> None:
    reply = await session.ask("What is your name?")
    print(reply.text)
    print(reply.stop_reason, reply.usage.input_tokens, reply.usage.output_tokens)


# --8<-- [end:ask]


# --8<-- [start:stream]
async def stream(session: Session) -> None:
    async with session.stream("Tell me a story.") as stream:
        async for text in stream.text:
            print(text, end="", flush=True)
    print()
    print(stream.reply.usage.total_tokens)


# --8<-- [end:stream]


# --8<-- [start:image]
async def show(session: Session) -> None:
    reply = await session.ask("What is in this image?", Image.from_bytes(PIXEL))
    print(reply.text)


# --8<-- [end:image]


# --8<-- [start:use-tool]
async def use_tool(session: Session) -> None:
    reply = await session.ask("What is the weather in Boston, MA?")
    for message in reply.messages:
        print(message.role, [type(part).__name__ for part in message.parts])
    print(reply.text)


# --8<-- [end:use-tool]


# --8<-- [start:main]
async def main() -> None:
    async with (
        Emulator(api_key="made-up") as emulator,
        open_session(
            "bedrock:us.amazon.nova-lite-v1:0",
            tools=[get_weather],
            backend_options={"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"},
        ) as session,
    ):
        await ask(session)
        await stream(session)
        await show(session)
        await use_tool(session)
        print(len(session.messages), "messages,", session.usage.total_tokens, "tokens")


anyio.run(main)
# --8<-- [end:main]
