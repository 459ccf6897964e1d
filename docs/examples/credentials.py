"""Say where and as whom to ask: a region, and keys from a function of the program's own."""

from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

import chatport
from chatport.backend import DescribesItself
from chatport_bedrock import AwsCredentials
from chatport_bedrock.emulator import Credentials, Emulator

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"


async def read_vault() -> dict[str, str]:
    # Stands for what a program keeps its secrets in.
    await anyio.lowlevel.checkpoint()
    return {"key": "AKIDEXAMPLE", "secret": "made-up", "token": "made-up-too"}


# --8<-- [start:function]
async def fetch_keys() -> AwsCredentials:
    found = await read_vault()
    return AwsCredentials(
        access_key_id=found["key"],
        secret_access_key=found["secret"],
        session_token=found["token"],
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    # --8<-- [end:function]


async def main() -> None:
    # The emulator stands in for the service and verifies signatures; without `endpoint_url` this asks Amazon Bedrock.
    keys = Credentials("AKIDEXAMPLE", "made-up", "made-up-too", region="eu-west-1")
    with Emulator(credentials=keys) as emulator:
        await chat(emulator.url)
        await explain(emulator.url)


async def chat(endpoint_url: str) -> None:
    # --8<-- [start:chat]
    async with chatport.open_backend(
        "bedrock", region="eu-west-1", credentials=fetch_keys, endpoint_url=endpoint_url
    ) as backend:
        sessions = [chatport.Session(backend, MODEL) for _ in range(5)]
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(session.ask, "Hello!")  # five requests, and one call of fetch_keys
        # --8<-- [end:chat]
        print(sum(len(session.messages) for session in sessions), "messages")

        # --8<-- [start:describe]
        assert isinstance(backend, DescribesItself)
        facts = await backend.describe()
        print(facts["region"], "from", facts["region from"])
        print(facts["credentials"])
        # --8<-- [end:describe]


async def explain(endpoint_url: str) -> None:
    # --8<-- [start:errors]
    options = {"region": "eu-west-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "of-yesterday"}
    async with chatport.open_session(
        f"bedrock:{MODEL}", backend_options={**options, "endpoint_url": endpoint_url}
    ) as session:
        try:
            await session.ask("Hello!")
        except chatport.AuthenticationError as error:
            print(error.code, error.message)
    # --8<-- [end:errors]


anyio.run(main)
