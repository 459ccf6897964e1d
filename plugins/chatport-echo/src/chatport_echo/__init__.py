"""A backend that says back what it hears: the smallest plugin, and a stand-in where no service is wanted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import fields
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
            UnsupportedError: The request is strict, and asks for something other than these words.
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
    last = len(request.messages) - 1
    parts = {
        f"messages[{last}].parts[{position}]": "an echo has only words"
        for position, part in enumerate(request.messages[last].parts)
        if not isinstance(part, Text)
    }
    members = {
        "system": (request.system, "an echo says what it hears, and nothing else"),
        "tools": (request.tools, "an echo calls nobody but you"),
        "output_schema": (request.output_schema, "an echo says what it hears, whether it fits a schema or not"),
        **{
            f"settings.{field.name}": (getattr(request.settings, field.name), "an echo has no settings")
            for field in fields(request.settings)
            if field.name != "extra"
        },
    }
    # "auto" is a wish and "off" what happens anyway.
    asked = {path: why for path, (value, why) in members.items() if value not in (None, (), "auto", "off")}
    return tuple(Adjustment("dropped", "echo-dropped", path, why) for path, why in (parts | asked).items())


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make an `EchoBackend`, which has no options."""
    if options:
        message = f"the echo backend has no options, so not {', '.join(map(repr, options))}"
        raise ConfigurationError(message)
    return EchoBackend()
