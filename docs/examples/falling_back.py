"""Several backends as one: another region, and another model, where the first does not answer."""

from typing import Any

import anyio

import chatport
from chatport import FallbackBackend, ModelNotFoundError, Retry, Session, open_backend
from chatport.backend import Backend
from chatport_bedrock.emulator import Emulator, HttpError

NOVA = "us.amazon.nova-lite-v1:0"
NOVA_IN_EUROPE = "eu.amazon.nova-lite-v1:0"
CLAUDE_IN_EUROPE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

BUSY = HttpError(429, "ThrottlingException", "Too many requests, please wait before trying again.")
NO_MODEL = HttpError(404, "ResourceNotFoundException", "Could not resolve the foundation model from the model id.")


def options(emulator: Emulator, region: str) -> dict[str, Any]:
    return {"region": region, "endpoint_url": emulator.url, "api_key": "made-up"}


# --8<-- [start:targets]
async def ask_wherever_there_is_room(america: dict[str, Any], europe: dict[str, Any]) -> None:
    async with open_backend("bedrock", **america) as near, open_backend("bedrock", **europe) as far:
        backend = FallbackBackend([(near, None), (far, NOVA_IN_EUROPE), (far, CLAUDE_IN_EUROPE)])
        async with Session(backend, NOVA, retry=Retry(max_attempts=2)) as session:
            reply = await session.ask("What is your name?")
            print(reply.steps[0].model)
            for adjustment in reply.adjustments:
                print(f"{adjustment.code}: {adjustment.message}")


# --8<-- [end:targets]


# --8<-- [start:when]
def is_not_offered(error: chatport.ChatError) -> bool:
    return isinstance(error, ModelNotFoundError)


async def ask_where_the_model_is(near: Backend, far: Backend) -> None:
    backend = FallbackBackend([(near, None), (far, NOVA_IN_EUROPE)], when=is_not_offered)
    print((await Session(backend, NOVA).ask("What is your name?")).steps[0].model)


# --8<-- [end:when]


async def main() -> None:
    with Emulator(api_key="made-up") as america, Emulator(api_key="made-up") as europe:
        near, far = options(america, "us-east-1"), options(europe, "eu-west-1")
        america.enqueue(BUSY)
        europe.enqueue(BUSY)
        await ask_wherever_there_is_room(near, far)
        america.enqueue(NO_MODEL)
        async with open_backend("bedrock", **near) as first, open_backend("bedrock", **far) as second:
            await ask_where_the_model_is(first, second)


anyio.run(main)
