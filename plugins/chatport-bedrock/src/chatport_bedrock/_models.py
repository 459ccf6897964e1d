"""Models as data: whose model an id names, and what that model can be asked."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._model_ids import GEOGRAPHIES, ModelId, ModelKind, is_arn, parse_model
from chatport_bedrock._model_table import ROWS, Row

__all__ = [
    "GEOGRAPHIES",
    "Capabilities",
    "ModelId",
    "ModelKind",
    "base_model",
    "capabilities",
    "is_arn",
    "model_family",
    "parse_model",
]


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


@lru_cache(maxsize=256)
def capabilities(model_id: str) -> Capabilities:
    """Return what a model can be asked.

    Of an id that hides its model, and of a model nobody has described, everything is allowed and nothing is rewritten;
    `Capabilities.known` tells that from knowledge. Where only the service knows the model behind an ARN, ask for the
    base id that it tells.
    """
    return _applied(ROWS, (parse_model(model_id).model or "").lower())


def _applied(rows: Iterable[Row], model: str) -> Capabilities:
    """The rows that are about a base model, laid one over the other."""
    found = Capabilities()
    for row in rows:
        if row.matches(model):
            found = replace(found, **row.differences)
    return found
