"""The option `credentials`: a program's own function gives the keys, one call for all who wait."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiobotocore.session import get_session
from bedrock_support.answers import MODEL, refusal, unary
from bedrock_support.asking import REGION, sent, who_asked
from bedrock_support.loopback import PATIENCE, LoopbackServer

import chatport
from chatport import AuthenticationError, ConfigurationError, Session
from chatport_bedrock import AwsCredentials, _supplied_keys
from chatport_bedrock._identity import Identity
from chatport_bedrock._options import check_options
from chatport_bedrock.backend import BedrockBackend

pytestmark = pytest.mark.anyio

SECRET = "a-very-secret-key"


class Issuer:
    """Gives numbered keys, and counts."""

    def __init__(self, *, minutes: float | None = None) -> None:
        self.calls = 0
        self.minutes = minutes

    async def __call__(self) -> AwsCredentials:
        """Return the next keys."""
        self.calls += 1
        number = self.calls
        await anyio.lowlevel.checkpoint()
        ends = None if self.minutes is None else datetime.now(UTC) + timedelta(minutes=self.minutes)
        return _keys(number, ends)


def _keys(number: int, ends: datetime | None = None) -> AwsCredentials:
    return AwsCredentials(
        access_key_id=f"id-{number}", secret_access_key=SECRET, session_token=f"token-{number}", expires_at=ends
    )


def _identity(function: Callable[[], Awaitable[AwsCredentials]]) -> Identity:
    return Identity(check_options({"credentials": function, **REGION}))


# --- the value -------------------------------------------------------------------------------------------------------

_WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"access_key_id": None}, TypeError, "access_key_id is a NoneType"),
    ({"secret_access_key": b"x"}, TypeError, "secret_access_key is a bytes"),
    ({"session_token": 1}, TypeError, "session_token is a int"),
    ({"access_key_id": ""}, ValueError, "access_key_id is blank"),
    ({"secret_access_key": f"{SECRET}\n"}, ValueError, "secret_access_key is blank or holds"),
    ({"session_token": ""}, ValueError, "session_token is blank"),
    ({"expires_at": "2030-01-01"}, TypeError, "expires_at is a str"),
    ({"expires_at": datetime(2030, 1, 1)}, ValueError, "no time zone"),  # noqa: DTZ001 - what is refused
]


@pytest.mark.parametrize(("members", "kind", "words"), _WRONG, ids=[row[2] for row in _WRONG])
def test_keys_that_are_none(members: dict[str, Any], kind: type[Exception], words: str) -> None:
    """They are refused where they are made, by name; no message shows one."""
    good: dict[str, Any] = {"access_key_id": "id", "secret_access_key": SECRET}
    with pytest.raises(kind, match=words) as caught:
        AwsCredentials(**{**good, **members})
    assert SECRET not in str(caught.value)


def test_no_key_shows() -> None:
    """A `repr` has the end and nothing else."""
    ends = datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    shown = repr(_keys(1, ends))
    assert "2030" in shown
    assert not [secret for secret in (SECRET, "id-1", "token-1") if secret in shown]


# --- when it is asked ------------------------------------------------------------------------------------------------


async def test_keys_of_a_function_sign(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """They beat everything in the environment, bearer tokens too; nothing is asked before the first request."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ambient")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient-secret")
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-one")
    issuer = Issuer()
    async with chatport.open_backend("bedrock", credentials=issuer, endpoint_url=server.url, **REGION) as backend:
        assert issuer.calls == 0
        for _ in range(3):
            server.answer(unary())
            await Session(backend, MODEL).ask("hi")
    assert [who_asked(received) for received in server.requests] == ["id-1 token-1"] * 3
    assert issuer.calls == 1


async def test_a_profile_still_says_the_region(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """The function says who asks, and the profile where."""
    aws_files(config="[profile work]\nregion = eu-west-1\n", credentials="[work]\naws_access_key_id = other\n")
    received = await sent(server, credentials=Issuer(), profile="work", region=None)
    assert who_asked(received) == "id-1 token-1"
    assert "/eu-west-1/bedrock/" in received.headers["authorization"]


async def test_fifty_calls_ask_once(server: LoopbackServer) -> None:
    """Fifty requests at the same time wait for one call of the function."""
    issuer = Issuer(minutes=60)
    server.answer_always(unary())
    async with (
        chatport.open_backend("bedrock", credentials=issuer, endpoint_url=server.url, **REGION) as backend,
        anyio.create_task_group() as group,
    ):
        for _ in range(50):
            group.start_soon(Session(backend, MODEL).ask, "hi")
    assert issuer.calls == 1
    assert {who_asked(received) for received in server.requests} == {"id-1 token-1"}
    assert len(server.requests) == 50


def test_two_loops_ask_once() -> None:
    """Also from two event loops in two threads, and again from a third one later."""
    begun, release = threading.Event(), threading.Event()
    calls: list[int] = []

    async def give() -> AwsCredentials:
        calls.append(len(calls) + 1)
        begun.set()
        await anyio.to_thread.run_sync(release.wait, PATIENCE)
        return _keys(calls[-1])

    identity = _identity(give)

    async def ask() -> str:
        return (await identity.keys()).access_key_id

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: anyio.run(ask, backend="asyncio"))
        assert begun.wait(PATIENCE)
        second = threads.submit(lambda: anyio.run(ask, backend="trio"))
        release.set()
        assert (first.result(PATIENCE), second.result(PATIENCE)) == ("id-1", "id-1")
    assert anyio.run(ask, backend="trio") == "id-1"
    assert calls == [1]


class Clock(datetime):
    """A clock that a test sets."""

    moment = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # a plain datetime will do
        """Return what the test says."""
        return cls.moment.astimezone(tz)


@pytest.mark.parametrize(
    ("life", "due", "overdue"),
    [(12 * 60, 12 * 60 - 15, 12 * 60 - 10), (60, 45, 50), (30, 15, 20), (15, 7.5, 10), (2, 1, 4 / 3)],
)
async def test_keys_are_asked_for_before_they_end(
    life: float, due: float, overdue: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of an hour before; of keys that live shortly at half their life, so that not each request asks."""
    monkeypatch.setattr(_supplied_keys, "datetime", Clock)
    monkeypatch.setattr(Clock, "moment", Clock.moment)
    begun, calls = Clock.moment, 0
    is_failing = False

    async def give() -> AwsCredentials:
        nonlocal calls
        calls += 1
        if is_failing:
            raise OSError("unreachable")
        return _keys(calls, Clock.moment + timedelta(minutes=life))

    identity = _identity(give)

    async def asked_at(minutes: float) -> str:
        Clock.moment = begun + timedelta(minutes=minutes)
        return (await identity.keys()).access_key_id

    assert await asked_at(0) == "id-1"
    assert await asked_at(due - 0.01) == "id-1"
    assert calls == 1
    is_failing = True
    assert await asked_at(due) == "id-1"  # tried, and the old ones do
    assert calls == 2
    with pytest.raises(AuthenticationError, match="OSError"):
        await asked_at(overdue)
    is_failing = False
    assert await asked_at(overdue) == "id-4"


async def test_old_keys_do_while_new_ones_are_fetched(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks while another fetches is not held up; a failure in that time is a warning, without secrets."""
    monkeypatch.setattr(_supplied_keys, "datetime", Clock)
    monkeypatch.setattr(Clock, "moment", Clock.moment)
    release = anyio.Event()
    calls = 0

    async def give() -> AwsCredentials:
        nonlocal calls
        calls += 1
        if calls > 1:
            await release.wait()
            raise RuntimeError(f"no answer for {SECRET}")
        return _keys(1, Clock.moment + timedelta(minutes=60))

    identity = _identity(give)
    await identity.keys()
    Clock.moment += timedelta(minutes=46)
    async with anyio.create_task_group() as group:
        group.start_soon(identity.keys)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(PATIENCE):
            assert (await identity.keys()).access_key_id == "id-1"
        release.set()
    assert calls == 2
    (record,) = [record for record in caplog.records if record.name == "chatport.bedrock"]
    assert "RuntimeError; the keys in use are good for some minutes more" in record.getMessage()
    assert SECRET not in record.getMessage()


async def test_a_cancelled_first_call_fails_nobody() -> None:
    """The function is cancelled with the task that called it, and called again for those who wait."""
    calls = 0
    cancelled = 0
    found: list[str] = []

    async def give() -> AwsCredentials:
        nonlocal calls, cancelled
        calls += 1
        if calls == 1:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled += 1
                raise
        return _keys(calls)

    identity = _identity(give)

    async def ask() -> None:
        found.append((await identity.keys()).access_key_id)

    async with anyio.create_task_group() as others, anyio.create_task_group() as first:
        first.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        for _ in range(5):
            others.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        first.cancel_scope.cancel()
    assert (calls, cancelled, found) == (2, 1, ["id-2"] * 5)


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(SECRET), RuntimeError(SECRET), chatport.RateLimitError(SECRET)])
async def test_a_function_that_fails(error: Exception, server: LoopbackServer) -> None:
    """It is an error of credentials, with the cause, and without its words: nobody knows what is in them."""

    async def give() -> AwsCredentials:
        raise error

    with pytest.raises(AuthenticationError, match="given as `credentials` failed with") as caught:
        await sent(server, credentials=give)
    assert type(error).__name__ in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is not None
    assert (caught.value.phase, caught.value.retryable) == ("connect", False)
    assert not server.connections


async def test_keys_that_have_ended_already(server: LoopbackServer) -> None:
    """They are not sent."""
    with pytest.raises(AuthenticationError, match="returned keys that ended at 20"):
        await sent(server, credentials=Issuer(minutes=-1))
    assert not server.connections


@pytest.mark.parametrize("given", [None, {"access_key_id": SECRET}, (SECRET, SECRET)])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_function_that_gives_something_else(given: Any, is_async: bool, server: LoopbackServer) -> None:
    """Its type is named, and not its value."""

    async def give() -> Any:
        return given

    words = "not AwsCredentials" if is_async else "must be an async function"
    with pytest.raises(ConfigurationError, match=words) as caught:
        await sent(server, credentials=give if is_async else lambda: given)
    assert type(given).__name__ in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"credentials": "key"}, "must be an async function that returns AwsCredentials, not a str"),
        ({"credentials": _keys(1)}, "not a AwsCredentials"),
        ({"credentials": Issuer(), "api_key": SECRET}, "api_key and credentials contradict each other"),
        (
            {"credentials": Issuer(), "access_key_id": "id", "secret_access_key": SECRET},
            "access_key_id and credentials contradict each other",
        ),
    ],
    ids=["text", "value", "api-key", "keys"],
)
def test_options_that_contradict_it(options: dict[str, Any], words: str) -> None:
    """They are refused before anything happens."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        BedrockBackend(**options)
    assert SECRET not in str(caught.value)


# --- keys that the service refuses -----------------------------------------------------------------------------------


async def test_refused_keys_are_asked_for_anew(server: LoopbackServer) -> None:
    """The error says that sending again may help; the next request has new keys."""
    issuer = Issuer(minutes=600)
    async with chatport.open_backend("bedrock", credentials=issuer, endpoint_url=server.url, **REGION) as backend:
        server.answer(refusal("403 Forbidden", "ExpiredTokenException"))
        request = Session(backend, MODEL).request("hi")
        async with aclosing(backend.stream(request)) as events:
            with pytest.raises(AuthenticationError, match="the function that was given as `credentials`") as caught:
                await anext(events)
        assert (caught.value.retryable, caught.value.retry_after) == (True, 0.0)
        server.answer(unary())
        await Session(backend, MODEL).ask("hi")
    assert [who_asked(received) for received in server.requests] == ["id-1 token-1", "id-2 token-2"]


async def test_a_session_beside_a_function(server: LoopbackServer) -> None:
    """The session says region and configuration, the function who asks; it is asked again like any other."""
    session = get_session()
    session.set_config_variable("region", "eu-west-1")
    session.set_credentials("session-id", "s")
    backend = BedrockBackend(credentials=Issuer(), session=session, endpoint_url=server.url)
    server.answer(refusal("403 Forbidden", "ExpiredTokenException"))
    server.answer(unary())
    assert (await Session(backend, MODEL).ask("hi")).attempts == 2
    await backend.aclose()
    assert [who_asked(received) for received in server.requests] == ["id-1 token-1", "id-2 token-2"]
    assert "/eu-west-1/bedrock/" in server.requests[0].headers["authorization"]


async def test_the_source_is_named() -> None:
    """For `chatport doctor`: where the keys come from, and none of them."""
    found = await BedrockBackend(credentials=Issuer(), **REGION).describe()
    assert found["credentials"] == "keys: the option credentials"
