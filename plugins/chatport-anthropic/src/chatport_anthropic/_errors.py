"""Errors of the service, over HTTP or inside a stream, as errors of chatport.

Pure: a status, headers and a body, or an event, become an exception, which the caller raises. What counts is the type
that the body names, not the status: inside a stream the status was 200 long before. Rate limits, overload and errors
in streams are documented and reported, not recorded.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import from_json

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    Phase,
    ProtocolError,
    RateLimitError,
    ServiceError,
)
from chatport.backend.http import MAX_ERROR_BYTES, as_sentence, error_code
from chatport.backend.translation import is_object
from chatport_anthropic._error_text import one_line, words_of_page

__all__ = ["REQUEST_ID_HEADERS", "error_from_event", "error_from_other_answer", "error_from_response", "request_id_of"]

BACKEND: Final = "anthropic"
REQUEST_ID_HEADERS: Final = ("request-id", "apim-request-id", "x-request-id")
"""Where the service says its id of a request: its own header, that of Azure, those of gateways."""

# Error type → class, the status that stands for it where none came, and whether it may be sent again.
_TYPES: Final[dict[str, tuple[type[BackendError], int]]] = {
    "invalid_request_error": (InvalidRequestError, 400),
    "authentication_error": (AuthenticationError, 401),
    "billing_error": (PermissionDeniedError, 402),
    "permission_error": (PermissionDeniedError, 403),
    "not_found_error": (InvalidRequestError, 404),
    "conflict_error": (InvalidRequestError, 409),
    "request_too_large": (InvalidRequestError, 413),
    "rate_limit_error": (RateLimitError, 429),
    "api_error": (ServiceError, 500),
    "timeout_error": (ServiceError, 504),
    "gateway_timeout_error": (ServiceError, 504),
    "overloaded_error": (ServiceError, 529),
}
_STATUSES: Final[dict[int, type[BackendError]]] = {
    401: AuthenticationError,
    402: PermissionDeniedError,
    403: PermissionDeniedError,
    408: ServiceError,
    429: RateLimitError,
}
# "prompt is too long: N tokens > 200000 maximum" (recorded); the other is what older models say (documented).
_TOO_LONG: Final = ("prompt is too long", "exceed context limit", "exceeds the context window")
_MODEL: Final = "model:"

_NO_KEY: Final = (
    "Check the key that is used: the options api_key and auth_token, ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN."
)
_NO_MODEL: Final = "`chatport models anthropic` lists what there is."


def request_id_of(headers: Mapping[str, str], body: Mapping[str, Any] | None = None) -> str | None:
    """Return the service's id of a request: from a header (names in lower case), else from the body of an error."""
    found = next((headers[name] for name in REQUEST_ID_HEADERS if headers.get(name)), None)
    said = body.get("request_id") if body is not None else None
    return found or (said if isinstance(said, str) and said else None)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str | None, retry_after: float | None = None
) -> BackendError:
    """Return the error that an HTTP answer stands for which is none of a model.

    Args:
        status: The HTTP status.
        headers: The answer's headers, names in lower case.
        body: The answer's body; JSON, or whatever a proxy put in its place.
        model: The model id as it was sent; None where no model was asked.
        retry_after: How long the service asks to wait, in seconds.
    """
    members = _object_in(body)
    kind, said = _type_and_message(members)
    message = said or _words_of(body, headers.get("content-type", ""), is_json=bool(members))
    message = message or f"the service answered with HTTP {status} and no message"
    error = _error(kind, message, status, model=model, request_id=request_id_of(headers, members), phase="request")
    error.retry_after = retry_after
    # The service's own word on whether it is worth sending again; it stands in nearly all recorded errors.
    advice = headers.get("x-should-retry")
    if advice in {"true", "false"}:
        error.retryable = advice == "true"
    return error


def error_from_event(
    members: Mapping[str, Any], *, model: str | None, request_id: str | None, phase: Phase = "stream"
) -> BackendError:
    """Return the error that an event of the type `error` inside a stream stands for, or an answer of that type.

    Args:
        members: What the event says.
        model: The model id as it was sent.
        request_id: The service's id of the request, from the headers of the answer.
        phase: Where it was said: `"request"` for an answer in one piece.
    """
    kind, said = _type_and_message(members)
    found = request_id or request_id_of({}, members)
    message = said or "the service broke the answer off with an error and no message"
    return _error(kind, message, None, model=model, request_id=found, phase=phase)


def error_from_other_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str | None
) -> ProtocolError:
    """Return the error for an answer with status 200 that is neither a stream nor JSON, such as a proxy's page."""
    kind = one_line(headers.get("content-type", "").partition(";")[0], limit=50) or "no type"
    said = words_of_page(body) or "nothing"
    return ProtocolError(
        f"the endpoint answered HTTP {status} with {kind}, which is no answer of the Messages API; it says: {said}",
        backend=BACKEND,
        model=model,
        status=status,
        request_id=request_id_of(headers),
        phase="request",
    )


def _error(
    kind: str | None, message: str, status: int | None, *, model: str | None, request_id: str | None, phase: Phase
) -> BackendError:
    found, usual = _TYPES.get(kind or "", (None, None))
    status = usual if status is None else status
    if found is None:
        found = _class_of(status)
    hint = ""
    if found is InvalidRequestError and any(words in message.lower() for words in _TOO_LONG):
        found = ContextWindowError
    elif found is InvalidRequestError and status == HTTPStatus.NOT_FOUND and message.startswith(_MODEL):
        found, hint = ModelNotFoundError, _NO_MODEL
    elif found is AuthenticationError:
        hint = _NO_KEY
    text = as_sentence(message)
    return found(
        f"{text} {hint}" if hint else text,
        backend=BACKEND,
        model=model,
        status=status,
        code=kind,
        request_id=request_id,
        phase=phase,
    )


def _class_of(status: int | None) -> type[BackendError]:
    """The class of an error that says no type, or one that nobody knows."""
    if status is None or status not in range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR):
        return ServiceError
    return _STATUSES.get(status, InvalidRequestError)


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body[:MAX_ERROR_BYTES])
    except ValueError:
        return {}
    return value if is_object(value) else {}


def _type_and_message(members: Mapping[str, Any]) -> tuple[str | None, str]:
    """The type and the message of an error; gateways put the words elsewhere."""
    error = members.get("error")
    if is_object(error):
        kind, message = error.get("type"), error.get("message")
    else:
        kind, message = None, error if isinstance(error, str) else members.get("message")
    found = error_code(kind) if isinstance(kind, str) else None
    return found, one_line(message) if isinstance(message, str) else ""


def _words_of(body: bytes, content_type: str, *, is_json: bool) -> str:
    words = words_of_page(body)
    if is_json or not words:
        return words
    kind = one_line(content_type.partition(";")[0], limit=50) or "of no type"
    return f"this answer ({kind}) is not the service's own: a proxy's, or another service is at the address: {words}"
