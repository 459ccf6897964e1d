"""The emulator verifies signatures: what botocore signs is accepted, and any change to it is found out."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import boto3
import pytest
from bedrock_support.emulation import NOVA, PROMPT_ARN, post, user
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from chatport import open_session
from chatport_bedrock.emulator import Credentials, Emulator, RecordedRequest
from chatport_bedrock.emulator._auth import Access, authenticate
from chatport_bedrock.emulator._refusal import RefusedError

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+==", "us-east-1")
PERMANENT = replace(KEYS, session_token=None)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "20260102T030405Z"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f"
MISMATCH = "The request signature we calculated does not match the signature you provided."

_printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


def signed_by_botocore(
    keys: Credentials,
    *,
    path: str = f"/model/{NOVA}/converse",
    body: bytes = b"{}",
    method: str = "POST",
    service: str = "bedrock",
    region: str = "us-east-1",
    now: datetime = NOW,
    headers: Mapping[str, str] | None = None,
) -> RecordedRequest:
    """A request as the emulator records it, signed by botocore's own signer."""
    given_headers = {"Host": "127.0.0.1:8080", "Content-Type": "application/json", **(headers or {})}
    request = AWSRequest(method, url=f"http://127.0.0.1:8080{path}", data=body, headers=given_headers)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        signer = BotocoreCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
        SigV4Auth(signer, service, region).add_auth(request)
    recorded = {name.lower(): value for name, value in request.headers.items()}
    return RecordedRequest("Converse", NOVA, method, path, recorded, body, received_at=0.0)


def refusal(request: RecordedRequest, keys: Credentials = KEYS, *, now: datetime = NOW) -> str | None:
    """Code and message of the refusal; None if the request is accepted."""
    try:
        authenticate(request, Access(credentials=keys), now=now)
    except RefusedError as refused:
        return f"{refused.error.code}: {refused.error.message}"
    return None


@given(
    model=st.text(min_size=1, max_size=60),
    parameters=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
    body=st.binary(max_size=200),
    method=st.sampled_from(["GET", "POST"]),
    keys=st.builds(Credentials, _printable.filter(lambda key: "/" not in key), _printable, st.none() | _printable),
    header=st.sampled_from(["plain", "  many   spaces  ", "a, b"]),
)
def test_what_botocore_signs_is_accepted(
    model: str, parameters: dict[str, str], body: bytes, method: str, keys: Credentials, header: str
) -> None:
    """For any id of a model, query, body and keys; with another secret the same request is refused."""
    query = "&".join(
        f"{quote(name.encode('utf-8', 'replace'), safe='-._~')}={quote(value.encode('utf-8', 'replace'), safe='-._~')}"
        for name, value in parameters.items()
    )
    encoded = quote(model.encode("utf-8", "replace"), safe="-._~")
    if encoded in {".", ".."}:
        return  # such an id is a step in the path, which no client sends
    path = f"/model/{encoded}/converse" + (f"?{query}" if query else "")
    request = signed_by_botocore(keys, path=path, body=body, method=method, headers={"X-Amz-Meta": header})
    assert refusal(request, keys) is None
    wrong = replace(keys, secret_access_key=keys.secret_access_key + "x")
    assert (refusal(request, wrong) or "").startswith(f"InvalidSignatureException: {MISMATCH}")


@pytest.mark.parametrize("path", ["/", "/a//b", "/a/./b/../c/", "/a%2Fb", "/a?b", "/a?b=1&a=2&b=0", "/a?x=%20%2B&y=~"])
def test_paths_and_queries_are_canonical(path: str) -> None:
    """Dots, double slashes, order and encoding of parameters make no difference to botocore, so neither here."""
    assert refusal(signed_by_botocore(KEYS, path=path)) is None


def test_every_part_of_a_request_is_sealed() -> None:
    """Whatever is changed on the way, the signature does not fit any more."""
    request = signed_by_botocore(KEYS)
    assert refusal(request) is None
    changed = [
        replace(request, method="PUT"),
        replace(request, path=request.path + "-stream"),
        replace(request, path=request.path + "?a=b"),
        replace(request, raw_body=b"{ }"),
        replace(request, headers={**request.headers, "content-type": "text/plain"}),
        replace(request, headers={**request.headers, "host": "elsewhere"}),
        replace(request, headers={**request.headers, "x-amz-date": "20260102T030406Z"}),
    ]
    for each in changed:
        assert (refusal(each) or "").startswith(f"InvalidSignatureException: {MISMATCH}")


def test_headers_of_the_service_have_to_be_signed() -> None:
    """Nobody can add one of them, or take the host out of the signature."""
    request = signed_by_botocore(KEYS)
    added = replace(request, headers={**request.headers, "x-amz-target": "else"})
    assert refusal(added) == (
        "InvalidSignatureException: 'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."
    )
    authorization = request.headers["authorization"].replace("content-type;host;", "content-type;")
    unsigned = replace(request, headers={**request.headers, "authorization": authorization})
    assert refusal(unsigned) == "InvalidSignatureException: 'host' must be a 'SignedHeader' in the AWS Authorization."


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        (0, None),
        (300, None),
        (-300, None),
        (301, f"Signature expired: {STAMP} is now earlier than 20260102T030406Z (20260102T030906Z - 5 min.)"),
        (
            -301,
            f"Signature not yet current: {STAMP} is still later than 20260102T030404Z (20260102T025904Z + 5 min.)",
        ),
    ],
)
def test_a_signature_lives_five_minutes(shift: int, message: str | None) -> None:
    """Before and after, as clocks differ; the message says by how much."""
    found = refusal(signed_by_botocore(KEYS), now=NOW + timedelta(seconds=shift))
    assert found == (None if message is None else f"InvalidSignatureException: {message}")


def test_dates_that_do_not_agree_or_are_none() -> None:
    """The day of the scope is that of the header, which is a time."""
    request = signed_by_botocore(KEYS)
    scope = request.headers["authorization"].replace("/20260102/", "/20260101/")
    other_day = replace(request, headers={**request.headers, "authorization": scope})
    assert (refusal(other_day) or "").startswith(
        "InvalidSignatureException: Date in Credential scope does not match YYYYMMDD"
    )
    for moment in ("yesterday", "20260230T000000Z"):
        undated = replace(request, headers={**request.headers, "x-amz-date": moment})
        assert refusal(undated) == (
            f"InvalidSignatureException: Date must be in ISO-8601 'basic format'. Got '{moment}'."
        )
    headers = {name: value for name, value in request.headers.items() if name != "x-amz-date"}
    assert (refusal(replace(request, headers=headers)) or "").startswith("IncompleteSignatureException: ")


def test_the_scope_is_checked() -> None:
    """A signature is for one service in one region."""
    assert refusal(signed_by_botocore(KEYS, service="bedrock-runtime")) == (
        "InvalidSignatureException: Credential should be scoped to correct service: 'bedrock'."
    )
    assert refusal(signed_by_botocore(KEYS, region="eu-west-1")) == (
        "InvalidSignatureException: Credential should be scoped to a valid region, not 'eu-west-1'."
    )


@pytest.mark.parametrize(
    "keys",
    [
        replace(KEYS, access_key_id="AKIDOTHER"),
        replace(KEYS, session_token=None),
        replace(KEYS, session_token="another"),
    ],
)
def test_unknown_keys_are_refused(keys: Credentials) -> None:
    """Id and session token both have to be those that the emulator was told, in the recorded words."""
    expected = "UnrecognizedClientException: The security token included in the request is invalid."
    assert refusal(signed_by_botocore(keys)) == expected


# --- clients ---------------------------------------------------------------------------------------------------------


def make_client(emulator: Emulator, keys: Credentials, *, region: str = "us-east-1") -> Any:
    """An unmodified boto3 client with these keys."""
    return boto3.client(
        "bedrock-runtime",
        region_name=region,
        endpoint_url=emulator.url,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("keys", [KEYS, PERMANENT], ids=["temporary", "permanent"])
@pytest.mark.parametrize("model", [NOVA, PROFILE])
def test_boto3_is_accepted(keys: Credentials, model: str) -> None:
    """Ids with colons and ARNs with slashes, with and without session token, whole and streamed."""
    with Emulator(credentials=keys) as emulator, closing(make_client(emulator, keys)) as client:
        assert client.converse(modelId=model, messages=[user("Hello!")])["stopReason"] == "end_turn"
        with closing(client.converse_stream(modelId=model, messages=[user("Hello!")])["stream"]) as stream:
            assert any("messageStop" in event for event in stream)
        assert client.converse(modelId=PROMPT_ARN)["stopReason"] == "end_turn"
        assert [request.model for request in emulator.requests] == [model, model, PROMPT_ARN]


@pytest.mark.parametrize(
    ("keys", "region", "code", "message"),
    [
        (replace(KEYS, secret_access_key="wrong"), "us-east-1", "InvalidSignatureException", MISMATCH),
        (replace(KEYS, session_token=None), "us-east-1", "UnrecognizedClientException", "security token"),
        (KEYS, "eu-west-1", "InvalidSignatureException", "scoped to a valid region"),
    ],
)
def test_boto3_with_wrong_keys_is_refused(keys: Credentials, region: str, code: str, message: str) -> None:
    """With status 403, and the code and words of the service."""
    with (
        Emulator(credentials=KEYS) as emulator,
        closing(make_client(emulator, keys, region=region)) as client,
    ):
        with pytest.raises(ClientError, match=message) as caught:
            client.converse(modelId=NOVA, messages=[user("Hello!")])
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.anyio
async def test_our_own_client_is_accepted() -> None:
    """Two pieces of code that know nothing of each other agree on the signature."""
    with Emulator(credentials=KEYS) as emulator:
        options = {
            "region": "us-east-1",
            "endpoint_url": emulator.url,
            "access_key_id": KEYS.access_key_id,
            "secret_access_key": KEYS.secret_access_key,
            "session_token": KEYS.session_token,
        }
        for model in (NOVA, PROFILE):
            async with open_session(f"bedrock:{model}", backend_options=options) as session:
                assert (await session.ask("Hello!")).text
        assert emulator.request_count == 2


def test_a_header_that_is_no_text_is_no_accident() -> None:
    """Bytes outside of UTF-8 in a signed header lead to a refusal, not to a failure of the server."""
    request = signed_by_botocore(KEYS)
    odd = replace(request, headers={**request.headers, "content-type": "\udcff"})
    assert (refusal(odd) or "").startswith(f"InvalidSignatureException: {MISMATCH}")


def test_without_keys_any_signature_will_do() -> None:
    """An emulator that was told no keys has nothing to verify with; told no region, it takes any."""
    request = signed_by_botocore(KEYS, region="eu-west-1")
    with Emulator() as emulator:
        assert post(emulator, {"messages": [user("Hello!")]}, headers=dict(request.headers))[0] == 200
    assert refusal(request, replace(KEYS, region=None)) is None
