"""Errors of the service as errors of ours: by the type in the body, then by the status."""

import json
from typing import Any

import pytest

import chatport
from chatport_anthropic._errors import error_from_event, error_from_other_answer, error_from_response, request_id_of


def answered(status: int, body: Any, **headers: str) -> chatport.BackendError:
    """The error of an answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from_response(status, found, content, model="claude-x")


TABLE: list[tuple[int, str, str, type[chatport.BackendError], bool]] = [
    (400, "invalid_request_error", "messages: too few", chatport.InvalidRequestError, False),
    (400, "invalid_request_error", "prompt is too long: 7 tokens > 5 maximum", chatport.ContextWindowError, False),
    (
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
        chatport.ContextWindowError,
        False,
    ),
    (401, "authentication_error", "invalid x-api-key", chatport.AuthenticationError, False),
    (402, "billing_error", "no credit", chatport.PermissionDeniedError, False),
    (403, "permission_error", "not yours", chatport.PermissionDeniedError, False),
    (404, "not_found_error", "model: claude-x", chatport.ModelNotFoundError, False),
    (404, "not_found_error", "no such file", chatport.InvalidRequestError, False),
    (413, "request_too_large", "too large", chatport.InvalidRequestError, False),
    (429, "rate_limit_error", "slowly", chatport.RateLimitError, True),
    (500, "api_error", "oh", chatport.ServiceError, True),
    (504, "timeout_error", "late", chatport.ServiceError, True),
    (529, "overloaded_error", "Overloaded", chatport.ServiceError, True),
    # types that nobody knows: the status counts
    (418, "teapot_error", "short and stout", chatport.InvalidRequestError, False),
    (429, "teapot_error", "slowly", chatport.RateLimitError, True),
    (403, "teapot_error", "no", chatport.PermissionDeniedError, False),
    (503, "teapot_error", "down", chatport.ServiceError, True),
    (302, "teapot_error", "elsewhere", chatport.ServiceError, True),
]


@pytest.mark.parametrize(("status", "code", "message", "kind", "retryable"), TABLE)
def test_each_type_has_a_class(
    status: int, code: str, message: str, kind: type[chatport.BackendError], retryable: bool
) -> None:
    """Class, status, code, request id and the service's words."""
    body = {"type": "error", "error": {"type": code, "message": message}, "request_id": "req_body"}
    error = answered(status, body, request_id="req_head")
    assert type(error) is kind
    assert (error.status, error.code, error.request_id, error.phase) == (status, code, "req_head", "request")
    assert (error.retryable, error.model, error.backend) == (retryable, "claude-x", "anthropic")
    assert error.message.startswith(message)


def test_the_type_counts_and_not_the_status() -> None:
    """Inside a stream there is only the type; the status that stands for it is told."""
    for status, code, message, kind, retryable in TABLE[:13]:
        error = error_from_event(
            {"type": "error", "error": {"type": code, "message": message}}, model="claude-x", request_id=None
        )
        assert (type(error), error.status, error.retryable, error.phase) == (kind, status, retryable, "stream")
    unknown = error_from_event({"type": "error", "request_id": "req_1"}, model="m", request_id=None)
    assert (type(unknown), unknown.status, unknown.request_id) == (chatport.ServiceError, None, "req_1")
    assert "broke the answer off" in unknown.message


def test_the_service_says_whether_it_is_worth_another_try() -> None:
    """`x-should-retry` wins over what the class says."""
    body = {"error": {"type": "rate_limit_error", "message": "out of credit"}}
    assert answered(429, body, x_should_retry="false").retryable is False
    assert answered(409, {"error": {"type": "conflict_error", "message": "x"}}, x_should_retry="true").retryable is True
    assert answered(429, body, x_should_retry="perhaps").retryable is True


def test_hints_say_what_to_do() -> None:
    """Where the key comes from, and how to find a model."""
    error = answered(401, {"error": {"type": "authentication_error", "message": "invalid x-api-key"}})
    assert error.message.endswith("ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN.")
    missing = answered(404, {"error": {"type": "not_found_error", "message": "model: x"}})
    assert "chatport models" in missing.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "quota"}, "quota."),
        ({"message": "Forbidden"}, "Forbidden."),
        ({"error": {"message": 5}}, '{"error": {"message": 5}}.'),
        (
            b"<h1>Bad\n\tgateway</h1>",
            "not the service's own: a proxy's, or another service is at the address: Bad gateway.",
        ),
        (b"", "the service answered with HTTP 502 and no message."),
        (b"\xff\x00\x01", "this answer (text/html) is not the service's own"),
    ],
)
def test_answers_of_somebody_in_between(body: Any, words: str) -> None:
    """Other shapes and no JSON at all: the words are shown on one line, and nothing breaks."""
    error = answered(502, body, content_type="text/html; charset=x")
    assert isinstance(error, chatport.ServiceError)
    assert words in error.message
    assert error.message.isprintable()


def test_long_words_are_cut() -> None:
    """No page of a proxy fills a log."""
    error = answered(400, {"error": {"type": "x" * 1000, "message": "a b " * 5000}})
    assert len(error.message) < 1010
    assert error.code == "x" * 100


def test_a_page_in_place_of_an_answer() -> None:
    """Status 200 with a page is no answer, and is not taken for one."""
    error = error_from_other_answer(200, {"content-type": "text/html", "request-id": "r"}, b"<p>Log in</p>", model="m")
    assert isinstance(error, chatport.ProtocolError)
    assert (error.request_id, error.retryable) == ("r", False)
    assert "text/html, which is no answer of the Messages API; it says: Log in" in error.message
    assert "no type" in error_from_other_answer(200, {}, b"", model="m").message


def test_ids_of_requests() -> None:
    """From the service's header, that of Azure, a gateway's, or the body."""
    assert request_id_of({"request-id": "a", "x-request-id": "b"}) == "a"
    assert request_id_of({"apim-request-id": "c"}) == "c"
    assert request_id_of({}, {"request_id": "d"}) == "d"
    assert request_id_of({"request-id": ""}, {"request_id": None}) is None


@pytest.mark.parametrize(
    "quoted",
    [
        "invalid x-api-key: abc1234567",
        "bad Authorization: Bearer abc1234567, and more",
        "the token Bearer abc1234567 is over",
        "Incorrect key provided: sk-ant-abc1234567",
        "key abc1234567" + "0a" * 60,
        "digest abc1234567abc1234567abc1234567abc123",
    ],
)
def test_keys_that_are_quoted_are_cut(quoted: str) -> None:
    """Servers quote what they refuse; it belongs in no log."""
    assert "abc1234567" not in str(answered(401, {"error": {"type": "authentication_error", "message": quoted}}))
    assert "abc1234567" not in str(answered(401, quoted.encode()))
