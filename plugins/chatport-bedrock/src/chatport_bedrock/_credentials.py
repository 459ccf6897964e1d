"""Who asks: the keys of one backend, looked up once, refreshed when due, one look-up at a time.

What the AWS configuration names (environment, files, SSO, roles, containers, instances) is found by botocore's own
chain, in a worker thread. Not by aiobotocore's version of it, on purpose: that one reads files and service models on
the event loop, and its locks belong to the loop that they were first used on, while a backend may serve several. A
session of aiobotocore that the caller made is asked on the caller's loop.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar
from botocore.credentials import RefreshableCredentials

from chatport.backend import AuthenticationError
from chatport_bedrock._failures import credential_failure
from chatport_bedrock._signature import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport_bedrock._options import ConnectionOptions

BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
# From then on keys that expire are not used any more (seconds; the same as botocore's). It tries to refresh them from
# fifteen minutes before, and meanwhile the old ones will do.
_LAST_CHANCE_SECONDS = 10 * 60


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look-up gave.

    Attributes:
        source: botocore's or aiobotocore's credentials, which know how to refresh themselves.
        keys: What they were at the time.
    """

    source: Any
    keys: Keys

    def is_due(self) -> bool:
        """Whether it is time to refresh."""
        return isinstance(self.source, RefreshableCredentials) and bool(self.source.refresh_needed())

    def is_overdue(self) -> bool:
        """Whether the keys are too old to be used."""
        source = self.source
        return isinstance(source, RefreshableCredentials) and bool(source.refresh_needed(_LAST_CHANCE_SECONDS))


class CredentialSource:
    """The keys of one backend. It may be used from several event loops and threads at once."""

    def __init__(self, options: ConnectionOptions, session: Callable[[], Any], lock: threading.RLock) -> None:
        """Look at nothing yet.

        Args:
            options: What the caller said.
            session: Makes botocore's session; it reads files.
            lock: Held while that session is used; botocore's are not safe to share between threads.
        """
        self._options = options
        self._session = session
        self._lock = lock
        self._turn: RunVar[anyio.Lock] = RunVar("chatport_bedrock.credentials")
        self._found: _Found | None = None

    async def keys(self) -> Keys:
        """Return the keys to sign with, refreshed where that is due.

        Raises:
            AuthenticationError: No place that was looked at has any, or they cannot be refreshed.
            ConfigurationError: The AWS configuration cannot be used.
            TransportError: The service that gives the keys cannot be reached.
        """
        options = self._options
        if options.access_key_id is not None and options.secret_access_key is not None:
            return Keys(options.access_key_id, options.secret_access_key, options.session_token)
        found = self._found
        if found is not None and not found.is_due():
            return found.keys
        turn = self._loop_turn()
        if found is not None and turn.locked() and not found.is_overdue():
            return found.keys  # somebody is refreshing them already
        async with turn:
            return (await self._look_up()).keys

    async def method(self) -> str:
        """Return the place where the keys were found, as botocore names it, such as `"env"` or `"sso"`.

        Raises:
            AuthenticationError: As `keys`.
            ConfigurationError: As `keys`.
            TransportError: As `keys`.
        """
        await self.keys()
        found = self._found
        method = found.source.method if found is not None else None
        return str(method or "a place without a name")

    def forget(self, keys: Keys) -> None:
        """Look again the next time, because the service says that these keys have expired."""
        found = self._found
        if found is not None and found.keys == keys and self._options.session is None:
            self._found = None

    def _loop_turn(self) -> anyio.Lock:
        try:
            return self._turn.get()
        except LookupError:
            turn = anyio.Lock()
            self._turn.set(turn)
            return turn

    async def _look_up(self) -> _Found:
        try:
            if self._options.session is not None:
                return await self._ask_callers_session()
            # A metadata service may take seconds to say nothing; a cancelled task does not wait for it. What the
            # thread finds is kept for the next one.
            return await anyio.to_thread.run_sync(self._ask_own_session, abandon_on_cancel=True)
        except AuthenticationError:
            raise
        except Exception as error:
            raise credential_failure(error, profile=self._options.profile) from error

    def _ask_own_session(self) -> _Found:
        with self._lock:
            found = self._found
            if found is None or found.is_due():
                source = found.source if found is not None else self._session().get_credentials()
                if source is None:
                    raise _missing()
                found = self._found = _Found(source, _keys(source.get_frozen_credentials()))
            return found

    async def _ask_callers_session(self) -> _Found:
        found = self._found
        if found is None or found.is_due():
            source = await self._options.session.get_credentials()
            if source is None:
                raise _missing()
            found = self._found = _Found(source, _keys(await source.get_frozen_credentials()))
        return found


def _keys(frozen: Any) -> Keys:
    sent = (frozen.access_key, frozen.token or "")
    if not all(each.isascii() and (each.isprintable() or not each) and " " not in each for each in sent):
        message = "the AWS credentials that were found hold characters that none has: a line break, a blank or a letter"
        raise AuthenticationError(message, backend="bedrock", phase="connect")
    return Keys(frozen.access_key, frozen.secret_key, frozen.token or None)


def _missing() -> AuthenticationError:
    message = (
        f"no AWS credentials: looked at the options api_key and access_key_id, at {BEARER_VARIABLE}, and at AWS's own "
        "chain (environment, profile, container and instance roles); run `aws configure` or `aws sso login`, or set "
        "one of them"
    )
    return AuthenticationError(message, backend="bedrock", phase="connect")
