"""Model ids tell whose model it is, in every form that an id can take."""

import pytest

from chatport_bedrock._models import GEOGRAPHIES, base_model, model_family

_ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        ("anthropic.claude-3-haiku-20240307-v1%3A0", "anthropic"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic"),
        ("us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0", "anthropic"),
        ("amazon.nova-lite-v1:0", "amazon"),
        ("apac.amazon.nova-micro-v1:0", "amazon"),
        ("meta.llama3-2-1b-instruct-v1:0", "meta"),
        ("us.deepseek.r1-v1:0", "deepseek"),
        ("openai.gpt-oss-120b-1:0", "openai"),
        ("minimax.minimax-m2.1", "minimax"),
        ("zai.glm-4.7", "zai"),
        ("newcomer.model-1.5-v1:0", "newcomer"),
        ("us.newcomer.model-1.5-v1:0", "newcomer"),
        ("mars.anthropic.claude-9-v1:0", "anthropic"),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2", "anthropic"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0:300k", "amazon"),
        (_ACCOUNT + "inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0", "anthropic"),
        (_ACCOUNT + "custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl", "amazon"),
        (_ACCOUNT + "default-prompt-router/anthropic.claude:1", "anthropic"),
    ],
)
def test_the_family_stands_in_the_id(model_id: str, family: str) -> None:
    """Base ids, geographies known and unknown, makers known and unknown, dots in a version, ARNs that name a model."""
    assert model_family(model_id) == family


@pytest.mark.parametrize(
    "model_id",
    [
        _ACCOUNT + "application-inference-profile/mi1dadi0g15f",
        _ACCOUNT + "application-inference-profile/my.profile",
        _ACCOUNT + "inference-profile/abcdefghijkl",
        _ACCOUNT + "provisioned-model/abcdefghijkl",
        _ACCOUNT + "imported-model/abcdefghijkl",
        _ACCOUNT + "prompt/PROMPT1234:1",
        "arn:aws:sagemaker:us-east-1:123456789012:endpoint/llama.7b",
        "arn:aws:bedrock",
        "does-not-exist",
        ".odd",
        "us.",
        "",
    ],
)
def test_an_id_that_hides_its_model_is_its_own_family(model_id: str) -> None:
    """What the account's owner named, another service's ARN, and ids that are none: each is a family of its own."""
    assert model_family(model_id) == model_id


@pytest.mark.parametrize("geography", sorted(GEOGRAPHIES))
def test_a_geography_is_no_family(geography: str) -> None:
    """Every geography is taken off, and the same model has one family in all of them."""
    assert base_model(f"{geography}.amazon.nova-lite-v1:0") == "amazon.nova-lite-v1:0"
    assert model_family(f"{geography}.amazon.nova-lite-v1:0") == "amazon"


def test_a_base_id_stays_as_it_is() -> None:
    """Where there is nothing to take off, the id itself is returned; so it is for an ARN that hides its model."""
    assert base_model("amazon.nova-lite-v1:0") == "amazon.nova-lite-v1:0"
    assert base_model(_ACCOUNT + "provisioned-model/abc") == _ACCOUNT + "provisioned-model/abc"
