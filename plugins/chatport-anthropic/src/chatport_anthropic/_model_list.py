"""The service's list of models as values. Pure."""

from typing import Any, Final

from pydantic_core import from_json

from chatport.backend import ModelInfo, ProtocolError
from chatport.backend.translation import is_array, is_object

__all__ = ["models_page"]

BACKEND: Final = "anthropic"
_MAKER: Final = "Anthropic"
_LEGACY: Final = {"active": "active", "deprecated": "legacy", "retired": "retired"}


def models_page(body: bytes, *, request_id: str | None) -> tuple[tuple[ModelInfo, ...], str | None]:
    """Return the models of one page, and after which id the next one begins; None where there is none.

    Args:
        body: The answer's body.
        request_id: The service's id of the request, for errors.

    Raises:
        ProtocolError: It is no list of models.
    """
    try:
        page = from_json(body)
    except ValueError:
        page = None
    entries = page.get("data") if is_object(page) else None
    if not is_object(page) or not is_array(entries):
        message = "the answer is no list of models"
        raise ProtocolError(message, backend=BACKEND, status=200, request_id=request_id, phase="request")
    found = tuple(_model(entry) for entry in entries if is_object(entry) and isinstance(entry.get("id"), str))
    last = page.get("last_id")
    return found, last if page.get("has_more") is True and isinstance(last, str) and last else None


def _model(entry: dict[str, Any]) -> ModelInfo:
    name, stage = entry.get("display_name"), entry.get("lifecycle")
    is_makers = entry["id"].startswith("claude")
    return ModelInfo(
        id=entry["id"],
        name=name if isinstance(name, str) and name else entry["id"],
        provider=_MAKER if is_makers else None,
        input=_inputs(entry.get("capabilities")),
        output=("text",) if is_makers else (),
        streaming=True if is_makers else None,
        status=_LEGACY.get(stage, stage) if isinstance(stage, str) else None,
        metadata={BACKEND: {key: value for key, value in entry.items() if key not in {"id", "type", "display_name"}}},
    )


def _inputs(capabilities: object) -> tuple[str, ...]:
    """What a model reads, where the service says it."""
    if not is_object(capabilities):
        return ()
    said = {"image": capabilities.get("image_input"), "document": capabilities.get("pdf_input")}
    return ("text", *(name for name, found in said.items() if is_object(found) and found.get("supported") is True))
