"""Keys that a program's own function gives: asked for, looked at, and when to ask again."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from chatport.backend import AuthenticationError, ConfigurationError
from chatport_bedrock._aws_credentials import AwsCredentials
from chatport_bedrock._failures import callable_failure
from chatport_bedrock._signature import Keys

if TYPE_CHECKING:
    from chatport_bedrock._aws_credentials import CredentialsCallable

__all__ = ["SuppliedKeys", "ask_program"]

# How long before their end keys are asked for anew, and are not used any more. As botocore does; but keys that live for
# less than half an hour would be asked for at each request then, so of these it is a part of their life.
_DUE: Final = timedelta(minutes=15)
_LAST_CHANCE: Final = timedelta(minutes=10)
_SHORT_LIFE: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class SuppliedKeys:
    """Keys that a function gave.

    Attributes:
        keys: The keys.
        due: From when on to ask for new ones; None: never.
        overdue: From when on they are too old to be used; None: never.
        method: The place that they come from.
    """

    keys: Keys
    due: datetime | None
    overdue: datetime | None
    method: str = "the option credentials"

    def is_due(self) -> bool:
        """Whether it is time to refresh."""
        return self.due is not None and datetime.now(UTC) >= self.due

    def is_overdue(self) -> bool:
        """Whether the keys are too old to be used."""
        return self.overdue is not None and datetime.now(UTC) >= self.overdue


async def ask_program(function: CredentialsCallable) -> SuppliedKeys:
    """Return what a program's function gives.

    Raises:
        AuthenticationError: It failed, or gave keys that have ended.
        ConfigurationError: It is no async function, or gave something else.
    """
    try:
        waiting: object = function()
        given: object = await waiting if inspect.isawaitable(waiting) else None
    except Exception as error:
        raise callable_failure(error) from error
    if not inspect.isawaitable(waiting):
        kind = type(waiting).__name__
        raise ConfigurationError(f"credentials must be an async function; this one returned a {kind} without waiting")
    if not isinstance(given, AwsCredentials):
        kind = type(given).__name__
        raise ConfigurationError(f"the callable given as `credentials` returned a {kind}, not AwsCredentials")
    return _supplied(given, datetime.now(UTC))


def _supplied(given: AwsCredentials, now: datetime) -> SuppliedKeys:
    keys = Keys(given.access_key_id, given.secret_access_key, given.session_token)
    ends = given.expires_at
    if ends is None:
        return SuppliedKeys(keys, None, None)
    life = ends - now
    if life <= timedelta(0):
        message = f"the callable given as `credentials` returned keys that ended at {ends.isoformat()}"
        raise AuthenticationError(message, backend="bedrock", phase="connect")
    part = min(1.0, life / _SHORT_LIFE)
    return SuppliedKeys(keys, ends - part * _DUE, ends - part * _LAST_CHANCE)
