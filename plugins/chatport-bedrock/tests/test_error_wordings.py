"""What only the text of an error tells apart: its class, and what it says to do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from bedrock_support.refusing import BASE, INVALID, VALIDATION, refused

from chatport.backend import (
    AuthenticationError,
    BackendError,
    ContextWindowError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceError,
)
from chatport_bedrock._error_wordings import WORDINGS
from chatport_bedrock._errors import error_from_frame
from chatport_bedrock._frames import Frame

DENIED = "AccessDeniedException"


# --- a conversation that is too long ----------------------------------------------------------------------------------

_FROM_MODEL = "The model returned the following errors: "
_TOO_LONG = [
    _FROM_MODEL + "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
    _FROM_MODEL + "prompt is too long: 200049 tokens > 200000 maximum",
    "Input is too long for requested model.",
    _FROM_MODEL + "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    _FROM_MODEL + "too many total text bytes: 30000000 > 9000000",
    "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9279",
    "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
    "This model\N{RIGHT SINGLE QUOTATION MARK}s maximum context length is 202752 tokens.",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "The input is longer than the model's maximum context length of 131072 tokens",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Requested 9000 tokens, exceeding the available context size (8192)",
    "Context window of 200000 tokens exceeded",
]


@pytest.mark.parametrize("message", _TOO_LONG)
@pytest.mark.parametrize("code", [VALIDATION, None])
def test_rule_74_a_conversation_that_is_too_long(message: str, code: str | None) -> None:
    """Each model has its own words for it; over HTTP and inside a stream, also where the code was lost."""
    assert type(refused(code, message)) is ContextWindowError
    headers: dict[str, Any] = {":message-type": "exception", ":exception-type": "validationException"}
    frame = Frame(headers, json.dumps({"message": message}).encode())
    assert type(error_from_frame(frame, model=BASE, request_id=None)) is ContextWindowError


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (VALIDATION, "Too many images: 21 > 20"),
        (VALIDATION, "The maximum tokens you requested exceed the model limit of 4096."),
        (VALIDATION, "The name exceeds 64 characters. Send the document as context length permits."),
        ("ThrottlingException", "Too many input tokens per minute"),
    ],
)
def test_rule_74_other_limits_are_no_context_window(code: str, message: str) -> None:
    """What shortening the conversation would not cure is not called so."""
    assert not isinstance(refused(code, message), ContextWindowError)


# --- what may be asked ------------------------------------------------------------------------------------------------


_PERMISSION = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: {} on resource: arn:aws:bedrock:x"
_ROWS: list[tuple[str, int, str, type[BackendError], str]] = [
    (
        "ResourceNotFoundException",
        404,
        "This model version has reached the end of its life. Please refer to the AWS documentation.",
        ModelNotFoundError,
        "chatport models bedrock --status active",
    ),
    *(
        (
            code,
            status,
            "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model.",
            ModelNotFoundError,
            "chatport models bedrock --status active",
        )
        for code, status in [("ResourceNotFoundException", 404), (VALIDATION, 400), (DENIED, 403)]
    ),
    (
        "ResourceNotFoundException",
        404,
        "Model use case details have not been submitted for this account. Fill out the form before using the model.",
        PermissionDeniedError,
        "form filled in once",
    ),
    (
        VALIDATION,
        400,
        _FROM_MODEL + "You have not filled out the required use-case form for this model.",
        PermissionDeniedError,
        "form filled in once",
    ),
    (
        DENIED,
        403,
        "You don't have access to the model with the specified model ID.",
        PermissionDeniedError,
        "granted in the Bedrock console",
    ),
    (
        DENIED,
        403,
        _PERMISSION.format("bedrock:InvokeModel"),
        PermissionDeniedError,
        "needs the permission `bedrock:InvokeModel`; for an inference profile on the profile, and on its model",
    ),
    (
        DENIED,
        403,
        _PERMISSION.format("bedrock:InvokeModelWithResponseStream") + " with an explicit deny in a policy",
        PermissionDeniedError,
        "A policy denies it outright",
    ),
    (
        DENIED,
        403,
        _PERMISSION.format("bedrock:CallWithBearerToken"),
        PermissionDeniedError,
        "`bedrock:CallWithBearerToken`, which API keys take beside `bedrock:InvokeModel`",
    ),
    (
        DENIED,
        403,
        _PERMISSION.format("bedrock:ListFoundationModels"),
        PermissionDeniedError,
        "needs the permission `bedrock:ListFoundationModels`.",
    ),
    (
        DENIED,
        403,
        "Model access is denied as the role is not authorized to perform the required AWS Marketplace actions.",
        PermissionDeniedError,
        "subscribed to once for each account",
    ),
    (
        DENIED,
        403,
        "Model access is denied due to User: x is not authorized to perform: aws-marketplace:ViewSubscriptions.",
        PermissionDeniedError,
        "subscribed to once for each account",
    ),
    (
        DENIED,
        403,
        "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A payment instrument is needed for AWS Marketplace.",
        PermissionDeniedError,
        "needs a way to pay",
    ),
    (VALIDATION, 400, "Operation not allowed", PermissionDeniedError, "AWS Support"),
    (VALIDATION, 400, "Your account is not authorized to invoke this API operation.", PermissionDeniedError, "Support"),
    (
        VALIDATION,
        400,
        "Access to Anthropic models is not allowed from unsupported countries, regions, or territories.",
        PermissionDeniedError,
        "does not serve the place",
    ),
    (
        VALIDATION,
        400,
        "data retention mode 'default' is not available for this model",
        PermissionDeniedError,
        "another data retention mode",
    ),
]


@pytest.mark.parametrize(
    ("code", "status", "message", "kind", "hint"),
    _ROWS,
    ids=[f"{number}-{row[4][:30]}" for number, row in enumerate(_ROWS)],
)
def test_what_keeps_a_model_from_being_asked(
    code: str, status: int, message: str, kind: type[BackendError], hint: str
) -> None:
    """The class says whose business it is, the service's words stay, the hint says what to do; none is sent again."""
    error = refused(code, message, status=status)
    assert type(error) is kind
    assert error.message.startswith(message.rstrip("."))
    assert hint in error.message
    assert (error.retryable, error.status, error.code) == (False, status, code)


def test_rule_42_system_tools_need_a_permission_of_their_own() -> None:
    """Whoever may ask the model may not use its tools yet."""
    error = refused(DENIED, _PERMISSION.format("bedrock:InvokeTool"), status=403)
    assert type(error) is PermissionDeniedError
    assert "`bedrock:InvokeTool`, which system tools take beside `bedrock:InvokeModel`" in error.message


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("ResourceNotFoundException", 404, "This version is no longer offered."),
        (VALIDATION, 400, "Operation not allowed for this parameter."),
        (DENIED, 403, "No."),
        ("ThrottlingException", 429, "You don't have access to the model"),
        ("InternalServerException", 500, "The provided model identifier is invalid."),
    ],
)
def test_what_no_wording_says(code: str, status: int, message: str) -> None:
    """No hint is better than a wrong one; a wording means nothing under a code that it does not belong to."""
    assert refused(code, message, status=status).message == (message if message.endswith(".") else f"{message}.")


def test_every_wording_is_found_by_a_test() -> None:
    """Each row of the table, and each wording in it, is one that the tests above have seen."""
    seen = [*_TOO_LONG, *(row[2] for row in _ROWS), *(_PERMISSION.format("a:b"), INVALID), *_KEYS]
    seen += ["with on-demand throughput isn't supported", "could not resolve the foundation model"]
    seen.append("at 'modelId' failed to satisfy constraint")
    text = "\n".join(seen).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for wording in WORDINGS:
        assert any(re.search(wording.pattern, line, re.IGNORECASE) for line in text.splitlines()), wording.pattern


# --- who asks ---------------------------------------------------------------------------------------------------------


_KEYS = [
    "Authentication failed: Please make sure your API Key is valid.",
    "Bearer Token has expired",
    "API Key is not valid",
]


@pytest.mark.parametrize("code", [None, DENIED])
@pytest.mark.parametrize("message", _KEYS)
def test_a_bad_api_key(message: str, code: str | None) -> None:
    """The service calls it a denied access; what helps is another key."""
    error = refused(code, message, status=403)
    assert type(error) is AuthenticationError
    assert "An API key is valid in one region" in error.message


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("ExpiredTokenException", "aws sso login"),
        ("InvalidSignatureException", "clock"),
        ("UnrecognizedClientException", "which credentials"),
        ("RequestTimeTooSkewed", "clock"),
    ],
)
def test_hints_about_credentials(code: str, hint: str) -> None:
    """An error of credentials says what to look at."""
    assert hint in refused(code, "No.", status=403).message


@pytest.mark.parametrize(
    ("code", "expected"),
    [("ExpiredTokenException", True), ("UnrecognizedClientException", True), ("SignatureDoesNotMatch", False)],
)
def test_what_can_be_renewed_is_said(code: str, expected: bool) -> None:
    """How to get fresh keys is said where these would help."""
    assert ("Run `renew`." in refused(code, "No.", status=403, remedy="Run `renew`.").message) is expected


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_limit_per_day_is_not_tried_again() -> None:
    """Waiting seconds does not help against a quota of a day; other limits of tokens are short."""
    a_day = refused("ThrottlingException", "Too many tokens per day, please wait before trying again.", status=429)
    assert (type(a_day), a_day.retryable) == (RateLimitError, False)
    assert refused("ThrottlingException", "Too many tokens, please wait before trying again.", status=429).retryable


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("ModelNotReadyException", 429, "Model is not ready for inference. Wait and try your request again."),
        ("ServiceUnavailableException", 503, "Bedrock is unable to process your request."),
    ],
)
def test_a_service_that_will_be_back(code: str, status: int, message: str) -> None:
    """It may be asked again, and is no limit of the caller's."""
    error = refused(code, message, status=status)
    assert (type(error), error.retryable, error.message) == (ServiceError, True, message)


def test_a_request_that_is_wrong() -> None:
    """A parameter that is refused is no model that is missing."""
    assert type(refused(VALIDATION, "temperature must be at most 1")) is InvalidRequestError
