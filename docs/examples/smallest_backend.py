"""The smallest backend, without a package."""

from collections.abc import AsyncGenerator

import anyio

import chatport
from chatport.backend import BackendEvent, ChatRequest, MessageEnd, MessageStart, TextDelta


# --8<-- [start:backend]
class Parrot:
    name = "parrot"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        yield MessageStart(request.model)
        yield TextDelta(0, request.messages[-1].text)
        yield MessageEnd("stop")

    async def aclose(self) -> None:
        """Nothing is open."""


# --8<-- [end:backend]


# --8<-- [start:asking]
async def main() -> None:
    with chatport.register_backend("parrot", Parrot):
        async with chatport.open_session("parrot:grey") as session, session.stream("Polly?") as stream:
            async for text in stream.text:
                print(text)


anyio.run(main)
# --8<-- [end:asking]
