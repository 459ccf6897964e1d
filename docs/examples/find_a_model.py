"""Find a model: list what a service offers, count before asking, and see how a backend is set up."""

import anyio

import chatport
from chatport.backend import CountsTokens, DescribesItself, ListsModels
from chatport_bedrock.emulator import Emulator


async def main() -> None:
    # The emulator stands in for the service; without `endpoint_url` this asks Amazon Bedrock.
    with Emulator(api_key="made-up") as emulator:
        await look_around(region="us-east-1", endpoint_url=emulator.url, api_key="made-up")


async def look_around(**options: object) -> None:
    # --8<-- [start:models]
    async with chatport.open_backend("bedrock", **options) as backend:
        assert isinstance(backend, ListsModels)
        for model in await backend.models(output="text", input="image", status="active", provider="amazon"):
            print(model.id, model.name, model.streaming)
        # --8<-- [end:models]

        # --8<-- [start:count]
        session = chatport.Session(backend, "us.anthropic.claude-sonnet-4-20250514-v1:0", system="Be brief.")
        assert isinstance(backend, CountsTokens)
        try:
            print(await backend.count_tokens(session.request("How long is this?")), "tokens")
        except chatport.UnsupportedError as error:
            print(error)  # not every model is counted for
        # --8<-- [end:count]

        # --8<-- [start:describe]
        assert isinstance(backend, DescribesItself)
        for name, value in (await backend.describe()).items():
            print(f"{name}: {value}")
        # --8<-- [end:describe]


anyio.run(main)
