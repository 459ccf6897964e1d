"""A history that is too long: what is left out, who counts, what is summed up."""

from functools import partial

import anyio

import chatport
from chatport import Message, Session
from chatport_bedrock.emulator import Emulator

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


async def main() -> None:
    history: list[Message] = []
    for number in range(40):
        history += [Message.user(f"What is {number} times {number}?"), Message.assistant(f"It is {number * number}.")]
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        async with chatport.open_backend("bedrock", **options) as backend:
            # --8<-- [start:window]
            window = partial(chatport.drop_oldest_steps, max_tokens=300, batch_tokens=100)
            session = Session(backend, MODEL, messages=history, window=window)
            reply = await session.ask("And what is 40 times 40?")
            print(len(session.messages), [note.path for note in reply.adjustments])
            # --8<-- [end:window]

            # --8<-- [start:pinned]
            revision = chatport.drop_oldest_steps(
                history, max_tokens=300, pinned=lambda message: "What is 12" in message.text
            )
            print([note.path for note in revision.adjustments])
            # --8<-- [end:pinned]

            # --8<-- [start:fit]
            session = Session(backend, MODEL, messages=history, system="Answer with a number.")
            revision = await chatport.fit_history(session, "And 41 times 41?", max_tokens=300)
            print(revision.tokens)  # `reason` says why it is an estimate, if it is one
            session.edit(revision.messages)
            await session.ask("And 41 times 41?")
            # --8<-- [end:fit]

            # --8<-- [start:summarise]
            helper = session.fork(messages=(), tools=[], system=None)
            revision = await chatport.summarise_oldest_steps(
                session.messages, helper, max_tokens=250, summary_tokens=100
            )
            session.edit(revision.messages)
            print(session.messages[0].text, helper.usage.total_tokens)
            # --8<-- [end:summarise]

            # --8<-- [start:replay]
            other = Session(backend, "us.amazon.nova-lite-v1:0")
            replies = await chatport.replay_messages(other, session.messages[-4:])
            print([reply.text for reply in replies])
            # --8<-- [end:replay]


anyio.run(main)
