"""What the clients of other libraries have in common."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from benchmarks.clients import KEYS, REGION, Seen


class Peer(ABC):
    """A library that opens and closes what it needs by itself."""

    async def __aenter__(self) -> Self:
        """Open nothing."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close nothing."""
        return

    async def count(self, prompt: str) -> int:
        """Count the texts."""
        count = 0

        def seen(_: str) -> None:
            nonlocal count
            count += 1

        await self.watch(prompt, seen)
        return count

    @abstractmethod
    async def watch(self, prompt: str, seen: Seen) -> None:
        """Read a stream and tell each text."""


def boto3_client(url: str) -> Any:
    """The official client, for libraries that take one: one attempt, and a pool that is large."""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=1000, read_timeout=600, retries={"total_max_attempts": 1})
    return boto3.client("bedrock-runtime", region_name=REGION, endpoint_url=url, config=config, **KEYS)
