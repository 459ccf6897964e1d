"""Tools that somebody is asked about: allowed, denied, changed, and left to wait for another process."""

import sys
import tempfile
from pathlib import Path

import anyio
from pydantic import BaseModel

import chatport
from chatport import Allow, ConflictError, Decision, Deny, OutputError, Pause, SqliteStore, ToolCall, tool
from chatport_bedrock.emulator import Emulator

FREE, MOST = 100, 1000  # euros
MODEL = "bedrock:us.amazon.nova-lite-v1:0"
TYPED_MODEL = "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"


class Receipt(BaseModel):
    """What was transferred."""

    amount: int
    account: str


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


def options_for(address: str) -> dict[str, str]:
    return {"region": "us-east-1", "endpoint_url": address, "api_key": "made-up"}


async def main() -> None:
    with Emulator(api_key="made-up") as emulator, tempfile.TemporaryDirectory() as folder:
        options = options_for(emulator.url)
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

        # The same file once more, as another program: `go_on` runs there.
        print((await anyio.run_process([sys.executable, __file__, str(path), emulator.url])).stdout.decode())

        await leave_calls(path, options)

        # --8<-- [start:typed]
        async with chatport.open_session(TYPED_MODEL, tools=[transfer], backend_options=options) as session:
            try:
                typed = await session.ask("Transfer 7 euros.", output=Receipt, approve=wait_for_someone)
            except OutputError as error:
                if error.partial is None or not error.reply.pending_calls:
                    raise  # another reason
                session.keep(error.partial, allow_pending=True)
                # Now, or later and elsewhere:
                typed = await session.resume(output=Receipt, approve=approve)
            print(typed.output)
        # --8<-- [end:typed]


async def go_on(path: str, address: str) -> None:
    options = options_for(address)
    # --8<-- [start:resume]
    # Later, in another process: the store, and the same tools.
    async with (
        SqliteStore(path) as store,
        chatport.open_session(MODEL, tools=[transfer], backend_options=options, store=store, id="anna-7") as session,
    ):
        print("still waits:", session.pending_calls)
        reply = await session.resume(approve=approve)
        print(reply.text)
    # --8<-- [end:resume]


async def go_on_behind(session: chatport.Session) -> chatport.Reply:
    # --8<-- [start:claimed]
    try:
        return await session.resume()
    except ConflictError as error:
        if error.claim is None:
            raise  # somebody was faster: `await session.reload()` shows what there is now
        print(error.claim.worker, "has begun at", error.claim.claimed_at, error.claim.calls)
        # We have looked: that worker has ended.
        return await session.resume(claimed="close")
    # --8<-- [end:claimed]


async def leave_calls(path: Path, options: dict[str, str]) -> None:
    """A worker that ends while its tool runs, and another one that comes after it."""
    scope = anyio.CancelScope()

    async def vanish(amount: int) -> str:
        scope.cancel()
        await anyio.sleep_forever()
        return f"{amount} euros are somewhere"

    lost = tool(name="transfer", description="Transfer money.")(vanish)
    async with SqliteStore(path) as store:
        async with chatport.open_session(
            MODEL, tools=[lost], backend_options=options, store=store, id="anna-8", worker="worker-1"
        ) as session:
            await session.ask("Transfer 6 euros.", tool_choice="transfer", approve=wait_for_someone)
            with scope:
                await session.resume()
        async with chatport.open_session(
            MODEL, tools=[transfer], backend_options=options, store=store, id="anna-8", worker="worker-2"
        ) as session:
            reply = await go_on_behind(session)
            print(reply.messages[0].parts, reply.text)


if __name__ == "__main__":
    if sys.argv[1:]:
        anyio.run(go_on, sys.argv[1], sys.argv[2])
    else:
        anyio.run(main)
