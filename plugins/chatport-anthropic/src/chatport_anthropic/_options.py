"""The options of the backend, checked; and what the environment says where they do not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, TypeAlias, get_args

from chatport.backend import ConfigurationError
from chatport.backend.http import HttpOptions, check_base_url, check_header_value

__all__ = [
    "API_VERSION",
    "DEFAULT_BASE_URL",
    "AnthropicOptions",
    "Credential",
    "SecretSource",
    "StreamingMode",
    "base_url",
    "check_options",
    "credential",
]

StreamingMode = Literal["auto", "always", "never"]
"""How answers come: by what the caller reads, always as a stream, or always whole."""
SecretSource: TypeAlias = str | Callable[[], Awaitable[str]]
"""A key, or an async function that returns the one to use now; it is called for each request."""

DEFAULT_BASE_URL: Final = "https://api.anthropic.com"
API_VERSION: Final = "2023-06-01"
"""The version of the protocol that is spoken: that of all recorded traffic."""

_URL_VARIABLE: Final = "ANTHROPIC_BASE_URL"
_KEY_VARIABLE: Final = "ANTHROPIC_API_KEY"
_TOKEN_VARIABLE: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - the name of a variable
_SUFFIX: Final = "/v1"
_BETA_HEADER: Final = "anthropic-beta"
_CREDENTIAL_HEADERS: Final = frozenset({"api-key", "authorization", "x-api-key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicOptions:
    """Where to send, and as whom. What all HTTP backends take is in `http`.

    Attributes:
        base_url: Where the service is, without the `/v1` of its paths. Without it: `ANTHROPIC_BASE_URL`, then the
            service itself.
        api_key: A key of the API, sent as `x-api-key`, or an async function that returns it.
        auth_token: A bearer token, sent as `Authorization`, or an async function that returns it. Without both:
            `ANTHROPIC_API_KEY`, then `ANTHROPIC_AUTH_TOKEN`.
        version: The version of the protocol, sent as `anthropic-version`.
        betas: Names of features, sent as `anthropic-beta` with each request.
        streaming: `"auto"`, `"always"` or `"never"`; see `StreamingMode`.
        http: How HTTP is spoken.
    """

    base_url: str | None = None
    api_key: SecretSource | None = field(default=None, repr=False)
    auth_token: SecretSource | None = field(default=None, repr=False)
    version: str = API_VERSION
    betas: Sequence[str] = ()
    streaming: StreamingMode = "auto"
    http: HttpOptions = field(default_factory=HttpOptions)


@dataclass(frozen=True, slots=True)
class Credential:
    """Who asks: the header that says it, and where its value comes from.

    Attributes:
        header: The name of the header; empty where the option `headers` says it.
        secret: The key or the token, or the function that returns it.
        origin: Where it was found, for people.
    """

    header: str
    secret: SecretSource = field(repr=False)
    origin: str

    async def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that say who asks.

        Raises:
            ConfigurationError: The secret is none that a header can have.
        """
        if not self.header:
            return ()
        secret: object = self.secret if isinstance(self.secret, str) else await self.secret()
        # What is pasted, or read from a file, often brings a line break along.
        secret = secret.strip() if isinstance(secret, str) else secret
        value = check_header_value(secret, self.origin)
        if not value:
            raise ConfigurationError(f"{self.origin} is empty")
        return ((self.header, f"Bearer {value}" if self.header == "authorization" else value),)


def check_options(given: Mapping[str, Any]) -> AnthropicOptions:
    """Return the options as a value.

    Raises:
        ConfigurationError: One is unknown or unusable, or two do not go together.
    """
    http, rest = HttpOptions.split(given)
    known = [item.name for item in fields(AnthropicOptions) if item.name != "http"]
    unknown = [name for name in rest if name not in known]
    if unknown:
        names = ", ".join((*known, *(item.name for item in fields(HttpOptions))))
        raise ConfigurationError(f"the anthropic backend has no option {unknown[0]!r}; there are {names}")
    values = {name: value for name, value in rest.items() if value is not None}
    if "base_url" in values:
        values["base_url"] = _without_version(check_base_url(values["base_url"]))
    for name in ("api_key", "auth_token"):
        if name in values and not (callable(values[name]) or isinstance(values[name], str)):
            kind = type(values[name]).__name__
            raise ConfigurationError(f"{name} must be a str or an async function that returns one, not a {kind}")
    if "api_key" in values and "auth_token" in values:
        raise ConfigurationError("api_key and auth_token contradict each other; give one of them")
    check_header_value(values.get("version", API_VERSION), "version")
    betas = values.get("betas", ())
    if isinstance(betas, str) or not isinstance(betas, Sequence):
        raise ConfigurationError("betas must be a sequence of str")
    for beta in betas:
        check_header_value(beta, "betas")
    # In a header of the caller's, names would take the place of those that single requests need.
    named = [value for name, value in http.headers.items() if name.lower() == _BETA_HEADER]
    if named:
        http = replace(http, headers={name: v for name, v in http.headers.items() if name.lower() != _BETA_HEADER})
    values["betas"] = (*betas, *(beta.strip() for value in named for beta in value.split(",") if beta.strip()))
    if values.get("streaming", "auto") not in get_args(StreamingMode):
        modes = ", ".join(get_args(StreamingMode))
        raise ConfigurationError(f"streaming must be one of {modes}, not {values['streaming']!r}")
    return AnthropicOptions(**values, http=http)


def base_url(options: AnthropicOptions, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return where the service is, and who said it.

    Raises:
        ConfigurationError: The environment says an address that is none.
    """
    if options.base_url is not None:
        return options.base_url, "the option base_url"
    if said := environment.get(_URL_VARIABLE, "").strip():
        return _without_version(check_base_url(said, _URL_VARIABLE)), _URL_VARIABLE
    return DEFAULT_BASE_URL, "the service itself"


def credential(options: AnthropicOptions, environment: Mapping[str, str]) -> Credential:
    """Return who asks: options beat the environment.

    Raises:
        ConfigurationError: Nobody says it; the message names every place that was looked at.
    """
    if options.api_key is not None:
        return Credential("x-api-key", options.api_key, "the option api_key")
    if options.auth_token is not None:
        return Credential("authorization", options.auth_token, "the option auth_token")
    if named := next((name for name in options.http.headers if name.lower() in _CREDENTIAL_HEADERS), None):
        return Credential("", "", f"the option headers ({named})")
    for name, header in ((_KEY_VARIABLE, "x-api-key"), (_TOKEN_VARIABLE, "authorization")):
        if said := environment.get(name, "").strip():
            return Credential(header, said, name)
    raise ConfigurationError(
        "there is no key for the Messages API: neither the option api_key nor auth_token is given, the option headers "
        f"names none, and neither {_KEY_VARIABLE} nor {_TOKEN_VARIABLE} is set. Servers that want no key take any"
    )


def _without_version(url: str) -> str:
    """The address without the `/v1`, or the whole path of a request, that some write behind it."""
    return url.removesuffix(f"{_SUFFIX}/messages").removesuffix(_SUFFIX)
