"""The pluggy plugin behind the entry point `anthropic`: light, so that finding it loads nothing that speaks HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatport.backend import hookimpl

if TYPE_CHECKING:
    from chatport.backend import Backend


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make an `AnthropicBackend` from its options."""
    from chatport_anthropic.backend import AnthropicBackend  # noqa: PLC0415 - loads what it needs when asked for

    return AnthropicBackend(**options)
