"""What models refuse, by the numbers of the rules, as the table of models has it."""

import re

import pytest
from bedrock_support.models import SAMPLES, family

from chatport_bedrock._capabilities import (
    CACHE_ORDER,
    MAX_CACHE_POINTS,
    STRICT_MAX_MIN_ITEMS,
    STRICT_MAX_TOOLS,
    STRICT_MAX_UNIONS,
    STRICT_REFUSED_KEYWORDS,
    TOOL_NAME,
)
from chatport_bedrock._models import capabilities

_CHOICES: set[str] = {"auto", "any", "tool"}


def test_rule_3_who_must_begin() -> None:
    """These families want a user's message first; Claude, Qwen, GLM and Kimi take an assistant's too.

    Of other makers it is not known, and they get the user's message; of a maker nobody knows nothing is changed.
    """
    strict = family("amazon.nova", "meta.", "mistral.", "cohere.", "ai21.", "writer.")
    assert not any(found.leading_assistant for found in strict)
    assert not any(found.leading_assistant for found in family("deepseek.", "openai.", "minimax.", "google.", "xai."))
    assert all(found.leading_assistant for found in family("newcomer."))
    assert all(found.leading_assistant for found in family("anthropic.", "qwen.", "zai.", "moonshot"))


def test_rule_4_prefill() -> None:
    """Claude refuses a trailing assistant message since 4.6; older ones and other makers do not."""
    old = ("anthropic.claude-3", "anthropic.claude-sonnet-4-5", "anthropic.claude-haiku-4-5", "amazon.")
    new = ("anthropic.claude-sonnet-4-6", "anthropic.claude-opus-4-7", "anthropic.claude-sonnet-5")
    newest = ("anthropic.claude-opus-5", "anthropic.claude-fable-5")
    assert all(found.prefill for found in family(*old))
    assert not any(found.prefill for found in family(*new, *newest))


def test_rule_5_trailing_white_space_of_a_prefill() -> None:
    """Claude refuses it."""
    assert not any(found.prefill_trailing_space for found in family("anthropic."))


def test_rule_7_what_stands_beside_tool_results() -> None:
    """Nothing with Llama, Mistral and Writer, no video with Claude, anything with Nova; calls stand alone likewise."""
    alone = family("meta.", "mistral.", "writer.")
    assert all(found.results_alone and not found.text_beside_calls for found in alone)
    assert all(found.beside_results == {"text", "image", "document"} for found in family("anthropic."))
    assert all({"text", "image", "document", "video"} <= found.beside_results for found in family("amazon.nova"))
    assert all(found.text_beside_calls for found in family("anthropic.", "amazon.nova", "cohere."))


def test_rule_12_no_tool_may_be_called() -> None:
    """Only Claude can be told so."""
    assert {s.partition(".")[0] for s in SAMPLES if capabilities(s).none_choice} == {"anthropic"}


def test_rule_27_media_inside_tool_results() -> None:
    """Each family has its own kinds; of documents Nova reads there only those that are text."""
    assert all(found.result_media == {"image", "document"} for found in family("anthropic.", "meta.", "amazon.nova"))
    assert all(found.result_media == {"document"} for found in family("mistral."))
    assert not any(found.result_media for found in family("qwen.", "moonshot"))
    assert all(found.result_documents == frozenset({"csv", "html", "md", "txt"}) for found in family("amazon.nova"))
    assert all(found.result_documents is None for found in family("anthropic.", "meta.", "mistral."))


def test_rule_30_status_of_a_result() -> None:
    """Writer refuses it, and nobody else is known to."""
    assert {s for s in SAMPLES if not capabilities(s).result_status} == {"writer.palmyra-x5-v1:0"}


def test_rule_31_names_of_tools() -> None:
    """The advice for Nova is a part of what the service takes."""
    (advised,) = {found.advised_tool_name for found in family("amazon.nova")}
    assert advised is not None
    assert re.fullmatch(advised, "get_weather")
    assert not re.fullmatch(advised, "get-weather")
    assert re.fullmatch(TOOL_NAME, "get-weather")
    assert not re.fullmatch(advised, "a" * 65)
    assert not re.fullmatch(TOOL_NAME, "a" * 65)


def test_rule_33_ids_of_calls() -> None:
    """Mistral wants nine letters and digits; nobody else narrows what the service takes."""
    patterns = {capabilities(s).tool_id for s in SAMPLES if s.startswith("mistral.")}
    assert [capabilities(s).tool_id for s in SAMPLES if capabilities(s).tool_id not in {None, *patterns}] == []
    (pattern,) = patterns
    assert pattern is not None
    assert re.fullmatch(pattern, "aB3dE6gH9")
    assert not any(re.fullmatch(pattern, text) for text in ("tooluse_1", "aB3dE6gH", "aB3dE6gH90"))


@pytest.mark.parametrize(
    ("beginning", "choices"),
    [
        ("amazon.nova", _CHOICES),
        ("anthropic.claude-sonnet-4", _CHOICES),
        ("anthropic.claude-opus-4", _CHOICES),
        ("meta.llama3-1", {"auto"}),
        ("meta.llama3-2-90b", {"auto"}),
        ("meta.llama3-3", {"auto"}),
        ("meta.llama4", {"auto"}),
        ("meta.llama3-2-1b", set[str]()),
        ("mistral.mistral-large", {"auto", "any"}),
        ("mistral.pixtral", set[str]()),
        ("deepseek.v3", {"auto", "any"}),
        ("openai.gpt-oss", set[str]()),
        ("qwen.", set[str]()),
        ("cohere.", set[str]()),
        ("zai.glm-5.3", _CHOICES),
    ],
)
def test_rule_40_tool_choice(beginning: str, choices: set[str]) -> None:
    """What may be sent as `toolChoice`; where nothing may, the member is left out."""
    assert all(found.tool_choices == choices for found in family(beginning))


def test_rule_41_a_forced_tool_and_reasoning() -> None:
    """Claude refuses the two together with a budget, not with adaptive reasoning; a few refuse to be forced at all."""
    budget = ("anthropic.claude-3-7", "anthropic.claude-sonnet-4", "anthropic.claude-haiku-4-5")
    assert all(found.reasoning.refuses_forced_choice == {"budget"} for found in family(*budget))
    free = family("anthropic.claude-opus-4-8", "anthropic.claude-opus-5", "anthropic.claude-fable-5")
    assert not any(found.reasoning.refuses_forced_choice for found in free)
    unforced = {s for s in SAMPLES if s.startswith("anthropic.") and capabilities(s).tool_choices == {"auto"}}
    assert unforced == {f"anthropic.claude-{name}" for name in ("fable-5-1", "opus-5-5", "sonnet-5-5")}
    assert all(found.reasoning.refuses_forced_choice == {"effort"} for found in family("deepseek.v3"))


def test_rule_42_system_tools_cannot_be_forced() -> None:
    """Where only they are on offer, Nova takes no choice but `auto`."""
    assert not any(found.forces_system_tools for found in family("amazon.nova"))


def test_rule_43_tools_in_a_stream() -> None:
    """These answer a stream with tools by a refusal; some of them know no tools at all."""
    refusing = ("meta.", "writer.", "amazon.titan", "anthropic.claude-v2", "ai21.jamba-instruct", "deepseek.r1")
    older = ("cohere.command-text", "mistral.mistral-7b", "mistral.mistral-large-2407", "mistral.pixtral")
    assert not any(found.streaming_tools for found in family(*refusing, *older))
    assert all(found.streaming for found in family(*refusing, *older))
    streaming = ("anthropic.claude-3-haiku", "amazon.nova", "cohere.command-r", "openai.", "mistral.mistral-large-3")
    assert all(found.streaming_tools and found.tools for found in family(*streaming))


def test_rule_45_structured_output() -> None:
    """By generation of Claude, and with those open weights that the service lists."""
    with_it = ("anthropic.claude-haiku-4-5", "anthropic.claude-sonnet-4-5", "anthropic.claude-opus-4-7", "qwen.")
    open_weights = ("mistral.mistral-large-3", "minimax.", "nvidia.", "google.", "moonshot", "zai.", "deepseek.v3")
    found = family(*with_it, *open_weights)
    assert all(one.json_schema_output and one.strict_tools for one in found)
    older = ("anthropic.claude-v2", "anthropic.claude-3", "anthropic.claude-sonnet-4-2025", "anthropic.claude-opus-4-1")
    without = ("anthropic.claude-fable", "amazon.", "meta.", "writer.", "cohere.", "ai21.", "mistral.mistral-large-24")
    assert not any(one.json_schema_output or one.strict_tools for one in family(*older, *without, "deepseek.r1"))
    assert (STRICT_MAX_TOOLS, STRICT_MAX_UNIONS) == (20, 16)


def test_rule_46_keywords_of_strict_schemas() -> None:
    """Limits of numbers and lists are refused, lengths of strings are not."""
    assert {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} < STRICT_REFUSED_KEYWORDS
    assert not STRICT_REFUSED_KEYWORDS & {"minLength", "maxLength", "pattern"}
    assert STRICT_MAX_MIN_ITEMS == 1
    for found in family("anthropic.", "qwen.", "google.", "zai."):
        assert found.strict_refused_keywords == STRICT_REFUSED_KEYWORDS | {"contains"}


def test_rule_47_definitions_written_out() -> None:
    """Nova wants it, and gpt-oss needs it."""
    wanting = {s.split("-")[0] for s in SAMPLES if capabilities(s).inline_definitions}
    assert wanting == {"amazon.nova", "openai.gpt"}
    assert not any(found.inline_definitions for found in family("openai.gpt-5.6"))


def test_rules_49_and_53_of_all_cache_points() -> None:
    """At most four, and they are met in this order."""
    assert MAX_CACHE_POINTS == 4
    assert CACHE_ORDER == ("tools", "system", "messages")


def test_rules_50_and_51_where_no_cache_point_may_stand() -> None:
    """Not behind a document, a video or reasoning: the message names no model, so it holds for all that cache."""
    for found in family("anthropic.claude-3-7", "anthropic.claude-sonnet", "anthropic.claude-opus", "amazon.nova"):
        assert found.cache.never_after == {"document", "reasoningContent", "video"}


def test_rule_54_caching_byfamily() -> None:
    """Nova knows no points in tools or beside tool blocks, and no `ttl`; an hour is for newer Claude only."""
    for found in family("amazon.nova"):
        assert found.cache.supported
        assert not any((found.cache.in_tools, found.cache.beside_tool_blocks, found.cache.ttls))
    for found in family("anthropic.claude-3-7", "anthropic.claude-sonnet-4-2025", "anthropic.claude-opus-4-1"):
        assert found.cache.supported
        assert found.cache.ttls == {"5m"}
    for found in family("anthropic.claude-sonnet-4-5", "anthropic.claude-opus-4-7", "anthropic.claude-fable-5"):
        assert found.cache.ttls == {"5m", "1h"}
    without = ("anthropic.claude-3-haiku", "anthropic.claude-v2", "meta.", "mistral.", "cohere.", "openai.gpt-oss")
    assert not any(found.cache.supported for found in family(*without))


def test_rules_58_and_60_unsigned_reasoning() -> None:
    """Claude, gpt-oss and DeepSeek do not get back what they did not sign."""
    refusing = family("anthropic.", "openai.gpt-oss", "deepseek.")
    assert not any(found.reasoning.replays_unsigned for found in refusing)
    assert all(found.reasoning.replays_unsigned for found in family("qwen.", "amazon.nova-2", "minimax."))
    assert all(found.reasoning.forgets_reasoning for found in family("openai.gpt-oss", "deepseek."))
    assert not any(found.reasoning.forgets_reasoning for found in family("anthropic.", "qwen.", "minimax."))


@pytest.mark.parametrize(
    ("model", "kinds", "levels", "off"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", ("none",), (), "omit"),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", ("budget",), (), "omit"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", ("budget",), (), "omit"),
        ("anthropic.claude-sonnet-4-6", ("adaptive", "budget"), ("low", "medium", "high", "max"), "omit"),
        ("anthropic.claude-opus-4-7", ("adaptive",), ("low", "medium", "high", "xhigh", "max"), "omit"),
        ("anthropic.claude-sonnet-5", ("adaptive",), ("low", "medium", "high", "xhigh", "max"), "disabled"),
        ("amazon.nova-lite-v1:0", ("none",), (), "omit"),
        ("amazon.nova-2-lite-v1:0", ("nova-effort",), ("low", "medium", "high"), "omit"),
        ("openai.gpt-oss-20b-1:0", ("effort",), ("low", "medium", "high"), "impossible"),
        ("openai.gpt-5.6-sol", ("effort-object",), ("low", "medium", "high", "xhigh"), "none"),
        ("qwen.qwen3-32b-v1:0", ("qwen-effort",), ("low", "high"), "omit"),
        ("deepseek.r1-v1:0", ("fixed",), (), "impossible"),
        ("deepseek.v3.2", ("effort",), ("high",), "omit"),
        ("minimax.minimax-m2", ("unknown",), (), "omit"),
    ],
)
def test_rule_64_how_reasoning_is_asked_for(model: str, kinds: tuple[str], levels: tuple[str], off: str) -> None:
    """The form on the wire, the levels that count, and how it is switched off."""
    reasoning = capabilities(model).reasoning
    assert (reasoning.kinds, reasoning.levels, reasoning.off) == (kinds, levels, off)
    assert reasoning.kind == kinds[0]
    assert (reasoning.minimum_budget == 1024) is ("budget" in kinds)


def test_rule_64_settings_beside_reasoning() -> None:
    """Claude takes no sampling while it reasons, newer Claude none at all; Nova at its highest level no limit."""
    everything = {"temperature", "top_p", "top_k"}
    reasoning = family("anthropic.claude-3-7", "anthropic.claude-sonnet-4", "anthropic.claude-opus-5")
    assert all(found.reasoning.refuses == everything for found in reasoning)
    refusing = family("anthropic.claude-opus-4-7", "anthropic.claude-sonnet-5", "anthropic.claude-fable", "xai.")
    assert all(found.refused_settings == everything for found in refusing)
    older = ("anthropic.claude-3", "anthropic.claude-sonnet-4", "anthropic.claude-opus-4-6", "amazon.", "meta.")
    assert not any(found.refused_settings for found in family(*older))
    assert capabilities("amazon.nova-2-lite-v1:0").reasoning.bare_levels == {"high"}


def test_rule_65_who_reasons_unasked() -> None:
    """The fifth generation of Claude does, and those that always reason."""
    fifth = family(*(f"anthropic.claude-{name}-5" for name in ("sonnet", "opus", "fable", "haiku")))
    assert all(found.reasoning.on_by_default for found in fifth)
    assert not any(found.reasoning.on_by_default for found in family("anthropic.claude-opus-4", "amazon.nova-2"))
    assert all(
        found.reasoning.on_by_default for found in map(capabilities, SAMPLES) if found.reasoning.off == "impossible"
    )


def test_where_top_k_goes() -> None:
    """Claude takes it flat, Nova in an object of its own; where it goes elsewhere is not known."""
    assert all(found.top_k == ("top_k",) for found in family("anthropic."))
    assert all(found.top_k == ("inferenceConfig", "topK") for found in family("amazon.nova"))
    assert not any(found.top_k for found in family("meta.", "mistral.", "cohere.", "qwen.", "openai."))


def test_who_takes_a_system_prompt() -> None:
    """Titan, the first Mistral models and Command without R do not."""
    refusing = {s for s in SAMPLES if not capabilities(s).system}
    first = {"mistral.mistral-7b-instruct-v0:2", "mistral.mixtral-8x7b-instruct-v0:1"}
    assert refusing == {"amazon.titan-text-express-v1", "cohere.command-text-v14", "ai21.j2-ultra-v1", *first}


def test_only_nova_takes_video_and_places_in_s3() -> None:
    """And of Nova all but the smallest, which reads text alone."""
    nova = {"amazon.nova-lite-v1:0", "amazon.nova-premier-v1:0", "amazon.nova-2-lite-v1:0"}
    unknown = {"newcomer.model-1.5-v1:0"}
    assert {s for s in SAMPLES if "video" in capabilities(s).media} == nova | unknown
    assert {s for s in SAMPLES if capabilities(s).object_store} == nova | unknown
