"""Rules about reasoning: what goes back, and what it goes together with.

Each function returns the message of the service, or of the model, if the request breaks its rule, else None.
"""

from collections.abc import Mapping
from typing import Any, Final

from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._json import as_object
from chatport_bedrock.emulator._signatures import is_own_signature

_MIN_REASONING: Final = 1024
_MIN_TOP_P: Final = 0.95


def reasoning_block(conversation: Conversation) -> str | None:
    """A model that does not reason takes no reasoning of others."""
    if conversation.traits.reasoning or not any(conversation.of_kind("reasoningContent")):
        return None
    return (
        "This model doesn't support the reasoningContent content block that you provided. Update the content block "
        "and try again."
    )


def signature_field(conversation: Conversation) -> str | None:
    """A model that does not sign takes no signatures of others."""
    if conversation.traits.signatures:
        return None
    for placed in conversation.of_kind("reasoningContent"):
        if "signature" in (placed.block["reasoningContent"].get("reasoningText") or {}):
            field = "reasoningContent.reasoningText.signature"
            return f"This model doesn't support the {field} field. Remove {field} and try again."
    return None


def reasoning_signature(conversation: Conversation) -> str | None:
    """Reasoning goes back to the one who signed it, word for word."""
    if not conversation.traits.signatures:
        return None
    for placed in conversation.of_kind("reasoningContent"):
        reasoning: Mapping[str, Any] | None = placed.block["reasoningContent"].get("reasoningText")
        if reasoning is None:
            continue
        if not reasoning.get("signature"):
            return f"{placed.place}.thinking.signature: Field required"
        if not is_own_signature(reasoning["text"], reasoning["signature"]):
            return f"{placed.place}: Invalid `signature` in `thinking` block"
    return None


def reasoning_budget(conversation: Conversation) -> str | None:
    """A budget for reasoning is not too small, and leaves room for the answer."""
    thinking = _thinking(conversation)
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled":
        return None
    if not conversation.traits.budget:
        return (
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )
    if not isinstance(budget, int):
        return "thinking.enabled.budget_tokens: Field required"
    if budget < _MIN_REASONING:
        return f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_REASONING}"
    limit: int | None = (conversation.body.get("inferenceConfig") or {}).get("maxTokens")
    if limit is not None and limit <= budget:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    return None


def reasoning_manner(conversation: Conversation) -> str | None:
    """Whether to reason, and whether it decides that itself, is not for every model of Claude to be told."""
    manner = _thinking(conversation).get("type")
    if manner == "adaptive" and not conversation.traits.adaptive:
        return "adaptive thinking is not supported on this model"
    if manner == "disabled" and not conversation.traits.reasoning_off:
        return '"thinking.type.disabled" is not supported for this model.'
    return None


def reasoning_effort(conversation: Conversation) -> str | None:
    """Levels of reasoning are words, and each family has its own."""
    efforts = conversation.traits.efforts
    fields = as_object(conversation.body.get("additionalModelRequestFields")) or {}
    named = {
        "output_config.effort": (as_object(fields.get("output_config")) or {}).get("effort"),
        "reasoningConfig.maxReasoningEffort": (as_object(fields.get("reasoningConfig")) or {}).get(
            "maxReasoningEffort"
        ),
        "reasoning_effort": fields.get("reasoning_effort"),
        "reasoning_config": fields.get("reasoning_config"),
    }
    for name, effort in named.items():
        if efforts is not None and isinstance(effort, str) and effort not in efforts:
            return f"{name}: {effort!r} is not one of {', '.join(sorted(efforts))}"
    return None


def reasoning_sampling(conversation: Conversation) -> str | None:
    """While a model reasons it is not to be told how to draw its words."""
    if _thinking(conversation).get("type") not in {"enabled", "adaptive"}:
        return None
    inference: Mapping[str, Any] = conversation.body.get("inferenceConfig") or {}
    if inference.get("temperature", 1) != 1:
        return "`temperature` may only be set to 1 when thinking is enabled."
    if inference.get("topP", 1) < _MIN_TOP_P:
        return f"`top_p` must be greater than or equal to {_MIN_TOP_P} or unset when thinking is enabled."
    if "top_k" in (as_object(conversation.body.get("additionalModelRequestFields")) or {}):
        return "`top_k` must be unset when thinking is enabled."
    return None


def reasoning_choice(conversation: Conversation) -> str | None:
    """Who has to use a tool has nothing to think about."""
    choice: Mapping[str, Any] = (conversation.body.get("toolConfig") or {}).get("toolChoice") or {}
    if _thinking(conversation).get("type") != "enabled" or not {"any", "tool"} & choice.keys():
        return None
    return "Thinking may not be enabled when tool_choice forces tool use."


def sampling(conversation: Conversation) -> str | None:
    """Newer models draw their words as they see fit."""
    if conversation.traits.sampling:
        return None
    inference: Mapping[str, Any] = conversation.body.get("inferenceConfig") or {}
    fields = as_object(conversation.body.get("additionalModelRequestFields")) or {}
    for name, is_set in (
        ("temperature", "temperature" in inference),
        ("top_p", "topP" in inference),
        ("top_k", "top_k" in fields),
    ):
        if is_set:
            return f"`{name}` is deprecated for this model."
    return None


def effort_and_limits(conversation: Conversation) -> str | None:
    """Nova at its highest effort sets its own limits."""
    fields = as_object(conversation.body.get("additionalModelRequestFields")) or {}
    reasoning = as_object(fields.get("reasoningConfig")) or {}
    inference: Mapping[str, Any] = conversation.body.get("inferenceConfig") or {}
    if reasoning.get("maxReasoningEffort") != "high":
        return None
    for name in ("maxTokens", "temperature", "topP"):
        if name in inference:
            return f"The {name} field can't be set when maxReasoningEffort is high. Remove {name} and try again."
    return None


def _thinking(conversation: Conversation) -> Mapping[str, Any]:
    fields = as_object(conversation.body.get("additionalModelRequestFields")) or {}
    return as_object(fields.get("thinking")) or as_object(fields.get("reasoning_config")) or {}
