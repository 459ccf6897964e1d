"""The typed form of what only Bedrock has: what it sends, what it refuses, and how it stands in settings."""

import copy
import pickle
import re
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from chatport.backend import CachePoint, ChatRequest, Message, Settings
from chatport_bedrock import BedrockOptions, Guardrail
from chatport_bedrock._translate import translate

GUARDRAIL = Guardrail("gr1d3xample", "1", trace="enabled", stream_mode="async")
ALL = BedrockOptions(
    guardrail=GUARDRAIL,
    model_fields={"thinking": {"type": "adaptive"}},
    anthropic_beta=["context-1m-2025-08-07"],
    response_field_paths=["/usage"],
    report_stop_sequence=True,
    prompt_variables={"city": "Turin"},
    request_metadata={"team": "red"},
    latency="optimized",
    service_tier="flex",
    effort="low",
    system_tools=["nova_grounding"],
    tools_cache_point=CachePoint("1h"),
)
MEMBERS = {
    "guardrailConfig": {
        "guardrailIdentifier": "gr1d3xample",
        "guardrailVersion": "1",
        "trace": "enabled",
        "streamProcessingMode": "async",
    },
    "additionalModelRequestFields": {
        "thinking": {"type": "adaptive"},
        "anthropic_beta": ["context-1m-2025-08-07"],
    },
    "additionalModelResponseFieldPaths": ["/usage", "/stop_sequence", "/delta/stop_sequence"],
    "promptVariables": {"city": {"text": "Turin"}},
    "requestMetadata": {"team": "red"},
    "performanceConfig": {"latency": "optimized"},
    "serviceTier": {"type": "flex"},
    "outputConfig": {"effort": "low"},
    "toolConfig": {
        "tools": [{"systemTool": {"name": "nova_grounding"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    },
}


def test_every_option_is_sent() -> None:
    """Each under the service's name, and nothing that was not asked for."""
    assert ALL.wire_members() == MEMBERS
    assert BedrockOptions().wire_members() == {}
    assert BedrockOptions(tools_cache_point=CachePoint()) == {
        "toolConfig": {"tools": [{"cachePoint": {"type": "default"}}]}
    }
    assert Guardrail("a").wire_members() == {"guardrailIdentifier": "a", "guardrailVersion": "DRAFT"}


def test_options_are_a_mapping() -> None:
    """They stand where a dict stands, are equal to what they send, and go together with members they do not know."""
    assert isinstance(ALL, Mapping)
    assert ALL == MEMBERS
    assert {**ALL, "newMember": 1} == {**MEMBERS, "newMember": 1}
    assert ALL["serviceTier"] == {"type": "flex"}
    assert "messages" not in ALL
    assert len(ALL) == len(MEMBERS)
    with pytest.raises(KeyError):
        ALL["messages"]


def test_options_in_settings_become_a_plain_dict() -> None:
    """So they merge with those of other settings, typed or not, in both orders."""
    session = Settings(extra={"bedrock": BedrockOptions(guardrail=Guardrail("a", "1"), service_tier="flex")})
    turn = Settings(extra={"bedrock": {"guardrailConfig": {"trace": "enabled"}}, "other": {"a": 1}})
    expected = {"guardrailIdentifier": "a", "guardrailVersion": "1", "trace": "enabled"}
    for merged in (session.merged(turn), turn.merged(session)):
        assert merged.extra["bedrock"] == {"guardrailConfig": expected, "serviceTier": {"type": "flex"}}
        assert merged.extra["other"] == {"a": 1}
        assert type(merged.extra["bedrock"]) is dict


def test_options_reach_the_request() -> None:
    """All of them, beside what the request says itself."""
    settings = Settings(max_tokens=9, extra={"bedrock": ALL})
    translation = translate(ChatRequest("anthropic.claude-opus-4-8", (Message.user("Hello"),), settings=settings))
    assert {name: translation.body[name] for name in MEMBERS} == MEMBERS
    assert translation.body["inferenceConfig"] == {"maxTokens": 9}
    assert translation.adjustments == ()


def test_options_beside_their_backend_are_a_mistake() -> None:
    """They would say nothing, without a word; the error says where they belong."""
    settings = Settings(extra=BedrockOptions(service_tier="flex"))
    with pytest.raises(TypeError, match=r"serviceTier would say nothing there; write it into .*'bedrock'"):
        translate(ChatRequest("anthropic.claude-opus-4-8", (Message.user("Hello"),), settings=settings))


def test_options_are_values() -> None:
    """They can be copied, stored by pickle, and changed into others, which are checked again."""
    assert copy.deepcopy(ALL) == pickle.loads(pickle.dumps(ALL)) == ALL  # noqa: S301 - our own
    assert replace(ALL, effort="high")["outputConfig"] == {"effort": "high"}
    with pytest.raises(ValueError, match="effort"):
        replace(ALL, effort="")
    with pytest.raises(FrozenInstanceError):
        setattr(ALL, "effort", "high")  # noqa: B010 - plainly written, the type checker refuses it


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"request_metadata": {"team": 1}}, "request_metadata is a mapping of str to str; 'team' has a int"),
        ({"request_metadata": [("team", "red")]}, "request_metadata is a mapping of str to str, not a list"),
        ({"prompt_variables": {"city": None}}, "prompt_variables is a mapping of str to str; 'city' has a NoneType"),
        ({"model_fields": [1]}, "model_fields is a mapping of members to JSON values, not a list"),
        ({"guardrail": {"guardrailIdentifier": "a"}}, "guardrail is a Guardrail, not a dict"),
        ({"tools_cache_point": True}, "tools_cache_point is a CachePoint, not a bool"),
        ({"effort": 3}, "effort is a str, such as 'low' or 'high', not a int"),
        ({"anthropic_beta": None}, "anthropic_beta is a sequence of str"),
        ({"system_tools": [1]}, "system_tools is a sequence of str"),
    ],
)
def test_options_of_other_types_are_refused(options: dict[str, Any], message: str) -> None:
    """By their name, where they are written; values stay out of the message."""
    with pytest.raises(TypeError, match=re.escape(message)):
        BedrockOptions(**options)


def test_a_guardrail_is_named_by_words() -> None:
    """A number for an id or a version is refused by name."""
    number: Any = 1
    with pytest.raises(TypeError, match=r"identifier is the id or the ARN of a guardrail, not a int"):
        Guardrail(number)
    with pytest.raises(TypeError, match=r"version is a number from 1, as a str, or 'DRAFT', not a int"):
        Guardrail("a", number)


def test_options_do_not_change_with_what_they_were_made_of() -> None:
    """What was checked is what is sent; what is read from them can be changed without changing them."""
    fields = {"thinking": {"type": "adaptive"}}
    metadata = {"team": "red"}
    options = BedrockOptions(model_fields=fields, request_metadata=metadata)
    fields["thinking"]["type"] = "disabled"
    metadata["not allowed: é"] = "x"
    options["additionalModelRequestFields"]["thinking"]["type"] = "enabled"
    assert options == {
        "additionalModelRequestFields": {"thinking": {"type": "adaptive"}},
        "requestMetadata": {"team": "red"},
    }


def test_effort_stands_beside_a_type_for_the_answer() -> None:
    """Both are members of one object, which is merged."""
    request = ChatRequest(
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        (Message.user("Hello"),),
        settings=Settings(extra={"bedrock": BedrockOptions(effort="low")}),
        output_schema={"type": "object", "properties": {}, "additionalProperties": False},
    )
    assert translate(request).body["outputConfig"].keys() == {"effort", "textFormat"}


def test_what_may_be_secret_is_not_shown() -> None:
    """Values for prompts and metadata of requests are sensitive in the service model, too."""
    shown = repr(ALL)
    assert "Turin" not in shown
    assert "red" not in shown.replace("gr1d3xample", "")
    assert "flex" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latency": "fast"}, "latency is one of standard, optimized, not 'fast'"),
        ({"service_tier": "gold"}, "service_tier is one of priority, default, flex, reserved, not 'gold'"),
        ({"effort": ""}, "effort has 1 to 16 characters"),
        ({"effort": "e" * 17}, "effort has 1 to 16 characters"),
        ({"request_metadata": {}}, "request_metadata has 1 to 16 entries, not 0"),
        ({"request_metadata": {str(n): "" for n in range(17)}}, "request_metadata has 1 to 16 entries, not 17"),
        ({"request_metadata": {"": "a"}}, "request_metadata: name or value of ''"),
        ({"request_metadata": {"a" * 257: "a"}}, "request_metadata: name or value"),
        ({"request_metadata": {"a": "b" * 257}}, "request_metadata: name or value of 'a'"),
        ({"request_metadata": {"a": "ä"}}, "request_metadata: name or value of 'a'"),
        ({"response_field_paths": [f"/{n}" for n in range(11)]}, "at most 10 paths can be asked for, not 11"),
        ({"response_field_paths": [f"/{n}" for n in range(9)], "report_stop_sequence": True}, "at most 10 paths"),
        ({"response_field_paths": ["usage"]}, "'usage' is no JSON Pointer"),
        ({"response_field_paths": [""]}, "'' is no JSON Pointer"),
        ({"response_field_paths": ["/~2"]}, "'/~2' is no JSON Pointer"),
        ({"response_field_paths": ["/" + "a" * 256]}, "is no JSON Pointer of up to 256 characters"),
        ({"system_tools": ["nova grounding"]}, "system_tools: 'nova grounding' is not 1 to 64 letters"),
        ({"system_tools": ["a" * 65]}, "system_tools"),
        ({"tools_cache_point": CachePoint("2h")}, "Bedrock keeps things for 5m or 1h, not '2h'"),
        ({"anthropic_beta": ["a"], "model_fields": {"anthropic_beta": []}}, "say it once"),
    ],
)
def test_what_the_service_would_refuse_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    """At the place where it is written down, in its own words."""
    with pytest.raises(ValueError, match=re.escape(message)):
        BedrockOptions(**options)


@pytest.mark.parametrize("name", ["anthropic_beta", "response_field_paths", "system_tools"])
def test_one_str_is_no_sequence(name: str) -> None:
    """It would be taken for its letters."""
    options: dict[str, Any] = {name: "abc"}
    with pytest.raises(TypeError, match=f"{name} is a sequence of str"):
        BedrockOptions(**options)


@pytest.mark.parametrize(
    "guardrail",
    [
        {"identifier": ""},
        {"identifier": "Upper"},
        {"identifier": "arn:aws:bedrock:us-east-1:1:guardrail/a"},
        {"identifier": "a", "version": "0"},
        {"identifier": "a", "version": "draft"},
        {"identifier": "a", "trace": "all"},
        {"identifier": "a", "stream_mode": "later"},
    ],
)
def test_a_guardrail_that_cannot_be_is_refused(guardrail: dict[str, Any]) -> None:
    """An ARN and a number are fine."""
    with pytest.raises(ValueError, match=r"identifier|version|trace|stream_mode"):
        Guardrail(**guardrail)
    Guardrail("arn:aws:bedrock:us-east-1:123456789012:guardrail/a1", "12345678")


def test_values_do_not_change_with_the_callers_lists() -> None:
    """What is frozen stays what it was checked as."""
    tools = ["nova_grounding"]
    options = BedrockOptions(system_tools=tools)
    tools.append("not checked")
    assert options.system_tools == ("nova_grounding",)
