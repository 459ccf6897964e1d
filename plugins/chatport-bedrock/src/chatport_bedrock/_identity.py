"""Who asks, and where: credentials, region and endpoint, from the options and AWS's own configuration.

botocore ignores `AWS_REGION` and lets a bearer token in the environment beat explicit keys (seen in botocore
1.43.117), so the order is decided here; finding and refreshing what the AWS configuration names is left to aiobotocore.
Everything that reads files runs in a worker thread.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import ProfileNotFound
from botocore.utils import get_environ_proxies

from chatport.backend import AuthenticationError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import ReadOnlyCredentials

    from chatport_bedrock._options import ConnectionOptions

_SERVICE = "bedrock-runtime"
_BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ARN_REGION_FIELD = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to send.

    Attributes:
        url: The endpoint, without a slash at its end.
        region: The region that requests are signed for.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        proxies: Proxy addresses by scheme.
    """

    url: str
    region: str
    verify: bool | str
    proxies: Mapping[str, str]

    def __hash__(self) -> int:
        """Hash what tells one connection pool from another."""
        return hash((self.url, self.verify))


class Identity:
    """The AWS side of one backend. It may be used from several event loops and threads at once."""

    def __init__(self, options: ConnectionOptions) -> None:
        """Look at nothing yet.

        Raises:
            ConfigurationError: `session` is not a session of aiobotocore.
        """
        self._options = options
        self._lock = threading.RLock()
        self._session: AioSession | None = None
        self._endpoints: dict[str | None, Endpoint] = {}
        self._rules: EndpointProvider | None = None
        self._credentials: Any = None
        if options.session is not None and not isinstance(options.session, AioSession):
            kind = f"{type(options.session).__module__}.{type(options.session).__qualname__}"
            message = f"session must be a session of aiobotocore (aiobotocore.session.AioSession), not {kind}"
            raise ConfigurationError(message)

    async def endpoint(self, model: str) -> Endpoint:
        """Return where a model is asked.

        Raises:
            ConfigurationError: There is no region, or no such profile.
        """
        region = arn_region(model)
        found = self._endpoints.get(region)
        if found is None:
            found = await anyio.to_thread.run_sync(self._find_endpoint, region)
        return found

    async def bearer_token(self) -> str | None:
        """Return the API key to send, or None where requests are signed instead."""
        options = self._options
        if options.api_key is not None:
            return options.api_key.strip()
        if options.access_key_id is not None or options.profile is not None or options.session is not None:
            # What the caller says beats what happens to stand in the environment.
            return None
        return os.environ.get(_BEARER_VARIABLE, "").strip() or None

    async def credentials(self) -> ReadOnlyCredentials:
        """Return the keys to sign with, refreshed where that is due.

        Raises:
            AuthenticationError: No place that was looked at has any.
            ConfigurationError: There is no such profile.
        """
        options = self._options
        if self._credentials is None:
            if options.access_key_id is not None:
                found: Any = AioCredentials(options.access_key_id, options.secret_access_key, options.session_token)
            else:
                session = await anyio.to_thread.run_sync(self._aws_session)
                found = await session.get_credentials()
            if found is None:
                message = (
                    "no AWS credentials: looked at the options api_key and access_key_id, at "
                    f"{_BEARER_VARIABLE}, and at AWS's own chain (environment, profile, container and instance roles); "
                    "run `aws configure` or `aws sso login`, or set one of them"
                )
                raise AuthenticationError(message, backend="bedrock", phase="connect")
            self._credentials = found
        frozen: ReadOnlyCredentials = await self._credentials.get_frozen_credentials()
        return frozen

    def describe_profile(self) -> str | None:
        """Return the profile in use, for hints in errors."""
        return self._options.profile or os.environ.get("AWS_PROFILE")

    def _aws_session(self) -> AioSession:
        with self._lock:
            if self._session is None:
                self._session = self._options.session or AioSession(profile=self._options.profile)
            return self._session

    def _find_endpoint(self, model_region: str | None) -> Endpoint:
        with self._lock:
            found = self._endpoints.get(model_region)
            if found is None:
                try:
                    found = self._resolve_endpoint(model_region)
                except ProfileNotFound as error:
                    message = f"{error}; `aws configure list-profiles` shows those there are"
                    raise ConfigurationError(message) from error
                self._endpoints[model_region] = found
            return found

    def _resolve_endpoint(self, model_region: str | None) -> Endpoint:
        session, options = self._aws_session(), self._options
        region = self._region(session, model_region)
        url = options.endpoint_url or _configured_endpoint(session) or self._regional_endpoint(session, region)
        verify = options.verify
        if verify is None:
            verify = session.get_config_variable("ca_bundle") or True
        proxies = options.proxies if options.proxies is not None else get_environ_proxies(url)
        return Endpoint(url.rstrip("/"), region, verify, dict(proxies))

    def _region(self, session: AioSession, model_region: str | None) -> str:
        candidates = [self._options.region, model_region, *(os.environ.get(name) for name in _REGION_VARIABLES)]
        for region in candidates:
            if region:
                return region
        configured: str | None = session.get_config_variable("region")
        if configured:
            return configured
        profile = self.describe_profile() or "default"
        message = (
            "no AWS region: looked at the option region, the model id (no ARN with a region), "
            f"{', '.join(_REGION_VARIABLES)} and the profile {profile!r}"
        )
        raise ConfigurationError(message)

    def _regional_endpoint(self, session: AioSession, region: str) -> str:
        if self._rules is None:
            loader = session.get_component("data_loader")
            rules = loader.load_service_model(_SERVICE, "endpoint-rule-set-1")
            self._rules = EndpointProvider(rules, loader.load_data("partitions"))
        use_fips = self._options.use_fips
        if use_fips is None:
            use_fips = bool(session.get_config_variable("use_fips_endpoint"))
        dual_stack = bool(session.get_config_variable("use_dualstack_endpoint"))
        found = self._rules.resolve_endpoint(Region=region, UseFIPS=use_fips, UseDualStack=dual_stack)
        return str(found.url)


def arn_region(model: str) -> str | None:
    """Return the region in a model's ARN, or None where the id is none or leaves it open."""
    fields = model.split(":")
    if len(fields) <= _ARN_REGION_FIELD or fields[0] != "arn":
        return None
    return fields[_ARN_REGION_FIELD] or None


def _configured_endpoint(session: AioSession) -> str | None:
    """Return an endpoint from the environment or the profile, in AWS's own order of precedence."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    for name in _ENDPOINT_VARIABLES:
        if os.environ.get(name):
            return os.environ[name]
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services", ""), {})
    specific = services.get("bedrock_runtime", {})
    found = specific.get("endpoint_url") if isinstance(specific, dict) else None
    return found or profile.get("endpoint_url")
