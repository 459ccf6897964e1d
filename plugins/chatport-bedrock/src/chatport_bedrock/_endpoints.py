"""Where to send: region, address, certificates and proxies, from the options and AWS's own configuration.

botocore ignores `AWS_REGION` (seen in botocore 1.43.117), so the order is decided here. All of it reads files.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from chatport.backend import ConfigurationError
from chatport_bedrock._options import check_endpoint_url, lower_scheme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.endpoint_provider import EndpointProvider

    from chatport_bedrock._calls import Service
    from chatport_bedrock._options import ConnectionOptions

__all__ = ["Endpoint", "EndpointFinder", "arn_region"]

# A service's own variable, and its section in the configuration file; then comes what is said for all services.
_ENDPOINT_VARIABLES: Final[dict[Service, str]] = {
    "bedrock-runtime": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "bedrock": "AWS_ENDPOINT_URL_BEDROCK",
}
_SECTIONS: Final[dict[Service, str]] = {"bedrock-runtime": "bedrock_runtime", "bedrock": "bedrock"}
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CA_VARIABLE = "REQUESTS_CA_BUNDLE"
_RULES = "endpoint-rule-set-1"
_ARN_REGION_FIELD = 3
# A region becomes a part of the host name that keys and prompts are sent to, and a model's ARN may say it.
_REGION = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to send.

    Attributes:
        url: The endpoint, without a slash at its end, its scheme in lower case.
        region: The region that requests are signed for.
        verify: Whether to check TLS certificates, or the path of a CA bundle.
        proxies: Proxy addresses by scheme; they may hold passwords.
        region_source: The place that the region comes from, in words.
        url_source: The place that the address comes from, in words.
    """

    url: str
    region: str
    verify: bool | str
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    region_source: str = ""
    url_source: str = ""

    @property
    def pool(self) -> tuple[str, bool | str, tuple[tuple[str, str], ...]]:
        """What tells one pool of connections from another."""
        return (self.url, self.verify, self.proxies)

    @property
    def may_use_tls(self) -> bool:
        """Whether a certificate may have to be checked; to load those that count takes tens of milliseconds.

        To an endpoint without TLS there is none: redirects are not followed. A proxy may have one of its own. What is
        not plainly without TLS counts as with it.
        """
        return not self.url.startswith("http:") or bool(self.proxies)

    @property
    def proxy(self) -> str | None:
        """The proxy on the way, without the user and password that its address may have; None: there is none."""
        address = dict(self.proxies).get(urlsplit(self.url).scheme)
        if not address:
            return None
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}"


class EndpointFinder:
    """Finds the endpoints of one backend; it is called in a worker thread, and by one thread at a time."""

    def __init__(self, options: ConnectionOptions, profile: Callable[[], str]) -> None:
        """Look at nothing yet.

        Args:
            options: What the caller said.
            profile: Says which profile is in use.
        """
        self._options = options
        self._profile = profile
        self._rules: dict[Service, EndpointProvider] = {}

    def find(self, session: Callable[[], Any], service: Service, model_region: str | None) -> Endpoint:
        """Return where a service is asked.

        Args:
            session: Gives the session whose configuration counts. It is asked for once there is something to look up
                in it: to make one takes longer than all the rest.
            service: Which of the two.
            model_region: The region in the model's ARN, or None.

        Raises:
            ConfigurationError: There is no region, or something in the configuration is no address or no bundle.
        """
        options = self._options
        if options.profile is not None:
            session().get_scoped_config()  # who names a profile that nobody has learns it, whatever else is said
        region, region_source = self._region(session, model_region)
        url, url_source = self._address(session, service, region)
        proxies = options.proxies if options.proxies is not None else get_environ_proxies(url)
        endpoint = Endpoint(
            url=url,
            region=region,
            verify=True if options.verify is None else options.verify,
            # aiobotocore takes a proxy HTTP://host for a host that is called HTTP.
            proxies=tuple(sorted((scheme, lower_scheme(address)) for scheme, address in proxies.items())),
            region_source=region_source,
            url_source=url_source,
        )
        if options.verify is None and endpoint.may_use_tls:
            endpoint = replace(endpoint, verify=_configured_verify(session()))
        if isinstance(endpoint.verify, str):
            _check_bundle(endpoint.verify)
        return endpoint

    def _region(self, session: Callable[[], Any], model_region: str | None) -> tuple[str, str]:
        """The region, and which place it comes from."""
        found, source = next(
            (
                (text, source)
                for source, value in self._places(session, model_region)
                if (text := (value or "").strip())
            ),
            ("", ""),
        )
        if not found:
            message = (
                "no AWS region: looked at the option region, the model id (no ARN with a region), "
                f"{', '.join(_REGION_VARIABLES)} and the profile {self._profile()!r}"
            )
            raise ConfigurationError(message)
        if not _REGION.fullmatch(found):
            message = f"{found!r} is no AWS region; one is written like us-east-1"
            raise ConfigurationError(message)
        return found, source

    def _places(self, session: Callable[[], Any], model_region: str | None) -> Iterator[tuple[str, str | None]]:
        """The places where a region may stand, the first one first, and what stands there."""
        yield "the option region", self._options.region
        yield "the ARN of the model", model_region
        for name in _REGION_VARIABLES:
            yield f"the variable {name}", os.environ.get(name)
        configured = f"the profile {self._profile()!r}"
        if self._options.session is not None:
            configured = f"the session that was given, or {configured}"
        yield configured, session().get_config_variable("region")
        # An empty AWS_DEFAULT_REGION hides the profile's region from the line above.
        yield configured, session().get_scoped_config().get("region")

    def _address(self, session: Callable[[], Any], service: Service, region: str) -> tuple[str, str]:
        """The address, and which place it comes from."""
        if self._options.endpoint_url is not None:
            return check_endpoint_url(self._options.endpoint_url, "endpoint_url"), "the option endpoint_url"
        configured = _configured_endpoint(session(), service)
        if configured is not None:
            return check_endpoint_url(configured, "the endpoint URL of the AWS configuration"), "the AWS configuration"
        return self._regional_endpoint(session(), service, region)

    def _regional_endpoint(self, session: Any, service: Service, region: str) -> tuple[str, str]:
        rules = self._rules.get(service)
        if rules is None:
            from botocore.endpoint_provider import EndpointProvider  # noqa: PLC0415 - who names an address needs none

            loader = session.get_component("data_loader")
            # `load_service_model` first looks which services there are, in 1,500 files.
            version = loader.determine_latest_version(service, _RULES)
            text = loader.load_data(f"{service}/{version}/{_RULES}")
            rules = self._rules[service] = EndpointProvider(text, loader.load_data("partitions"))
        use_fips = self._options.use_fips
        if use_fips is None:
            use_fips = bool(session.get_config_variable("use_fips_endpoint"))
        dual_stack = bool(session.get_config_variable("use_dualstack_endpoint"))
        found = rules.resolve_endpoint(Region=region, UseFIPS=use_fips, UseDualStack=dual_stack)
        kinds = [word for word, is_so in (("FIPS", use_fips), ("dual stack", dual_stack)) if is_so]
        return str(found.url), f"the region{', ' if kinds else ''}{', '.join(kinds)}"


def _configured_verify(session: Any) -> bool | str:
    """Return the CA bundle that the AWS configuration names, or True."""
    return session.get_config_variable("ca_bundle") or os.environ.get(_CA_VARIABLE) or True


def _check_bundle(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # TLS errors are OSErrors too
        message = f"the CA bundle {path!r} cannot be used: {error}"
        raise ConfigurationError(message) from error


def arn_region(model: str) -> str | None:
    """Return the region in a model's ARN, or None where the id is none or leaves it open."""
    fields = model.split(":")
    if len(fields) <= _ARN_REGION_FIELD or fields[0] != "arn":
        return None
    return fields[_ARN_REGION_FIELD] or None


def _configured_endpoint(session: Any, service: Service) -> str | None:
    """Return an endpoint from the environment or the profile, in AWS's own order of precedence."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    for name in (_ENDPOINT_VARIABLES[service], _ENDPOINT_VARIABLE):
        if os.environ.get(name):
            return os.environ[name]
    profile = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(profile.get("services", ""), {})
    specific = services.get(_SECTIONS[service], {})
    found = specific.get("endpoint_url") if isinstance(specific, dict) else None
    return found or profile.get("endpoint_url") or None
