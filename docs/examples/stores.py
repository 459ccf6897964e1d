"""Conversations that outlive the process: stored, found again, exported, deleted."""

import tempfile
from pathlib import Path

import anyio

from chatport import ConflictError, SqliteStore, export_json_lines, export_markdown, import_json_lines, open_session
from chatport_bedrock.emulator import Emulator

MODEL = "bedrock:us.amazon.nova-lite-v1:0"


async def main() -> None:
    with Emulator(api_key="made-up") as emulator, tempfile.TemporaryDirectory() as folder:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        path = Path(folder) / "chats.db"

        # --8<-- [start:store]
        async with SqliteStore(path) as store:
            async with open_session(MODEL, backend_options=options, store=store, id="anna-7") as session:
                await session.ask("What is your name?")

            # … later, perhaps in another process
            async with open_session(MODEL, backend_options=options, store=store, id="anna-7") as session:
                await session.ask("And what did I ask?")
                print(len(session.messages), session.usage.total_tokens)
        # --8<-- [end:store]

        async with SqliteStore(path) as store:
            # --8<-- [start:conflict]
            async with (
                open_session(MODEL, backend_options=options, store=store, id="anna-7") as here,
                open_session("echo:any", store=store, id="anna-7") as elsewhere,
            ):
                await elsewhere.ask("I was faster.")
                try:
                    await here.ask("I was slower.")
                except ConflictError as error:
                    await here.reload()  # what is stored now, the other turn included
                    if error.partial is not None:
                        here.keep(error.partial)  # and ours behind it
                    await here.save()
            # --8<-- [end:conflict]

            # --8<-- [start:look]
            for row in await store.list_sessions(limit=20):
                print(row.id, row.turns, row.title, row.updated_at.date())
            for hit in await store.search("slower"):
                print(hit.session.id, hit.turn, hit.excerpt)

            stored = await store.load("anna-7")
            if stored is not None:
                print(export_markdown(stored).splitlines()[0])
                lines = export_json_lines(stored).splitlines()
                print(len(lines), "lines")
                copy = import_json_lines("\n".join(lines))
                await store.append("a copy", copy.turns, version=None, usage=copy.usage)
            await store.delete("anna-7")
            # --8<-- [end:look]


anyio.run(main)
