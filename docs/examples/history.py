"""A history is a value: store it, load it, go on with another backend."""

import anyio

import chatport
from chatport import Message, open_session
from chatport_bedrock.emulator import Emulator


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:store]
        async with open_session("bedrock:us.amazon.nova-lite-v1:0", backend_options=options) as session:
            await session.ask("What is your name?")
            stored = chatport.dump_messages(session.messages)  # JSON
        # --8<-- [end:store]
        print(stored)

        # --8<-- [start:swap]
        messages = chatport.load_messages(stored)
        async with open_session("echo:any", messages=messages) as session:
            reply = await session.ask("Say it again.")
            print(reply.text, len(session.messages))
        # --8<-- [end:swap]

        # --8<-- [start:examples]
        examples = [
            Message.user("Paris"),
            Message.assistant("France"),
            Message.user("Oslo"),
            Message.assistant("Norway"),
        ]
        # --8<-- [end:examples]
        # --8<-- [start:share]
        async with chatport.open_backend("bedrock", **options) as backend:
            first = chatport.Session(backend, "amazon.nova-lite-v1:0", messages=examples)
            await first.ask("Rome")
            second = chatport.Session(backend, "us.anthropic.claude-haiku-4-5-20251001-v1:0", messages=first.messages)
            await second.ask("Madrid")
            print(len(first.messages), len(second.messages))
        # --8<-- [end:share]


anyio.run(main)
