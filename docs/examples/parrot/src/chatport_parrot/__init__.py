"""The chatport backend for the parrot, a service that speaks JSON lines."""

from typing import Any

from chatport.backend import Backend, hookimpl


@hookimpl
def chatport_backend(options: dict[str, Any]) -> Backend:
    """Make the backend; what it needs is imported when it is asked for."""
    from chatport_parrot.backend import ParrotBackend  # noqa: PLC0415 - as the docstring says

    return ParrotBackend(**options)
