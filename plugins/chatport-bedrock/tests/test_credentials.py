"""Who asks: the order of places that keys and tokens come from, and what is said where there are none."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest
from aiobotocore.session import get_session
from bedrock_support.answers import MODEL, unary
from bedrock_support.asking import REGION, sent, who_asked
from bedrock_support.loopback import LoopbackServer
from botocore.utils import ContainerMetadataFetcher

import chatport
from chatport import AuthenticationError, ConfigurationError, Session

pytestmark = pytest.mark.anyio

_EXPLICIT = {"access_key_id": "explicit-id", "secret_access_key": "explicit-secret"}
_AMBIENT_KEYS = {
    "AWS_ACCESS_KEY_ID": "ambient-id",
    "AWS_SECRET_ACCESS_KEY": "ambient-secret",
    "AWS_SESSION_TOKEN": "ambient-token",
}
_BEARER = {"AWS_BEARER_TOKEN_BEDROCK": "ambient-bearer"}


def _set(monkeypatch: pytest.MonkeyPatch, *variables: dict[str, str]) -> None:
    for each in variables:
        for name, value in each.items():
            monkeypatch.setenv(name, value)


# --- the order of places ---------------------------------------------------------------------------------------------

_PROFILES = """
[default]
aws_access_key_id = default-id
aws_secret_access_key = default-secret
[work]
aws_access_key_id = work-id
aws_secret_access_key = work-secret
aws_session_token = work-token
"""
_ORDER: list[tuple[str, dict[str, Any], Sequence[dict[str, str]], str]] = [
    ("explicit keys beat everything", _EXPLICIT, [_AMBIENT_KEYS, _BEARER, {"AWS_PROFILE": "work"}], "explicit-id None"),
    ("with a session token of their own", {**_EXPLICIT, "session_token": "own"}, [_AMBIENT_KEYS], "explicit-id own"),
    (
        "an API key beats everything",
        {"api_key": "key"},
        [_AMBIENT_KEYS, _BEARER, {"AWS_PROFILE": "work"}],
        "Bearer key",
    ),
    ("a profile beats a bearer token", {"profile": "work"}, [_BEARER], "work-id work-token"),
    ("a profile beats ambient keys", {"profile": "work"}, [_AMBIENT_KEYS], "work-id work-token"),
    ("keys beat a profile", {**_EXPLICIT, "profile": "work"}, [_BEARER], "explicit-id None"),
    ("an API key beats a profile", {"api_key": "key", "profile": "work"}, [], "Bearer key"),
    ("a bearer token beats ambient keys", {}, [_AMBIENT_KEYS, _BEARER], "Bearer ambient-bearer"),
    ("a bearer token beats an ambient profile", {}, [_BEARER, {"AWS_PROFILE": "work"}], "Bearer ambient-bearer"),
    (
        "a blank bearer token is none",
        {},
        [_AMBIENT_KEYS, {"AWS_BEARER_TOKEN_BEDROCK": " "}],
        "ambient-id ambient-token",
    ),
    ("ambient keys beat the default profile", {}, [_AMBIENT_KEYS], "ambient-id ambient-token"),
    ("an ambient profile", {}, [{"AWS_PROFILE": "work"}], "work-id work-token"),
    ("the default profile", {}, [], "default-id None"),
]


@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [row[1:] for row in _ORDER],
    ids=[row[0].replace(" ", "-") for row in _ORDER],
)
async def test_the_order_of_places(
    options: dict[str, Any],
    environment: Sequence[dict[str, str]],
    expected: str,
    server: LoopbackServer,
    aws_files: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the caller says beats what happens to be there; what arrives at the server says who asked."""
    aws_files(credentials=_PROFILES)
    _set(monkeypatch, *environment)
    assert who_asked(await sent(server, **options)) == expected


async def test_a_profile_of_the_configuration_file(server: LoopbackServer, aws_files: Callable[..., None]) -> None:
    """Keys may stand there too, and blanks around them do not matter."""
    aws_files(config="[profile work]\naws_access_key_id =  work-id \naws_secret_access_key = s\nregion = eu-west-1\n")
    server.answer(unary())
    received = await sent(server, profile="work")
    assert who_asked(received) == "work-id None"


async def test_two_backends_send_their_own(server: LoopbackServer) -> None:
    """Side by side, also where both talk at the same time."""
    server.answer_always(unary())
    options = {"endpoint_url": server.url, **REGION}
    async with (
        chatport.open_backend("bedrock", api_key="one", **options) as one,
        chatport.open_backend("bedrock", api_key="two", **options) as two,
        anyio.create_task_group() as group,
    ):
        for backend, words in [(one, "from one"), (two, "from two")] * 5:
            group.start_soon(Session(backend, MODEL).ask, words)
    for received in server.requests:
        name = "one" if b"from one" in received.body else "two"
        assert received.headers["authorization"] == f"Bearer {name}"
    assert len(server.requests) == 10


async def test_a_bearer_token_is_read_for_each_request(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short-lived ones are replaced in the environment while the program runs."""
    server.answer_always(unary())
    async with chatport.open_backend("bedrock", endpoint_url=server.url, **REGION) as backend:
        for token in ("first", "second"):
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", token)
            await Session(backend, MODEL).ask("hi")
    assert [who_asked(received) for received in server.requests] == ["Bearer first", "Bearer second"]


async def test_a_session_of_the_caller(
    server: LoopbackServer, aws_files: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys and its region count, and it beats a bearer token that happens to be there."""
    _set(monkeypatch, _BEARER, _AMBIENT_KEYS)
    aws_files(config="[profile work]\nregion = eu-west-1\n", credentials=_PROFILES)
    session = get_session()
    session.set_credentials("session-id", "session-secret", "session-token")
    assert who_asked(await sent(server, session=session)) == "session-id session-token"
    received = await sent(server, session=get_session(), **_EXPLICIT)
    assert who_asked(received) == "explicit-id None"
    session = get_session()
    session.set_config_variable("profile", "work")
    server.answer(unary())
    received = await sent(server, session=session, region=None)
    assert who_asked(received) == "work-id work-token"
    assert "/eu-west-1/bedrock/" in received.headers["authorization"]


# --- none ------------------------------------------------------------------------------------------------------------


async def test_no_credentials(server: LoopbackServer) -> None:
    """Nothing is sent, and the message says where to look and what to run."""
    with pytest.raises(AuthenticationError, match="no AWS credentials") as caught:
        await sent(server)
    for place in ("api_key", "access_key_id", "AWS_BEARER_TOKEN_BEDROCK", "environment", "profile", "aws configure"):
        assert place in str(caught.value)
    assert (caught.value.phase, caught.value.retryable, caught.value.backend) == ("connect", False, "bedrock")
    assert not server.connections


_UNUSABLE: list[tuple[str, str, type[Exception], str]] = [
    ("a program that fails", "credential_process = {python} -c \"import sys; sys.exit('token expired')\"",
     AuthenticationError, r"profile 'work'.*token expired.*aws sso login --profile work"),
    ("a program that says nothing", "credential_process = {python} -c pass", AuthenticationError, "profile 'work'"),
    ("a program that is missing", "credential_process = /no/such/program", AuthenticationError, "profile 'work'"),
    ("half a key", "aws_access_key_id = work-id", AuthenticationError, "Partial credentials"),
    ("nothing", "region = us-east-1", AuthenticationError, "no AWS credentials"),
    ("a login that was not made",
     "sso_start_url = https://sso.example\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r",
     AuthenticationError, r"aws sso login --profile work"),
    ("a role without a source", "role_arn = arn:aws:iam::1:role/r\nsource_profile = nope", ConfigurationError, "nope"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "kind", "words"), [row[1:] for row in _UNUSABLE], ids=[row[0].replace(" ", "-") for row in _UNUSABLE]
)
async def test_credentials_that_cannot_be_had(
    profile: str, kind: type[Exception], words: str, server: LoopbackServer, aws_files: Callable[..., None]
) -> None:
    """Whatever goes wrong on the way to the keys, it is an error of ours that says so; nothing is sent."""
    aws_files(config=f"[profile work]\n{profile.format(python=sys.executable)}\n")
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        await sent(server, profile="work")
    assert type(caught.value) is kind
    assert not server.connections


async def test_a_service_for_keys_that_is_out_of_reach(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which place failed, and nothing is sent."""
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/keys")
    with pytest.raises(AuthenticationError, match="container-role") as caught:
        await sent(server)
    assert caught.value.phase == "connect"
    assert not server.connections


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"])
async def test_keys_that_no_header_can_carry(
    variable: str, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are refused here: a transport's own complaint would show them."""
    _set(monkeypatch, _AMBIENT_KEYS)
    monkeypatch.setenv(variable, "some\nsecret")
    with pytest.raises(AuthenticationError, match="characters") as caught:
        await sent(server)
    assert "secret" not in str(caught.value)
    assert not server.connections
