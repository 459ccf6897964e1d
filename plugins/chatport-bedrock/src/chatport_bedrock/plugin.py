"""The pluggy plugin behind the entry point `bedrock`: light, so that finding it loads nothing of AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatport.backend import hookimpl

if TYPE_CHECKING:
    from chatport.backend import Backend


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make a `BedrockBackend` from its options."""
    from chatport_bedrock.backend import BedrockBackend  # noqa: PLC0415 - loads aiobotocore, so only when asked for

    return BedrockBackend(**options)
