"""Errors of servers, over HTTP or inside an answer, as errors of chatport.

Pure: a status, headers and a body, or the members of a chunk, become an exception, which the caller raises. Servers
that speak this API do not share a form for errors: all that were recorded are read here. What codes and wordings mean
stands in `_error_table`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from chatport.backend import AuthenticationError, BackendError, Phase, ProtocolError
from chatport.backend.http import MAX_ERROR_BYTES, as_sentence, error_code
from chatport.backend.translation import is_array, is_object
from chatport_openai._error_table import meaning_of
from chatport_openai._error_text import one_line, words_of_page

__all__ = [
    "Place",
    "error_from_members",
    "error_from_other_answer",
    "error_from_response",
    "has_error",
    "request_id_of",
]

_BACKEND: Final = "openai"
_REQUEST_ID_HEADERS: Final = (
    *("x-request-id", "request-id", "apim-request-id", "mistral-correlation-id", "x-amzn-requestid"),
    *("x-generation-id", "cf-ray"),
)
_STATUSES: Final = range(400, 600)
_SUCCESSES: Final = range(200, 300)
_MAX_DETAILS: Final = 5


class Place(NamedTuple):
    """Where a failure happened, and in which answer."""

    model: str | None
    request_id: str | None
    phase: Phase
    status: int = 200
    retry_after: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return what an error keeps of it."""
        return {
            "backend": _BACKEND,
            "model": self.model,
            "status": self.status,
            "request_id": self.request_id,
            "phase": self.phase,
        }


class _Said(NamedTuple):
    """What an error says, whatever form it has."""

    message: str
    code: str | None = None
    kind: str | None = None
    status: int | None = None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the server's id of a request.

    Args:
        headers: The headers of the answer, their names in lower case.
    """
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def has_error(members: Mapping[str, Any]) -> bool:
    """Whether an object of an answer is an error, or holds one."""
    if members.get("error"):
        return True
    if "choices" in members or "index" in members:
        return False
    return members.get("object") == "error" or any(isinstance(members.get(name), str) for name in ("detail", "message"))


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    model: str | None,
    retry_after: float | None = None,
    remedy: str = "",
) -> BackendError:
    """Return the error that an HTTP answer other than 200 stands for.

    Args:
        status: The HTTP status.
        headers: The answer's headers, their names in lower case.
        body: The answer's body; JSON, whatever its type says, or what a proxy put in its place.
        model: The model id as it was sent; None where no model was asked.
        retry_after: How long the server asks to wait, in seconds.
        remedy: Where the key came from, for hints.
    """
    place = Place(model, request_id_of(headers), "request", status, retry_after)
    members = _json_object(body)
    if members is None:
        words = words_of_page(body)
        message = f"the server answered with HTTP {status} and {words or 'no message'}"
        return _error(_Said(message), place, remedy)
    return error_from_members(members, place, remedy=remedy)


def error_from_members(members: Mapping[str, Any], place: Place, *, remedy: str = "") -> BackendError:
    """Return the error that the members of a body, a chunk or a choice stand for.

    Args:
        members: The members, `error` among them in most cases.
        place: Where it happened; with the status 200 it is inside an answer.
        remedy: Where the key came from, for hints.
    """
    return _error(_said(members), place, remedy)


def error_from_other_answer(status: int, headers: Mapping[str, str], body: bytes, *, model: str | None) -> BackendError:
    """Return the error for an answer without an error status that is nothing of this API, such as a proxy's page."""
    kind = one_line(headers.get("content-type", "").partition(";")[0], limit=50) or "something of no type"
    place = Place(model, request_id_of(headers), "request", status)
    said = words_of_page(body) or "nothing"
    return ProtocolError(
        f"the server answered HTTP {status} with {kind} that is no answer of Chat Completions; it says: {said}",
        **place.facts(),
    )


def _error(said: _Said, place: Place, remedy: str) -> BackendError:
    inside = place.status in _SUCCESSES
    status = said.status if inside else place.status
    kind, retryable, hint = meaning_of(status, (said.code, said.kind), said.message)
    code = said.code if said.code is not None and not said.code.isdigit() else said.kind or said.code
    if kind is AuthenticationError and remedy:
        hint = f"{remedy} {hint}".strip()
    message = as_sentence(said.message)
    facts = place._replace(status=place.status if status is None else status).facts()
    return kind(
        f"{message} {hint}" if hint else message,
        **facts,
        code=None if code is None else error_code(code),
        retry_after=place.retry_after,
        retryable=retryable,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def _json_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        value: object = from_json(body[:MAX_ERROR_BYTES])
    except ValueError:
        return None
    if is_array(value) and value and is_object(value[0]):  # Gemini's endpoint: a list of one error
        value = value[0]
    return value if is_object(value) else None


def _said(members: Mapping[str, Any]) -> _Said:
    error = members.get("error")
    inner: Mapping[str, Any] = error if is_object(error) else members
    texts = [_text(inner.get("message")), _text(error), _words(inner.get("detail")), _words(members.get("detail"))]
    message = next(filter(None, texts), "")
    more = [_words(inner.get("details")), _behind(inner.get("metadata"))]
    for words in filter(None, more):
        if words not in message:
            message = f"{as_sentence(message)} {words}" if message else words
    return _Said(
        one_line(message) or "the server reports an error and no message",
        _code(inner.get("code")) or _code(members.get("code")),
        _code(inner.get("type")) or _code(members.get("type")),
        _status(inner) or _status(members),
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _words(value: object) -> str:
    """Details: words, or a list of complaints of the reader of a request."""
    if isinstance(value, str):
        return value.strip()
    if not is_array(value):
        return ""
    found: list[str] = []
    for item in value[:_MAX_DETAILS]:
        if is_object(item):
            where = item.get("loc")
            path = ".".join(str(step) for step in where) if is_array(where) else ""
            found.append(": ".join(filter(None, (path, _text(item.get("msg")) or _text(item.get("message"))))))
    return "; ".join(filter(None, found))


def _behind(metadata: object) -> str:
    """What the server behind a router said: OpenRouter passes it on as text, mostly of JSON."""
    if not is_object(metadata):
        return ""
    name, raw = _text(metadata.get("provider_name")), metadata.get("raw")
    words = raw if isinstance(raw, str) else ""
    try:
        value = json.loads(words) if words else None
    except (ValueError, RecursionError):
        value = None
    if is_object(value):
        words = _said(value).message
    words = one_line(words)
    return f"{name}: {words}" if name and words else words


def _code(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _status(members: Mapping[str, Any]) -> int | None:
    for name in ("status_code", "status", "raw_status_code", "code"):
        value = members.get(name)
        number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) == 3 else value  # noqa: PLR2004 - digits of a status
        if isinstance(number, int) and not isinstance(number, bool) and number in _STATUSES:
            return number
    return None
