"""Keys that have ended: found anew without a restart, tried once more, and else explained by profile and command."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from aiobotocore.session import get_session
from bedrock_support.answers import MODEL, refusal, unary
from bedrock_support.asking import REGION, who_asked
from bedrock_support.http_bytes import whole
from bedrock_support.loopback import LoopbackServer
from botocore.utils import ContainerMetadataFetcher

import chatport
from chatport import AuthenticationError, ChatError, RateLimitError, Session
from chatport_bedrock import AwsCredentials
from chatport_bedrock._credentials import CredentialSource
from chatport_bedrock._options import check_options
from chatport_bedrock._remedies import remedy
from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.anyio

EXPIRED = "ExpiredTokenException"
FORBIDDEN = "403 Forbidden"


def _files(number: int) -> str:
    keys = f"aws_access_key_id = id-{number}\naws_secret_access_key = s\naws_session_token = t-{number}\n"
    return f"[default]\n{keys}[work]\n{keys}"


async def _error(backend: BedrockBackend) -> AuthenticationError:
    """What one request of a backend raises, by itself: sessions may send it again."""
    async with aclosing(backend.stream(Session(backend, MODEL).request("hi"))) as events:
        with pytest.raises(AuthenticationError) as caught:
            await anext(events)
    return caught.value


async def _answer(backend: BedrockBackend) -> None:
    async with aclosing(backend.stream(Session(backend, MODEL).request("hi"))) as events:
        async for _ in events:
            pass


def _backend(server: LoopbackServer, **options: Any) -> BedrockBackend:
    return BedrockBackend(endpoint_url=server.url, **{**REGION, **options})


@pytest.mark.parametrize("code", [EXPIRED, "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken"])
async def test_files_that_were_written_anew(code: str, server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """Whoever sends once more sends with the new keys: two requests, no restart."""
    aws_files(credentials=_files(1))
    backend = _backend(server, profile="work")
    server.answer(refusal(FORBIDDEN, code))
    error = await _error(backend)
    assert (error.retryable, error.retry_after, error.status) == (True, 0.0, 403)
    aws_files(credentials=_files(2))
    server.answer(unary())
    await _answer(backend)
    assert [who_asked(received) for received in server.requests] == ["id-1 t-1", "id-2 t-2"]
    # And again, as these have been good.
    server.answer(refusal(FORBIDDEN, code))
    assert (await _error(backend)).retryable
    await backend.aclose()


async def test_nothing_new(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """After the second refusal in a row nothing is to be sent again: profile and command are said, within a second."""
    aws_files(credentials=_files(1))
    backend = _backend(server, profile="work")
    begun = time.perf_counter()
    errors = []
    for _ in range(3):
        server.answer(refusal(FORBIDDEN, EXPIRED))
        errors.append(await _error(backend))
    assert time.perf_counter() - begun < 5  # seconds on a busy machine, where a tenth of one is usual
    assert [error.retryable for error in errors] == [True, False, False]
    for error in errors:
        assert "the profile 'work' (shared-credentials-file)" in error.message
        assert "`aws sso login --profile work`" in error.message
    # What is there in the end is found all the same.
    aws_files(credentials=_files(2))
    server.answer(unary())
    await _answer(backend)
    server.answer(refusal(FORBIDDEN, EXPIRED))
    assert (await _error(backend)).retryable
    await backend.aclose()


async def test_other_answers_speak_for_the_keys(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """Whoever is told to wait, or is denied something, was recognised: the next refusal is a first one again."""
    aws_files(credentials=_files(1))
    backend = _backend(server)
    server.answer(refusal(FORBIDDEN, EXPIRED))
    assert (await _error(backend)).retryable
    server.answer(refusal("429 Too Many", "ThrottlingException"))
    with pytest.raises(RateLimitError):
        await _answer(backend)
    server.answer(refusal(FORBIDDEN, EXPIRED))
    assert (await _error(backend)).retryable
    await backend.aclose()


async def test_twenty_requests_with_keys_that_have_ended(
    server: LoopbackServer, aws_files: Callable[..., None]
) -> None:
    """Each may be sent once more, although the first of them has the keys looked up anew; then all are good."""
    aws_files(credentials=_files(1))
    backend = _backend(server)
    for _ in range(20):
        server.answer(refusal(FORBIDDEN, EXPIRED))
    errors: list[AuthenticationError] = []

    async def ask() -> None:
        errors.append(await _error(backend))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
    assert [error.retryable for error in errors] == [True] * 20
    aws_files(credentials=_files(2))
    server.answer_always(unary())
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(_answer, backend)
    assert {who_asked(received) for received in server.requests[20:]} == {"id-2 t-2"}
    await backend.aclose()


async def test_a_refusal_that_comes_late() -> None:
    """Keys that others have replaced meanwhile say nothing of those in use."""
    given = iter([1, 2, 3])

    async def give() -> AwsCredentials:
        return AwsCredentials(access_key_id=f"id-{next(given)}", secret_access_key="s")

    source = CredentialSource(
        check_options({"credentials": give}), lambda: None, threading.RLock(), profile=lambda: None
    )
    first = await source.keys()
    assert source.refused(first)
    second = await source.keys()
    assert source.refused(first)  # a straggler
    source.accepted(second)
    assert source.refused(first)
    assert await source.keys() is second
    assert source.refused(second)
    third = await source.keys()
    assert not source.refused(third)


_EXPLICIT = {"access_key_id": "id", "secret_access_key": "s", "session_token": "t"}


async def test_keys_that_were_given_are_not_tried_again(server: LoopbackServer) -> None:
    """There is nothing else to find; the message says what the program can do."""
    backend = _backend(server, **_EXPLICIT)
    server.answer(refusal(FORBIDDEN, EXPIRED))
    error = await _error(backend)
    assert not error.retryable
    assert "The keys are the options access_key_id and secret_access_key" in error.message
    await backend.aclose()


async def test_a_session_of_the_caller_is_not_tried_again(server: LoopbackServer) -> None:
    """It keeps its own keys."""
    session = get_session()
    session.set_credentials("id", "s", "t")
    backend = _backend(server, session=session)
    server.answer(refusal(FORBIDDEN, EXPIRED))
    error = await _error(backend)
    assert not error.retryable
    assert "from the session that was given" in error.message
    await backend.aclose()


@pytest.mark.parametrize("code", ["InvalidSignatureException", "MissingAuthenticationTokenException"])
async def test_a_bad_signature_is_not_tried_again(
    code: str, server: LoopbackServer, aws_files: Callable[..., None]
) -> None:
    """A wrong clock or secret stays wrong; but what is put right in the files is found."""
    aws_files(credentials=_files(1))
    backend = _backend(server)
    server.answer(refusal(FORBIDDEN, code))
    assert not (await _error(backend)).retryable
    aws_files(credentials=_files(2))
    server.answer(unary())
    await _answer(backend)
    assert who_asked(server.requests[-1]) == "id-2 t-2"
    await backend.aclose()


async def test_a_bearer_token_that_has_ended(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read from the environment for each request, so there is nothing to forget."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    backend = _backend(server)
    server.answer(refusal(FORBIDDEN, None, b'{"Message": "Bearer Token has expired"}'))
    error = await _error(backend)
    assert not error.retryable
    assert "An API key is valid in one region" in error.message
    await backend.aclose()


async def test_a_container_gives_new_keys(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of a role are fetched again, although they seem to last."""
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    with LoopbackServer() as container:
        for number in (1, 2):
            keys = {"AccessKeyId": f"id-{number}", "SecretAccessKey": "s", "Token": "t"}
            keys["Expiration"] = "2999-01-01T00:00:00Z"
            container.answer(whole(json.dumps(keys).encode(), headers={"Content-Type": "application/json"}))
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{container.url}/keys")
        backend = _backend(server)
        server.answer(refusal(FORBIDDEN, EXPIRED))
        error = await _error(backend)
        assert error.retryable
        assert "the machine's role (container-role)" in error.message
        server.answer(unary())
        await _answer(backend)
        await backend.aclose()
    assert [who_asked(received) for received in server.requests] == ["id-1 t", "id-2 t"]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("env", "the variables AWS_ACCESS_KEY_ID"),
        ("sso", "the profile 'work' (sso): run `aws sso login --profile work`."),
        ("login", "run `aws login --profile work`."),
        ("iam-role", "the machine's role (iam-role)"),
        ("assume-role", "the profile 'work' (assume-role): renew them"),
        ("custom-process", "`aws sso login --profile work`"),
    ],
)
def test_what_to_do_by_place(method: str, words: str) -> None:
    """The advice fits the place that the keys come from."""
    assert words in remedy(method, "work")


async def test_keys_from_the_environment(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says so, as no login helps against them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    backend = _backend(server)
    server.answer(refusal(FORBIDDEN, EXPIRED))
    assert "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in (await _error(backend)).message
    await backend.aclose()


# --- a session ------------------------------------------------------------------------------------------------------


async def test_a_session_recovers_by_itself(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """Whoever renews the keys while a program runs has it go on: two requests, within a second, no error."""
    aws_files(credentials=_files(1))
    async with chatport.open_session(
        f"bedrock:{MODEL}", backend_options={"endpoint_url": server.url, **REGION}
    ) as session:
        server.answer(unary())
        await session.ask("hi")
        aws_files(credentials=_files(2))
        server.answer(refusal(FORBIDDEN, EXPIRED))
        server.answer(unary("Good."))
        begun = time.perf_counter()
        reply = await session.ask("hi")
        assert time.perf_counter() - begun < 5  # seconds on a busy machine, where a tenth of one is usual
    assert (reply.text, reply.attempts) == ("Good.", 2)
    assert [who_asked(received) for received in server.requests] == ["id-1 t-1", "id-1 t-1", "id-2 t-2"]


async def test_a_session_gives_up_soon(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """With nothing new there are two requests, and then the profile and the command."""
    aws_files(credentials=_files(1))
    async with chatport.open_session(
        f"bedrock:{MODEL}", backend_options={"endpoint_url": server.url, "profile": "work", **REGION}
    ) as session:
        server.answer(refusal(FORBIDDEN, EXPIRED))
        server.answer(refusal(FORBIDDEN, EXPIRED))
        begun = time.perf_counter()
        with pytest.raises(AuthenticationError, match="`aws sso login --profile work`") as caught:
            await session.ask("hi")
        assert time.perf_counter() - begun < 5  # seconds on a busy machine, where a tenth of one is usual
    assert not caught.value.retryable
    assert len(server.requests) == 2


# --- ended before anything is sent -----------------------------------------------------------------------------------

_SSO = """[profile work]
sso_session = office
sso_account_id = 123456789012
sso_role_name = reader
region = us-east-1
[sso-session office]
sso_start_url = https://sso.example
sso_region = us-east-1
"""


@pytest.mark.parametrize("place", ["option", "AWS_PROFILE"])
async def test_a_login_that_has_ended(
    place: str, server: LoopbackServer, aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent; the message names the profile, also where the environment named it, and the command."""
    aws_files(config=_SSO)
    options: dict[str, Any] = {"profile": "work"} if place == "option" else {}
    if place != "option":
        monkeypatch.setenv("AWS_PROFILE", "work")
    backend = _backend(server, **options)
    begun = time.perf_counter()
    error = await _error(backend)
    assert time.perf_counter() - begun < 5  # seconds on a busy machine, where a tenth of one is usual
    assert "profile 'work'" in error.message
    assert "log in with `aws sso login --profile work`" in error.message
    assert (error.retryable, error.phase) == (False, "connect")
    assert not server.connections
    await backend.aclose()


async def test_a_hundred_requests_without_a_login(aws_files: Callable[..., None]) -> None:
    """A look-up that fails is not made again for each who waited for it; each gets an error of its own."""
    aws_files(config=_SSO)
    backend = BedrockBackend(profile="work")
    errors: list[ChatError] = []

    async def ask() -> None:
        errors.append(await _error(backend))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    assert len({id(error) for error in errors}) == 100
    assert len({str(error) for error in errors}) == 1
    await backend.aclose()
