"""Signatures are what botocore's signer makes, and nothing of them reaches a log."""

import logging
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from chatport_bedrock._signature import Keys, sign

_printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
_moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
_KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI", "session-token")


@given(
    model=st.text(min_size=1, max_size=60),
    prefix=st.sampled_from(["", "/prefix", "/a%20b/c"]),
    query=st.lists(st.sampled_from(["a=2", "a=1", "a", "a=", "a-b=1", "a.b=0", "ab=1", "b=x%20y", "a0=~"]), max_size=4),
    body=st.binary(max_size=200),
    key=_printable,
    secret=_printable,
    token=st.none() | _printable,
    region=st.sampled_from(["us-east-1", "us-gov-west-1", "cn-north-1"]),
    now=_moments,
)
def test_the_same_as_botocore(
    model: str,
    prefix: str,
    query: list[str],
    body: bytes,
    key: str,
    secret: str,
    token: str | None,
    region: str,
    now: datetime,
) -> None:
    """For any id of a model, query, body, keys and time the headers are those of botocore's own signer."""
    url = f"https://host.example:8443{prefix}/model/{quote(model.encode('utf-8', 'replace'), safe='-._~')}/converse"
    url += f"?{'&'.join(query)}" if query else ""
    if "/./" in url or "/../" in url:
        return  # such ids are no ids; what clients make of the path before sending differs
    headers = {"Host": "host.example:8443", "Content-Type": "application/json"}
    request = AWSRequest("POST", url=url, data=body, headers=headers)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials(key, secret, token), "bedrock", region).add_auth(request)
    expected = {name: value for name, value in request.headers.items() if name not in headers}
    assert sign(url, headers, body, keys=Keys(key, secret, token), region=region, now=now) == expected


@pytest.mark.parametrize("query", ["a=1&a-b=2", "a-b=2&a=1", "a=2&a=1", "b&a", "a=1&&b=2"])
def test_the_order_of_a_query(query: str) -> None:
    """Parameters are signed in the order of their names, then of their values, which is botocore's too."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    url, headers = f"https://host.example/foundation-models?{query}", {"Host": "host.example"}
    request = AWSRequest("GET", url=url, data=b"", headers=headers)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI"), "bedrock", "us-east-1").add_auth(request)
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI")
    signed = sign(url, headers, b"", keys=keys, region="us-east-1", now=now, method="GET")
    assert signed["Authorization"] == request.headers["Authorization"]


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At no level: the canonical request holds the session token."""
    with caplog.at_level(logging.DEBUG):
        sign(
            "https://host/model/a/converse",
            {"Host": "host"},
            b"",
            keys=_KEYS,
            region="us-east-1",
            now=datetime.now(UTC),
        )
    assert not caplog.records


def test_keys_do_not_show() -> None:
    """Neither in `repr` nor in `str`."""
    shown = f"{_KEYS!r} {_KEYS}"
    assert not [value for value in ("AKIDEXAMPLE", "wJalrXUtnFEMI", "session-token") if value in shown]


@given(pieces=st.lists(st.binary(max_size=40), max_size=5))
def test_a_body_in_pieces(pieces: list[bytes]) -> None:
    """It is signed as the whole that it makes."""
    arguments: dict[str, Any] = {"keys": _KEYS, "region": "us-east-1", "now": datetime(2026, 1, 2, tzinfo=UTC)}
    url, headers = "https://host.example/model/a/converse", {"Host": "host.example"}
    assert sign(url, headers, pieces, **arguments) == sign(url, headers, b"".join(pieces), **arguments)


def test_keys_of_days_are_kept_with_the_secret_and_do_not_pile_up() -> None:
    """A key that lives for years holds a few of them; they do not show, and make no difference between keys."""
    keys = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI")
    fresh = keys
    for day in range(1, 29):
        now = datetime(2026, 1, day, tzinfo=UTC)
        for _ in range(2):
            fresh = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI")
            asked: dict[str, Any] = {"region": "us-east-1", "now": now}
            signed = sign("https://host/", {"Host": "host"}, b"", keys=keys, **asked)
            assert signed == sign("https://host/", {"Host": "host"}, b"", keys=fresh, **asked)
    assert 0 < len(keys.derived) <= 8
    assert keys == fresh
    assert hash(keys) == hash(fresh)
    assert not [key for key in keys.derived.values() if repr(key) in repr(keys)]
