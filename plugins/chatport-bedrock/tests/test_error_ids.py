"""Which id to use: errors that name the profile of a region, and models that do not exist."""

from __future__ import annotations

import pytest
from bedrock_support.refusing import BASE, INVALID, VALIDATION, refused

import chatport
from chatport.backend import ListsModels, ModelNotFoundError
from chatport_bedrock._profile_ids import profile_ids
from chatport_bedrock.emulator import Credentials, Emulator

ARN = "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.amazon.nova-lite-v1:0"


@pytest.mark.parametrize(
    ("region", "geographies"),
    [
        ("us-east-1", ("us", "global")),
        ("us-west-2", ("us", "global")),
        ("us-gov-west-1", ("us-gov",)),
        ("us-iso-east-1", ()),
        ("eu-west-1", ("eu", "global")),
        ("eu-central-1", ("eu", "global")),
        ("eu-isoe-west-1", ()),
        ("ca-central-1", ("ca", "us", "global")),
        ("ap-northeast-1", ("jp", "apac", "global")),
        ("ap-northeast-2", ("apac", "global")),
        ("ap-southeast-2", ("au", "apac", "global")),
        ("ap-southeast-1", ("apac", "global")),
        ("ap-south-1", ("apac", "global")),
        ("sa-east-1", ("global",)),
        ("me-central-1", ("global",)),
        ("cn-north-1", ()),
        (None, ("us", "eu", "apac", "jp", "au", "global")),
    ],
)
@pytest.mark.parametrize("model", [BASE, f"arn:aws:bedrock:::foundation-model/{BASE}"])
def test_rule_76_geographies_by_region(region: str | None, geographies: tuple[str, ...], model: str) -> None:
    """The nearest comes first; what the region of an ARN says beats the one that is asked."""
    assert profile_ids(model, region) == tuple(f"{geography}.{BASE}" for geography in geographies)


@pytest.mark.parametrize("model", [f"us.{BASE}", ARN, "claude-3", "arn:aws:bedrock:us-east-1:1:provisioned-model/x"])
def test_rule_76_profiles_stand_for_base_models(model: str) -> None:
    """Of a profile, and of an id that hides its model, there is no profile."""
    assert profile_ids(model, "us-east-1") == ()


def test_rule_76_the_region_of_an_arn() -> None:
    """It is the one that is asked."""
    assert profile_ids(f"arn:aws:bedrock:eu-west-1::foundation-model/{BASE}", "us-east-1")[0] == f"eu.{BASE}"


@pytest.mark.parametrize("apostrophe", ["'", "\N{RIGHT SINGLE QUOTATION MARK}"])
@pytest.mark.parametrize(
    ("model", "region", "suggested"),
    [
        (BASE, "eu-west-1", f"from eu-west-1 `eu.{BASE}` or `global.{BASE}`"),
        (BASE, "us-gov-west-1", f"from us-gov-west-1 `us-gov.{BASE}`"),
        ("deepseek.r1-v1:0", "us-west-2", "`us.deepseek.r1-v1:0`"),
        (BASE, "ap-northeast-1", f"`jp.{BASE}`, `apac.{BASE}` or `global.{BASE}`"),
        (BASE, None, f"`us.{BASE}`, `eu.{BASE}`"),
        (f"arn:aws:bedrock:eu-west-1::foundation-model/{BASE}", "eu-west-1", f"`eu.{BASE}`"),
        (BASE, "cn-north-1", "that cn-north-1 offers it"),
    ],
)
def test_rule_75_a_model_that_needs_a_profile(apostrophe: str, model: str, region: str | None, suggested: str) -> None:
    """The message says which id to use instead, with either apostrophe that the service writes."""
    message = (
        f"Invocation of model ID {model} with on-demand throughput isn{apostrophe}t supported. Retry your request "
        "with the ID or ARN of an inference profile that contains this model."
    )
    error = refused(VALIDATION, message, model=model, region=region)
    assert type(error) is ModelNotFoundError
    assert suggested in error.message
    assert "chatport models bedrock" in error.message


@pytest.mark.anyio
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-northeast-1", "ap-southeast-2", "sa-east-1"])
async def test_rule_75_the_id_that_is_suggested_answers(region: str) -> None:
    """Through a session: the base id is refused, and what the region offers in its place is in the message."""
    keys = Credentials("AKIDEXAMPLE", "not-a-secret", region=region)
    with Emulator(credentials=keys) as emulator:
        options = {"region": region, "endpoint_url": emulator.url}
        options |= {"access_key_id": keys.access_key_id, "secret_access_key": keys.secret_access_key}
        with pytest.raises(ModelNotFoundError) as caught:
            await chatport.ask(f"bedrock:{BASE}", "Hi", backend_options=options)
        assert f"from {region} " in caught.value.message
        suggested = [word for word in caught.value.message.split("`") if word.endswith(f".{BASE}")]
        async with chatport.open_backend("bedrock", **options) as backend:
            assert isinstance(backend, ListsModels)
            listed = {model.id for model in await backend.models()}
            offered = {model for model in listed if model.endswith(f".{BASE}")}
            assert offered <= set(suggested)
            for model in offered:
                assert (await chatport.Session(backend, model).ask("Hi")).text
            assert offered


@pytest.mark.parametrize(
    ("message", "code", "status"),
    [
        (INVALID, VALIDATION, 400),
        ("1 validation error detected: Value 'x y' at 'modelId' failed to satisfy constraint: …", VALIDATION, 400),
        ("Could not resolve the foundation model from the provided model identifier.", VALIDATION, 400),
        (
            "Could not resolve the foundation model from the provided model identifier.",
            "ResourceNotFoundException",
            404,
        ),
    ],
)
@pytest.mark.parametrize(
    ("model", "region", "hint"),
    [
        (BASE, "us-east-1", f"`us.{BASE}`"),
        (f"us.{BASE}", "us-east-1", "Check the id, and that us-east-1 offers it"),
        (f"us.{BASE}", None, "that the region you call offers it"),
        (f"eu.{BASE}", "us-east-1", "us-east-1 has no profiles of the geography `eu`; there, try `us.` or `global.`"),
        (f"us.{BASE}", "sa-east-1", "there, try `global.` in its place"),
        ("claude-3", "us-east-1", "Check the id"),
        (ARN, "us-east-1", "`eu`"),
    ],
)
def test_rule_75_a_model_that_does_not_exist(
    model: str, region: str | None, hint: str, message: str, code: str, status: int
) -> None:
    """A profile is suggested where the id has none yet, another geography where the region does not have this one."""
    error = refused(code, message, status=status, model=model, region=region)
    assert type(error) is ModelNotFoundError
    assert hint in error.message
    assert not error.retryable
