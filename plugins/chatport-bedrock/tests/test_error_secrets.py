"""No error shows a secret, and none takes long to read: what peers write into their refusals is not to be trusted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bedrock_support.asking import REGION
from bedrock_support.faults import WHOLE_ANSWERS, Fault, Pause
from bedrock_support.loopback import Hold, LoopbackServer

import chatport
from chatport import Timeouts
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


_SENT = {
    "access_key_id": _KEY,
    "secret_access_key": "hidden/secret/of/forty/characters/0123456",
    "session_token": _TOKEN,
}


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["directly", "through-a-proxy"])
@pytest.mark.parametrize("fault", WHOLE_ANSWERS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_no_secret_can_be_reached(fault: Fault, way: str, server: LoopbackServer) -> None:
    """No error leads to a secret: neither it, nor what caused it or went before it, nor a variable of their frames."""
    steps = [server.hold() if isinstance(step, Pause) else step for step in fault.steps]
    server.answer(*steps)
    options: dict[str, Any] = {"endpoint_url": server.url, **REGION, **_SENT}
    if way == "through-a-proxy":
        options["endpoint_url"], options["proxies"] = "http://bedrock.example", {"http": server.url}
    timeouts = Timeouts(first_event=0.4) if fault.stalls else None
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options, retry=None) as session:
        with pytest.raises(BackendError) as caught:
            await session.ask("hi", timeouts=timeouts)
    for step in steps:
        if isinstance(step, Hold):
            await step.until_reached()
    sent = server.requests[0].headers
    assert sent["x-amz-security-token"] == _TOKEN
    secrets = [*_SENT.values(), sent["authorization"].rpartition("=")[2]]
    found = [place for place, shown in _reachable(caught.value) for secret in secrets if secret in shown]
    assert not found


def _reachable(error: BaseException) -> Iterator[tuple[str, str]]:
    """What tools for reporting errors find, by place; the frames of the tests hold the options, and are left out."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        left += [each.__cause__, each.__context__, *(each.exceptions if isinstance(each, BaseExceptionGroup) else ())]
        yield type(each).__name__, f"{each} {each!r} {each.args} {vars(each)}"
        place = each.__traceback__
        while place is not None:
            code = place.tb_frame.f_code
            if Path(__file__).parent not in Path(code.co_filename).parents:
                for name, value in place.tb_frame.f_locals.items():
                    yield f"{name} in {code.co_filename}:{code.co_name}", repr(value)
            place = place.tb_next
