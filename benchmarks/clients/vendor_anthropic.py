"""Anthropic's own SDK, on the HTTP client that it takes by itself."""

from types import TracebackType
from typing import Self

from anthropic import AsyncAnthropic

from benchmarks.clients import ANTHROPIC_MODEL, Seen

_MAX_TOKENS = 1000


class VendorClient:
    """Events of the Messages API, as the SDK types them: the lean way, without its helper that adds them up."""

    def __init__(self, url: str) -> None:
        """Prepare the client: one attempt, as nothing is to be repeated."""
        self._client = AsyncAnthropic(api_key="not-a-secret", base_url=url, max_retries=0)

    async def __aenter__(self) -> Self:
        """Open nothing: the SDK does at its first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self._client.close()

    async def count(self, prompt: str) -> int:
        """Count the events."""
        count = 0
        async with await self._client.messages.create(
            model=ANTHROPIC_MODEL,
            max_tokens=_MAX_TOKENS,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
        ) as stream:
            async for _ in stream:
                count += 1
        return count

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Tell the text of each delta."""
        async with await self._client.messages.create(
            model=ANTHROPIC_MODEL,
            max_tokens=_MAX_TOKENS,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
        ) as stream:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    seen(event.delta.text)
