"""No error shows a secret, and none takes long to read: what peers write into their refusals is not to be trusted."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chatport.backend import BackendError
from chatport_bedrock._errors import error_from_frame, error_from_response
from chatport_bedrock._frames import Frame

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def refused(message: str) -> BackendError:
    """The error of an HTTP answer with this message."""
    return error_from_response(403, {}, json.dumps({"message": message}).encode(), model=MODEL)


def refused_page(body: bytes) -> BackendError:
    """The error of an HTTP answer with this body."""
    return error_from_response(502, {}, body, model=MODEL)


def exception(**members: str) -> BackendError:
    """The error of an exception frame with these members."""
    frame = Frame({":message-type": "exception", ":exception-type": "moonException"}, json.dumps(members).encode())
    return error_from_frame(frame, model=MODEL, request_id=None)


_KEY = "AKIAIOSFODNN7EXAMPLE"
_TOKEN = "IQoJb3JpZ2luX2VjEAkaCXVzLWVhc3QtMSJHMEUCIQ" * 8
_SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
_BEARER = "ABSKQmVkcm9ja0FQSUtleS1hYmMxMjM0NTY3ODkw"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_CANONICAL = (
    f"\n\nThe Canonical String for this request should have been\n'POST\n/model/x/converse\n\nhost:h\n"
    f"x-amz-security-token:{_TOKEN}\n\nhost;x-amz-date\n{_SIGNATURE}'\n\n"
    f"The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20250101T000000Z\n{_SIGNATURE}'\n"
)
_AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential={_KEY}/20250101/us-east-1/bedrock/aws4_request, Signature={_SIGNATURE}"


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (_MISMATCH + _CANONICAL, _MISMATCH),
        (
            f"'{_SIGNATURE[:40]}' not a valid key=value pair in Authorization header: '{_AUTHORIZATION}'.",
            "not a valid",
        ),
        (
            f"Authorization header requires 'Signature' parameter. Authorization={_AUTHORIZATION}",
            "requires 'Signature'",
        ),
        (f"The security token {_TOKEN} is expired", "is expired"),
        (f"The access key {_KEY} does not exist", "does not exist"),
        (f"Bad header x-amz-security-token: {_TOKEN[:30]}; try again", "try again"),
        (f"Could not read Bearer {_BEARER}", "Could not read Bearer"),
        (f"Unknown key {_BEARER}", "Unknown key"),
        ("Unknown key bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLz9BY3Rpb249", "Unknown key"),
    ],
)
@pytest.mark.parametrize("place", ["json", "page", "stream", "header", "origin"])
def test_no_secret_is_shown(message: str, kept: str, place: str) -> None:
    """Whatever a refusal quotes of the request, no key, token or signature gets into the error; its sense stays."""
    match place:
        case "json":
            error = refused(message)
        case "page":
            error = refused_page(message.encode())
        case "stream":
            error = exception(message=message)
        case "header":
            frame = Frame({":message-type": "error", ":error-message": message}, b"")
            error = error_from_frame(frame, model=MODEL, request_id=None)
        case _:
            error = exception(message="No.", originalMessage=message)
    shown = f"{error} {error!r} {error.args}"
    for secret in (_KEY, _TOKEN[:20], _SIGNATURE[:16], _BEARER[4:20], "YmVkcm9jay5hbWF6"):
        assert secret not in shown
    assert kept in error.message
    assert "\n" not in error.message


def test_what_is_no_secret_stays() -> None:
    """Ordinary words about signatures, tokens and ARNs are shown as they are."""
    role, profile = "arn:aws:sts::123456789012:assumed-role/dev/me", "application-inference-profile/abcdefghijkl"
    for message in (
        "messages.1.content.0.thinking.signature: Field required.",
        f"User: {role} is not authorized to perform: bedrock:InvokeModel on arn:aws:bedrock:us-east-1:1:{profile}.",
        "Malformed input request: #/messages/2/content/0: extraneous key [toolResult] is not permitted.",
    ):
        assert refused(message).message.startswith(message)


def test_long_messages_are_cut() -> None:
    """An error stays fit for a log."""
    message = refused("word " * 5000).message
    assert len(message) == 1000
    assert message.endswith("…")


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<script", "'", "authorization", "bearer ", "signature=", "the canonical string "]
)
def test_hostile_bodies_take_no_time(piece: str) -> None:
    """However a body is made, reading it is linear: half a megabyte of the beginnings of every pattern is nothing."""
    before = datetime.now(UTC)
    refused_page(piece.encode() * (500_000 // len(piece)))
    refused(piece * (60_000 // len(piece)))
    assert datetime.now(UTC) - before < timedelta(seconds=5)
