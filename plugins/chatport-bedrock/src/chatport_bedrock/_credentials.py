"""Who asks: the keys of one backend, looked up once, refreshed when due, one look-up at a time.

What the AWS configuration names (environment, files, SSO, roles, containers, instances) is found by botocore's own
chain, in a worker thread. Not by aiobotocore's version of it, on purpose: that one reads files and service models on
the event loop, and its locks belong to the loop that they were first used on, while a backend may serve several. A
session of aiobotocore that the caller made is asked on the caller's loop.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread

from chatport.backend import AuthenticationError, ConfigurationError
from chatport_bedrock._failures import credential_failure
from chatport_bedrock._remedies import remedy
from chatport_bedrock._signature import Keys
from chatport_bedrock._single_flight import SingleFlight
from chatport_bedrock._supplied_keys import SuppliedKeys, ask_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatport_bedrock._aws_credentials import CredentialsCallable
    from chatport_bedrock._options import ConnectionOptions

BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
# From then on keys that expire are not used any more (seconds; the same as botocore's). It tries to refresh them from
# fifteen minutes before, and meanwhile the old ones will do.
_LAST_CHANCE_SECONDS = 10 * 60
_LOGGER: Final = logging.getLogger("chatport.bedrock")


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look-up gave.

    Attributes:
        source: botocore's or aiobotocore's credentials, which know how to refresh themselves.
        keys: What they were at the time.
    """

    source: Any
    keys: Keys

    @property
    def method(self) -> str:
        """The place that they were found at, as botocore names it."""
        return str(self.source.method or "a place without a name")

    def is_due(self) -> bool:
        """Whether it is time to refresh."""
        return _is_refreshable(self.source) and bool(self.source.refresh_needed())

    def is_overdue(self) -> bool:
        """Whether the keys are too old to be used."""
        return _is_refreshable(self.source) and bool(self.source.refresh_needed(_LAST_CHANCE_SECONDS))


class CredentialSource:
    """The keys of one backend. It may be used from several event loops and threads at once."""

    def __init__(
        self,
        options: ConnectionOptions,
        session: Callable[[], Any],
        lock: threading.RLock,
        profile: Callable[[], str | None],
    ) -> None:
        """Look at nothing yet.

        Args:
            options: What the caller said.
            session: Makes botocore's session; it reads files.
            lock: Held while that session is used; botocore's are not safe to share between threads.
            profile: Says which profile is in use, for hints; None: nobody named one.
        """
        self._options = options
        self._given: Keys | None = None
        if options.access_key_id is not None and options.secret_access_key is not None:
            self._given = Keys(options.access_key_id, options.secret_access_key, options.session_token)
        self._session = session
        self._lock = lock
        self._profile = profile
        self._flight: SingleFlight[_Found | SuppliedKeys] = SingleFlight("credentials")
        # What follows changes together, in a moment; the lock above may be held for seconds.
        self._state = threading.Lock()
        self._found: _Found | SuppliedKeys | None = None
        self._method: str | None = None
        self._is_doubtful = False
        self._doubted: Keys | None = None

    async def keys(self) -> Keys:
        """Return the keys to sign with, refreshed where that is due.

        Raises:
            AuthenticationError: No place that was looked at has any, or they cannot be refreshed.
            ConfigurationError: The AWS configuration cannot be used, or `credentials` gave something else.
            TransportError: The service that gives the keys cannot be reached.
        """
        if self._given is not None:
            return self._given
        found = self._found
        if found is not None and not found.is_due():
            return found.keys
        if found is not None and self._flight.is_under_way and not found.is_overdue():
            return found.keys  # somebody is refreshing them already
        return (await self._flight.do(self._look_up)).keys

    async def method(self) -> str:
        """Return the place where the keys were found, as botocore names it, such as `"env"` or `"sso"`.

        Raises:
            AuthenticationError: As `keys`.
            ConfigurationError: As `keys`.
            TransportError: As `keys`.
        """
        found = self._found
        if found is None or found.is_due():
            found = await self._flight.do(self._look_up)
        return found.method

    def remedy(self) -> str:
        """Return how to get fresh keys in place of those in use, in a sentence."""
        options = self._options
        if options.access_key_id is not None:
            return (
                "The keys are the options access_key_id and secret_access_key: give fresh ones, or the option "
                "credentials, which is asked again when they end."
            )
        if options.credentials is not None:
            return "The keys come from the function that was given as `credentials`, which is asked again."
        if options.session is not None:
            return "The keys come from the session that was given; make a new one, and a new backend."
        return "" if self._method is None else remedy(self._method, self._profile() or "default")

    def forget(self, keys: Keys) -> None:
        """Look again the next time, because the service refuses these keys."""
        with self._state:
            self._forget(keys)

    def refused(self, keys: Keys) -> bool:
        """Look again the next time, because the service says that these keys have ended or are none.

        Returns:
            Whether to try with what is found then. Not so where nothing else can be found, and where these keys were
            themselves found after a refusal and have never been good: then somebody has to do something.
        """
        with self._state:
            is_second = keys is self._doubted
            if self._forget(keys):
                self._is_doubtful = True
        return self._is_renewable and not is_second

    def accepted(self, keys: Keys) -> None:
        """Note that these keys are good."""
        if keys is self._doubted:
            with self._state:
                self._doubted, self._is_doubtful = None, False

    @property
    def _is_renewable(self) -> bool:
        options = self._options
        # A session keeps its own keys; a function beside it is asked for other ones.
        return options.access_key_id is None and (options.session is None or options.credentials is not None)

    def _forget(self, keys: Keys) -> bool:
        """Forget keys that are in use; whether they are: others may have been found since they were."""
        found = self._found
        is_used = found is None or found.keys is keys
        if is_used and self._is_renewable:
            self._found = None
        return is_used

    def _keep(self, found: _Found | SuppliedKeys) -> _Found | SuppliedKeys:
        with self._state:
            self._found, self._method = found, found.method
            if self._is_doubtful:
                self._doubted = found.keys
        return found

    async def _look_up(self) -> _Found | SuppliedKeys:
        try:
            if self._options.credentials is not None:
                return await self._ask_program(self._options.credentials)
            if self._options.session is not None:
                return await self._ask_callers_session()
            # A metadata service may take seconds to say nothing; a cancelled task does not wait for it. What the
            # thread finds is kept for the next one.
            return await anyio.to_thread.run_sync(self._ask_own_session, abandon_on_cancel=True)
        except (AuthenticationError, ConfigurationError):
            raise
        except Exception as error:
            raise credential_failure(error, profile=self._profile()) from error

    async def _ask_program(self, function: CredentialsCallable) -> _Found | SuppliedKeys:
        found = self._found
        if found is not None and not found.is_due():
            return found
        try:
            return self._keep(await ask_program(function))
        except AuthenticationError as error:
            if found is None or found.is_overdue():
                raise
            _LOGGER.warning("%s; the keys in use are good for some minutes more", error.message)
            return found

    def _ask_own_session(self) -> _Found | SuppliedKeys:
        with self._lock:
            found = self._found
            if found is None or found.is_due():
                source = found.source if isinstance(found, _Found) else self._session().get_credentials()
                if source is None:
                    raise _missing()
                found = self._keep(_Found(source, _keys(source.get_frozen_credentials())))
            return found

    async def _ask_callers_session(self) -> _Found | SuppliedKeys:
        found = self._found
        if found is None or found.is_due():
            source = await self._options.session.get_credentials()
            if source is None:
                raise _missing()
            found = self._keep(_Found(source, _keys(await source.get_frozen_credentials())))
        return found


def _is_refreshable(source: Any) -> bool:
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - who gives keys does without

    return isinstance(source, RefreshableCredentials)


def _keys(frozen: Any) -> Keys:
    sent = (frozen.access_key, frozen.token or "")
    if not all(each.isascii() and (each.isprintable() or not each) and " " not in each for each in sent):
        message = "the AWS credentials that were found hold characters that none has: a line break, a blank or a letter"
        raise AuthenticationError(message, backend="bedrock", phase="connect")
    return Keys(frozen.access_key, frozen.secret_key, frozen.token or None)


def _missing() -> AuthenticationError:
    message = (
        f"no AWS credentials: looked at the options api_key, access_key_id and credentials, at {BEARER_VARIABLE}, and "
        "at AWS's own chain (environment, profile, container and instance roles); run `aws configure` or "
        "`aws sso login`, or set one of them"
    )
    return AuthenticationError(message, backend="bedrock", phase="connect")
