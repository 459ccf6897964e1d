"""Test a program that chats: with a script in place of a model, or with the emulator in place of the service."""

import anyio

import chatport
from chatport import ToolCall, open_session, tool
from chatport.testing import Answer, ScriptedBackend
from chatport_bedrock.emulator import Emulator, HttpError


# --8<-- [start:program]
@tool
def get_local_time(city: str) -> str:
    """Get the local time in a city."""
    return f"noon in {city}"


async def program(model: str | None = None, **backend_options: object) -> str:
    async with open_session(model, tools=[get_local_time], backend_options=backend_options) as session:
        try:
            return (await session.ask("What is the local time in Oslo?")).text
        except chatport.RateLimitError as error:
            return f"try again in {error.retry_after} seconds"


# --8<-- [end:program]


# --8<-- [start:scripted]
async def test_with_a_script() -> None:
    backend = ScriptedBackend([ToolCall("1", "get_local_time", {"city": "Oslo"})], Answer("It is noon."))
    with chatport.register_backend("scripted", lambda: backend):
        assert await program("scripted:any") == "It is noon."
    first, second = backend.requests
    assert [offered.name for offered in first.tools] == ["get_local_time"]
    assert second.messages[-1].role == "tool"


# --8<-- [end:scripted]


# --8<-- [start:emulator]
async def test_with_the_emulator() -> None:
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        assert "noon in Oslo" in await program("bedrock:amazon.nova-lite-v1:0", **options)
        emulator.enqueue(HttpError(429, "ThrottlingException", "Too many requests", {"retry-after": "3600"}))
        assert await program("bedrock:amazon.nova-lite-v1:0", **options) == "try again in 3600.0 seconds"
        print(len(emulator.requests), "requests")


# --8<-- [end:emulator]

anyio.run(test_with_a_script)
anyio.run(test_with_the_emulator)
