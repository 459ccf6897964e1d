"""The emulator's control plane: unmodified boto3 lists models and inference profiles, page by page."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from bedrock_support.emulation import AUTHORIZATION, NOVA, connect
from botocore.config import Config
from botocore.exceptions import ClientError

from chatport_bedrock.emulator import Credentials, Emulator, HttpError
from chatport_bedrock.emulator._catalog import answer_catalog, needs_profile
from chatport_bedrock.emulator._catalog_data import APPLICATION_PROFILES, GEOGRAPHIES, MODELS
from chatport_bedrock.emulator._operations import CATALOG_OPERATIONS, CatalogOperation
from chatport_bedrock.emulator._refusal import RefusedError
from chatport_bedrock.emulator._shapes import find_violations, output_shape

KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2", "ap-south-1", "sa-east-1")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that verifies signatures."""
    with Emulator(credentials=KEYS) as running:
        yield running


def make_client(emulator: Emulator, *, region: str = "us-east-1") -> Any:
    """A client of the control plane as every user makes one."""
    return boto3.client(
        "bedrock",
        region_name=region,
        endpoint_url=emulator.url,
        aws_access_key_id=KEYS.access_key_id,
        aws_secret_access_key=KEYS.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """A client in the region us-east-1."""
    with closing(make_client(emulator)) as made:
        yield made


def misfits(operation: CatalogOperation, body: dict[str, Any]) -> list[str]:
    """What of an answer is not in the service's model, but for one value that the service is known to add."""
    found = find_violations(body, output_shape(operation))
    return [
        f"{violation.path}: {violation.text}"
        for violation in found
        if not (violation.path[-2:-1] == ("inferenceTypesSupported",) and "INFERENCE_PROFILE" in violation.subject)
    ]


@pytest.mark.parametrize("region", REGIONS)
def test_every_answer_fits_the_service_model(region: str) -> None:
    """Names, ids, ARNs, dates: whole lists, and each of their entries asked for alone, in every kind of region."""
    models = answer_catalog("ListFoundationModels", "", {}, region=region)
    assert misfits("ListFoundationModels", models) == []
    assert len(models["modelSummaries"]) == len(MODELS) >= 12
    for summary in models["modelSummaries"]:
        for identifier in (summary["modelId"], summary["modelArn"]):
            details = answer_catalog("GetFoundationModel", identifier, {}, region=region)
            assert misfits("GetFoundationModel", details) == []
            assert details["modelDetails"] == summary
    profiles = answer_catalog("ListInferenceProfiles", "", {}, region=region)
    assert misfits("ListInferenceProfiles", profiles) == []
    for profile in profiles["inferenceProfileSummaries"]:
        for identifier in (profile["inferenceProfileId"], profile["inferenceProfileArn"]):
            details = answer_catalog("GetInferenceProfile", identifier, {}, region=region)
            assert misfits("GetInferenceProfile", details) == []
            assert details == profile


def test_a_violation_would_be_found() -> None:
    """The check above is none that lets everything pass."""
    body = answer_catalog("GetFoundationModel", "deepseek.r1-v1:0", {}, region="us-east-1")
    body["modelDetails"]["modelName"] = "x" * 21
    body["modelDetails"]["modelLifecycle"]["startOfLifeTime"] = "long ago"
    del body["modelDetails"]["modelId"]
    assert len(misfits("GetFoundationModel", body)) == 3


def test_the_data_agree_with_themselves() -> None:
    """Ids are unique; a model without a way to be asked for is none; every geography and model that is named exists."""
    ids = [model.id for model in MODELS]
    assert len(set(ids)) == len(ids)
    assert {prefix for model in MODELS for prefix in model.profiles} == {each.prefix for each in GEOGRAPHIES}
    assert all(model.on_demand or model.profiles for model in MODELS)
    assert {model for _, model in APPLICATION_PROFILES.values()} <= set(ids)
    assert needs_profile("deepseek.r1-v1:0")
    assert not needs_profile("amazon.nova-lite-v1:0")
    assert not needs_profile("unknown.model")


# --- boto3 -----------------------------------------------------------------------------------------------------------


def test_boto3_lists_models(client: Any) -> None:
    """Modalities, streaming, inference types and life cycle arrive as botocore reads them."""
    summaries = client.list_foundation_models()["modelSummaries"]
    by_id = {summary["modelId"]: summary for summary in summaries}
    assert len(by_id) == len(MODELS)
    haiku = by_id["anthropic.claude-3-haiku-20240307-v1:0"]
    assert haiku["modelArn"] == "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
    assert (haiku["modelLifecycle"]["status"], haiku["modelLifecycle"]["startOfLifeTime"].year) == ("LEGACY", 2024)
    assert (haiku["inputModalities"], haiku["responseStreamingSupported"]) == (["TEXT", "IMAGE"], True)
    assert by_id["anthropic.claude-sonnet-5"]["modelLifecycle"]["status"] == "ACTIVE"
    assert by_id["anthropic.claude-sonnet-5"]["inferenceTypesSupported"] == ["INFERENCE_PROFILE"]
    assert by_id["amazon.titan-embed-text-v2:0"]["outputModalities"] == ["EMBEDDING"]
    assert not by_id["amazon.titan-embed-text-v2:0"]["responseStreamingSupported"]


@pytest.mark.parametrize(
    ("wanted", "check"),
    [
        ({"byProvider": "anthropic"}, lambda each: each["providerName"] == "Anthropic"),
        ({"byProvider": "Mistral AI"}, lambda each: each["providerName"] == "Mistral AI"),
        ({"byCustomizationType": "DISTILLATION"}, lambda each: "DISTILLATION" in each["customizationsSupported"]),
        ({"byOutputModality": "IMAGE"}, lambda each: "IMAGE" in each["outputModalities"]),
        ({"byInferenceType": "PROVISIONED"}, lambda each: "PROVISIONED" in each["inferenceTypesSupported"]),
        (
            {"byProvider": "Amazon", "byInferenceType": "ON_DEMAND", "byOutputModality": "TEXT"},
            lambda each: each["modelId"] in {f"amazon.nova-{size}-v1:0" for size in ("micro", "lite", "pro")},
        ),
    ],
)
def test_boto3_filters_models(client: Any, wanted: dict[str, str], check: Any) -> None:
    """Each filter keeps what fits it, all that fits it, and nothing else; filters add up."""
    found = [summary["modelId"] for summary in client.list_foundation_models(**wanted)["modelSummaries"]]
    expected = [each["modelId"] for each in client.list_foundation_models()["modelSummaries"] if check(each)]
    assert found == expected
    assert 0 < len(found) < len(MODELS)
    assert client.list_foundation_models(byProvider="Nobody")["modelSummaries"] == []


def test_boto3_gets_one_model(client: Any) -> None:
    """By id and by ARN; an unknown one is an error of its own class."""
    details = client.get_foundation_model(modelIdentifier="amazon.nova-lite-v1:0")["modelDetails"]
    assert details["modelName"] == "Nova Lite"
    assert client.get_foundation_model(modelIdentifier=details["modelArn"])["modelDetails"] == details
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.get_foundation_model(modelIdentifier="amazon.nova-none-v1:0")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize("size", [1, 4, 7])
def test_boto3_pages_through_profiles(client: Any, emulator: Emulator, size: int) -> None:
    """Its own paginator comes to the end, with every profile once and no page too large."""
    whole = client.list_inference_profiles()["inferenceProfileSummaries"]
    pages = list(client.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": size}))
    assert [each for page in pages for each in page["inferenceProfileSummaries"]] == whole
    assert [len(page["inferenceProfileSummaries"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert len(pages) == -(-len(whole) // size)
    assert emulator.requests[-1].operation == "ListInferenceProfiles"


def test_profiles_are_of_a_kind_and_of_a_region(emulator: Emulator, client: Any) -> None:
    """The type is a filter; the region of the signature decides which geographies there are."""
    made = client.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"]
    assert [each["inferenceProfileId"] for each in made] == list(APPLICATION_PROFILES)
    defined = client.list_inference_profiles(typeEquals="SYSTEM_DEFINED")["inferenceProfileSummaries"]
    assert {each["inferenceProfileId"].partition(".")[0] for each in defined} == {"us", "global"}
    assert NOVA in {each["inferenceProfileId"] for each in defined}
    with closing(make_client(emulator, region="ap-northeast-1")) as elsewhere:
        found = elsewhere.list_inference_profiles(typeEquals="SYSTEM_DEFINED")["inferenceProfileSummaries"]
    assert {each["inferenceProfileId"].partition(".")[0] for each in found} == {"jp", "apac", "global"}
    assert all(each["inferenceProfileArn"].startswith("arn:aws:bedrock:ap-northeast-1:") for each in found)


def test_boto3_gets_one_profile(client: Any) -> None:
    """By id and by ARN: that of an account tells which model is behind it."""
    (identifier, (name, model)), *_ = APPLICATION_PROFILES.items()
    profile = client.get_inference_profile(inferenceProfileIdentifier=identifier)
    assert profile["inferenceProfileName"] == name
    assert [each["modelArn"].rpartition("/")[2] for each in profile["models"]] == [model]
    by_arn = client.get_inference_profile(inferenceProfileIdentifier=profile["inferenceProfileArn"])
    assert by_arn["inferenceProfileId"] == identifier
    assert client.get_inference_profile(inferenceProfileIdentifier=NOVA)["type"] == "SYSTEM_DEFINED"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_inference_profile(inferenceProfileIdentifier="us.none")


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("list_foundation_models", {"byOutputModality": "SMELL"}, "'byOutputModality' failed to satisfy constraint"),
        ("list_foundation_models", {"byProvider": "A/B"}, "'byProvider' failed to satisfy constraint"),
        ("list_inference_profiles", {"maxResults": 1001}, "'maxResults' failed to satisfy constraint"),
        ("list_inference_profiles", {"typeEquals": "OTHER"}, "'typeEquals' failed to satisfy constraint"),
        ("list_inference_profiles", {"nextToken": "ZnJvbSAw"}, "The provided nextToken is not valid."),
        ("list_inference_profiles", {"nextToken": "guess"}, "The provided nextToken is not valid."),
        ("get_foundation_model", {"modelIdentifier": "no model"}, "'modelIdentifier' failed to satisfy constraint"),
    ],
)
def test_wrong_parameters_are_refused(client: Any, method: str, arguments: dict[str, Any], message: str) -> None:
    """What the service's model does not allow, and tokens that nobody has given."""
    with pytest.raises(client.exceptions.ValidationException, match=message):
        getattr(client, method)(**arguments)


def test_a_number_that_is_none_is_refused() -> None:
    """A client without botocore can send one."""
    with Emulator() as emulator:
        connection = connect(emulator)
        connection.request("GET", "/inference-profiles?maxResults=many", headers={"authorization": AUTHORIZATION})
        response = connection.getresponse()
        assert (response.status, b"maxResults" in response.read()) == (400, True)
        connection.close()


def test_errors_can_be_scripted(client: Any, emulator: Emulator) -> None:
    """For one operation at a time; chats and other look-ups are not touched, and chats' answers not taken."""
    emulator.enqueue_error("ListFoundationModels", HttpError(429, "ThrottlingException", "Slowly."))
    emulator.enqueue(HttpError(500, "InternalServerException", "For a chat."))
    assert client.list_inference_profiles()["inferenceProfileSummaries"]
    with pytest.raises(client.exceptions.ThrottlingException, match="Slowly"):
        client.list_foundation_models()
    assert client.list_foundation_models()["modelSummaries"]
    assert emulator.pending == 1
    with pytest.raises(ValueError, match="'Converse' is none of CountTokens, GetFoundationModel"):
        emulator.enqueue_error("Converse", HttpError(429, "ThrottlingException", "Slowly."))


def test_look_ups_need_keys_too() -> None:
    """The control plane asks who it is, as the runtime does."""
    with Emulator(credentials=Credentials("AKIDEXAMPLE", "another")) as emulator:
        with closing(make_client(emulator)) as client, pytest.raises(ClientError) as caught:
            client.list_inference_profiles(maxResults=3)
        assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_every_operation_of_the_table_is_answered() -> None:
    """None is routed and then forgotten."""
    for operation in CATALOG_OPERATIONS:
        try:
            assert answer_catalog(operation, "nothing", {}, region="us-east-1")
        except RefusedError as refused:
            assert refused.error.status == 404, operation  # noqa: PT017 - either outcome is an answer
