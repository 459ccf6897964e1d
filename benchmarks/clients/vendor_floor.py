"""The floor of the vendors' wires: a socket and the standard library's JSON. No limits, no types, no errors."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from benchmarks.clients import ANTHROPIC_MODEL, OPENAI_MODEL, Seen
from benchmarks.clients.floor import FloorClient, move_chunks

_DONE = b"[DONE]"


class AnthropicFloorClient(FloorClient):
    """The least that can be done to read an answer of the Messages API."""

    path = "/v1/messages"
    model = ANTHROPIC_MODEL

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async with aclosing(self._events(prompt)) as events:
            async for event in events:
                if event["type"] == "content_block_delta":
                    seen(event["delta"]["text"])

    async def _events(self, prompt: str) -> AsyncGenerator[Any, None]:
        question = {"model": self.model, "stream": True, "messages": [{"role": "user", "content": prompt}]}
        connection = await self._send(self.path, question)
        reader = connection[0]
        await reader.readuntil(b"\r\n\r\n")
        raw, body = bytearray(), bytearray()
        is_complete = False
        while not is_complete:
            raw += await reader.read(1 << 18)
            is_complete = move_chunks(raw, body)
            *blocks, rest = bytes(body).split(b"\n\n")
            body = bytearray(rest)
            for block in blocks:
                data = block.partition(b"data: ")[2]
                if data != _DONE:
                    yield json.loads(data)
        self._idle.append(connection)


class OpenAIFloorClient(AnthropicFloorClient):
    """The same of Chat Completions."""

    path = "/v1/chat/completions"
    model = OPENAI_MODEL

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async with aclosing(self._events(prompt)) as events:
            async for event in events:
                if event["choices"] and (text := event["choices"][0]["delta"].get("content")):
                    seen(text)
