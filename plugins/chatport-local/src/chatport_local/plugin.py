"""The pluggy plugin behind the entry point `local`: light, so that finding it loads no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatport.backend import hookimpl

if TYPE_CHECKING:
    from chatport.backend import Backend


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make a `LocalBackend` from its options."""
    from chatport_local.backend import LocalBackend  # noqa: PLC0415 - only when it is asked for

    return LocalBackend(**options)
