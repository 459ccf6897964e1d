"""Errors of the service, over HTTP or inside a stream, as errors of chatport.

Pure: a status, headers and a body, or a frame, become an exception, which the caller raises. What codes and wordings
mean stands in `_error_codes` and `_error_wordings`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from chatport.backend import BackendError, Phase, ProtocolError, StreamInterruptedError
from chatport.backend.http import MAX_ERROR_BYTES, as_sentence, error_code
from chatport.backend.translation import is_object
from chatport_bedrock._error_codes import Failure, status_in_stream
from chatport_bedrock._error_text import one_line, words_of_page
from chatport_bedrock._error_wordings import meaning_of
from chatport_bedrock._frames import Frame, FrameError, IncompleteFrameError

__all__ = [
    "error_from_frame",
    "error_from_frame_error",
    "error_from_other_answer",
    "error_from_response",
    "is_other_type",
]

_BACKEND: Final = "bedrock"
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
# What people and browsers read, and no operation of Bedrock answers with.
_PAGES: Final = ("text/", "application/xml", "application/xhtml+xml")
_REQUEST_ID_HEADERS: Final = ("x-amzn-requestid", "x-amzn-request-id", "x-amz-request-id")


class _Place(NamedTuple):
    """Where a failure happened."""

    request_id: str | None
    phase: Phase
    retry_after: float | None = None


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    model: str | None,
    region: str | None = None,
    remedy: str = "",
) -> BackendError:
    """Return the error that an HTTP answer other than 200 stands for.

    Args:
        status: The HTTP status.
        headers: The answer's headers, in any case.
        body: The answer's body; JSON, or whatever a proxy put in its place.
        model: The model id as it was sent; None where no model was asked.
        region: The region that was asked, for hints.
        remedy: How to get fresh credentials in place of those that were used, for hints.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    members = _json_object(body)
    code = _code_of(lower.get("x-amzn-errortype")) or _code_of(members.get("__type")) or _code_of(members.get("code"))
    message = _message_of(members) or _words_of(body, lower.get("content-type", ""), is_json=bool(members))
    message = message or f"Bedrock answered with HTTP {status} and no message"
    request_id = next((lower[name] for name in _REQUEST_ID_HEADERS if lower.get(name)), None)
    failure = Failure(code, status, message, model, _original_status(members), region, remedy)
    return _error(failure, members, _Place(request_id, "request", _retry_after(lower)))


def error_from_frame(frame: Frame, *, model: str, request_id: str | None) -> BackendError:
    """Return the error that an exception or error frame inside a stream stands for.

    Args:
        frame: A frame whose `message_type` is `"exception"` (a modelled error, JSON payload) or `"error"` (code and
            text in headers).
        model: The model id as it was sent.
        request_id: The service's id of the request, from the headers of the HTTP answer.
    """
    members = _json_object(frame.payload)
    code = _code_of(frame.exception_type) or _code_of(frame.error_code)
    message = _message_of(members) or one_line(frame.error_message or "") or words_of_page(frame.payload)
    message = message or "Bedrock broke the stream off with an error and no message"
    failure = Failure(code, status_in_stream(code), message, model, _original_status(members))
    return _error(failure, members, _Place(request_id, "stream"))


def is_other_type(content_type: str, asked: str) -> bool:
    """Whether an answer of this type cannot be what was asked for, by its `Content-Type`.

    A type that is missing or says nothing (`application/octet-stream`) is no reason to refuse what may be readable.
    """
    kind = content_type.partition(";")[0].strip().lower()
    other = (*_PAGES, "application/json") if asked == _EVENT_STREAM else (*_PAGES, _EVENT_STREAM)
    return kind.startswith(other)


def error_from_other_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, asked: str, model: str | None
) -> ProtocolError:
    """Return the error for an answer without an error status whose type is not the one that was asked for.

    Args:
        status: The HTTP status.
        headers: The answer's headers, in any case.
        body: The beginning of the answer's body.
        asked: The type that was asked for.
        model: The model id as it was sent; None where no model was asked.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    members = _json_object(body)
    said = _message_of(members) or words_of_page(body) or "nothing"
    kind = one_line(lower.get("content-type", "").partition(";")[0], limit=50)
    words = "" if kind == _EVENT_STREAM else f"; it says: {said}"  # frames are bytes
    message = f"the endpoint answered HTTP {status} with {kind} in place of {asked}{words}"
    request_id = next((lower[name] for name in _REQUEST_ID_HEADERS if lower.get(name)), None)
    code = _code_of(lower.get("x-amzn-errortype")) or _code_of(members.get("__type"))
    return ProtocolError(
        message, backend=_BACKEND, model=model, status=status, code=code, request_id=request_id, phase="request"
    )


def error_from_frame_error(error: FrameError, *, model: str, request_id: str | None) -> BackendError:
    """Return the error that bytes which are no event stream stand for; raise it `from` the one given.

    A stream that ends inside a frame was cut: `StreamInterruptedError`. Everything else is a `ProtocolError`.
    """
    kind = StreamInterruptedError if isinstance(error, IncompleteFrameError) else ProtocolError
    where = "" if error.offset is None else f" (at byte {error.offset})"
    message = f"the answer cannot be read as an event stream: {one_line(str(error))}{where}"
    return kind(message, backend=_BACKEND, model=model, status=200, request_id=request_id, phase="stream")


def _error(failure: Failure, members: Mapping[str, Any], place: _Place) -> BackendError:
    kind, retryable, hint = meaning_of(failure)
    message = as_sentence(f"{failure.message}{_origin(members)}")
    return kind(
        f"{message} {hint}" if hint else message,
        backend=_BACKEND,
        model=failure.model,
        status=failure.status,
        code=failure.code,
        request_id=place.request_id,
        retry_after=place.retry_after,
        retryable=retryable,
        phase=place.phase,
    )


# --- reading an answer -----------------------------------------------------------------------------------------------


def _json_object(body: bytes) -> Mapping[str, Any]:
    """The body's members; none where it is no JSON object."""
    try:
        value = from_json(body[:MAX_ERROR_BYTES])
    except ValueError:
        return {}
    return value if is_object(value) else {}


def _message_of(members: Mapping[str, Any]) -> str:
    """The message, where the service or a gateway in front of it puts it."""
    nested: Any = members.get("error")
    if is_object(nested):
        nested = nested.get("message")
    places = (members.get("message"), members.get("Message"), nested)
    return next((line for text in places if isinstance(text, str) and (line := one_line(text))), "")


def _words_of(body: bytes, content_type: str, *, is_json: bool) -> str:
    words = words_of_page(body)
    if is_json or not words:
        return words
    kind = one_line(content_type.partition(";")[0], limit=50) or "of no type"
    return f"this answer ({kind}) is not Bedrock's own: a proxy's, or that of another service at the endpoint: {words}"


def _code_of(value: object) -> str | None:
    """`Name` of `Name:http://internal…`, `namespace#Name` or plain `Name`."""
    return error_code(value.partition(":")[0].rpartition("#")[2]) if isinstance(value, str) else None


def _original_status(members: Mapping[str, Any]) -> int | None:
    status = members.get("originalStatusCode")
    return status if isinstance(status, int) else None


def _origin(members: Mapping[str, Any]) -> str:
    """What the model behind the service had said, where the service passes it on."""
    status, text, resource = _original_status(members), members.get("originalMessage"), members.get("resourceName")
    facts = [
        f"original status {status}" if status is not None else "",
        f"original message: {one_line(text)}" if isinstance(text, str) and text else "",
        f"resource: {one_line(resource)}" if isinstance(resource, str) and resource else "",
    ]
    said = "; ".join(filter(None, facts))
    return f" [{said}]" if said else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """How long to wait, in seconds: `x-amz-retry-after` has milliseconds, `retry-after` has seconds or a date."""
    exact = _number(headers.get("x-amz-retry-after", ""))
    if exact is not None:
        return exact / 1000
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is not None:
        return seconds
    moment = _moment(asked)
    if moment is None:
        return None
    # The service's own clock, where it says it: this machine's may be wrong.
    now = _moment(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
