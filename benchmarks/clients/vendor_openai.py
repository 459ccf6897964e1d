"""OpenAI's own SDK, on the HTTP client that it takes by itself."""

from types import TracebackType
from typing import Self

from openai import AsyncOpenAI

from benchmarks.clients import OPENAI_MODEL, Seen


class VendorClient:
    """Chunks of Chat Completions, as the SDK types them."""

    def __init__(self, url: str) -> None:
        """Prepare the client: one attempt, as nothing is to be repeated."""
        self._client = AsyncOpenAI(api_key="not-a-secret", base_url=f"{url}/v1", max_retries=0)

    async def __aenter__(self) -> Self:
        """Open nothing: the SDK does at its first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self._client.close()

    async def count(self, prompt: str) -> int:
        """Count the chunks."""
        count = 0
        async with await self._client.chat.completions.create(
            model=OPENAI_MODEL,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            async for _ in stream:
                count += 1
        return count

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async with await self._client.chat.completions.create(
            model=OPENAI_MODEL,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            async for found in stream:
                for choice in found.choices:
                    if choice.delta.content:
                        seen(choice.delta.content)
