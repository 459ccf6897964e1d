"""Keys are looked up once, refreshed when due, and shared by loops and threads."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiobotocore.session import get_session
from bedrock_support.answers import MODEL, refusal, stream
from bedrock_support.asking import REGION, sent, who_asked
from bedrock_support.http_bytes import whole
from bedrock_support.loopback import PATIENCE, LoopbackServer
from botocore.utils import ContainerMetadataFetcher

import chatport
from chatport import AuthenticationError
from chatport_bedrock._identity import Identity
from chatport_bedrock._options import check_options
from chatport_bedrock._signature import Keys

pytestmark = pytest.mark.anyio


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service that gives keys to containers, which the environment names."""
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)  # between its tries
    with LoopbackServer() as running:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{running.url}/keys")
        yield running
    assert not running.failures


def _container_keys(number: int, *, minutes: float) -> bytes:
    keys = {
        "AccessKeyId": f"container-id-{number}",
        "SecretAccessKey": "container-secret",
        "Token": f"container-token-{number}",
        "Expiration": (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return whole(json.dumps(keys).encode(), headers={"Content-Type": "application/json"})


_PROFILES = """
[default]
aws_access_key_id = default-id
aws_secret_access_key = default-secret
"""


async def test_a_hundred_first_calls_look_once(tmp_path: Path, aws_files: Callable[..., None]) -> None:
    """The program that a profile names is run once, however many ask for the keys at the same time."""
    log = tmp_path / "runs"
    program = tmp_path / "keys.py"
    program.write_text(
        f"open({str(log)!r}, 'a').write('x')\n"
        'print(\'{"Version": 1, "AccessKeyId": "program-id", "SecretAccessKey": "s"}\')\n'
    )
    aws_files(config=f"[profile work]\ncredential_process = {sys.executable} {program}\nregion = us-east-1\n")
    identity = Identity(check_options({"profile": "work"}))
    found: list[Keys] = []

    async def ask() -> None:
        await identity.endpoint(MODEL)
        found.append(await identity.keys())

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    assert found == [Keys("program-id", "s", None)] * 100
    assert log.read_text() == "x"


def test_loops_and_threads_share_what_was_found(container: LoopbackServer) -> None:
    """Keys are the backend's, not a loop's: three loops in turn and two at once ask the container's service once."""
    container.answer(_container_keys(1, minutes=60))
    identity = Identity(check_options(REGION))

    async def ask() -> Keys:
        return await identity.keys()

    expected = Keys("container-id-1", "container-secret", "container-token-1")

    def run(loop: str) -> Keys:
        return anyio.run(ask, backend=loop)

    for loop in ("asyncio", "trio", "asyncio"):
        assert run(loop) == expected
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(run, loop) for loop in ("asyncio", "trio")]
        assert [future.result(PATIENCE) for future in futures] == [expected, expected]
    assert len(container.requests) == 1


def test_two_threads_look_once(container: LoopbackServer) -> None:
    """The first look-up from two loops at the same time is one, too."""
    hold = container.hold()
    container.answer(hold, _container_keys(1, minutes=60))
    identity = Identity(check_options(REGION))

    async def ask() -> str:
        return (await identity.keys()).access_key_id

    def run(loop: str) -> str:
        return anyio.run(ask, backend=loop)

    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(run, loop) for loop in ("asyncio", "trio")]
        assert hold.reached.wait(PATIENCE)
        hold.release()
        assert [future.result(PATIENCE) for future in futures] == ["container-id-1"] * 2
    assert len(container.requests) == 1


async def test_keys_are_refreshed_when_due(container: LoopbackServer) -> None:
    """Those that end soon are refreshed once, for all who ask; those that last are not."""
    container.answer(_container_keys(1, minutes=12))
    container.answer(_container_keys(2, minutes=60))
    identity = Identity(check_options(REGION))
    # botocore refreshes in the last fifteen minutes, so also what it has just fetched.
    assert (await identity.keys()).access_key_id == "container-id-2"
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(identity.keys)
    assert len(container.requests) == 2


async def test_old_keys_do_while_new_ones_cannot_be_had(container: LoopbackServer) -> None:
    """Keys with minutes to live are used on when the service that refreshes them fails."""
    container.answer(_container_keys(1, minutes=12))
    container.answer_always(whole(b"busy", status="500 Internal Server Error"))
    identity = Identity(check_options(REGION))
    for _ in range(2):
        assert (await identity.keys()).access_key_id == "container-id-1"


async def test_nobody_waits_for_a_refresh_that_can_wait(container: LoopbackServer) -> None:
    """While one task refreshes keys that still live, the others go on with them."""
    hold = container.hold()
    container.answer(_container_keys(1, minutes=12))
    container.answer(_container_keys(2, minutes=12))
    container.answer(hold, _container_keys(3, minutes=60))
    identity = Identity(check_options(REGION))
    assert (await identity.keys()).access_key_id == "container-id-2"
    async with anyio.create_task_group() as group:
        group.start_soon(identity.keys)
        await hold.until_reached()
        with anyio.fail_after(2):
            assert (await identity.keys()).access_key_id == "container-id-2"
        hold.release()
    assert (await identity.keys()).access_key_id == "container-id-3"
    assert len(container.requests) == 3


async def test_expired_keys_that_cannot_be_refreshed(container: LoopbackServer, server: LoopbackServer) -> None:
    """They are not sent."""
    container.answer(_container_keys(1, minutes=-1))
    container.answer_always(whole(b"no", status="403 Forbidden"))
    with pytest.raises(AuthenticationError, match="no usable AWS credentials"):
        await sent(server)
    assert not server.connections


async def test_a_cancelled_look_up_does_not_wait(container: LoopbackServer) -> None:
    """A service that hangs does not hold a cancelled task up; what it says in the end is used by the next."""
    hold = container.hold()
    container.answer(hold, _container_keys(1, minutes=60))
    identity = Identity(check_options(REGION))
    cancelled = 0.0
    async with anyio.create_task_group() as group:
        group.start_soon(identity.keys)
        await hold.until_reached()
        cancelled = time.monotonic()
        group.cancel_scope.cancel()
    assert time.monotonic() - cancelled < 1
    hold.release()
    assert (await identity.keys()).access_key_id == "container-id-1"
    assert len(container.requests) == 1


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_keys_that_the_service_refuses_are_looked_up_again(
    code: str, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, aws_files: Callable[..., None]
) -> None:
    """A backend sends nothing twice, but a login made meanwhile is found by the next turn, without a new session."""
    aws_files(credentials=_PROFILES)
    server.answer(refusal("403 Forbidden", code))
    server.answer(stream("Good."))
    options = {"endpoint_url": server.url, **REGION}
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options, retry=None) as session:
        with pytest.raises(AuthenticationError):
            await session.ask("hi")
        aws_files(credentials=_PROFILES.replace("default-id", "new-id"))
        async with session.stream("hi") as reading:
            await reading.finish()
    assert [who_asked(received) for received in server.requests] == ["default-id None", "new-id None"]


async def test_a_turn_survives_the_end_of_its_keys(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """The backend looks for new ones and the session asks again, at once."""
    aws_files(credentials=_PROFILES)
    server.answer(stream("Good."))
    server.answer(refusal("403 Forbidden", "ExpiredTokenException"))
    server.answer(stream("Good."))
    options = {"endpoint_url": server.url, **REGION}
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        for attempts in (1, 2):
            async with session.stream("hi") as reading:
                assert (await reading.finish()).attempts == attempts
            aws_files(credentials=_PROFILES.replace("default-id", "new-id"))
    assert [who_asked(received) for received in server.requests] == ["default-id None"] * 2 + ["new-id None"]


async def test_a_session_of_the_caller_is_asked_each_loop_alike(server: LoopbackServer) -> None:
    """Also for a hundred first calls: it is asked once."""
    session = get_session()
    calls = 0

    class Counted:
        async def load_credentials(self) -> Any:
            nonlocal calls
            calls += 1
            await anyio.lowlevel.checkpoint()
            session.set_credentials("counted-id", "s")
            return await session.get_credentials()

    session.register_component("credential_provider", Counted())
    identity = Identity(check_options({"session": session, **REGION}))
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(identity.keys)
    assert (await identity.keys()).access_key_id == "counted-id"
    assert calls == 1
