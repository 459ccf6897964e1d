"""Read a reply as it comes: as text, as events, in part, and keep what a broken stream has left."""

from typing import Any

import anyio

import chatport
from chatport import MessageEnd, ReasoningDelta, TextDelta, ToolCallStart, open_session
from chatport_bedrock.emulator import Answer, Cut, Emulator

MODEL = "bedrock:us.amazon.nova-lite-v1:0"


def options(emulator: Emulator) -> dict[str, Any]:
    return {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}


# --8<-- [start:events]
async def read_events(session: chatport.Session) -> None:
    async with session.stream("Tell me a story.") as stream:
        async for event in stream:
            match event:
                case TextDelta(text=text):
                    print(text, end="")
                case ReasoningDelta(text=thought):
                    print(f"({thought})", end="")
                case ToolCallStart(name=name):
                    print(f"[{name}]")
                case MessageEnd(stop_reason=reason, usage=usage):
                    print(f"\n{reason}, {usage.output_tokens} tokens")
                case _:  # new kinds of events are no breaking change
                    pass


# --8<-- [end:events]


# --8<-- [start:leave]
async def read_the_beginning(session: chatport.Session) -> None:
    async with session.stream("Tell me a story.") as stream:
        async for text in stream.text:
            print(text)
            break
    # The connection is closed. The turn has not landed; what had come is still there.
    print(len(session.messages), "messages;", "so far:", stream.partial.text)


# --8<-- [end:leave]


# --8<-- [start:broken]
async def read_what_breaks(session: chatport.Session) -> None:
    try:
        async with session.stream("Tell me a story.") as stream:
            async for _ in stream.text:
                pass
    except chatport.StreamInterruptedError as error:
        print("cut after:", error.partial.text if error.partial else "")
        if error.partial is not None:
            session.keep(error.partial)
    reply = await session.ask("Please go on.")
    print([message.role for message in session.messages], reply.stop_reason)


# --8<-- [end:broken]


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        async with open_session(MODEL, backend_options=options(emulator)) as session:
            await read_events(session)
        async with open_session(MODEL, backend_options=options(emulator)) as session:
            await read_the_beginning(session)
        emulator.enqueue(Answer(fault=Cut(how="abort", after_events=6)))
        async with open_session(MODEL, backend_options=options(emulator)) as session:
            await read_what_breaks(session)


anyio.run(main)
