"""The models behind application inference profiles, whose ARNs hide them."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from chatport_bedrock._calls import profile_call
from chatport_bedrock._model_list import read_profile_model
from chatport_bedrock._models import parse_model
from chatport_bedrock._single_flight import SingleFlight

if TYPE_CHECKING:
    from chatport_bedrock._wire import Wire

__all__ = ["MAX_REMEMBERED", "ProfileModels"]

MAX_REMEMBERED: Final = 256
"""How many profiles are remembered; the oldest are looked up again. A profile never changes its model."""


class ProfileModels:
    """Looks each profile up once. It may be used from several event loops and threads at once."""

    def __init__(self, wire: Wire) -> None:
        """Look at nothing yet."""
        self._wire = wire
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}
        self._flights: dict[str, SingleFlight[str]] = {}

    async def base_model(self, model_id: str) -> str | None:
        """Return the id of the model behind a profile; None where the id is no ARN of an application inference profile.

        Raises:
            ConfigurationError: No region, or a configuration that cannot be used.
            BackendError: The service does not say.
        """
        if parse_model(model_id).kind != "application-inference-profile":
            return None
        with self._lock:
            found = self._found.get(model_id)
            flight = self._flights.setdefault(model_id, SingleFlight("profile")) if found is None else None
        if flight is None:
            return found
        try:
            return await flight.do(partial(self._look_up, model_id))
        finally:
            with self._lock:
                if not flight.is_under_way:
                    self._flights.pop(model_id, None)

    async def _look_up(self, model_id: str) -> str:
        found = self._found.get(model_id)
        if found is None:
            async with await self._wire.send(profile_call(model_id)) as response:
                found = read_profile_model(await response.read_all(), model=model_id)
            with self._lock:
                self._found[model_id] = found
                if len(self._found) > MAX_REMEMBERED:
                    del self._found[next(iter(self._found))]
        return found
