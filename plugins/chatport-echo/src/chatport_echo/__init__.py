"""A backend that says back what it hears: the smallest plugin, and a stand-in where no service is wanted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

from chatport.backend import (
    Backend,
    BackendEvent,
    ChatRequest,
    ConfigurationError,
    MessageEnd,
    MessageStart,
    TextDelta,
    Usage,
    hookimpl,
)


class EchoBackend:
    """Answers each message with its own text, word by word."""

    name = "echo"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Yield the last message's text; a token is a word."""
        yield MessageStart(request.model)
        words = re.findall(r"\s*\S+", request.messages[-1].text)
        for word in words:
            yield TextDelta(0, word)
        spoken = sum(len(message.text.split()) for message in request.messages)
        yield MessageEnd("stop", usage=Usage(spoken, len(words), total_tokens=spoken + len(words)))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make an `EchoBackend`, which has no options."""
    if options:
        message = f"the echo backend has no options, so not {', '.join(map(repr, options))}"
        raise ConfigurationError(message)
    return EchoBackend()
