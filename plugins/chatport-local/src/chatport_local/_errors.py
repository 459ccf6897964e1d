"""What the engine says went wrong, as chatport's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatport.backend import BackendError, ContextWindowError, InvalidRequestError, ServiceError
from chatport_local._models import BACKEND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from chatport.backend import Phase

_TOO_LONG: Final = "exceed_context_size_error"


def error_of(
    message: str, kind: str, details: Mapping[str, Any], *, model: str, phase: Phase, is_refusal: bool
) -> BackendError:
    """Return the error for what the engine says.

    Args:
        message: Its words.
        kind: Its word for the kind, or the name of the exception that it raised.
        details: What else it says.
        model: The model.
        phase: Whether the answer had begun.
        is_refusal: Whether it is the request that is wrong.
    """
    if kind == _TOO_LONG:
        known = (details.get("n_prompt_tokens"), details.get("n_ctx"))
        said = message if None in known else f"the conversation has {known[0]} tokens, and {known[1]} fit"
        hint = f"{said}: shorten it, or open the backend with a larger context_size"
        return ContextWindowError(hint, backend=BACKEND, model=model, code=kind, phase=phase)
    if is_refusal:
        told = f"the engine refuses the request: {message}"
        return InvalidRequestError(told, backend=BACKEND, model=model, code=kind, phase=phase)
    return ServiceError(f"the engine has failed: {message}", backend=BACKEND, model=model, code=kind, phase=phase)
