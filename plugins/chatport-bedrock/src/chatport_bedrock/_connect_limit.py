"""How long a new connection may take, where the library has no argument for it."""

from contextvars import ContextVar
from typing import Final

__all__ = ["CONNECT_SECONDS"]

CONNECT_SECONDS: Final[ContextVar[float | None]] = ContextVar("chatport_bedrock.connect_seconds", default=None)
"""How long the request that is being sent waits for a new connection. The sessions of aiobotocore have it once for all
requests, and no argument to say it for one."""
