"""The pluggy plugin behind the entry point `openai`: light, so that finding it loads no HTTP library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatport.backend import hookimpl

if TYPE_CHECKING:
    from chatport.backend import Backend


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make an `OpenAIBackend` from its options."""
    from chatport_openai.backend import OpenAIBackend  # noqa: PLC0415 - loads the wire, so only when asked for

    return OpenAIBackend(**options)
