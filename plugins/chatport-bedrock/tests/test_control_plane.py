"""The control plane is a service of its own: its host, its settings, and signatures of requests with a query."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from chatport_bedrock._calls import Call, catalog_call, chat_call, count_call
from chatport_bedrock._identity import Identity
from chatport_bedrock._options import check_options
from chatport_bedrock._signature import Keys, sign

_KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI"}
_ARN = "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"


async def _urls(**options: Any) -> tuple[str, str]:
    """Where models are asked, and where the catalog is."""
    identity = Identity(check_options(options))
    return (await identity.endpoint(None)).url, (await identity.endpoint(None, service="bedrock")).url


@pytest.mark.anyio
@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3", "us-gov-west-1"])
async def test_hosts(region: str, fips: bool) -> None:
    """The host is the one that botocore gives to the control plane, and not that of models."""
    runtime, control = await _urls(region=region, use_fips=fips)
    client = boto3.client(
        "bedrock",
        region_name=region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(use_fips_endpoint=fips),
    )
    assert control == client.meta.endpoint_url
    assert control != runtime


@pytest.mark.anyio
async def test_endpoints_of_the_configuration(aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service heeds its own section and variable; what is said for all services, and the option, hold for both."""
    aws_files(
        "[default]\nregion = us-east-1\nservices = mine\n[services mine]\n"
        "bedrock =\n  endpoint_url = https://section.example\n"
    )
    own = "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert await _urls() == (own, "https://section.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", "https://variable.example")
    assert await _urls() == (own, "https://variable.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://all.example")
    assert await _urls() == ("https://all.example", "https://variable.example")
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK")
    assert await _urls() == ("https://all.example", "https://all.example")
    assert await _urls(endpoint_url="http://one.example:1") == ("http://one.example:1", "http://one.example:1")


@pytest.mark.anyio
async def test_the_region_of_an_arn_holds_for_the_model_only() -> None:
    """Asked about no model, the option alone says the region."""
    identity = Identity(check_options({"region": None, **_KEYS}))
    assert (await identity.endpoint(_ARN)).region == "eu-west-3"
    assert (await identity.endpoint(_ARN, service="bedrock")).url == "https://bedrock.eu-west-3.amazonaws.com"


def test_calls() -> None:
    """Ids and parameters are encoded as botocore encodes them; a query is sorted."""
    assert chat_call("converse", "a.b-v1:0", b"{}").path == "/model/a.b-v1%3A0/converse"
    assert count_call("a.b", b"{}", model="us.a.b") == Call(path="/model/a.b/count-tokens", body=b"{}", model="us.a.b")
    call = catalog_call("/inference-profiles", {"nextToken": "a+/= b", "maxResults": "9"})
    assert (call.method, call.service, call.body) == ("GET", "bedrock", b"")
    assert call.path == "/inference-profiles?maxResults=9&nextToken=a%2B%2F%3D%20b"
    assert catalog_call("/foundation-models").path == "/foundation-models"


def test_rule_80_an_arn_is_one_segment_of_the_path() -> None:
    """Its slashes and colons are encoded, in every call that names a model."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b-v1:0"
    encoded = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.a.b-v1%3A0"
    assert chat_call("converse", arn, b"{}").path == f"/model/{encoded}/converse"
    assert chat_call("converse-stream", arn, b"{}").path == f"/model/{encoded}/converse-stream"
    assert count_call(arn, b"{}", model=arn).path == f"/model/{encoded}/count-tokens"


@pytest.mark.parametrize(
    "path", ["/foundation-models", "/inference-profiles?maxResults=1000&nextToken=a%2B%2F%3D%20b", "/a?b=2&b=1&a="]
)
def test_signatures_of_queries_are_botocores(path: str) -> None:
    """A GET without a body, with and without parameters."""
    now = datetime.now(UTC)
    url = f"https://bedrock.us-east-1.amazonaws.com{path}"
    headers = {"Host": "bedrock.us-east-1.amazonaws.com"}
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI", "token")
    expected = AWSRequest("GET", url, headers=dict(headers), data=b"")
    expected.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", "token"), "bedrock", "us-east-1")
    made = sign(url, headers, b"", keys=keys, region="us-east-1", now=now, method="GET")
    expected.headers["X-Amz-Date"] = made["X-Amz-Date"]
    expected.headers["X-Amz-Security-Token"] = "token"
    expected.context["timestamp"] = made["X-Amz-Date"]
    canonical = signer.canonical_request(expected)
    signature = signer.signature(signer.string_to_sign(expected, canonical), expected)
    assert made["Authorization"].endswith(f"Signature={signature}")
