"""Errors of servers as ours: every shape and wording that was recorded or is documented."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    ServiceError,
)
from chatport.backend.http import as_sentence, error_code
from chatport_openai._error_text import one_line, words_of_page
from chatport_openai._errors import (
    Place,
    error_from_members,
    error_from_other_answer,
    error_from_response,
    has_error,
    request_id_of,
)


def refused(status: int, body: Any, **members: Any) -> BackendError:
    """The error that an answer stands for."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_from_response(status, {"x-request-id": "r1"}, data, model="a-model", **members)


def said(message: str, **members: Any) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": None, "param": None, "code": None, **members}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "retryable"),
    [
        (400, said("No", code="bad"), InvalidRequestError, "bad", False),
        (400, said("Too long", code="context_length_exceeded"), ContextWindowError, "context_length_exceeded", False),
        (400, said("This model's maximum context length is 5 tokens"), ContextWindowError, None, False),
        (400, said("the model's context length is only 5 tokens", code=400), ContextWindowError, "400", False),
        (400, said("prompt too long; exceeded max context length"), ContextWindowError, None, False),
        (
            400,
            said("x", type="exceed_context_size_error", code=400),
            ContextWindowError,
            "exceed_context_size_error",
            False,
        ),
        (413, said("prompt is too long: 5 tokens > 4 maximum"), ContextWindowError, None, False),
        (401, said("No", code="invalid_api_key"), AuthenticationError, "invalid_api_key", False),
        (402, said("Insufficient Balance"), PermissionDeniedError, None, False),
        (403, {"error": "Model is off"}, PermissionDeniedError, None, False),
        (403, {"code": "no permission", "error": "Not you"}, PermissionDeniedError, "nopermission", False),
        (
            404,
            said("The model `x` does not exist", code="model_not_found"),
            ModelNotFoundError,
            "model_not_found",
            False,
        ),
        (404, said("No endpoints found that support image input", code=404), InvalidRequestError, "404", False),
        (404, b"<html><title>Not here</title></html>", ModelNotFoundError, None, False),
        (400, said("Model Not Exist"), ModelNotFoundError, None, False),
        (400, said("x is not a valid model ID", code=400), ModelNotFoundError, "400", False),
        (
            400,
            {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "param": None, "code": "1500"},
            ModelNotFoundError,
            "invalid_model",
            False,
        ),
        (408, said("Timeout"), ServiceError, None, True),
        (409, said("Busy"), ServiceError, None, True),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "Too many"}]}, InvalidRequestError, None, False),
        (429, said("Slow down", code="rate_limit_exceeded"), RateLimitError, "rate_limit_exceeded", True),
        (429, said("No credit", code="insufficient_quota"), RateLimitError, "insufficient_quota", False),
        (498, said("Flex is full"), RateLimitError, None, True),
        (400, said("Bad call", code="tool_use_failed"), InvalidRequestError, "tool_use_failed", True),
        (500, said("The server had an error", type="server_error"), ServiceError, "server_error", True),
        (500, said("tools param requires --jinja flag", type="server_error"), ServiceError, "server_error", False),
        (501, said("Not here"), ServiceError, None, False),
        (503, b"upstream connect error", ServiceError, None, True),
        (529, said("Overloaded", type="overloaded_error"), ServiceError, "overloaded_error", True),
        (418, said("Teapot"), InvalidRequestError, None, False),
        (302, b"", ProtocolError, None, False),
        (400, {"error": {}}, InvalidRequestError, None, False),
        (400, [{"error": {"message": "No", "status": "INVALID"}}], InvalidRequestError, None, False),
    ],
)
def test_every_shape(status: int, body: Any, kind: type[BackendError], code: str | None, retryable: bool) -> None:
    """Class, code, retry and the facts of the exchange."""
    error = refused(status, body)
    assert (type(error), error.code, error.retryable) == (kind, code, retryable)
    assert (error.status, error.request_id, error.phase, error.model) == (status, "r1", "request", "a-model")
    assert error.message


def test_what_a_server_behind_the_server_said() -> None:
    """OpenRouter passes it on as text, mostly of JSON."""
    raw = json.dumps(said("Unsupported parameter: 'temperature'"))
    error = refused(
        400,
        {
            "error": {
                "message": "Provider returned error",
                "code": 400,
                "metadata": {"raw": raw, "provider_name": "OpenAI"},
            }
        },
    )
    assert error.message == "Provider returned error. OpenAI: Unsupported parameter: 'temperature'."
    plain = {"error": {"message": "No", "metadata": {"raw": "It is full"}}}
    assert refused(429, plain).message == "No. It is full."
    long = {
        "error": {
            "message": "Provider returned error",
            "metadata": {"raw": json.dumps(said("maximum context length is 5"))},
        }
    }
    assert type(refused(400, long)) is ContextWindowError
    assert refused(400, {"error": {"message": "No", "metadata": 7, "details": "Because."}}).message == "No. Because."


def test_errors_inside_an_answer_bring_their_own_status() -> None:
    """Wherever they name one: as a number, as its digits, or not at all."""
    place = Place("m", "r", "stream")
    for members, status in (
        ({"code": 502}, 502),
        ({"status_code": 400}, 400),
        ({"status": "429"}, 429),
        ({}, 200),
        ({"code": 7}, 200),
    ):
        assert error_from_members({"error": {"message": "No", **members}}, place).status == status
    assert type(error_from_members({"error": {"message": "No", "code": 502}}, place)) is ServiceError
    assert type(error_from_members({"error": {"message": "Slow", "code": 429}}, place)) is RateLimitError
    assert error_from_members({"error": {"message": "Gone"}}, place).retryable is True


def test_what_is_an_error() -> None:
    """A chunk is none, whatever else it says."""
    errors = (
        {"error": "x"},
        {"object": "error"},
        {"detail": "x"},
        {"message": "x"},
        {"choices": [], "error": {"a": 1}},
    )
    assert [has_error(members) for members in errors] == [True] * len(errors)
    others: tuple[dict[str, object], ...] = (
        {"choices": []},
        {"error": None, "choices": []},
        {"index": 0, "message": {}},
        {"id": "x"},
    )
    assert [has_error(members) for members in others] == [False] * len(others)


def test_hints() -> None:
    """Who has no key learns where it came from; who asks for no model learns how to find one."""
    assert refused(401, said("No"), remedy="The key came from X.").message == "No. The key came from X."
    assert "models()" in refused(404, said("No such model")).message
    assert "no credit" in refused(402, said("Pay")).message
    assert refused(429, said("Slow"), retry_after=2.5).retry_after == 2.5


def test_request_ids() -> None:
    """Each server has its own header."""
    assert request_id_of({"apim-request-id": "a", "x-request-id": ""}) == "a"
    assert request_id_of({"mistral-correlation-id": "m"}) == "m"
    assert request_id_of({}) is None


def test_a_page_in_place_of_an_answer() -> None:
    """It is no answer; its words are shown, without its markup."""
    error = error_from_other_answer(
        200, {"content-type": "text/html; x"}, b"<html><script>x</script><b>Sign in</b></html>", model="m"
    )
    assert type(error) is ProtocolError
    assert "text/html" in error.message
    assert "Sign in" in error.message
    assert "script" not in error.message
    assert "something of no type" in error_from_other_answer(200, {}, b"", model=None).message


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "gsk_abcDEF123456",
        "xai-abcDEF123456",
        "0123456789abcdef0123456789abcdef",
        "Bearer abcDEF123456",
    ],
)
def test_keys_are_cut_out(secret: str) -> None:
    """Servers repeat the key that they refuse."""
    for words in (
        f"Incorrect API key provided: {secret}. Find yours.",
        f"'{secret}' is wrong",
        f"Authorization: {secret}",
    ):
        error = refused(401, said(words))
        assert secret.rpartition(" ")[2] not in str(error)
        assert "[cut]" in error.message


def test_words_are_one_line_of_a_bounded_length() -> None:
    """Nothing in them moves a cursor or fills a log."""
    assert one_line("a\r\n\x1b[31mb") == "a [31mb"
    assert len(one_line("abc" * 5000)) <= 1000
    assert error_code("a b/c") == "abc"
    assert error_code("//") is None
    assert (as_sentence("a"), as_sentence("a!"), as_sentence("")) == ("a.", "a!", "")
    assert words_of_page(b"<!-- <b> -->a<style>x") == "a"
