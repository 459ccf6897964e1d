"""Where a request goes: region, endpoint and host, in the order that the documentation gives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import boto3
import pytest
from aiobotocore.session import get_session
from bedrock_support.answers import MODEL, unary
from bedrock_support.identities import ARN, KEYS, ask, scope_of
from botocore.config import Config

import chatport
from chatport import ConfigurationError, Session
from chatport_bedrock._identity import Identity
from chatport_bedrock._options import check_options
from chatport_bedrock.backend import BedrockBackend

if TYPE_CHECKING:
    from bedrock_support.loopback import LoopbackServer

    from chatport_bedrock._endpoints import Endpoint

pytestmark = pytest.mark.anyio


async def _endpoint(model: str = MODEL, **options: Any) -> Endpoint:
    return await Identity(check_options(options)).endpoint(model)


# --- the region -------------------------------------------------------------------------------------------------------


_PLACES = ["option", "arn", "AWS_REGION", "AWS_DEFAULT_REGION", "profile"]


@pytest.mark.parametrize("winner", range(len(_PLACES)), ids=_PLACES)
async def test_the_order_of_places(
    winner: int, server: LoopbackServer, aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every later place set as well, the request is signed for what the first one says."""
    server.answer(unary())
    aws_files("[default]\nregion = ca-central-1\n")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    if winner <= 2:
        monkeypatch.setenv("AWS_REGION", "eu-north-1")
    if winner > 3:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
    options = {"region": "ap-south-1"} if winner == 0 else {}
    await ask(ARN if winner <= 1 else MODEL, endpoint_url=server.url, **KEYS, **options)
    expected = ["ap-south-1", "eu-west-3", "eu-north-1", "sa-east-1", "ca-central-1"][winner]
    assert scope_of(server.requests[0]) == ("AKIDEXAMPLE", expected, "bedrock")


async def test_a_region_of_a_named_profile(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile given as an option, or named by the environment."""
    aws_files("[default]\nregion = us-east-1\n[profile work]\nregion = us-west-2\n[profile play]\nregion = eu-west-1\n")
    assert (await _endpoint(profile="work")).region == "us-west-2"
    monkeypatch.setenv("AWS_PROFILE", "play")
    assert (await _endpoint()).region == "eu-west-1"
    assert (await _endpoint(profile="work")).region == "us-west-2"


async def test_empty_variables_say_nothing(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is as good as none."""
    aws_files("[default]\nregion = ca-central-1\n")
    monkeypatch.setenv("AWS_REGION", "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    assert (await _endpoint("arn:aws:bedrock:::inference-profile/x")).region == "ca-central-1"


async def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every place is named, at once: no metadata service is asked, which would take seconds where there is none."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    took = []
    for _ in range(3):
        backend = BedrockBackend(**KEYS)
        begun = time.perf_counter()
        with pytest.raises(ConfigurationError, match="no AWS region") as caught:
            await Session(backend, MODEL).ask("hi")
        took.append(time.perf_counter() - begun)
        await backend.aclose()
        for place in ("the option region", "the model id", "AWS_REGION", "AWS_DEFAULT_REGION", "the profile 'default'"):
            assert place in str(caught.value)
    assert min(took) < 0.5


async def test_no_region_in_a_session_of_the_caller() -> None:
    """The profile that is named is that session's."""
    session = get_session()
    session.set_config_variable("region", None)
    session.set_config_variable("profile", "work")
    session.full_config["profiles"]["work"] = {"output": "json"}
    with pytest.raises(ConfigurationError, match="the profile 'work'"):
        await _endpoint(session=session)


@pytest.mark.parametrize("region", ["evil.example/#", "us east 1", "-us-east-1", "us_east_1", "a" * 64, "US-EAST-1"])
async def test_a_region_that_is_none(region: str, server: LoopbackServer) -> None:
    """It would become a part of the host name that keys and prompts go to: nothing is sent, wherever it came from."""
    with pytest.raises(ConfigurationError, match="is no AWS region"):
        await ask(MODEL, region=region, **KEYS)
    with pytest.raises(ConfigurationError, match="is no AWS region"):
        await ask(f"arn:aws:bedrock:{region}:123456789012:inference-profile/x", api_key="secret")
    assert not server.requests


# --- the endpoint -----------------------------------------------------------------------------------------------------


_HOSTS: list[tuple[dict[str, Any], str]] = [
    ({"region": "us-east-1"}, "https://bedrock-runtime.us-east-1.amazonaws.com"),
    ({"region": "us-east-1", "use_fips": True}, "https://bedrock-runtime-fips.us-east-1.amazonaws.com"),
    ({"region": "us-gov-west-1"}, "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
    ({"region": "us-gov-west-1", "use_fips": True}, "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"),
    ({"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ({"region": "eu-isoe-west-1"}, "https://bedrock-runtime.eu-isoe-west-1.cloud.adc-e.uk"),
]


@pytest.mark.parametrize(("options", "url"), _HOSTS, ids=[url.removeprefix("https://") for _, url in _HOSTS])
async def test_hosts(options: dict[str, Any], url: str) -> None:
    """Regions of every kind have the host that botocore gives them."""
    endpoint = await _endpoint(**options)
    assert (endpoint.url, endpoint.region) == (url, options["region"])
    client = boto3.client(
        "bedrock-runtime",
        region_name=options["region"],
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(use_fips_endpoint=options.get("use_fips", False)),
    )
    assert client.meta.endpoint_url == url


async def test_fips_from_the_configuration(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The option comes first, then the environment, then the profile."""
    aws_files("[default]\nregion = us-east-1\nuse_fips_endpoint = true\n")
    assert "-fips." in (await _endpoint()).url
    assert "-fips." not in (await _endpoint(use_fips=False)).url
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "false")
    assert "-fips." not in (await _endpoint()).url


async def test_dual_stack_from_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of AWS that chatport has no option for is heeded all the same."""
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    client = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    assert (await _endpoint(region="us-east-1")).url == client.meta.endpoint_url
    assert client.meta.endpoint_url != "https://bedrock-runtime.us-east-1.amazonaws.com"


_SERVICES = (
    "[default]\nregion = us-east-1\n{}\n[services mine]\nbedrock_runtime =\n  endpoint_url = https://service.example\n"
)


async def test_endpoints_of_the_configuration(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The option, the service's variable, the general variable, the profile's services, the profile, the region."""
    aws_files(_SERVICES.format(""))
    assert (await _endpoint()).url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    aws_files(_SERVICES.format("endpoint_url = https://profile.example/"))
    assert (await _endpoint()).url == "https://profile.example"
    aws_files(_SERVICES.format("endpoint_url = https://profile.example\nservices = mine"))
    assert (await _endpoint()).url == "https://service.example"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://general.example/prefix/")
    assert (await _endpoint()).url == "https://general.example/prefix"
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://variable.example")
    assert (await _endpoint()).url == "https://variable.example"
    assert (await _endpoint(endpoint_url="http://option.example:1/")).url == "http://option.example:1"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert (await _endpoint()).url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert (await _endpoint(endpoint_url="http://option.example:1/")).url == "http://option.example:1"


async def test_an_endpoint_of_the_configuration_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what it is, and by whom it was said."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:4566")
    with pytest.raises(ConfigurationError, match="the endpoint URL of the AWS configuration must be an address"):
        await _endpoint(region="us-east-1")


async def test_an_endpoint_from_the_environment_is_used(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a variable leads the request to the server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"{server.url}/prefix")
    server.answer(unary())
    await ask(MODEL, region="us-east-1", api_key="key")
    assert server.requests[0].target.startswith("/prefix/model/")


async def test_a_missing_profile(aws_files: Callable[..., None]) -> None:
    """An error of configuration, with the command that shows those there are."""
    aws_files("[default]\nregion = us-east-1\n")
    with pytest.raises(ConfigurationError, match=r"profile \(nope\) could not be found; `aws configure list-profiles`"):
        await ask(MODEL, profile="nope")


@pytest.mark.parametrize(
    "given",
    [{"api_key": "k"}, {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "s"}],
    ids=lambda each: next(iter(each)),
)
async def test_a_stale_profile_in_the_environment_does_not_beat_a_key(
    given: dict[str, str], server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the caller says is enough; without a key, the profile that nobody has is named."""
    monkeypatch.setenv("AWS_PROFILE", "ghost")
    server.answer(unary("Hello!"))
    place = {"region": "us-east-1", "endpoint_url": server.url}
    reply = await chatport.ask(f"bedrock:{MODEL}", "Hi", backend_options={**place, **given})
    assert reply.text == "Hello!"
    with pytest.raises(ConfigurationError, match="ghost"):
        await chatport.ask(f"bedrock:{MODEL}", "Hi", backend_options=place)


async def test_a_configuration_file_that_cannot_be_read(aws_files: Callable[..., None]) -> None:
    """It is named."""
    aws_files("[default\nregion = us-east-1\n")
    with pytest.raises(ConfigurationError, match=r"AWS configuration cannot be used: .*config"):
        await ask(MODEL, api_key="key")


async def test_the_configuration_is_read_once(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend stays with the region and endpoint that it has found; a new one looks again."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    identity = Identity(check_options({}))
    first = await identity.endpoint(MODEL)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert await identity.endpoint(MODEL) is first
    assert (await _endpoint()).region == "us-west-2"


async def test_many_first_requests_look_for_the_endpoint_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred that begin together keep one thread busy, not all there are."""
    identity = Identity(check_options({"region": "us-east-1"}))
    found: list[object] = []
    original = anyio.to_thread.run_sync
    looked = 0

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal looked
        looked += 1
        return await original(*arguments, **options)

    async def look() -> None:
        found.append(await identity.endpoint(MODEL))

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(look)
    assert (len(found), len(set(map(id, found))), looked) == (200, 1, 1)


async def test_models_of_two_regions_share_connections(server: LoopbackServer) -> None:
    """One backend signs for the region of each model; with one endpoint there is one pool."""
    server.answer_always(unary())
    async with chatport.open_backend("bedrock", endpoint_url=server.url, **KEYS) as backend:
        for region in ("eu-west-3", "us-east-2", "eu-west-3"):
            await Session(backend, ARN.replace("eu-west-3", region)).ask("hi")
    assert [scope_of(request)[1] for request in server.requests] == ["eu-west-3", "us-east-2", "eu-west-3"]
    assert len(server.connections) == 1
