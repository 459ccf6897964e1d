"""Model ids are taken apart, in every form that the service documents and in forms that it does not."""

from dataclasses import asdict, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock._model_ids import GEOGRAPHIES, MAKERS, ModelId, ModelKind, is_arn, parse_model

_BASE = "kind=foundation-model"
_PROFILE = "kind=inference-profile"
_CLAUDE = "maker=anthropic family=claude"
_NOVA = "maker=amazon family=nova"
_IN_US = "partition=aws region=us-east-1 account=123456789012"
_ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:"

# Id, what stands in it, and the base model (None: the same as the id; "-": hidden).
_IDS: list[tuple[str, str, str | None]] = [
    ("anthropic.claude-v2", f"{_BASE} {_CLAUDE} name=claude version=v2", None),
    ("anthropic.claude-v2:1", f"{_BASE} {_CLAUDE} name=claude version=v2 revision=1", None),
    ("anthropic.claude-v2:1:18k", f"{_BASE} {_CLAUDE} name=claude version=v2 revision=1 variant=18k", None),
    ("anthropic.claude-instant-v1:2:100k",
     f"{_BASE} {_CLAUDE} name=claude-instant version=v1 revision=2 variant=100k", None),
    ("anthropic.claude-3-haiku-20240307-v1:0",
     f"{_BASE} {_CLAUDE} name=claude-3-haiku date=20240307 version=v1 revision=0", None),
    ("anthropic.claude-3-haiku-20240307-v1%3A0",
     f"{_BASE} {_CLAUDE} name=claude-3-haiku date=20240307 version=v1 revision=0",
     "anthropic.claude-3-haiku-20240307-v1:0"),
    ("anthropic.claude-3-5-sonnet-20241022-v2:0",
     f"{_BASE} {_CLAUDE} name=claude-3-5-sonnet date=20241022 version=v2 revision=0", None),
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0",
     f"{_PROFILE} geography=us {_CLAUDE} name=claude-sonnet-4-5 date=20250929 version=v1 revision=0",
     "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("us.anthropic.claude-sonnet-5", f"{_PROFILE} geography=us {_CLAUDE} name=claude-sonnet-5",
     "anthropic.claude-sonnet-5"),
    ("us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0",
     f"{_PROFILE} geography=us-gov {_CLAUDE} name=claude-3-5-sonnet date=20240620 version=v1 revision=0",
     "anthropic.claude-3-5-sonnet-20240620-v1:0"),
    ("global.anthropic.claude-opus-4-6-v1", f"{_PROFILE} geography=global {_CLAUDE} name=claude-opus-4-6 version=v1",
     "anthropic.claude-opus-4-6-v1"),
    ("amazon.nova-lite-v1:0", f"{_BASE} {_NOVA} name=nova-lite version=v1 revision=0", None),
    ("apac.amazon.nova-pro-v1:0", f"{_PROFILE} geography=apac {_NOVA} name=nova-pro version=v1 revision=0",
     "amazon.nova-pro-v1:0"),
    ("us.amazon.nova-2-lite-v1:0", f"{_PROFILE} geography=us {_NOVA} name=nova-2-lite version=v1 revision=0",
     "amazon.nova-2-lite-v1:0"),
    ("amazon.nova-premier-v1:0:mm", f"{_BASE} {_NOVA} name=nova-premier version=v1 revision=0 variant=mm", None),
    ("amazon.titan-text-express-v1:0:8k",
     f"{_BASE} maker=amazon family=titan name=titan-text-express version=v1 revision=0 variant=8k", None),
    ("amazon.titan-text-lite-v1:28k", f"{_BASE} maker=amazon family=titan name=titan-text-lite version=v1 variant=28k",
     None),
    ("us.meta.llama4-maverick-17b-instruct-v1:0",
     f"{_PROFILE} geography=us maker=meta family=llama name=llama4-maverick-17b-instruct version=v1 revision=0",
     "meta.llama4-maverick-17b-instruct-v1:0"),
    ("mistral.mistral-7b-instruct-v0:2",
     f"{_BASE} maker=mistral family=mistral name=mistral-7b-instruct version=v0 revision=2", None),
    ("mistral.mistral-large-3-675b-instruct",
     f"{_BASE} maker=mistral family=mistral name=mistral-large-3-675b-instruct", None),
    ("us.mistral.pixtral-large-2502-v1:0",
     f"{_PROFILE} geography=us maker=mistral family=pixtral name=pixtral-large-2502 version=v1 revision=0",
     "mistral.pixtral-large-2502-v1:0"),
    ("cohere.command-text-v14:7:4k",
     f"{_BASE} maker=cohere family=command name=command-text version=v14 revision=7 variant=4k", None),
    ("us.deepseek.r1-v1:0", f"{_PROFILE} geography=us maker=deepseek family=deepseek name=r1 version=v1 revision=0",
     "deepseek.r1-v1:0"),
    ("deepseek.v3.2", f"{_BASE} maker=deepseek family=deepseek name=v3.2", None),
    ("openai.gpt-oss-120b-1:0", f"{_BASE} maker=openai family=gpt name=gpt-oss-120b version=1 revision=0", None),
    ("nvidia.nemotron-nano-12b-v2", f"{_BASE} maker=nvidia family=nemotron name=nemotron-nano-12b version=v2", None),
    ("zai.glm-4.7", f"{_BASE} maker=zai family=glm name=glm-4.7", None),
    ("newcomer.model-1.5-v1:0", f"{_BASE} maker=newcomer family=model name=model-1.5 version=v1 revision=0", None),
    ("mars.anthropic.claude-9-v1:0",
     f"{_PROFILE} geography=mars {_CLAUDE} name=claude-9 version=v1 revision=0", "anthropic.claude-9-v1:0"),
    ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
     f"{_BASE} {_CLAUDE} name=claude version=v2 partition=aws region=us-east-1", "anthropic.claude-v2"),
    ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0:300k",
     f"{_BASE} {_NOVA} name=nova-pro version=v1 revision=0 variant=300k partition=aws-us-gov region=us-gov-west-1",
     "amazon.nova-pro-v1:0:300k"),
    (_ACCOUNT + "inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
     f"{_PROFILE} geography=us {_CLAUDE} name=claude-3-7-sonnet date=20250219 version=v1 revision=0 {_IN_US}",
     "anthropic.claude-3-7-sonnet-20250219-v1:0"),
    (_ACCOUNT + "inference-profile/abcdefghijkl", f"{_PROFILE} {_IN_US}", "-"),
    (_ACCOUNT + "application-inference-profile/mi1dadi0g15f", f"kind=application-inference-profile {_IN_US}", "-"),
    (_ACCOUNT + "application-inference-profile/my.profile", f"kind=application-inference-profile {_IN_US}", "-"),
    (_ACCOUNT + "custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl",
     f"kind=custom-model {_NOVA} name=nova-lite version=v1 revision=0 variant=300k {_IN_US}",
     "amazon.nova-lite-v1:0:300k"),
    (_ACCOUNT + "custom-model/imported/abcdefghijkl", f"kind=custom-model {_IN_US}", "-"),
    (_ACCOUNT + "custom-model-deployment/abcdefghijkl", f"kind=custom-model-deployment {_IN_US}", "-"),
    (_ACCOUNT + "imported-model/abcdefghijkl", f"kind=imported-model {_IN_US}", "-"),
    (_ACCOUNT + "provisioned-model/abcdefghijkl", f"kind=provisioned-model {_IN_US}", "-"),
    (_ACCOUNT + "prompt/PROMPT1234", f"kind=prompt {_IN_US}", "-"),
    (_ACCOUNT + "prompt/PROMPT1234:7", f"kind=prompt version=7 {_IN_US}", "-"),
    (_ACCOUNT + "default-prompt-router/anthropic.claude:1",
     f"kind=prompt-router {_CLAUDE} name=claude version=1 {_IN_US}", "anthropic.claude:1"),
    (_ACCOUNT + "prompt-router/abcdefghijkl", f"kind=prompt-router {_IN_US}", "-"),
    (_ACCOUNT + "marketplace/model-endpoint/all-access", f"kind=marketplace {_IN_US}", "-"),
    (_ACCOUNT + "guardrail/abcdefghijkl", f"kind=unknown {_IN_US}", "-"),
    ("arn:aws:sagemaker:eu-west-1:123456789012:endpoint/llama.7b",
     "kind=sagemaker-endpoint partition=aws region=eu-west-1 account=123456789012", "-"),
    ("arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/some-model/1.0.0",
     "kind=marketplace partition=aws region=us-east-1 account=aws", "-"),
    ("arn:aws:bedrock", "kind=unknown partition=aws", "-"),
    ("my-alias", "kind=unknown", "-"),
    ("us.", "kind=unknown", "-"),
    ("us.my-alias", "kind=unknown", "-"),
    (".odd", "kind=unknown", "-"),
    ("", "kind=unknown", "-"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "model"), _IDS, ids=[row[0] or "empty" for row in _IDS])
def test_an_id_is_taken_apart(text: str, expected: str, model: str | None) -> None:
    """Each part stands in its field, what the id does not say is None, and a hidden model is said to be hidden."""
    found = asdict(parse_model(text))
    stated = {name: value for name, value in found.items() if value is not None and name not in {"model", "text"}}
    assert stated == dict(pair.split("=", 1) for pair in expected.split())
    assert found["text"] == text
    assert found["model"] == {None: text, "-": None}.get(model, model)
    assert parse_model(text).hidden is (model == "-")


def test_every_kind_is_in_the_list() -> None:
    """At least forty ids, and every kind of id among them."""
    assert len(_IDS) >= 40
    assert {parse_model(text).kind for text, _, _ in _IDS} == set(get_args(ModelKind))


@pytest.mark.parametrize("geography", sorted(GEOGRAPHIES))
def test_rule_76_every_geography_of_every_maker(geography: str) -> None:
    """A geography is taken off before every maker, and the rest reads as the base model does."""
    for maker in [*sorted(MAKERS), "newcomer"]:
        base = parse_model(f"{maker}.model-9-v1:0")
        profile = parse_model(f"{geography}.{maker}.model-9-v1:0")
        assert base.maker == maker
        assert profile == replace(base, text=profile.text, kind="inference-profile", geography=geography)


def test_no_maker_is_a_geography() -> None:
    """Otherwise the first word of an id would have two meanings."""
    assert not GEOGRAPHIES & MAKERS


@given(st.text() | st.from_regex(r"(arn:aws:bedrock:[a-z0-9-]*:[0-9]*:)?[a-z./:-]*", fullmatch=True))
def test_every_text_is_some_id(text: str) -> None:
    """Nothing is refused: the id is kept as it is, and only an ARN has a region."""
    found = parse_model(text)
    assert isinstance(found, ModelId)
    assert found.text == text
    assert found.region is None or is_arn(found.text) or "%" in text
    assert found.hidden == (found.maker is None)
