"""A translated request as what CountTokens takes. Pure."""

from typing import Any, Final

from chatport_bedrock._models import parse_model
from chatport_bedrock._translate import Translation

__all__ = ["count_body", "counted_model", "is_not_counted"]

# `ConverseTokensRequest` in the service model of Bedrock Runtime: what does not cost tokens is not in it.
_MEMBERS: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_NO_COUNTING: Final = "support counting tokens"


def counted_model(model_id: str) -> str:
    """Return the id that tokens are counted for: the base model's, as profiles are refused.

    An ARN that does not say its model is returned as it is.
    """
    parsed = parse_model(model_id)
    through = parsed.kind in {"foundation-model", "inference-profile"}
    return parsed.model if through and parsed.model is not None else model_id


def count_body(translation: Translation) -> dict[str, Any]:
    """Return the body of CountTokens; it shares values with the translation."""
    return {"input": {"converse": {name: translation.body[name] for name in _MEMBERS if name in translation.body}}}


def is_not_counted(message: str) -> bool:
    """Whether a refusal says that the service does not count for this model."""
    return _NO_COUNTING in message
