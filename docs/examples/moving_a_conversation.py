"""A conversation that moves from one vendor to another while it goes on, and back. Both services are local."""

import json
import zlib
from typing import Any

import anyio

import chatport
from chatport import Image, Message, UnsupportedError, open_session, tool
from chatport.testing import HttpReply, HttpService, ServedRequest
from chatport_bedrock.emulator import Emulator

NOVA = "bedrock:us.amazon.nova-lite-v1:0"
CLAUDE = "anthropic:claude-sonnet-4-5-20250929"


@tool
async def get_weather(location: str) -> dict[str, Any]:
    """Get the current weather in a location."""
    return {"location": location, "celsius": 21}


def picture() -> Image:
    """Return a PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]))
    return Image.from_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\x00\x80")) + chunk(b"IEND", b"")
    )


def claude(request: ServedRequest) -> HttpReply:
    """Answer as Anthropic's service does, by saying how long the conversation is."""
    words = f"So far there are {len(json.loads(request.body)['messages'])} messages."
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": words}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "output_tokens": 8},
    }
    return HttpReply(body=json.dumps(answer).encode(), headers={"content-type": "application/json"})


async def main() -> None:
    with Emulator(api_key="made-up") as emulator, HttpService() as service:
        service.reply_always(claude)
        amazon = {"region": "us-east-1", "endpoint_url": emulator.url, "api_key": "made-up"}
        anthropic = {"base_url": service.url, "api_key": "made-up"}
        tools = [get_weather]

        async with open_session(NOVA, backend_options=amazon, tools=tools) as session:
            await session.ask("What is the weather in Paris?")
            await session.ask("And what is in this picture?", picture())
            history = session.messages

        # --8<-- [start:move]
        async with open_session(CLAUDE, backend_options=anthropic, tools=tools, messages=history) as session:
            reply = await session.ask("How long have we been talking?")
            print(reply.text)
            for note in reply.adjustments:  # what could not be said as it stands
                print(note.kind, note.path, note.message)
            history = session.messages
        # --8<-- [end:move]

        # --8<-- [start:look]
        history = (*history, Message.system("From here on, be brief."))
        async with open_session(CLAUDE, backend_options=anthropic, messages=history, tools=tools) as session:
            preview = await session.preview("Where were we?")  # nothing is sent
            for note in preview.adjustments:
                print(note.kind, note.path, note.message)
        # --8<-- [end:look]

        # --8<-- [start:strict]
        async with open_session(
            CLAUDE, backend_options=anthropic, messages=history, tools=tools, strict=True
        ) as session:
            try:
                await session.ask("Where were we?")
            except UnsupportedError as error:
                print("refused:", [note.code for note in error.adjustments])
        # --8<-- [end:strict]

        # --8<-- [start:back]
        stored = chatport.dump_messages(history)  # it may wait in between
        messages = chatport.load_messages(stored)
        async with open_session(NOVA, backend_options=amazon, tools=tools, messages=messages) as session:
            reply = await session.ask("What is the weather in Oslo?")
            print(reply.text)
        # --8<-- [end:back]


anyio.run(main)
