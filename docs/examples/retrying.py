"""Requests that are sent again: the policy, what a refusal teaches, and models that do not stream."""

from typing import Any

import anyio

import chatport
from chatport import Retry, RetryStart, open_session, tool
from chatport_bedrock.emulator import Emulator, HttpError

NOVA = "bedrock:us.amazon.nova-lite-v1:0"
LLAMA = "bedrock:us.meta.llama3-3-70b-instruct-v1:0"
# One that no table knows yet.
NEW_MODEL = "bedrock:maker.model-1-v1:0"

BUSY = HttpError(429, "ThrottlingException", "Too many requests, please wait before trying again.")
NO_CHOICE = "This model doesn't support the toolConfig.toolChoice.any field. Remove it and try again."


def options(emulator: Emulator) -> dict[str, Any]:
    return {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}


@tool
def get_local_time(city: str) -> str:
    """Get the local time in a city."""
    return f"noon in {city}"


# --8<-- [start:policy]
async def ask_patiently(backend_options: dict[str, Any]) -> None:
    patient = Retry(max_attempts=6, base_delay=0.05, max_delay=30, max_elapsed=120)
    async with open_session(NOVA, retry=patient, backend_options=backend_options) as session:
        reply = await session.ask("What is your name?")
        print(reply.attempts, "requests,", f"{reply.timing.total:.1f} seconds")
        await session.ask("Quickly: yes or no?", retry=None)  # this turn is sent once


# --8<-- [end:policy]


# --8<-- [start:events]
async def watch_the_repeating(session: chatport.Session) -> None:
    async with session.stream("Tell me a story.") as stream:
        async for event in stream:
            if isinstance(event, RetryStart):
                print(f"attempt {event.attempt}, after {event.delay:.2f} seconds: {event.error.message}")
    print(stream.reply.attempts, "requests")


# --8<-- [end:events]


# --8<-- [start:learned]
async def learn_from_a_refusal(session: chatport.Session) -> None:
    for question in ("What is the local time in Oslo?", "And in Rome?"):
        reply = await session.ask(question, tools=[get_local_time], tool_choice="any")
        print(len(reply.steps), "steps,", reply.attempts, "requests")
        for adjustment in reply.adjustments:
            print(f"{adjustment.kind} {adjustment.path}: {adjustment.message}")


# --8<-- [end:learned]


# --8<-- [start:whole]
async def stream_what_does_not_stream(session: chatport.Session) -> None:
    async with session.stream("What is the local time in Oslo?", tools=[get_local_time]) as stream:
        async for text in stream.text:
            print(text)
    print([adjustment.code for adjustment in stream.reply.adjustments])


# --8<-- [end:whole]


# --8<-- [start:elsewhere]
async def ask_somebody_else(session: chatport.Session, other: chatport.Session, question: str) -> str:
    try:
        return (await session.ask(question, retry=Retry(max_attempts=2, base_delay=0))).text
    except chatport.BackendError as error:
        if not error.retryable:
            raise  # another model would be asked the same wrong thing
        return (await other.ask(question)).text


# --8<-- [end:elsewhere]


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        emulator.enqueue(BUSY, BUSY)
        await ask_patiently(options(emulator))
        emulator.enqueue(HttpError(503, "ServiceUnavailableException", "Please wait.", {"retry-after": "0.1"}))
        async with open_session(NOVA, backend_options=options(emulator)) as session:
            await watch_the_repeating(session)
        emulator.enqueue(HttpError(400, "ValidationException", NO_CHOICE))
        async with open_session(NEW_MODEL, backend_options=options(emulator)) as session:
            await learn_from_a_refusal(session)
        async with open_session(LLAMA, backend_options=options(emulator)) as session:
            await stream_what_does_not_stream(session)
        emulator.enqueue(BUSY, BUSY)
        async with (
            open_session(NOVA, backend_options=options(emulator)) as session,
            open_session(LLAMA, backend_options=options(emulator)) as other,
        ):
            print(await ask_somebody_else(session, other, "What is your name?"))


anyio.run(main)
