"""Models as data: whose model an id names."""

from chatport_bedrock._model_ids import GEOGRAPHIES, ModelId, ModelKind, is_arn, parse_model

__all__ = ["GEOGRAPHIES", "ModelId", "ModelKind", "base_model", "is_arn", "model_family", "parse_model"]


def base_model(model_id: str) -> str:
    """Return the id without geography and without the ARN around it; an ARN that names no model stays as it is."""
    return parse_model(model_id).model or model_id


def model_family(model_id: str) -> str:
    """Return whose model it is, such as `"anthropic"`, `"amazon"`, `"meta"`, `"openai"` or `"deepseek"`.

    Signed reasoning goes back to the family that signed it, whichever of its models and geographies that was.

    Returns:
        The maker as it stands in the id. An id that hides it (the ARN of an application inference profile, of a
        provisioned model …) is returned as it is: what it answered goes back to that very id.
    """
    return parse_model(model_id).maker or model_id
