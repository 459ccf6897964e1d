"""The options of the OpenAI backend, checked, and what they and the environment come to."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias, get_args
from urllib.parse import quote, urlencode, urlsplit

from chatport.backend import AuthenticationError, ConfigurationError
from chatport.backend.http import HttpOptions, check_base_url, check_header_value
from chatport_openai._dialect_table import dialect_named, dialect_of
from chatport_openai._dialects import Dialect

__all__ = ["ApiKeyCallable", "Server", "ServerOptions", "StreamingMode", "check_options"]

StreamingMode: TypeAlias = Literal["auto", "always", "never"]
"""How answers come: by what the caller reads, always piece by piece, or always whole."""

ApiKeyCallable: TypeAlias = Callable[[], Awaitable[str]]
"""An async function that returns a key; it is called for each request."""

_BASE_URL: Final = "https://api.openai.com/v1"
_BASE_URL_VARIABLE: Final = "OPENAI_BASE_URL"
_KEY_VARIABLE: Final = "OPENAI_API_KEY"
_STRINGS: Final = ("base_url", "organization", "project", "dialect")
_ACCOUNT: Final = (
    ("organization", "OPENAI_ORG_ID", "OpenAI-Organization"),
    ("project", "OPENAI_PROJECT_ID", "OpenAI-Project"),
)
_TOKEN: Final = "eyJ"  # noqa: S105 - how a JSON web token begins, which Azure takes as a bearer token only


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Which server to ask, and as whom. The options of `chatport.backend.http.HttpOptions` go beside these.

    Attributes:
        base_url: Where the server is, up to what stands before `/chat/completions`. Without it: the address of
            `dialect`, `OPENAI_BASE_URL`, OpenAI's own.
        api_key: The key, or an async function that returns it, for keys that end. Without it: the environment variable
            of the dialect, such as `OPENAI_API_KEY`. Servers of one's own may need none.
        organization: OpenAI's id of who pays; without it `OPENAI_ORG_ID`, for OpenAI only.
        project: OpenAI's id of a project; without it `OPENAI_PROJECT_ID`, for OpenAI only.
        query: What goes behind the address, such as Azure's `api-version`.
        dialect: What kind of server it is; without it the address tells, and what it does not tell of is `compatible`.
        streaming: `"auto"`, `"always"` or `"never"`; see `StreamingMode`.
    """

    base_url: str | None = None
    api_key: str | ApiKeyCallable | None = field(default=None, repr=False)
    organization: str | None = None
    project: str | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    dialect: str | None = None
    streaming: StreamingMode = "auto"


def check_options(given: Mapping[str, Any]) -> tuple[ServerOptions, HttpOptions]:
    """Return the options as values.

    Raises:
        ConfigurationError: One is unknown, or is nothing that can be used.
    """
    http, rest = HttpOptions.split(given)
    known = [item.name for item in fields(ServerOptions)]
    unknown = [name for name in rest if name not in known]
    if unknown:
        there_are = ", ".join([*known, *(item.name for item in fields(HttpOptions))])
        raise ConfigurationError(f"the openai backend has no option {unknown[0]!r}; there are {there_are}")
    values = {name: value for name, value in rest.items() if value is not None}
    # What is pasted often brings a blank or a line break along, and none of these can have one.
    values.update((name, values[name].strip()) for name in (*_STRINGS, "api_key") if isinstance(values.get(name), str))
    options = ServerOptions(**values)
    _check(options)
    return options, http


def _check(options: ServerOptions) -> None:
    for name in _STRINGS:
        value = getattr(options, name)
        if value is not None and not (isinstance(value, str) and value):
            what = "blank" if isinstance(value, str) else f"a {type(value).__name__}, not a str"
            raise ConfigurationError(f"{name} is {what}")
    key = options.api_key
    if isinstance(key, str):
        if not key:
            raise ConfigurationError("api_key is blank")
        check_header_value(key, "api_key")
    elif key is not None and not callable(key):
        raise ConfigurationError(f"api_key must be a str or an async function, not a {type(key).__name__}")
    if options.streaming not in get_args(StreamingMode):
        choices = ", ".join(get_args(StreamingMode))
        raise ConfigurationError(f"streaming must be one of {choices}, not {options.streaming!r}")
    for name, _, header in _ACCOUNT:
        if getattr(options, name) is not None:
            check_header_value(getattr(options, name), header)
    query: object = options.query
    if not isinstance(query, Mapping) or not all(isinstance(item, str) for pair in query.items() for item in pair):
        raise ConfigurationError("query must be texts by name")


class Server:
    """The server that is asked: its address, its dialect and the key.

    Attributes:
        dialect: What it takes.
        base_url: Where it is.
        source: Who said where it is.
    """

    def __init__(self, options: ServerOptions) -> None:
        """Find out which server it is.

        Raises:
            ConfigurationError: The address is none, or there is none, or there is no such dialect.
        """
        named = None if options.dialect is None else dialect_named(options.dialect)
        self._options = options
        self.base_url, self.source = _base_url(options, named)
        self.dialect: Dialect = named or dialect_of(self.base_url)
        self._path = urlsplit(self.base_url).path

    @property
    def name(self) -> str:
        """Who it is, for reasoning that goes back there only: a dialect, and the address where that tells it apart."""
        if not self.dialect.local:
            return self.dialect.name
        return f"{self.dialect.name} at {urlsplit(self.base_url).netloc.rpartition('@')[2]}"

    def url(self, path: str, *, model: str | None = None) -> str:
        """Return the address for a request.

        Args:
            path: What stands behind the base address.
            model: The model that is asked.
        """
        base = self.base_url
        if self.dialect.name == "azure" and not self._path:
            # As the vendor's own client has it: a deployment where a version is named, else the API without versions.
            versioned = "api-version" in self._options.query
            deployment = f"/openai/deployments/{quote(model, safe='')}" if model and versioned else "/openai"
            base += deployment if versioned else "/openai/v1"
        query = urlencode(dict(self._options.query))
        return f"{base}/{path}{'?' if query else ''}{query}"

    async def headers(self, *, accept: str) -> tuple[tuple[str, str], ...]:
        """Return the headers of a request, the key among them.

        Raises:
            ConfigurationError: There is no key; the message says every place that was looked at.
            AuthenticationError: The function that gives the key has failed.
        """
        key = await self._key()
        pairs = [("Accept", accept), ("Content-Type", "application/json")]
        if key is not None:
            header = self.dialect.key_header
            bearer = header is None or key.startswith(_TOKEN)
            pairs.append(("Authorization", f"Bearer {key}") if bearer or header is None else (header, key))
        is_openai = self.dialect.name == "openai"
        for name, variable, header in _ACCOUNT:
            value = getattr(self._options, name) or (os.environ.get(variable, "").strip() if is_openai else "")
            if value:
                pairs.append((header, check_header_value(value, variable)))
        return tuple(pairs)

    def key_source(self) -> str:
        """Return in words where the key comes from; it begins with `none: ` where there is none."""
        given = self._options.api_key
        if given is not None:
            return "the option api_key" if isinstance(given, str) else "the function in the option api_key"
        found = self._key_variable()
        if found is not None:
            return f"the environment variable {found}"
        return f"none: {self._looked_at()}"

    async def _key(self) -> str | None:
        given = self._options.api_key
        if isinstance(given, str):
            return given
        if given is not None:
            return await _called(given)
        found = self._key_variable()
        if found is not None:
            return check_header_value(os.environ[found].strip(), found)
        if self.dialect.needs_key:
            raise ConfigurationError(f"there is no key for {self.base_url}: {self._looked_at()}")
        return None

    def _variables(self) -> tuple[str, ...]:
        """The environment variables that may hold the key for this server.

        OpenAI's own key goes to OpenAI, and to a server that the environment names beside it; nobody else gets it.
        """
        if self.dialect.name == "compatible" and self.source != _BASE_URL_VARIABLE:
            return ()
        return self.dialect.key_variables

    def _key_variable(self) -> str | None:
        return next((name for name in self._variables() if os.environ.get(name, "").strip()), None)

    def _looked_at(self) -> str:
        names = self._variables()
        if not names:
            return "the option api_key is not given, and no environment variable is read for this server"
        return f"neither the option api_key is given nor the environment variable {' or '.join(names)} set"


def _base_url(options: ServerOptions, named: Dialect | None) -> tuple[str, str]:
    if options.base_url is not None:
        return _without_path(check_base_url(options.base_url)), "the option base_url"
    if named is not None and named.name != "openai":
        if named.base_url is None:
            raise ConfigurationError(f"base_url is missing: the dialect {named.name!r} has no address of its own")
        return named.base_url, f"the dialect {named.name}"
    found = os.environ.get(_BASE_URL_VARIABLE, "").strip()
    if found:
        return _without_path(check_base_url(found, _BASE_URL_VARIABLE)), _BASE_URL_VARIABLE
    return _BASE_URL, "default"


def _without_path(url: str) -> str:
    """The address without the path of the one request that pages of services show, and people copy."""
    return url.removesuffix("/chat/completions")


async def _called(function: ApiKeyCallable) -> str:
    try:
        key: object = await function()
    except Exception as error:
        message = f"the function in the option api_key failed: {type(error).__name__}"
        raise AuthenticationError(message, backend="openai", phase="connect") from error
    if not isinstance(key, str) or not key:
        kind = "nothing" if isinstance(key, str) else f"a {type(key).__name__}, not a str"
        message = f"the function in the option api_key returned {kind}"
        raise AuthenticationError(message, backend="openai", phase="connect")
    return check_header_value(key, "the key from the option api_key")
