"""Show images and documents: from bytes, from files, from an object store; see what would be sent."""

import base64
import tempfile
from pathlib import Path

import anyio

from chatport import Document, Image, UnsupportedError, open_session
from chatport_bedrock.emulator import Emulator

# One red pixel, as PNG.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")


async def main(folder: Path) -> None:
    (folder / "pixel.jpg").write_bytes(PIXEL)
    (folder / "report: 2026.md").write_text("# Report\n\nAll is well.\n", encoding="utf-8")
    with Emulator(api_key="made-up") as emulator:
        options = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        async with open_session("bedrock:us.amazon.nova-lite-v1:0", backend_options=options) as session:
            # --8<-- [start:image]
            image = Image.from_path(folder / "pixel.jpg")
            print(image)  # it is a PNG, whatever its name says
            reply = await session.ask("What is in this picture?", image)
            print(reply.text)
            # --8<-- [end:image]

            # --8<-- [start:document]
            document = Document.from_path(folder / "report: 2026.md")
            reply = await session.ask("Summarise this.", document)
            print(reply.text)
            for adjustment in reply.adjustments:
                print(adjustment.kind, adjustment.path, adjustment.message)
            # --8<-- [end:document]

            # --8<-- [start:preview]
            preview = await session.preview("And this?", Document.from_uri("s3://bucket/terms.pdf"))
            print(preview.request["messages"][-1])
            # --8<-- [end:preview]

            # --8<-- [start:refused]
            papers = [Document("text/plain", b"All is well.", name=f"report {number}") for number in range(6)]
            try:
                await session.ask("Summarise these.", papers)
            except UnsupportedError as error:
                print(error)  # nothing was sent, and the history is as before
            # --8<-- [end:refused]


with tempfile.TemporaryDirectory() as name:
    anyio.run(main, Path(name))
