"""Model ids tell whose model it is, in every form that an id can take, and the table tells what that model can do."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pytest
from bedrock_support.models import SAMPLES
from pydantic import TypeAdapter

from chatport_bedrock._capabilities import CacheSupport, ReasoningSupport
from chatport_bedrock._model_table import ROWS, Row
from chatport_bedrock._models import GEOGRAPHIES, Capabilities, _applied, base_model, capabilities, model_family

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


# --- the table -------------------------------------------------------------------------------------------------------


def _check_types(kind: type[Any], values: Mapping[str, Any]) -> None:
    hints = get_type_hints(kind)
    for name, value in values.items():
        TypeAdapter(hints[name]).validate_python(value, strict=True)
        if is_dataclass(value):
            _check_types(type(value), {item.name: getattr(value, item.name) for item in fields(value)})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.beginning)
def test_every_word_of_a_row_counts(row: Row) -> None:
    """A row names fields that exist, with values of their types; each makes a difference for some sample."""
    _check_types(Capabilities, row.differences)
    samples = [sample for sample in SAMPLES if row.matches(sample)]
    for name in row.differences:
        weaker = Row(row.beginning, {key: value for key, value in row.differences.items() if key != name})
        rows = [weaker if other is row else other for other in ROWS]
        assert any(_applied(rows, sample) != capabilities(sample) for sample in samples), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.beginning)
def test_a_row_is_about_what_its_pattern_says(row: Row) -> None:
    """That most rows are passed over by the maker alone changes nothing of what they are about."""
    for model in {base_model(sample).lower() for sample in SAMPLES}:
        found = re.match(rf"(?:{row.beginning})(?!(?<=\d)\d)", model)
        assert row.matches(model) is (found is not None), model


def test_rows_go_from_the_general_to_the_special() -> None:
    """No two rows begin alike: what they say stands in one."""
    assert len({row.beginning for row in ROWS}) == len(ROWS)


def test_every_capability_differs_somewhere_and_is_described() -> None:
    """A field that no model differs in is no capability; a field without a word about it helps nobody."""
    for kind in (Capabilities, CacheSupport, ReasoningSupport):
        described = inspect.getdoc(kind) or ""
        assert all(f"\n    {item.name}: " in described for item in fields(kind))
    everybody = [capabilities(sample) for sample in SAMPLES]
    for item in fields(Capabilities):
        assert len({getattr(found, item.name) for found in everybody}) > 1, item.name
    for item in fields(CacheSupport):
        assert len({getattr(found.cache, item.name) for found in everybody}) > 1, item.name
    for item in fields(ReasoningSupport):
        assert len({getattr(found.reasoning, item.name) for found in everybody}) > 1, item.name


@pytest.mark.parametrize(
    "model",
    ["newcomer.model-1.5-v1:0", "us.newcomer.model-1.5-v1:0", "my-alias", "", _ACCOUNT + "prompt/PROMPT1234:1"]
    + [_ACCOUNT + kind + "/abcdefghijkl" for kind in ("application-inference-profile", "imported-model")],
)
def test_an_unknown_model_is_allowed_everything(model: str) -> None:
    """Nothing is refused, rewritten or advised; it is only known that nothing is known."""
    found = capabilities(model)
    assert found == Capabilities()
    assert not found.known
    allowed = {item.name for item in fields(found) if getattr(found, item.name) is True}
    refused = {item.name for item in fields(found) if getattr(found, item.name) is False}
    assert refused == {"known", "none_choice", "inline_definitions"}  # three that ask for something special
    assert {"streaming_tools", "prefill", "leading_assistant", "system", "strict_tools"} <= allowed
    assert (found.tool_id, found.advised_tool_name, found.result_documents) == (None, None, None)
    assert not found.refused_settings | found.exclusive_settings
    assert not found.results_alone
    assert found.cache == CacheSupport(supported=True, ttls=frozenset({"5m", "1h"}), never_after=frozenset())
    assert found.reasoning.kind == "unknown"
    assert found.reasoning.replays_unsigned


@pytest.mark.parametrize("sample", SAMPLES[:-1])
def test_every_way_to_a_model_leads_to_the_same_capabilities(sample: str) -> None:
    """By its id, by a profile, by an ARN of either, and by the ARN of a model made from it."""
    found = capabilities(sample)
    assert found.known
    assert capabilities(f"us.{sample}") == found
    assert capabilities(f"arn:aws:bedrock:us-east-1::foundation-model/{sample}") == found
    assert capabilities(f"{_ACCOUNT}inference-profile/global.{sample}") == found
    assert capabilities(f"{_ACCOUNT}custom-model/{sample}/abcdefghijkl") == found
    assert {found: sample}[capabilities(sample.upper())] == sample


def test_a_newer_claude_is_like_the_newest() -> None:
    """A generation that the table has not seen does not fall back to what the first ones could."""
    assert capabilities("anthropic.claude-opus-6") == capabilities("anthropic.claude-opus-5")
    assert capabilities("anthropic.claude-opus-10-1") == capabilities("anthropic.claude-opus-5")
    assert capabilities("anthropic.claude-opus-4-9") == capabilities("anthropic.claude-opus-4-8")
    assert capabilities("anthropic.claude-opus-4-10-v1:0") == capabilities("anthropic.claude-opus-4-8")
    assert capabilities("anthropic.claude-sonnet-4-12-20280101-v1:0") == capabilities("anthropic.claude-sonnet-4-9")


def test_a_date_is_no_generation() -> None:
    """The day in `claude-opus-4-20250514` does not make it Claude 4.20, and Claude 4.1 is not Claude 4.10."""
    four = capabilities("anthropic.claude-opus-4-20250514-v1:0")
    assert four == capabilities("anthropic.claude-sonnet-4-20250514-v1:0")
    assert four.prefill
    assert not four.exclusive_settings
    assert capabilities("anthropic.claude-opus-4-1-20250805-v1:0").exclusive_settings == {"temperature", "top_p"}
