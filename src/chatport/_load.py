"""How busy a backend is, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a backend is.

    Attributes:
        in_flight: The requests that hold a connection, over all endpoints and event loops.
        waiting: The requests that wait for one.
        max_connections: The most connections to one endpoint on one event loop; None where there is no such number.
    """

    in_flight: int
    waiting: int
    max_connections: int | None = None
