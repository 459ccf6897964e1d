"""chatport with the backends that speak HTTP, and their defaults."""

import chatport
from benchmarks.clients import ANTHROPIC_MODEL, OPENAI_MODEL
from benchmarks.clients.chatport_client import EventsClient, TextClient


class OpenAIEventsClient(EventsClient):
    """Typed events of Chat Completions."""

    model = OPENAI_MODEL

    def __init__(self, url: str) -> None:
        """Prepare the backend."""
        self._opening = chatport.open_backend("openai", base_url=f"{url}/v1", api_key="not-a-secret")


class OpenAITextClient(OpenAIEventsClient, TextClient):
    """The same, read as text."""


class AnthropicEventsClient(EventsClient):
    """Typed events of the Messages API."""

    model = ANTHROPIC_MODEL

    def __init__(self, url: str) -> None:
        """Prepare the backend."""
        self._opening = chatport.open_backend("anthropic", base_url=url, api_key="not-a-secret")


class AnthropicTextClient(AnthropicEventsClient, TextClient):
    """The same, read as text."""
