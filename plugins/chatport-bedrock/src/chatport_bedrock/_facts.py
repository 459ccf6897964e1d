"""What an answer of Bedrock says besides its content, typed: read from the metadata that came with it.

Pure, and lenient: a member that is missing, or is of another kind than the service model says, is None here and stays
where it was, in `metadata["bedrock"]`. Recorded traces lack members that the service model requires.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from chatport.backend import Usage
from chatport.backend.translation import is_array, is_object, own_metadata

__all__ = ["Answered", "GuardrailFacts", "ResponseFacts", "response_facts"]

_BACKEND: Final = "bedrock"


class Answered(Protocol):
    """What has facts: a `Reply` (its last step's), a `Step`, a `MessageEnd`."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """JSON values keyed by backend name."""
        ...

    @property
    def usage(self) -> Usage:
        """What it cost, in tokens."""
        ...


@dataclass(frozen=True, slots=True)
class GuardrailFacts:
    """What a guardrail found, where its trace was asked for.

    Attributes:
        action_reason: Why it acted, in words.
        model_output: What the model had said, before the guardrail put other words in its place.
        input_assessment: What was found in the request: assessments, in the service's words, by guardrail id.
        output_assessments: What was found in the answer: lists of assessments by guardrail id.
        raw: The trace as it came.
    """

    action_reason: str | None = None
    model_output: tuple[str, ...] = ()
    input_assessment: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    output_assessments: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """What an answer says about itself; None where it does not say.

    Attributes:
        latency_seconds: How long the service says it took, in seconds.
        cache_writes: Tokens that were written to the cache, by how long they are kept, such as `{"5m": 1200}`.
        guardrail: What the guardrail found.
        invoked_model_id: The model that a prompt router chose.
        service_tier: The tier that served the request.
        latency: The variant of the model that was used: `"standard"` or `"optimized"`.
        model_fields: What stood at the paths that were asked for (`BedrockOptions.response_field_paths`); with some
            services an object of the model's own.
        stop_sequence: The stop sequence that was met, where `BedrockOptions.report_stop_sequence` asked for it.
    """

    latency_seconds: float | None = None
    cache_writes: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)
    guardrail: GuardrailFacts | None = None
    invoked_model_id: str | None = None
    service_tier: str | None = None
    latency: str | None = None
    model_fields: Any = field(default=None, hash=False)
    stop_sequence: str | None = None


def response_facts(answer: Answered | Mapping[str, Any]) -> ResponseFacts:
    """Return what an answer says about itself.

    Args:
        answer: A reply, one of its steps, the `MessageEnd` of a stream, or the metadata of one of these. A reply with
            several steps has the facts of the last; metadata alone does not say what was written to a cache.
    """
    metadata, usage = (answer, None) if isinstance(answer, Mapping) else (answer.metadata, _usage_of(answer))
    facts = own_metadata(metadata, _BACKEND)
    trace = _object(facts.get("trace"))
    guardrail = trace.get("guardrail")
    fields = facts.get("additionalModelResponseFields")
    return ResponseFacts(
        latency_seconds=_seconds(_object(facts.get("metrics")).get("latencyMs")),
        cache_writes={} if usage is None else _cache_writes(usage),
        guardrail=_guardrail(guardrail) if is_object(guardrail) else None,
        invoked_model_id=_text(_object(trace.get("promptRouter")).get("invokedModelId")),
        service_tier=_text(_object(facts.get("serviceTier")).get("type")),
        latency=_text(_object(facts.get("performanceConfig")).get("latency")),
        model_fields=fields,
        stop_sequence=_stop_sequence(_object(fields)),
    )


def _usage_of(answer: Answered) -> Usage:
    """The figures of one exchange: a reply adds them up, and a sum has no raw ones."""
    steps = getattr(answer, "steps", None)
    last: Answered = steps[-1] if steps else answer
    return last.usage


def _guardrail(trace: dict[str, Any]) -> GuardrailFacts:
    said = trace.get("modelOutput")
    return GuardrailFacts(
        _text(trace.get("actionReason")),
        tuple(text for text in said if isinstance(text, str)) if is_array(said) else (),
        _object(trace.get("inputAssessment")),
        _object(trace.get("outputAssessments")),
        trace,
    )


def _cache_writes(usage: Usage) -> dict[str, int]:
    details = usage.raw.get("cacheDetails")
    written: dict[str, int] = {}
    for detail in details if is_array(details) else ():
        match detail:
            case {"ttl": str(ttl), "inputTokens": int(tokens)}:
                written[ttl] = written.get(ttl, 0) + tokens
            case _:
                pass  # none that says how long and how much; it stays in the raw figures
    return written


def _stop_sequence(fields: dict[str, Any]) -> str | None:
    """The sequence, from where a whole answer has it or from where a stream has it."""
    return _text(fields.get("stop_sequence")) or _text(_object(fields.get("delta")).get("stop_sequence"))


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    return milliseconds / 1000


def _object(value: object) -> dict[str, Any]:
    return value if is_object(value) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
