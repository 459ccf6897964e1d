"""What an answer says besides its content."""

import json
from collections import Counter
from http import HTTPStatus
from typing import Any

import pytest
from bedrock_support.recordings import FOLDER, Exchange, recorded
from bedrock_support.stream_frames import BEGIN, frame
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import MessageEnd, Usage
from chatport_bedrock import GuardrailFacts, ResponseFacts, response_facts
from chatport_bedrock._decode import StreamDecoder, decode_response
from chatport_bedrock._frames import FrameReader

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
TRACE: dict[str, Any] = {
    "guardrail": {
        "actionReason": "Guardrail blocked.",
        "modelOutput": ["Call 555 0100."],
        "inputAssessment": {"g1": {"wordPolicy": {"customWords": [{"match": "x", "action": "BLOCKED"}]}}},
        "outputAssessments": {"g1": [{"sensitiveInformationPolicy": {"piiEntities": []}}]},
    },
    "promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/a.b"},
}
FACTS = {
    "metrics": {"latencyMs": 1500},
    "trace": TRACE,
    "serviceTier": {"type": "flex"},
    "performanceConfig": {"latency": "optimized"},
}
USAGE = {
    "inputTokens": 1,
    "outputTokens": 2,
    "totalTokens": 3,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 7}, {"ttl": "1h", "inputTokens": 2}, {"ttl": "5m", "inputTokens": 1}],
}
EXPECTED = ResponseFacts(
    latency_seconds=1.5,
    cache_writes={"5m": 8, "1h": 2},
    guardrail=GuardrailFacts(
        "Guardrail blocked.",
        ("Call 555 0100.",),
        TRACE["guardrail"]["inputAssessment"],
        TRACE["guardrail"]["outputAssessments"],
        TRACE["guardrail"],
    ),
    invoked_model_id="arn:aws:bedrock:us-east-1::foundation-model/a.b",
    service_tier="flex",
    latency="optimized",
    model_fields={"stop_sequence": "END"},
    stop_sequence="END",
)


def whole_end(**members: Any) -> MessageEnd:
    """The end of a whole answer with these members."""
    body = {"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "end_turn", **members}
    end = [*decode_response(body, model=MODEL, request_id=None)][-1]
    assert isinstance(end, MessageEnd)
    return end


def test_every_fact_has_its_field() -> None:
    """From a whole answer, and from metadata alone, which has no figures of what it cost."""
    end = whole_end(**FACTS, usage=USAGE, additionalModelResponseFields={"stop_sequence": "END"})
    assert response_facts(end) == EXPECTED
    assert response_facts(end).cache_writes == EXPECTED.cache_writes
    assert response_facts(end).guardrail == EXPECTED.guardrail
    alone = response_facts(end.metadata)
    assert alone.cache_writes == {}
    assert alone.latency_seconds == 1.5


def test_rule_71_the_stop_sequence_that_was_met() -> None:
    """Only the model's own fields say which: in a stream at another place than in a whole answer."""
    frames = [
        BEGIN,
        frame(
            "messageStop", stopReason="stop_sequence", additionalModelResponseFields={"delta": {"stop_sequence": "END"}}
        ),
        frame("metadata", usage=USAGE, metrics={"latencyMs": 1500}),
    ]
    decoder = StreamDecoder(model=MODEL, request_id=None)
    end = [event for one in frames for event in decoder.feed(one)][-1]
    assert isinstance(end, MessageEnd)
    assert end.stop_reason == "stop"
    assert response_facts(end).stop_sequence == "END"
    whole = whole_end(additionalModelResponseFields={"stop_sequence": "END"})
    assert response_facts(whole).stop_sequence == "END"
    assert response_facts(whole_end(additionalModelResponseFields={"stop_sequence": None})).stop_sequence is None


def test_a_trace_that_lacks_members_is_read() -> None:
    """Recorded traces lack what the service model requires, and what is there may be of another kind."""
    trace: dict[str, Any] = {"guardrail": {"inputAssessment": {"g": {"wordPolicy": {}}}, "modelOutput": ["a", 1]}}
    found = response_facts({"bedrock": {"trace": trace}}).guardrail
    assert found == GuardrailFacts(None, ("a",), {"g": {"wordPolicy": {}}}, {}, trace["guardrail"])


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"bedrock": None},
        {"bedrock": []},
        {"other": {"metrics": {"latencyMs": 1}}},
        {"bedrock": dict.fromkeys(FACTS, 1)},
        {"bedrock": {"metrics": {"latencyMs": True}, "trace": {"guardrail": 1, "promptRouter": {"invokedModelId": 1}}}},
    ],
)
def test_what_is_missing_or_strange_is_none(metadata: dict[str, Any]) -> None:
    """Facts are read by programs after the fact: they do not fail over them."""
    assert response_facts(metadata) == ResponseFacts()


def test_strange_figures_stay_in_the_raw_ones() -> None:
    """Only what says how long and how much is a fact."""
    for details in (1, [1], [{"ttl": 5, "inputTokens": 1}], [{"ttl": "5m"}]):
        end = MessageEnd("stop", usage=Usage(raw={"cacheDetails": details}))
        assert response_facts(end).cache_writes == {}


def recorded_facts(exchange: Exchange) -> dict[str, Any]:
    """What a recorded answer says of itself, read without the decoder."""
    if exchange.answer is not None:
        return exchange.answer
    buffer, facts = EventStreamBuffer(), dict[str, Any]()
    buffer.add_data(exchange.body)
    for message in buffer:
        if message.headers.get(":event-type") in {"messageStop", "metadata"}:
            facts |= json.loads(message.payload)
    return facts


def decoded_end(exchange: Exchange) -> MessageEnd:
    """The end of a recorded answer."""
    if exchange.answer is not None:
        events = [*decode_response(exchange.answer, model=exchange.model, request_id=None)]
    else:
        decoder = StreamDecoder(model=exchange.model, request_id=None)
        events = [event for one in FrameReader().feed(exchange.body) for event in decoder.feed(one)]
    end = events[-1]
    assert isinstance(end, MessageEnd)
    return end


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not beside the repository")
def test_facts_of_recorded_answers() -> None:
    """Every recorded answer, whole or streamed: the facts are what the recording says."""
    seen = Counter[str]()
    for exchange in recorded():
        if exchange.status != HTTPStatus.OK or b":exception-type" in exchange.body:
            continue
        raw, found = recorded_facts(exchange), response_facts(decoded_end(exchange))
        latency = raw.get("metrics", {}).get("latencyMs")
        assert found.latency_seconds == (None if latency is None else latency / 1000), exchange.name
        details = raw.get("usage", {}).get("cacheDetails", [])
        assert found.cache_writes == {detail["ttl"]: detail["inputTokens"] for detail in details}, exchange.name
        trace = raw.get("trace", {}).get("guardrail")
        assert (None if found.guardrail is None else found.guardrail.raw) == trace, exchange.name
        assert found.service_tier == raw.get("serviceTier", {}).get("type"), exchange.name
        assert found.model_fields == raw.get("additionalModelResponseFields"), exchange.name
        told = {"latency": latency, "cache": details, "guardrail": trace}
        seen.update(name for name, value in told.items() if value)
    assert seen["latency"] > 300
    assert min(seen["cache"], seen["guardrail"]) > 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["guardrail", "type", "latencyMs", "modelOutput", "delta"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*FACTS, "additionalModelResponseFields"]), VALUES))
def test_no_metadata_is_too_strange(facts: dict[str, Any]) -> None:
    """Whatever a service, or a stored history, says."""
    assert isinstance(response_facts({"bedrock": facts}), ResponseFacts)
