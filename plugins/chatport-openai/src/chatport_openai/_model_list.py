"""A server's list of models as values. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from chatport.backend import ModelInfo, ProtocolError
from chatport.backend.translation import is_array, is_object

__all__ = ["models_in"]

_KNOWN: Final = frozenset({"id", "name", "object", "owned_by"})


def models_in(body: object, *, request_id: str | None) -> tuple[ModelInfo, ...]:
    """Return the models of an answer to `GET /models`, in the server's order.

    Servers say hardly more than ids; what they say of what models read and write is found in a few places.

    Raises:
        ProtocolError: It is no list of models.
    """
    rows: Any = body
    if is_object(body):
        rows = body.get("data") if "data" in body else body.get("models")
    if not is_array(rows):
        message = "the answer is no list of models"
        raise ProtocolError(message, backend="openai", status=200, request_id=request_id, phase="request")
    return tuple(_model(row) for row in rows if is_object(row) and isinstance(row.get("id"), str))


def _model(row: Mapping[str, Any]) -> ModelInfo:
    shape = row.get("architecture")
    shape = shape if is_object(shape) else row
    facts = {name: value for name, value in row.items() if name not in _KNOWN}
    name, owner = row.get("display_name") or row.get("name"), row.get("owned_by") or row.get("organization")
    return ModelInfo(
        id=row["id"],
        name=name if isinstance(name, str) else row["id"],
        provider=owner if isinstance(owner, str) else None,
        input=_words(shape.get("input_modalities")),
        output=_words(shape.get("output_modalities")),
        status="active" if row.get("active") is True else "legacy" if row.get("active") is False else None,
        metadata={"openai": facts} if facts else {},
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(item.lower() for item in value if isinstance(item, str)) if is_array(value) else ()
