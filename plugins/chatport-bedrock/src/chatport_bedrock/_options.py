"""The options of the Bedrock backend, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from chatport.backend import ConfigurationError, Timeouts
from chatport_bedrock._aws_credentials import PRINTABLE, CredentialsCallable

StreamingMode = Literal["auto", "always", "never"]
"""Which operation answers: by what the caller reads, always ConverseStream, or always Converse."""

_STRINGS: Final = (
    *("region", "profile", "access_key_id", "secret_access_key", "session_token", "api_key", "endpoint_url"),
)
_SECRETS: Final = ("access_key_id", "secret_access_key", "session_token", "api_key")


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
        credentials: An async function that returns `AwsCredentials`; it beats everything in the environment. It is
            called when keys are needed first, before they end, and after the service has refused them, one call at a
            time for all who wait.
        session: A session of aiobotocore whose configuration and credentials are to be used.
        endpoint_url: Where to send, in place of the region's endpoint.
        max_connections: How many connections may be open at once to one endpoint, per event loop. Who comes when all
            are in use waits, for as long as `Timeouts.acquire` allows.
        timeouts: How long to wait; what a session or a turn says is laid over it.
        streaming: `"auto"`, `"always"` or `"never"`; see `StreamingMode`.
        check_limits: Whether media that are more or larger than the service documents are refused before they are
            sent; False leaves that to the service, which may have raised a limit since.
        use_fips: Whether to use the region's FIPS endpoint; None leaves it to the AWS configuration.
        resolve_profiles: Whether to ask the service, once for each, which model is behind an application inference
            profile, so that requests are made for what this model can. It takes the permission
            `bedrock:GetInferenceProfile`. Without it nothing is known of such a model, and everything is sent.
        verify: Whether to check TLS certificates, or the path of a CA bundle; None leaves it to the AWS configuration.
        proxies: Proxy addresses by scheme; None leaves it to `HTTPS_PROXY` and `NO_PROXY`.
    """

    region: str | None = None
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    credentials: CredentialsCallable | None = field(default=None, repr=False)
    session: Any = None
    endpoint_url: str | None = None
    max_connections: int = 1000
    timeouts: Timeouts = field(default_factory=Timeouts)
    streaming: StreamingMode = "auto"
    check_limits: bool = True
    use_fips: bool | None = None
    resolve_profiles: bool = False
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
    # What is pasted often brings a blank or a line break along, and none of these can have one.
    values: dict[str, Any] = dict(given)
    values.update((name, given[name].strip()) for name in _STRINGS if isinstance(given.get(name), str))
    options = ConnectionOptions(**values)
    _check_values(options)
    _check_identity(options)
    return options


def check_endpoint_url(url: str, name: str) -> str:
    """Return an endpoint's address, without a slash at its end, and with its scheme in lower case.

    Args:
        url: The address.
        name: Who said it, for the error.

    Raises:
        ConfigurationError: It is no address that requests can be sent to.
    """
    message = f"{name} must be an address such as https://host:port/path"
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # a port or an IPv6 address that is none
        raise ConfigurationError(f"{message}: {error}") from None
    if not is_usable or not PRINTABLE.fullmatch(url) or parts.query or parts.fragment:
        raise ConfigurationError(message)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{message}, without a user or a password in it")
    return lower_scheme(url).rstrip("/")


def lower_scheme(address: str) -> str:
    """Return an address with its scheme in lower case: case makes no difference there, and what is compared has one."""
    scheme, colon, rest = address.partition(":")
    return f"{scheme.lower()}{colon}{rest}" if scheme.lower() in {"http", "https"} else address


def _check_values(options: ConnectionOptions) -> None:
    _check_texts(options)
    if options.streaming not in get_args(StreamingMode):
        message = f"streaming must be one of {', '.join(get_args(StreamingMode))}, not {options.streaming!r}"
        raise ConfigurationError(message)
    for name in ("check_limits", "resolve_profiles", "use_fips"):
        value = getattr(options, name)
        is_left_open = name == "use_fips" and value is None
        if type(value) is not bool and not is_left_open:
            raise ConfigurationError(f"{name} must be True or False, not {value!r}")
    count = options.max_connections
    if type(count) is not int or count < 1:
        message = f"max_connections must be a number of at least 1, not {count!r}"
        raise ConfigurationError(message)
    if not isinstance(options.timeouts, Timeouts):
        message = f"timeouts must be a Timeouts, not a {type(options.timeouts).__name__}"
        raise ConfigurationError(message)
    if options.credentials is not None and not callable(options.credentials):
        kind = type(options.credentials).__name__
        message = f"credentials must be an async function that returns AwsCredentials, not a {kind}"
        raise ConfigurationError(message)
    if not isinstance(options.verify, bool | str | None):
        message = f"verify must be True, False or the path of a CA bundle, not a {type(options.verify).__name__}"
        raise ConfigurationError(message)
    if options.proxies is not None:
        _check_proxies(options.proxies)


def _check_texts(options: ConnectionOptions) -> None:
    for name in _STRINGS:
        value = getattr(options, name)
        if value is not None and not (isinstance(value, str) and value):
            what = "blank" if isinstance(value, str) else f"a {type(value).__name__}, not a str"
            raise ConfigurationError(f"{name} is {what}")
    for name in _SECRETS:
        value = getattr(options, name)
        if value is not None and not PRINTABLE.fullmatch(value):
            raise ConfigurationError(f"{name} holds characters that none has")
    if options.endpoint_url is not None:
        check_endpoint_url(options.endpoint_url, "endpoint_url")


def _check_proxies(proxies: object) -> None:
    if not isinstance(proxies, Mapping):
        raise ConfigurationError(f"proxies must be addresses by scheme, not a {type(proxies).__name__}")
    for scheme, address in proxies.items():
        # Proxies come with passwords: no message shows the address.
        message = f"the proxy for {scheme!r} must be an address such as http://host:port, for 'http' or 'https'"
        if scheme not in {"http", "https"} or not isinstance(address, str):
            raise ConfigurationError(message)
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_usable = False
        if not is_usable:
            raise ConfigurationError(message)


def _check_identity(options: ConnectionOptions) -> None:
    if (options.access_key_id is None) != (options.secret_access_key is None):
        message = "access_key_id and secret_access_key go together; one of them is missing"
        raise ConfigurationError(message)
    if options.session_token is not None and options.access_key_id is None:
        message = "session_token goes with access_key_id and secret_access_key, which are missing"
        raise ConfigurationError(message)
    keys = ("api_key", "access_key_id", "credentials")
    # A profile or a session may still give region and endpoint where a key says who asks; a session brings its own
    # profile.
    for names in (keys, ("session", "profile")):
        given = [name for name in names if getattr(options, name) is not None]
        if len(given) > 1:
            message = f"{' and '.join(given)} contradict each other; give one of them"
            raise ConfigurationError(message)
