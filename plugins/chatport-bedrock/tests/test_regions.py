"""Where requests go and what they are signed for: a table of places, and what is said to those who ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import pytest
from bedrock_support.answers import MODEL, unary
from bedrock_support.asking import REGION, sent, who_asked
from botocore.loaders import Loader

import chatport
from chatport import ConfigurationError, Retry, Session, Timeouts, TransportError
from chatport.backend.http import Slots
from chatport_bedrock._identity import Identity
from chatport_bedrock._options import check_options
from chatport_bedrock._pool import ConnectionPool, Connections
from chatport_bedrock.backend import BedrockBackend

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

pytestmark = pytest.mark.anyio

_KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "s"}
_HOST = "bedrock-runtime.{}.amazonaws.com"


def _arn(region: str, partition: str = "aws") -> str:
    return f"arn:{partition}:bedrock:{region}:123456789012:inference-profile/us.amazon.nova-lite-v1:0"


@dataclass(frozen=True)
class Row:
    """What is set, and where the request goes."""

    name: str
    scope: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    model: str = MODEL
    host: str | None = None


_ALL = {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "sa-east-1"}
_ROWS = [
    Row("the option beats all", "ap-south-1", {"region": "ap-south-1"}, _ALL, _arn("eu-west-3")),
    Row("the ARN beats the environment", "eu-west-3", {}, _ALL, _arn("eu-west-3")),
    Row("the ARN beats a profile", "eu-west-3", {"profile": "work"}, {}, _arn("eu-west-3")),
    Row("AWS_REGION beats the older name", "eu-north-1", {}, _ALL),
    Row("AWS_REGION beats a profile", "eu-north-1", {"profile": "work"}, {"AWS_REGION": "eu-north-1"}),
    Row("AWS_DEFAULT_REGION beats a profile", "sa-east-1", {"profile": "work"}, {"AWS_DEFAULT_REGION": "sa-east-1"}),
    Row("a profile that was asked for", "us-west-2", {"profile": "work"}),
    Row("a profile of the environment", "us-west-2", {}, {"AWS_PROFILE": "work"}),
    Row("a profile that was asked for beats it", "ca-central-1", {"profile": "default"}, {"AWS_PROFILE": "work"}),
    Row("the default profile", "ca-central-1"),
    Row("the region of a login is none", "ca-central-1", {"profile": "login"}, {"AWS_DEFAULT_REGION": "ca-central-1"}),
    Row("blank variables", "ca-central-1", {}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": " "}),
    Row("blanks around a variable", "eu-north-1", {}, {"AWS_REGION": " eu-north-1\n"}),
    Row("an ARN without a region", "eu-north-1", {}, {"AWS_REGION": "eu-north-1"}, _arn("")),
    Row("an id of a geography says no region", "ca-central-1", {}, {}, "eu.amazon.nova-lite-v1:0"),
    Row("GovCloud", "us-gov-west-1", {}, _ALL, _arn("us-gov-west-1", "aws-us-gov")),
    Row(
        "China has a domain of its own",
        "cn-north-1",
        {},
        _ALL,
        _arn("cn-north-1", "aws-cn"),
        "bedrock-runtime.cn-north-1.amazonaws.com.cn",
    ),
    Row(
        "FIPS",
        "us-east-1",
        {"region": "us-east-1", "use_fips": True},
        host="bedrock-runtime-fips.us-east-1.amazonaws.com",
    ),
    Row(
        "FIPS by the ARN",
        "us-gov-west-1",
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        _arn("us-gov-west-1", "aws-us-gov"),
        "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
    ),
    Row(
        "an endpoint of the caller's is signed for the region",
        "eu-west-1",
        {"endpoint_url": "https://vpce.example/prefix", "region": "eu-west-1"},
        host="vpce.example",
    ),
    Row(
        "an endpoint of the environment is signed for the ARN's region",
        "eu-west-3",
        {},
        {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://vpce.example"},
        _arn("eu-west-3"),
        "vpce.example",
    ),
]  # fmt: skip
_CONFIG = (
    "[default]\nregion = ca-central-1\n[profile work]\nregion = us-west-2\n"
    "[profile login]\nsso_region = eu-central-1\nsso_start_url = https://sso.example\n"
)


class Recorder:
    """Stands for the connections: keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, request: Any, seconds: float) -> Any:
        """Keep a request; nobody answers it."""
        del seconds
        await anyio.lowlevel.checkpoint()
        self.sent.append(request)
        raise OSError("nobody")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What is sent in this test, in place of a network."""
    made = Recorder()

    async def connections(_pool: ConnectionPool, _endpoint: Any) -> Connections:
        await anyio.lowlevel.checkpoint()
        return Connections(made, Slots(1))

    monkeypatch.setattr(ConnectionPool, "connections", connections)
    return made


@pytest.mark.parametrize("row", _ROWS, ids=[row.name.replace(" ", "-") for row in _ROWS])
async def test_where_a_request_goes(
    row: Row, recorder: Recorder, aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address, its header `Host`, and the region and service that it is signed for."""
    aws_files(_CONFIG)
    for name, value in row.environment.items():
        monkeypatch.setenv(name, value)
    async with chatport.open_session(f"bedrock:{row.model}", backend_options={**row.options, **_KEYS}) as session:
        with pytest.raises(TransportError, match="nobody"):
            await session.ask("hi", retry=Retry(max_attempts=1))
    request = recorder.sent[0]
    host = row.host or _HOST.format(row.scope)
    assert urlsplit(request.url).hostname == host
    assert request.url.startswith("https://")
    assert request.headers["Host"] == host
    assert f"/{row.scope}/bedrock/aws4_request," in request.headers["Authorization"]


def test_the_table_is_long_enough() -> None:
    """Every place is first in a row, and its name is its own."""
    assert len(_ROWS) >= 12
    assert len({row.name for row in _ROWS}) == len(_ROWS)


async def test_nothing_says_a_region(recorder: Recorder, aws_files: Callable[..., None]) -> None:
    """A login's own region is not taken for it; every place is named, and nothing is sent."""
    aws_files(_CONFIG)
    with pytest.raises(ConfigurationError, match="no AWS region") as caught:
        await BedrockBackend(profile="login", **_KEYS).models()
    for place in ("the option region", "the model id", "AWS_REGION", "AWS_DEFAULT_REGION", "the profile 'login'"):
        assert place in str(caught.value)
    assert not recorder.sent


@pytest.mark.parametrize(
    ("options", "environment", "model", "source"),
    [
        ({"region": "us-east-1"}, _ALL, MODEL, "the option region"),
        ({}, _ALL, _arn("eu-west-3"), "the ARN of the model"),
        ({}, _ALL, MODEL, "the variable AWS_REGION"),
        ({}, {"AWS_DEFAULT_REGION": "sa-east-1"}, MODEL, "the variable AWS_DEFAULT_REGION"),
        ({"profile": "work"}, {}, MODEL, "the profile 'work'"),
        ({}, {"AWS_DEFAULT_REGION": ""}, MODEL, "the profile 'default'"),
    ],
)
async def test_the_place_is_known(
    options: dict[str, Any],
    environment: dict[str, str],
    model: str,
    source: str,
    aws_files: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a region comes from, for those who wonder why it is this one."""
    aws_files(_CONFIG)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (await Identity(check_options(options)).endpoint(model)).region_source == source


# --- what a description says -----------------------------------------------------------------------------------------


async def test_a_description_of_the_way(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Region and address with the places that they come from, proxy and certificates; no user and no password."""
    aws_files(_CONFIG)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)  # which machines behind a proxy may have
    found = await BedrockBackend(use_fips=True).describe()
    assert (found["region"], found["region from"]) == ("us-east-1", "the variable AWS_REGION")
    assert found["endpoint from"] == "the region, FIPS"
    assert (found["proxy"], found["certificates"]) == ("none", "checked")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush@proxy.example:8080")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    found = await BedrockBackend(verify=False).describe()
    assert (found["proxy"], found["certificates"]) == ("http://proxy.example:8080", "NOT checked")
    assert found["endpoint from"] == "the region, dual stack"
    options = {"proxies": {"https": "me:hush@[::1]:3128"}, "endpoint_url": "https://vpce.example"}
    found = await BedrockBackend(**options).describe()
    assert (found["proxy"], found["endpoint from"]) == ("http://[::1]:3128", "the option endpoint_url")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://general.example")
    found = await BedrockBackend(proxies={"https": "http://me:hush@proxy"}).describe()
    assert (found["proxy"], found["endpoint from"]) == ("none", "the AWS configuration")
    assert "hush" not in json.dumps(found)


@pytest.mark.parametrize("place", ["option", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "profile"])
async def test_a_bundle_that_cannot_be_used(
    place: str, aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is named, the description says which file it is."""
    aws_files("[default]\nregion = us-east-1\n" + ("ca_bundle = /no/such.pem\n" if place == "profile" else ""))
    if place.isupper():
        monkeypatch.setenv(place, "/no/such.pem")
    found = await BedrockBackend(**({"verify": "/no/such.pem"} if place == "option" else {})).describe()
    assert found["region"].startswith("none: the CA bundle '/no/such.pem' cannot be used")


async def test_rules_of_a_region_are_read_without_looking_through_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are four hundred; to tell which, botocore would look for files in the folder of each."""

    def refuse(_loader: Loader, _type_name: str) -> Any:
        raise AssertionError("all services were looked at")

    monkeypatch.setattr(Loader, "list_available_services", refuse)
    found = await BedrockBackend(region="eu-west-1").describe()
    assert found["endpoint"] == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert found["control plane"] == "https://bedrock.eu-west-1.amazonaws.com"


async def test_without_tls_no_bundle_counts_but_the_one_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine says of certificates is about other addresses; what the caller says is checked in any case."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
    options: dict[str, Any] = {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:1", "api_key": "k"}
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = await BedrockBackend(**options).describe()
    assert (found["region"], found["certificates"]) == ("us-east-1", "none: no TLS")
    found = await BedrockBackend(**options, verify="/no/other.pem").describe()
    assert found["region"].startswith("none: the CA bundle '/no/other.pem' cannot be used")
    found = await BedrockBackend(**options, proxies={"http": "https://proxy.example"}).describe()
    assert found["region"].startswith("none: the CA bundle '/no/such.pem' cannot be used")


async def test_a_profile_that_nobody_has_is_told_though_nothing_is_looked_up_in_it() -> None:
    """Region, address and keys are said beside it: it would be passed over in silence."""
    options = {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:1", "profile": "nobody"}
    found = await BedrockBackend(**options, access_key_id="a", secret_access_key="s").describe()
    assert "nobody" in found["region"]
    assert found["region"].startswith("none: ")


# --- rules -----------------------------------------------------------------------------------------------------------

_AMBIENT = {
    "AWS_ACCESS_KEY_ID": "ambient-id",
    "AWS_SECRET_ACCESS_KEY": "ambient-secret",
    "AWS_SESSION_TOKEN": "ambient-token",
}


@pytest.mark.parametrize(
    ("options", "bearer", "expected"),
    [
        ({"access_key_id": "own", "secret_access_key": "s"}, "ambient", "own None"),
        ({"access_key_id": "own", "secret_access_key": "s", "session_token": "t"}, "ambient", "own t"),
        ({"profile": "work"}, "ambient", "work-id None"),
        ({}, "ambient", "Bearer ambient"),
        ({"api_key": "own"}, "ambient", "Bearer own"),
        ({}, "", "ambient-id ambient-token"),
        ({}, " \t", "ambient-id ambient-token"),
    ],
    ids=["keys", "keys-and-token", "profile", "nothing", "api-key", "empty", "blank"],
)
async def test_rule_77_what_the_caller_says_beats_what_is_there(
    options: dict[str, Any],
    bearer: str,
    expected: str,
    server: LoopbackServer,
    aws_files: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bearer token that happens to be there loses to keys and profiles of the caller, and a blank one is none.

    A session token in the environment belongs to the keys there and to no others.
    """
    aws_files(credentials="[work]\naws_access_key_id = work-id\naws_secret_access_key = s\n")
    for name, value in {**_AMBIENT, "AWS_BEARER_TOKEN_BEDROCK": bearer}.items():
        monkeypatch.setenv(name, value)
    assert who_asked(await sent(server, **options)) == expected


async def test_rule_78_only_what_nobody_rewrites_is_signed(server: LoopbackServer) -> None:
    """Transports set other headers as they like, on the way and after signing."""
    received = await sent(server, **_KEYS)
    names = received.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert names == ["content-type", "host", "x-amz-date"]
    server.answer(unary())
    received = await sent(server, **_KEYS, session_token="t")
    names = received.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert names == ["content-type", "host", "x-amz-date", "x-amz-security-token"]


async def test_rule_79_a_silent_model_is_waited_for(server: LoopbackServer, options: dict[str, Any]) -> None:
    """Minutes of reasoning without a byte are no failure: what is waited is ten minutes, and not sixty seconds.

    It is this time that ends the waiting.
    """
    waited = check_options(options).timeouts
    assert waited.first_event is not None
    assert waited.idle is not None
    assert min(waited.first_event, waited.idle) >= 600
    assert waited.total is None
    hold = server.hold()
    server.answer(hold, unary())
    backend = BedrockBackend(**options, timeouts=Timeouts(first_event=0.2))
    with pytest.raises(chatport.StreamTimeoutError):
        await Session(backend, MODEL, retry=Retry(max_attempts=1)).ask("hi")
    hold.release()
    await backend.aclose()


@pytest.mark.parametrize("model", [_arn("us-east-1"), "arn:aws:sagemaker:us-east-1:1:endpoint/a b/é", "a/b.c:0"])
async def test_rule_80_a_slash_in_an_id_is_no_part_of_the_path(model: str, server: LoopbackServer) -> None:
    """The id is one segment of the path, encoded as a whole; what is signed is what is sent."""
    server.answer(unary())
    async with chatport.open_session(
        f"bedrock:{model}", backend_options={"endpoint_url": server.url, **REGION, **_KEYS}
    ) as session:
        await session.ask("hi")
    path = server.requests[0].target
    assert path.count("/") == 3
    assert (path.startswith("/model/"), path.endswith("/converse")) == (True, True)
    assert "%2F" in path
    assert ":" not in path
