"""How long to wait: limits of a backend, a session and a turn, and what happens when one goes off."""

from typing import Any

import anyio

import chatport
from chatport import Session, StreamTimeoutError, Timeouts, open_backend, open_session
from chatport_bedrock.emulator import Emulator

NOVA = "us.amazon.nova-lite-v1:0"


def options(emulator: Emulator) -> dict[str, Any]:
    return {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}


# --8<-- [start:limits]
async def ask_within_limits(backend_options: dict[str, Any]) -> None:
    async with (
        open_backend("bedrock", **backend_options, timeouts=Timeouts(connect=3, idle=120)) as backend,
        Session(backend, NOVA, timeouts=Timeouts(first_event=60)) as session,
    ):
        reply = await session.ask("What is your name?")  # connect=3, first_event=60, idle=120
        print(reply.text)
        reply = await session.ask("Think for as long as it takes.", timeouts=Timeouts(first_event=None))
        print(reply.text)


# --8<-- [end:limits]


# --8<-- [start:error]
async def say_what_was_slow(session: chatport.Session) -> None:
    try:
        await session.ask("What is your name?", timeouts=Timeouts(total=0.000001), retry=None)
    except StreamTimeoutError as error:
        print(f"{error.timeout}, while in the phase {error.phase}: {error.message}")
        print("may be asked again" if error.retryable else "is over")


# --8<-- [end:error]


# --8<-- [start:pool]
async def look_at_the_load(backend_options: dict[str, Any]) -> None:
    backend: Any  # `load` is Bedrock's own
    async with open_backend("bedrock", **backend_options, max_connections=2) as backend:

        async def ask(question: str) -> None:
            await Session(backend, NOVA, timeouts=Timeouts(acquire=5)).ask(question)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(ask, f"What is {number} plus one?")
            await anyio.sleep(0.01)
            print(backend.load())
        print(backend.load())


# --8<-- [end:pool]


async def main() -> None:
    with Emulator(api_key="made-up") as emulator:
        await ask_within_limits(options(emulator))
        async with open_session(f"bedrock:{NOVA}", backend_options=options(emulator)) as session:
            await say_what_was_slow(session)
        await look_at_the_load(options(emulator))


anyio.run(main)
