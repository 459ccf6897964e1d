"""A backend that says back what it hears: the smallest plugin, and a stand-in where no service is wanted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

from chatport.backend import (
    Adjustment,
    Backend,
    BackendEvent,
    ChatRequest,
    ConfigurationError,
    MessageEnd,
    MessageStart,
    Text,
    TextDelta,
    Usage,
    hookimpl,
    refuse_losses,
)


class EchoBackend:
    """Answers each message with its own text, word by word."""

    name = "echo"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        """Yield the last message's text; a token is a word.

        Raises:
            UnsupportedError: The request is strict, and there is something other than text in that message.
        """
        dropped = _dropped(request)
        if request.strict:
            refuse_losses(dropped)
        yield MessageStart(request.model, adjustments=dropped)
        words = re.findall(r"\s*\S+|\s+$", request.messages[-1].text)
        for word in words:
            yield TextDelta(0, word)
        spoken = sum(len(message.text.split()) for message in request.messages)
        yield MessageEnd("stop", usage=Usage(spoken, len(words), total_tokens=spoken + len(words)))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


def _dropped(request: ChatRequest) -> tuple[Adjustment, ...]:
    place = f"messages[{len(request.messages) - 1}].parts"
    parts = (
        Adjustment("dropped", "part-dropped", f"{place}[{position}]", "an echo has only words")
        for position, part in enumerate(request.messages[-1].parts)
        if not isinstance(part, Text)
    )
    if request.output_schema is None:
        return tuple(parts)
    why = "an echo says what it hears, whether it fits a schema or not"
    return (*parts, Adjustment("dropped", "output-schema-dropped", "output_schema", why))


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make an `EchoBackend`, which has no options."""
    if options:
        message = f"the echo backend has no options, so not {', '.join(map(repr, options))}"
        raise ConfigurationError(message)
    return EchoBackend()
