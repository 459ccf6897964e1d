"""Tools that somebody is asked about: allowed, denied, changed, and left to wait for another process."""

import tempfile
from pathlib import Path

import anyio

import chatport
from chatport import Allow, Decision, Deny, Pause, SqliteStore, ToolCall, tool
from chatport_bedrock.emulator import Emulator

FREE, MOST = 100, 1000  # euros
MODEL = "bedrock:us.amazon.nova-lite-v1:0"


@tool
async def transfer(amount: int, account: str = "savings") -> str:
    """Transfer money to an account.

    Args:
        amount: How much, in euros
        account: Where to
    """
    return f"{amount} euros are on the account {account}"


# --8<-- [start:approve]
async def approve(call: ToolCall) -> Decision:
    if call.name != "transfer":
        return Allow()
    amount = call.arguments["amount"]
    if amount <= FREE:
        return Allow()
    if amount <= MOST:
        return Allow({**call.arguments, "amount": FREE})  # what runs in the place of what was asked for
    return Deny(f"No more than {MOST} euros at once. Ask for less.")


# --8<-- [end:approve]


async def wait_for_someone(_: ToolCall) -> Decision:
    return Pause()


async def main() -> None:
    with Emulator(api_key="made-up") as emulator, tempfile.TemporaryDirectory() as folder:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        # --8<-- [start:ask]
        async with chatport.open_session(MODEL, tools=[transfer], approve=approve, backend_options=options) as session:
            reply = await session.ask("Transfer 500 euros.", tool_choice="transfer")
            for message in reply.messages:
                if message.role == "tool":
                    print(message.parts)
        # --8<-- [end:ask]

        path = Path(folder) / "chats.db"
        # --8<-- [start:pause]
        async with (
            SqliteStore(path) as store,
            chatport.open_session(
                MODEL, tools=[transfer], backend_options=options, store=store, id="anna-7"
            ) as session,
        ):
            reply = await session.ask("Transfer 5 euros.", tool_choice="transfer", approve=wait_for_someone)
            for call in reply.pending_calls:
                print("waits:", call.name, call.arguments)
        # --8<-- [end:pause]

        # --8<-- [start:resume]
        # Later, in another process: the store, and the same tools.
        async with (
            SqliteStore(path) as store,
            chatport.open_session(
                MODEL, tools=[transfer], backend_options=options, store=store, id="anna-7"
            ) as session,
        ):
            print("still waits:", session.pending_calls)
            reply = await session.resume(approve=approve)
            print(reply.text)
        # --8<-- [end:resume]


anyio.run(main)
