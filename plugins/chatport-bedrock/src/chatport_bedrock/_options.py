"""The options of the Bedrock backend, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from chatport.backend import ConfigurationError

StreamingMode = Literal["auto", "always", "never"]
"""Which operation answers: by what the caller reads, always ConverseStream, or always Converse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """How to reach Amazon Bedrock, and as whom.

    Attributes:
        region: The AWS region. Without it: the one in the model's ARN, `AWS_REGION`, `AWS_DEFAULT_REGION`, the
            profile's.
        profile: A profile of the AWS configuration files; it beats what the environment says.
        access_key_id: An access key; it beats every profile and everything in the environment.
        secret_access_key: Its secret.
        session_token: Its session token, for temporary keys.
        api_key: A Bedrock API key, sent as a bearer token; it beats everything in the environment.
        session: A session of aiobotocore whose configuration and credentials are to be used.
        endpoint_url: Where to send, in place of the region's endpoint.
        max_connections: How many connections may be open at once to one endpoint, per event loop.
        streaming: `"auto"`, `"always"` or `"never"`; see `StreamingMode`.
        use_fips: Whether to use the region's FIPS endpoint; None leaves it to the AWS configuration.
        verify: Whether to check TLS certificates, or the path of a CA bundle; None leaves it to the AWS configuration.
        proxies: Proxy addresses by scheme; None leaves it to `HTTPS_PROXY` and `NO_PROXY`.
    """

    region: str | None = None
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    session: Any = None
    endpoint_url: str | None = None
    max_connections: int = 1000
    streaming: StreamingMode = "auto"
    use_fips: bool | None = None
    verify: bool | str | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)


def check_options(given: Mapping[str, Any]) -> ConnectionOptions:
    """Return the options as a value.

    Raises:
        ConfigurationError: One is unknown, or two do not go together.
    """
    known = [item.name for item in fields(ConnectionOptions)]
    unknown = [name for name in given if name not in known]
    if unknown:
        message = f"the bedrock backend has no option {unknown[0]!r}; there are {', '.join(known)}"
        raise ConfigurationError(message)
    options = ConnectionOptions(**given)
    _check_values(options)
    _check_identity(options)
    return options


def _check_values(options: ConnectionOptions) -> None:
    if options.streaming not in get_args(StreamingMode):
        message = f"streaming must be one of {', '.join(get_args(StreamingMode))}, not {options.streaming!r}"
        raise ConfigurationError(message)
    if not isinstance(options.max_connections, int) or options.max_connections < 1:
        message = f"max_connections must be a number of at least 1, not {options.max_connections!r}"
        raise ConfigurationError(message)
    if options.endpoint_url is not None and not options.endpoint_url.startswith(("http://", "https://")):
        message = f"endpoint_url must begin with https:// or http://, not {options.endpoint_url!r}"
        raise ConfigurationError(message)


def _check_identity(options: ConnectionOptions) -> None:
    if (options.access_key_id is None) != (options.secret_access_key is None):
        message = "access_key_id and secret_access_key go together; one of them is missing"
        raise ConfigurationError(message)
    if options.session_token is not None and options.access_key_id is None:
        message = "session_token goes with access_key_id and secret_access_key, which are missing"
        raise ConfigurationError(message)
    ways = {
        "api_key": options.api_key is not None,
        "access_key_id": options.access_key_id is not None,
        "profile": options.profile is not None,
        "session": options.session is not None,
    }
    chosen = [name for name, given in ways.items() if given]
    # A profile may still give region and endpoint where a key says who asks; a session brings its own profile.
    if ways["api_key"] and ways["access_key_id"] or ways["session"] and ways["profile"]:
        message = f"{' and '.join(chosen)} contradict each other; give one of them"
        raise ConfigurationError(message)
    if options.api_key is not None and not options.api_key.strip():
        message = "api_key is blank"
        raise ConfigurationError(message)
