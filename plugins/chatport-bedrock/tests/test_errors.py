"""Errors of the service become the class that says what to do, with code, status, request id and no secret."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport.backend import (
    AuthenticationError,
    BackendError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
    StreamInterruptedError,
)
from chatport_bedrock._error_codes import CODES, code_key
from chatport_bedrock._errors import (
    error_from_frame,
    error_from_frame_error,
    error_from_other_answer,
    error_from_response,
    is_other_type,
)
from chatport_bedrock._frames import ChecksumError, Frame, FrameError, FrameReader, encode_frame

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CORAL = "http://internal.amazon.com/coral/com.amazon.bedrock/"


def refused(
    status: int, code: str | None = None, message: str = "No.", *, body: bytes | None = None, **headers: str
) -> BackendError:
    """The error of an HTTP answer; underscores in names of headers stand for hyphens."""
    given = {"Content-Type": "application/json", "x-amzn-RequestId": "id-1"}
    given |= {} if code is None else {"x-amzn-ErrorType": f"{code}:{CORAL}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps({"message": message}).encode() if body is None else body
    return error_from_response(status, given, content, model=MODEL)


def exception(name: str, **members: Any) -> BackendError:
    """The error of an exception frame."""
    frame = Frame({":message-type": "exception", ":exception-type": name}, json.dumps(members).encode())
    return error_from_frame(frame, model=MODEL, request_id="id-1")


# --- codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (403, "UnrecognizedClientException", AuthenticationError, False),
        (403, "ExpiredTokenException", AuthenticationError, False),
        (403, "ExpiredToken", AuthenticationError, False),
        (403, "InvalidSignatureException", AuthenticationError, False),
        (403, "SignatureDoesNotMatch", AuthenticationError, False),
        (403, "IncompleteSignature", AuthenticationError, False),
        (403, "IncompleteSignatureException", AuthenticationError, False),
        (403, "MissingAuthenticationToken", AuthenticationError, False),
        (403, "MissingAuthenticationTokenException", AuthenticationError, False),
        (403, "AccessDeniedException", PermissionDeniedError, False),
        (404, "ResourceNotFoundException", ModelNotFoundError, False),
        (400, "ValidationException", InvalidRequestError, False),
        (400, "SerializationException", InvalidRequestError, False),
        (404, "UnknownOperationException", InvalidRequestError, False),
        (409, "ConflictException", InvalidRequestError, False),
        (429, "ThrottlingException", RateLimitError, True),
        (400, "ThrottlingException", RateLimitError, True),
        (429, "TooManyRequestsException", RateLimitError, True),
        (400, "ServiceQuotaExceededException", RateLimitError, True),
        (429, "ModelNotReadyException", ServiceError, True),
        (408, "ModelTimeoutException", ServiceError, True),
        (424, "ModelErrorException", ServiceError, True),
        (500, "InternalServerException", ServiceError, True),
        (503, "ServiceUnavailableException", ServiceError, True),
        (401, None, AuthenticationError, False),
        (403, "NobodyKnowsException", PermissionDeniedError, False),
        (404, None, ModelNotFoundError, False),
        (408, None, ServiceError, True),
        (413, None, InvalidRequestError, False),
        (422, "NobodyKnowsException", InvalidRequestError, False),
        (424, None, ServiceError, True),
        (429, None, RateLimitError, True),
        (500, "NobodyKnowsException", ServiceError, True),
        (529, None, ServiceError, True),
        (301, None, ProtocolError, False),
        (204, None, ProtocolError, False),
    ],
)
def test_codes_over_http(status: int, code: str | None, kind: type[BackendError], retryable: bool) -> None:
    """The code decides where it is known, else the status; every fact is on the error."""
    error = refused(status, code)
    assert type(error) is kind
    assert (error.status, error.code, error.retryable) == (status, code, retryable)
    assert (error.backend, error.model, error.request_id, error.phase) == ("bedrock", MODEL, "id-1", "request")
    assert error.message.startswith("No.")


@pytest.mark.parametrize(
    ("name", "kind", "status", "retryable"),
    [
        ("throttlingException", RateLimitError, 429, True),
        ("serviceUnavailableException", ServiceError, 503, True),
        ("internalServerException", ServiceError, 500, True),
        ("modelStreamErrorException", ServiceError, 424, True),
        ("modelTimeoutException", ServiceError, 408, True),
        ("validationException", InvalidRequestError, 400, False),
        ("ValidationException", InvalidRequestError, 400, False),
        ("accessDeniedException", PermissionDeniedError, 403, False),
        ("moonException", ServiceError, None, False),
    ],
)
def test_exceptions_inside_a_stream(name: str, kind: type[BackendError], status: int | None, retryable: bool) -> None:
    """In camel case and without an HTTP status: the table has both; what it does not know is not sent again."""
    error = exception(name, message="No.")
    assert type(error) is kind
    assert (error.status, error.code, error.retryable) == (status, name, retryable)
    assert (error.backend, error.model, error.request_id, error.phase) == ("bedrock", MODEL, "id-1", "stream")
    assert error.message == "No."


def test_errors_inside_a_stream() -> None:
    """An error outside the service model has code and text in headers; the payload may say more or nothing."""
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Something\n broke"}
    error = error_from_frame(Frame(headers, b""), model=MODEL, request_id=None)
    assert type(error) is ServiceError
    assert (error.message, error.code, error.status, error.retryable) == (
        "Something broke.",
        "InternalFailure",
        500,
        True,
    )
    bare = error_from_frame(Frame({":message-type": "error"}, b""), model=MODEL, request_id=None)
    assert type(bare) is ServiceError
    assert (bare.code, bare.status, bare.retryable) == (None, None, False)
    assert "no message" in bare.message


def test_what_the_model_had_said() -> None:
    """The model's own status and words stay in the message; a model that blames the request is not asked again."""
    words = {"originalStatusCode": 500, "originalMessage": "CUDA\nerror", "resourceName": "endpoint-1"}
    error = exception("modelStreamErrorException", message="The model failed", **words)
    origin = "original status 500; original message: CUDA error; resource: endpoint-1"
    assert error.message == f"The model failed [{origin}]."
    assert error.retryable
    for status, retryable in ((400, False), (404, False), (429, True), (408, True), (503, True), (True, True)):
        assert exception("modelStreamErrorException", message="No.", originalStatusCode=status).retryable is retryable
    body = json.dumps({"message": "No.", "originalStatusCode": 422, "resourceName": "r"}).encode()
    over_http = refused(424, "ModelErrorException", body=body)
    assert (type(over_http), over_http.retryable) == (ServiceError, False)
    assert "original status 422; resource: r" in over_http.message


def test_the_table_is_written_in_its_own_spelling() -> None:
    """A key that no code can have would never be found."""
    assert [key for key in CODES if code_key(key) != key or code_key(f"{key.title()}Exception") != key] == []


# --- where code and message stand ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "code", "message"),
    [
        ({"X-AMZN-ERRORTYPE": f"ValidationException:{CORAL}"}, {"message": "No."}, "ValidationException", "No."),
        ({"x-amzn-errortype": "ValidationException"}, {"Message": "No."}, "ValidationException", "No."),
        ({"x-amzn-errortype": "a.b#ValidationException"}, {"message": "No."}, "ValidationException", "No."),
        ({}, {"__type": "com.amazon.coral#ExpiredToken", "message": "No."}, "ExpiredToken", "No."),
        ({}, {"__type": "ExpiredToken", "Message": "No."}, "ExpiredToken", "No."),
        ({}, {"code": "ExpiredToken", "message": "No."}, "ExpiredToken", "No."),
        ({}, {"code": 400, "message": "No."}, None, "No."),
        ({}, {"error": {"message": "No."}}, None, "No."),
        ({}, {"error": "No."}, None, "No."),
        ({}, {"message": "", "Message": "No."}, None, "No."),
        ({"x-amzn-errortype": ":"}, {"message": "No"}, None, "No."),
        ({"x-amzn-errortype": "Bad\r\nName: x"}, {"message": "No?"}, "BadName", "No?"),
    ],
)
def test_where_code_and_message_stand(headers: dict[str, str], body: Any, code: str | None, message: str) -> None:
    """Header or body, namespace or link, capital letter or not, the service's own or a gateway's."""
    error = error_from_response(400, headers, json.dumps(body).encode(), model=MODEL)
    assert error.code == code
    assert error.message.startswith(message)
    assert error.request_id is None


@pytest.mark.parametrize("name", ["x-amzn-RequestId", "x-amzn-request-id", "x-amz-request-id"])
def test_the_request_id(name: str) -> None:
    """The service's support asks for it first."""
    assert error_from_response(500, {name: "id-2"}, b"", model=MODEL).request_id == "id-2"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "HTTP 502 and no message"),
        (b"   ", "HTTP 502 and no message"),
        (b"{}", "{}"),
        (b'["No."]', "No."),
        (b'{"detail": [1]}', '{"detail": [1]}'),
        (b"\xff\xfe\x00", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_bodies_without_a_message(body: bytes, words: str) -> None:
    """What there is, is shown; where there is nothing, that is said."""
    assert words in refused(502, body=body).message


def test_a_page_of_a_proxy() -> None:
    """HTML is shown as the words a person would read, cut short, and as what it is: no answer of Bedrock."""
    page = b"<html><style>b {color: red}</style><!-- secret --><body><h1>502 Bad\n Gateway</h1>%s</body></html>"
    error = refused(502, body=page % (b"<p>nginx</p>" * 10_000), Content_Type="text/html; charset=utf-8")
    assert type(error) is ServiceError
    assert "not Bedrock's own" in error.message
    assert "(text/html)" in error.message
    assert "502 Bad Gateway nginx" in error.message
    assert "color" not in error.message
    assert "secret" not in error.message
    assert len(error.message) < 400


@given(
    st.binary(max_size=200),
    st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=3),
    st.integers(100, 999),
)
def test_any_answer_becomes_one_error(body: bytes, headers: dict[str, str], status: int) -> None:
    """Nothing that a peer sends breaks the reading: there is always one error, with one line."""
    error = error_from_response(status, headers, body, model=MODEL)
    assert isinstance(error, BackendError)
    assert error.message
    assert len(error.message.splitlines()) == 1


# --- how long to wait ------------------------------------------------------------------------------------------------

_NOW = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "0.5"}, 0.5),
        ({"Retry_After": "-1"}, None),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "soon"}, None),
        (
            {"Retry_After": format_datetime(_NOW + timedelta(seconds=30), usegmt=True), "Date": format_datetime(_NOW)},
            30.0,
        ),
        (
            {"Retry_After": format_datetime(_NOW - timedelta(seconds=30), usegmt=True), "Date": format_datetime(_NOW)},
            0.0,
        ),
        ({"Retry_After": "Wed, 01 Jan 2025 12:00:05", "Date": "Wed, 01 Jan 2025 12:00:00 GMT"}, 5.0),
        ({"x_amz_retry_after": "1500"}, 1.5),
        ({"x_amz_retry_after": "1500", "Retry_After": "9"}, 1.5),
        ({"x_amz_retry_after": "later", "Retry_After": "9"}, 9.0),
    ],
)
def test_retry_after(headers: dict[str, Any], seconds: float | None) -> None:
    """Seconds, a date by the service's clock, or milliseconds in the header of AWS; nonsense is not guessed at."""
    assert refused(429, "ThrottlingException", **headers).retry_after == seconds


def test_retry_after_a_date_without_a_clock() -> None:
    """Where the service does not say its time, this machine's is taken."""
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    error = refused(503, Retry_After=asked)
    assert error.retry_after is not None
    assert 60 < error.retry_after <= 100


# --- frames ----------------------------------------------------------------------------------------------------------


def _frame_error(data: bytes) -> FrameError:
    reader = FrameReader()
    try:
        list(reader.feed(data))
        reader.finish()
    except FrameError as error:
        return error
    raise AssertionError("these bytes should be no event stream")


def test_a_stream_that_ends_inside_a_frame() -> None:
    """It was cut: that is an interruption, which may be tried again, and says where."""
    whole = encode_frame({":message-type": "event"}, b"{}")
    error = error_from_frame_error(_frame_error(whole + whole[:-3]), model=MODEL, request_id="id-1")
    assert type(error) is StreamInterruptedError
    assert (error.backend, error.model, error.status, error.request_id) == ("bedrock", MODEL, 200, "id-1")
    assert (error.phase, error.retryable) == ("stream", True)
    assert f"at byte {len(whole)}" in error.message


def test_a_damaged_frame() -> None:
    """Bytes that are no event stream are a `ProtocolError` and no interruption."""
    damaged = bytearray(encode_frame({":message-type": "event"}, b"{}"))
    damaged[-1] ^= 1
    for cause in (_frame_error(bytes(damaged)), ChecksumError("message", expected=1, actual=2)):
        error = error_from_frame_error(cause, model=MODEL, request_id=None)
        assert type(error) is ProtocolError
        assert "checksum" in error.message
        assert (error.status, error.phase, error.retryable) == (200, "stream", False)


# --- answers of another type -----------------------------------------------------------------------------------------

STREAM_TYPE = "application/vnd.amazon.eventstream"


@pytest.mark.parametrize(
    ("content_type", "for_a_stream", "for_a_whole_answer"),
    [
        ("application/json; charset=utf-8", True, False),
        ("Text/HTML", True, True),
        ("text/plain", True, True),
        (STREAM_TYPE, False, True),
        ("application/octet-stream", False, False),
        ("application/x-amz-json-1.1", False, False),
        ("", False, False),
    ],
)
def test_types_that_cannot_be_what_was_asked(content_type: str, for_a_stream: bool, for_a_whole_answer: bool) -> None:
    """A page is none of both; what says nothing is read all the same."""
    assert is_other_type(content_type, STREAM_TYPE) is for_a_stream
    assert is_other_type(content_type, "application/json") is for_a_whole_answer


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><style>p {}</style><p>Log in\nfirst.</p></html>", "it says: Log in first."),
        (b'{"message": "quota used up"}', "it says: quota used up"),
        (b"", "it says: nothing"),
    ],
)
def test_an_answer_of_another_type_says_what_came(body: bytes, said: str) -> None:
    """Its type, the one that was asked for, its own words, and the facts of the exchange."""
    headers = {"Content-Type": "text/html; charset=utf-8", "x-amzn-RequestId": "id-1", "x-amzn-ErrorType": "Odd:x"}
    error = error_from_other_answer(200, headers, body, asked=STREAM_TYPE, model=MODEL)
    assert error.message == f"the endpoint answered HTTP 200 with text/html in place of {STREAM_TYPE}; {said}"
    assert (error.status, error.code, error.request_id, error.phase) == (200, "Odd", "id-1", "request")
    assert (error.model, error.retryable) == (MODEL, False)


def test_a_stream_in_place_of_an_answer_is_not_quoted() -> None:
    """Frames are no words."""
    error = error_from_other_answer(
        200, {"Content-Type": STREAM_TYPE}, encode_frame({}), asked="application/json", model=MODEL
    )
    assert error.message == f"the endpoint answered HTTP 200 with {STREAM_TYPE} in place of application/json"
