"""The options of the backend are checked before anything happens; messages say what to do, and show no secret."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from aiobotocore.session import get_session

import chatport
from chatport import ConfigurationError
from chatport_bedrock._options import ConnectionOptions, check_options
from chatport_bedrock.backend import BedrockBackend

_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"regoin": "us-east-1"}, r"no option 'regoin'; there are region, profile"),
    ({"region": ""}, "region is blank"),
    ({"region": " "}, "region is blank"),
    ({"region": 1}, "region is a int, not a str"),
    ({"profile": ""}, "profile is blank"),
    ({"api_key": " \n"}, "api_key is blank"),
    ({"api_key": b"key"}, "api_key is a bytes, not a str"),
    ({"api_key": "se\ncret"}, "api_key holds characters"),
    ({"api_key": "sécret"}, "api_key holds characters"),
    ({"session_token": "se\rcret", "access_key_id": "a", "secret_access_key": "b"}, "session_token holds characters"),
    ({"access_key_id": "a"}, "go together; one of them is missing"),
    ({"secret_access_key": "secret"}, "go together; one of them is missing"),
    ({"session_token": "secret"}, "session_token goes with access_key_id"),
    ({"api_key": "secret", "access_key_id": "a", "secret_access_key": "b"}, "contradict each other"),
    ({"session": get_session(), "profile": "work"}, "contradict each other"),
    ({"streaming": "yes"}, "one of auto, always, never, not 'yes'"),
    ({"max_connections": 0}, "at least 1, not 0"),
    ({"max_connections": True}, "at least 1, not True"),
    ({"max_connections": "10"}, "at least 1, not '10'"),
    ({"use_fips": "yes"}, "use_fips must be True or False, not 'yes'"),
    ({"verify": 1}, "verify must be True, False or the path"),
    ({"proxies": "http://proxy:1"}, "proxies must be addresses by scheme"),
    ({"proxies": {"ftp": "http://proxy:1"}}, "the proxy for 'ftp' must be"),
    ({"proxies": {"https": "socks5://secret@proxy:1"}}, "the proxy for 'https' must be"),
    ({"proxies": {"https": "http://secret@proxy:port"}}, "the proxy for 'https' must be"),
    ({"proxies": {"https": None}}, "the proxy for 'https' must be"),
    *(
        ({"endpoint_url": url}, "endpoint_url must be an address such as")
        for url in (
            *("localhost:4566", "ftp://host", "http://", "https:///path", "http://host:port", "http://host:0"),
            *("http://[::1", "http://host/a b", "http://host\n", "http://host?a=1", "http://host#a", "http://hôst"),
            *("http://user:secret@host", "http://secret@host"),
        )
        if url != "http://host\n"  # a line break at the end is cut off
    ),
]


@pytest.mark.parametrize(
    ("options", "words"), _WRONG, ids=lambda value: str(value)[:40] if isinstance(value, dict) else ""
)
def test_a_wrong_option(options: dict[str, Any], words: str) -> None:
    """It is an error of configuration that names the option and not what a secret was."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        BedrockBackend(**options)
    assert "secret@" not in str(caught.value)
    assert "se\ncret" not in str(caught.value)


def test_blanks_around_what_was_pasted() -> None:
    """They are cut off: no key, region or address begins or ends with one."""
    options = check_options({"api_key": " key\n", "region": "us-east-1 ", "endpoint_url": " http://host/\n"})
    assert (options.api_key, options.region, options.endpoint_url) == ("key", "us-east-1", "http://host/")


def test_a_session_of_another_library() -> None:
    """A session of boto3 is sync: the message says what is wanted, and what to give in its place."""
    with pytest.raises(
        ConfigurationError, match=r"session of aiobotocore .*not boto3\.session\.Session.*profile="
    ) as caught:
        BedrockBackend(session=boto3.Session())
    assert "get_session()" in str(caught.value)


def test_no_secret_shows() -> None:
    """In the `repr` of options there is none."""
    options = ConnectionOptions(
        api_key="a-secret",
        access_key_id="b-secret",
        secret_access_key="c-secret",
        session_token="d-secret",
        proxies={"https": "http://me:e-secret@proxy"},
    )
    assert "secret" not in repr(options).replace("secret_access_key", "")


@pytest.mark.anyio
async def test_through_the_door() -> None:
    """The same error comes out of `open_session` and `open_backend`, as it is."""
    with pytest.raises(ConfigurationError, match="no option 'regoin'"):
        async with chatport.open_session("bedrock:any", backend_options={"regoin": "us-east-1"}):
            pass
    with pytest.raises(ConfigurationError, match="no option 'regoin'"):
        async with chatport.open_backend("bedrock", regoin="us-east-1"):
            pass
