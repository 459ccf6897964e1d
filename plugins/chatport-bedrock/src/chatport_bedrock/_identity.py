"""Who asks, and where: one backend's view of the options and AWS's own configuration.

botocore lets a bearer token in the environment beat explicit keys (seen in botocore 1.43.117), so the order is decided
here. Everything that reads files runs in a worker thread.
"""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar
from botocore.exceptions import BotoCoreError, ProfileNotFound

from chatport.backend import AuthenticationError, ConfigurationError
from chatport_bedrock._credentials import BEARER_VARIABLE, CredentialSource
from chatport_bedrock._endpoints import Endpoint, EndpointFinder, arn_region
from chatport_bedrock._error_codes import code_key
from chatport_bedrock._failures import configuration_failure

if TYPE_CHECKING:
    from chatport_bedrock._calls import Service
    from chatport_bedrock._options import ConnectionOptions
    from chatport_bedrock._signature import Keys

# The order is botocore's, which reads the older name first.
_PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
# Codes of the service for keys that have ended, or that it does not know (any more): other ones may be had.
_ENDED: Final = frozenset({"expiredtoken", "invalidclienttokenid", "unrecognizedclient"})
# What a header can carry.
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Identity:
    """The AWS side of one backend. It may be used from several event loops and threads at once."""

    def __init__(self, options: ConnectionOptions) -> None:
        """Look at nothing yet.

        Raises:
            ConfigurationError: `session` is not a session of aiobotocore.
        """
        _check_session(options.session)
        self._options = options
        # What the caller says beats what happens to stand in the environment.
        ways = (options.access_key_id, options.credentials, options.profile, options.session)
        self._is_named = any(way is not None for way in ways)
        self._lock = threading.RLock()
        self._turn: RunVar[anyio.Lock] = RunVar("chatport_bedrock.endpoints")
        self._session: Any = None
        self._endpoints: dict[tuple[Service, str | None], Endpoint] = {}
        self._finder = EndpointFinder(options, self._profile)
        self._credentials = CredentialSource(options, self._aws_session, self._lock, self._named_profile)

    async def endpoint(self, model: str | None, *, service: Service = "bedrock-runtime") -> Endpoint:
        """Return where a service is asked.

        Args:
            model: The model that is meant; its ARN may say the region. None: no model.
            service: Which of the two.

        Raises:
            ConfigurationError: There is no region, or the AWS configuration cannot be used.
        """
        region = None if model is None else arn_region(model)
        found = self._endpoints.get((service, region))
        if found is None:
            async with self._loop_turn():
                # Many first requests may wait here; one of them finds it for all.
                found = self._endpoints.get((service, region))
                if found is None:
                    # Files may be slow; a cancelled task does not wait. What the thread finds is kept for the next one.
                    found = await anyio.to_thread.run_sync(self._find_endpoint, service, region, abandon_on_cancel=True)
        return found

    def bearer_token(self) -> str | None:
        """Return the API key to send, or None where requests are signed instead.

        Raises:
            AuthenticationError: The one in the environment is none.
        """
        if self._options.api_key is not None:
            return self._options.api_key
        if self._is_named:
            return None
        token = os.environ.get(BEARER_VARIABLE, "").strip()
        if token and not _TOKEN.fullmatch(token):
            message = f"{BEARER_VARIABLE} holds characters that no API key has"
            raise AuthenticationError(message, backend="bedrock", phase="connect")
        return token or None

    async def keys(self) -> Keys:
        """Return the keys to sign with, refreshed where that is due.

        Raises:
            AuthenticationError: No place that was looked at has any, or they cannot be refreshed.
            ConfigurationError: The AWS configuration cannot be used.
            TransportError: The service that gives the keys cannot be reached.
        """
        return await self._credentials.keys()

    async def credential_source(self) -> str:
        """Return where the credentials come from, in words; never what they are.

        Raises:
            AuthenticationError: As `keys` and `bearer_token`.
            ConfigurationError: As `keys`.
            TransportError: As `keys`.
        """
        options = self._options
        if options.api_key is not None:
            return "an API key: the option api_key"
        if options.access_key_id is not None:
            return "keys: the options access_key_id and secret_access_key"
        if self.bearer_token() is not None:
            return f"an API key: the variable {BEARER_VARIABLE}"
        method = await self._credentials.method()
        if options.credentials is not None:
            return f"keys: {method}"
        if options.session is not None:
            return f"keys: the session of the caller ({method})"
        return f"keys: {method} (profile {self._profile()!r})"

    def remedy(self) -> str:
        """Return how to get fresh keys in place of those in use, in a sentence."""
        return self._credentials.remedy()

    def accepted(self, keys: Keys) -> None:
        """Note that the service takes these keys."""
        self._credentials.accepted(keys)

    def refused(self, keys: Keys, failure: AuthenticationError) -> None:
        """Read the AWS configuration again the next time, because the service refuses these keys.

        Where they have ended, the error says that the request may be sent again, which it is with whatever keys there
        are by then; but not a second time in a row.
        """
        if code_key(failure.code or "") not in _ENDED:
            self._credentials.forget(keys)
        elif self._credentials.refused(keys):
            failure.retryable, failure.retry_after = True, 0.0
        self._session = None

    def _loop_turn(self) -> anyio.Lock:
        try:
            return self._turn.get()
        except LookupError:
            turn = anyio.Lock()
            self._turn.set(turn)
            return turn

    def _aws_session(self) -> Any:
        """Return the session whose configuration counts; called in a worker thread, with the lock held."""
        if self._options.session is not None:
            return self._options.session
        session = self._session
        if session is None:
            session = self._session = _own_session(self._options)
        return session

    def _find_endpoint(self, service: Service, model_region: str | None) -> Endpoint:
        with self._lock:
            found = self._endpoints.get((service, model_region))
            if found is None:
                try:
                    found = self._finder.find(self._aws_session, service, model_region)
                except BotoCoreError as error:
                    raise configuration_failure(error) from error
                self._endpoints[service, model_region] = found
            return found

    def _profile(self) -> str:
        return self._named_profile() or "default"

    def _named_profile(self) -> str | None:
        candidates = [self._options.profile, *(os.environ.get(name) for name in _PROFILE_VARIABLES)]
        session = self._options.session
        if session is not None:
            candidates = [session.profile]
        return next(filter(None, candidates), None)


def _own_session(options: ConnectionOptions) -> Any:
    from botocore.session import Session  # noqa: PLC0415 - half of botocore; who says who asks, and where, needs none

    session = Session(profile=options.profile)
    has_key = any(key is not None for key in (options.api_key, options.access_key_id, options.credentials))
    if has_key and options.profile is None:
        try:
            session.get_scoped_config()
        except ProfileNotFound:
            # A profile that the environment names and nobody has: it would only say who asks, which the caller did.
            return Session(session_vars={"profile": (None, None, None, None)})
    return session


def _check_session(session: Any) -> None:
    if session is None:
        return
    from aiobotocore.session import AioSession  # noqa: PLC0415 - heavy, and only needed by those who give one

    if not isinstance(session, AioSession):
        kind = f"{type(session).__module__}.{type(session).__qualname__}"
        message = (
            f"session must be a session of aiobotocore (aiobotocore.session.get_session()), not {kind}; "
            "for a profile of the AWS configuration give profile=... instead"
        )
        raise ConfigurationError(message)
