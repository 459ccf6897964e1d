"""The libraries that are measured, each behind the same few methods.

A client's module imports its library and the standard library only: it runs in that library's own environment.
"""

import importlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, cast

MODEL: Final = "amazon.nova-lite-v1:0"
REGION: Final = "us-east-1"
OPENAI_MODEL: Final = "gpt-4.1-mini"
ANTHROPIC_MODEL: Final = "claude-sonnet-4-5"
KEYS: Final = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "not-a-secret"}

Seen = Callable[[str], None]
"""Called with each text as it arrives."""


class Client(Protocol):
    """A library, ready to ask the server at an address."""

    def __init__(self, url: str) -> None:
        """Take the server's address; open nothing."""
        ...

    async def __aenter__(self) -> Self:
        """Open what lives as long as a service would keep it."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...

    async def count(self, prompt: str) -> int:
        """Read a stream and count what it is made of."""
        ...

    async def watch(self, prompt: str, seen: Seen) -> None:
        """Read a stream and tell each text."""
        ...


class CompleteClient(Client, Protocol):
    """A client that also asks for answers at once."""

    async def ask(self, prompt: str) -> str:
        """Return the text of a whole answer."""
        ...

    async def show(self, prompt: str, image: bytes) -> str:
        """Ask about an image."""
        ...

    def decode(self, chunks: Sequence[bytes]) -> int:
        """Decode the bytes of a stream in memory and count what it is made of."""
        ...


# Name → module:class, and the event loop it runs on.
CLIENTS: Final[dict[str, tuple[str, str]]] = {
    "floor": ("floor:FloorClient", "asyncio"),
    "aiobotocore": ("aiobotocore_client:RawClient", "asyncio"),
    "aiobotocore, default pool": ("aiobotocore_client:DefaultPoolClient", "asyncio"),
    "events": ("chatport_client:EventsClient", "asyncio"),
    "text": ("chatport_client:TextClient", "asyncio"),
    "httpx2 on asyncio": ("chatport_client:HttpxClient", "asyncio"),
    "trio": ("chatport_client:EventsClient", "trio"),
    "any-llm": ("peer_any_llm:PeerClient", "asyncio"),
    "langchain-aws": ("peer_langchain:PeerClient", "asyncio"),
    "litellm": ("peer_litellm:PeerClient", "asyncio"),
    "llama-index": ("peer_llama_index:PeerClient", "asyncio"),
    "pydantic-ai": ("peer_pydantic_ai:PeerClient", "asyncio"),
    "strands-agents": ("peer_strands:PeerClient", "asyncio"),
    "openai floor": ("vendor_floor:OpenAIFloorClient", "asyncio"),
    "openai SDK": ("vendor_openai:VendorClient", "asyncio"),
    "openai events": ("chatport_http_client:OpenAIEventsClient", "asyncio"),
    "openai text": ("chatport_http_client:OpenAITextClient", "asyncio"),
    "openai trio": ("chatport_http_client:OpenAIEventsClient", "trio"),
    "anthropic floor": ("vendor_floor:AnthropicFloorClient", "asyncio"),
    "anthropic SDK": ("vendor_anthropic:VendorClient", "asyncio"),
    "anthropic events": ("chatport_http_client:AnthropicEventsClient", "asyncio"),
    "anthropic text": ("chatport_http_client:AnthropicTextClient", "asyncio"),
    "anthropic trio": ("chatport_http_client:AnthropicEventsClient", "trio"),
}


def load_client(name: str) -> Callable[[str], Client]:
    """Return the class of a client; this imports its library."""
    module, _, kind = CLIENTS[name][0].partition(":")
    return cast("Callable[[str], Client]", getattr(importlib.import_module(f"benchmarks.clients.{module}"), kind))
