"""Options: what is refused, who says where to send and as whom, and what people are shown."""

from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from chatport import ConfigurationError
from chatport_anthropic._description import describe_options
from chatport_anthropic._options import base_url, check_options, credential

KEY = "sk-ant-made-up"


async def fresh_key() -> str:
    """A key that is looked up anew."""
    await checkpoint()
    return f" {KEY}\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"region": "x"}, "no option 'region'; there are base_url, api_key"),
        ({"base_url": "example.org"}, "base_url must be an address"),
        ({"base_url": "https://user:pw@example.org"}, "without a user"),
        ({"api_key": 5}, "api_key must be a str or an async function"),
        ({"api_key": KEY, "auth_token": KEY}, "contradict each other"),
        ({"version": "2023\n"}, "version has characters"),
        ({"betas": "a,b"}, "betas must be a sequence"),
        ({"betas": ["a\nb"]}, "betas has characters"),
        ({"streaming": "sometimes"}, "streaming must be one of auto, always, never"),
        ({"max_connections": 0}, "max_connections"),
        ({"headers": {"a b": "c"}}, "no name of a header"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], reason: str) -> None:
    """Refused when the backend is made, without the key in the message."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        check_options(options)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "given", ["https://a.b/", "https://a.b", "https://a.b/v1", " https://a.b/v1/\n", "https://a.b/v1/messages"]
)
def test_addresses_with_and_without_the_version(given: str) -> None:
    """The paths of the service begin with `/v1` themselves."""
    assert base_url(check_options({"base_url": given}), {}) == ("https://a.b", "the option base_url")
    assert base_url(check_options({}), {"ANTHROPIC_BASE_URL": given}) == ("https://a.b", "ANTHROPIC_BASE_URL")


def test_who_says_where() -> None:
    """The option, the environment, the service itself; a path stays."""
    assert base_url(check_options({}), {}) == ("https://api.anthropic.com", "the service itself")
    assert base_url(check_options({"base_url": None}), {"ANTHROPIC_BASE_URL": " "})[1] == "the service itself"
    azure = "https://x.services.ai.azure.com/anthropic"
    assert base_url(check_options({"base_url": azure}), {})[0] == azure
    with pytest.raises(ConfigurationError, match="ANTHROPIC_BASE_URL must be an address"):
        base_url(check_options({}), {"ANTHROPIC_BASE_URL": "nowhere"})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "environment", "headers", "origin"),
    [
        ({"api_key": KEY}, {"ANTHROPIC_API_KEY": "other"}, (("x-api-key", KEY),), "the option api_key"),
        ({"api_key": fresh_key}, {}, (("x-api-key", KEY),), "the option api_key"),
        (
            {"auth_token": KEY},
            {"ANTHROPIC_API_KEY": "x"},
            (("authorization", f"Bearer {KEY}"),),
            "the option auth_token",
        ),
        ({"headers": {"X-Api-Key": KEY}}, {"ANTHROPIC_API_KEY": "x"}, (), "the option headers (X-Api-Key)"),
        ({}, {"ANTHROPIC_API_KEY": f"{KEY} ", "ANTHROPIC_AUTH_TOKEN": "x"}, (("x-api-key", KEY),), "ANTHROPIC_API_KEY"),
        ({}, {"ANTHROPIC_AUTH_TOKEN": KEY}, (("authorization", f"Bearer {KEY}"),), "ANTHROPIC_AUTH_TOKEN"),
    ],
    ids=["key", "function", "token", "headers", "environment", "token of the environment"],
)
async def test_who_asks(
    options: dict[str, Any], environment: dict[str, str], headers: tuple[tuple[str, str], ...], origin: str
) -> None:
    """Options beat the environment; blanks around a key are none of it; no `repr` shows it."""
    checked = check_options(options)
    found = credential(checked, environment)
    assert await found.headers() == headers
    assert found.origin == origin
    assert KEY not in repr(found) + repr(checked) + str(describe_options(checked, environment))


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "reason"), [(" ", "api_key is empty"), ("a\nb", "characters that no header")])
async def test_keys_that_are_none(key: str, reason: str) -> None:
    """Empty, or with a line break in the middle."""
    with pytest.raises(ConfigurationError, match=reason):
        await credential(check_options({"api_key": key}), {}).headers()


def test_betas_in_a_header_do_not_hide_those_of_requests() -> None:
    """They stand with the others, and the header is made of all."""
    checked = check_options({"betas": ["a"], "headers": {"Anthropic-Beta": "b, c", "X-Team": "t"}})
    assert checked.betas == ("a", "b", "c")
    assert checked.http.headers == {"X-Team": "t"}


def test_a_missing_key_says_where_was_looked() -> None:
    """Every place by its name."""
    with pytest.raises(ConfigurationError) as caught:
        credential(check_options({}), {"ANTHROPIC_API_KEY": ""})
    for place in ("api_key", "auth_token", "headers", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        assert place in str(caught.value)


def test_what_people_are_shown() -> None:
    """Where requests go, who says so, and what is missing."""
    shown = describe_options(check_options({"verify": "/ca.pem", "proxy": "http://me:pw@p:1", "betas": ["b"]}), {})
    assert shown["key from"].startswith("none: there is no key")
    assert (shown["certificates"], shown["proxy"], shown["betas"]) == ("checked against /ca.pem", "set", "b")
    assert (shown["address"], shown["API version"]) == ("https://api.anthropic.com", "2023-06-01")
    broken = describe_options(check_options({"verify": False}), {"ANTHROPIC_BASE_URL": "x"})
    assert broken["address"].startswith("none: ANTHROPIC_BASE_URL must be")
    assert broken["certificates"] == "NOT checked"
