"""What surrounds the HTTP wire: options, headers, requests as values; and that no key is shown anywhere."""

from __future__ import annotations

import ssl
import time
import traceback
from email.utils import formatdate
from typing import Any

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http_exchanges import KEY, a_request, a_wire, pieces, whole

from chatport._http_headers import joined_headers, request_id_of
from chatport.backend import ConfigurationError, Timeouts, TransportError
from chatport.backend.http import (
    HttpOptions,
    HttpRequest,
    HttpWire,
    check_base_url,
    check_header_value,
    retry_after,
)
from chatport.testing import HttpReply, HttpService, HttpStep

# --- options ---------------------------------------------------------------------------------------------------------


def test_options_are_split_off() -> None:
    """Those of HTTP are taken out of what a backend was given; None says the same as nothing."""
    options, rest = HttpOptions.split(
        {"max_connections": 5, "proxy": None, "api_key": KEY, "timeouts": Timeouts(idle=3)}
    )
    assert options == HttpOptions(max_connections=5, timeouts=Timeouts(idle=3))
    assert rest == {"api_key": KEY}
    assert HttpOptions.split({}) == (HttpOptions(), {})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_connections", 0, "at least 1"),
        ("max_connections", True, "at least 1"),
        ("max_connections", "5", "at least 1"),
        ("timeouts", 5, "must be a Timeouts, not a int"),
        ("verify", 1.5, "not a float"),
        ("verify", "", "not blank"),
        ("proxy", 5, "proxy must be an address"),
        ("proxy", "host:80", "proxy must be an address"),
        ("proxy", f"socks5://u:{KEY}@host", "proxy must be an address"),
        ("proxy", f"http://u:{KEY}@", "proxy must be an address"),
        ("proxy", f"http://u:{KEY}@host:port", "proxy must be an address"),
        ("proxy", f"http://u:{KEY}@ho st", "proxy must be an address"),
        ("headers", [("a", "b")], "not a list"),
        ("headers", {5: "b"}, "5 is no name"),
        ("headers", {"a b": "c"}, "'a b' is no name"),
        ("headers", {"a": 5}, "must be a text, not a int"),
        ("headers", {"a": f"{KEY}\n"}, r"headers\['a'\] has characters"),
        ("headers", {"a": f" {KEY}"}, "blanks around it"),
        ("headers", {"a": f"{KEY}\u00e9"}, "has characters"),
        ("headers", {"Content-Length": "5"}, "Content-Length cannot be given"),
        ("headers", {"accept-encoding": "gzip"}, "accept-encoding cannot be given"),
    ],
)
def test_options_that_make_no_sense(name: str, value: object, words: str) -> None:
    """A wrong value is refused by its name, and no message shows what may be a secret."""
    given_options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=words) as caught:
        HttpOptions(**given_options)
    assert KEY not in str(caught.value)


def test_options_show_no_secrets() -> None:
    """A proxy's password and the values of headers do not stand in what is printed."""
    options = HttpOptions(proxy=f"http://u:{KEY}@host", headers={"X-Key": KEY}, verify=ssl.create_default_context())
    assert KEY not in repr(options)


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://api.test/v1", "https://api.test/v1"),
        (" HTTPS://api.test/v1//\n", "https://api.test/v1"),
        ("http://[::1]:8080/a%20b/", "http://[::1]:8080/a%20b"),
    ],
)
def test_base_urls(given_url: str, kept: str) -> None:
    """What is pasted is trimmed; paths stay as they are written."""
    assert check_base_url(given_url) == kept


@pytest.mark.parametrize(
    "url",
    [
        *(None, 5, "", "api.test", "ftp://api.test", "https://", "https://a:b", "https://a:0", "https://[::1"),
        *(
            "https://a b",
            "https://h\u00e9.test",
            "https://a?q=1",
            "https://a#f",
            f"https://u:{KEY}@a",
            f"https://{KEY}@a",
        ),
    ],
)
def test_base_urls_that_are_none(url: object) -> None:
    """The message names the option, and shows no password."""
    with pytest.raises(ConfigurationError, match=r"^endpoint must be an address") as caught:
        check_base_url(url, "endpoint")
    assert KEY not in str(caught.value)


def test_header_values() -> None:
    """A key is kept as it is; one that cannot be sent is refused without being shown."""
    assert check_header_value(KEY, "api_key") == KEY
    assert check_header_value("", "api_key") == ""
    with pytest.raises(ConfigurationError, match="api_key has characters") as caught:
        check_header_value(f"{KEY}\r\nX: y", "api_key")
    assert KEY not in str(caught.value)


# --- headers of answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e9"}, 86400.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "3"}, 1.5),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
    ],
)
def test_how_long_a_service_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Numbers and dates, never negative, never more than a day; what says nothing is None."""
    assert retry_after(headers) == seconds


def test_a_date_to_wait_for() -> None:
    """A date in the future is the time until then."""
    found = retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert found is not None
    assert 90 < found <= 100


@given(st.text(), st.text())
def test_any_wait(first: str, second: str) -> None:
    """Whatever stands there, the answer is None or a time between none and a day."""
    found = retry_after({"retry-after": first, "retry-after-ms": second})
    assert found is None or 0 <= found <= 86400


def test_headers_are_joined() -> None:
    """Names in lower case, doubles with commas, and bytes of any kind."""
    raw = [(b"A", b"1"), (b"a", b"2"), (b"B", "\u00e9".encode()), (b"C", b"\xe9")]
    assert joined_headers(raw) == {"a": "1, 2", "b": "\u00e9", "c": "\u00e9"}
    assert request_id_of({"request-id": "2", "cf-ray": "3"}) == "2"
    assert request_id_of({"x-request-id": "", "a": "b"}) is None


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_request_shows_names_only() -> None:
    """Neither address nor values nor body."""
    request = HttpRequest("POST", f"https://a/{KEY}", (("Authorization", KEY), ("X", "y")), KEY.encode())
    assert repr(request) == f"<HttpRequest POST, headers Authorization, X, {len(KEY)} bytes>"
    assert repr(HttpRequest("GET", KEY)) == "<HttpRequest GET, headers none, no body>"


@pytest.mark.anyio
async def test_no_log_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at its lowest level: requests, answers, failures, a proxy with a password."""
    caplog.set_level(0)
    for name in ("httpcore2", "httpcore2.http11", "httpcore2.connection", "httpcore2.proxy", "asyncio", "trio"):
        caplog.set_level(0, logger=name)
    with HttpService() as service:
        service.reply(
            HttpReply(body=(b"a", b"b")), HttpReply(before=HttpStep.RESET), HttpReply(), HttpReply(status=407)
        )
        wire = a_wire(headers={"X-Key": KEY})
        assert await pieces(wire, a_request(service, f"/{KEY}"))
        with pytest.raises(TransportError):
            await whole(wire, a_request(service))
        await wire.aclose()
        proxied = a_wire(proxy=f"http://user:{KEY}@127.0.0.1:{service.port}")
        await whole(proxied, a_request(service))
        with pytest.raises(TransportError):
            await whole(proxied, HttpRequest("POST", "https://api.test/x", (("Authorization", KEY),), b"{}"))
        await proxied.aclose()
    assert any(record.name.startswith("httpcore2") for record in caplog.records)
    assert KEY not in caplog.text
    assert not [record for record in caplog.records if KEY in repr(record.__dict__)]


def _locals_of(error: BaseException | None) -> str:
    """All that a tool shows that prints the local variables of every frame, of all errors in the chain."""
    shown: list[str] = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                shown += [f"{name}={value!r}" for name, value in frame.f_locals.items()]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "reply",
    [
        HttpReply(before=HttpStep.RESET),
        HttpReply(body=(b"garbage\r\n\r\n",), framing="raw"),
        HttpReply(body=(b"a", HttpStep.RESET)),
        HttpReply(before=HttpStep.HOLD),
    ],
)
async def test_no_frame_of_an_error_shows_a_secret(reply: HttpReply) -> None:
    """Tools that report errors print the local variables of every frame: no key stands in any of them."""
    with HttpService() as service:
        service.reply(reply)
        wire = HttpWire(HttpOptions(headers={"X-Key": KEY}), backend="tested")
        with pytest.raises(TransportError) as caught:
            await whole(wire, a_request(service), Timeouts(first_event=0.3))
        assert "patience" in _locals_of(caught.value)
        assert KEY not in _locals_of(caught.value)
        await wire.aclose()
        await anyio.lowlevel.checkpoint()
