import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatport._urls import WebAddress, join_url, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.com", WebAddress("https", "example.com", 443, "/")),
        ("HTTP://EXAMPLE.com:080/A?b=C#d", WebAddress("http", "example.com", 80, "/A?b=C")),
        ("https://example.com.:8443/", WebAddress("https", "example.com", 8443, "/")),
        ("https://example.com?q=1", WebAddress("https", "example.com", 443, "/?q=1")),
        (
            "https://b\u00fccher.example/\u00fc%20\u00fc",
            WebAddress("https", "xn--bcher-kva.example", 443, "/%C3%BC%20%C3%BC"),
        ),
        ("http://93.184.216.34/", WebAddress("http", "93.184.216.34", 80, "/")),
        ("http://[2606:2800:0220:0001::1]:81/", WebAddress("http", "2606:2800:220:1::1", 81, "/")),
        ("https://example.com/a'b\"<c>", WebAddress("https", "example.com", 443, "/a'b%22%3Cc%3E")),
        ("https://my_bucket.example.com/-", WebAddress("https", "my_bucket.example.com", 443, "/-")),
    ],
)
def test_an_address_has_one_spelling(url: str, address: WebAddress) -> None:
    """Case, default ports, final dots, fragments and letters beyond ASCII are brought into one form, and stay there."""
    assert parse_url(url) == address
    assert parse_url(address.url) == address


REFUSED = {
    "other scheme": "ftp://example.com/",
    "file": "file:///etc/passwd",
    "data": "data:image/png;base64,AAAA",
    "gopher": "gopher://127.0.0.1:25/_HELO",
    "no scheme": "example.com/cat.png",
    "scheme-relative": "//example.com/cat.png",
    "one slash": "http:/example.com/",
    "empty": "",
    "no host": "http:///cat.png",
    "port without host": "http://:80/",
    "only a dot": "http://./",
    "two final dots": "http://example.com../",
    "empty label": "http://example..com/",
    "user": "http://user@example.com/",
    "user and password": "http://user:secret@example.com/",
    "user that looks like a host": "http://example.com@127.0.0.1/",
    "empty user": "http://@127.0.0.1/",
    "two at signs": "http://a@b@127.0.0.1/",
    "host behind an encoded at sign": "http://example.com%40127.0.0.1/",
    "percent-encoded host": "http://%31%32%37.0.0.1/",
    "backslash": "http://example.com\\@127.0.0.1/",
    "backslash for slash": "http:\\\\127.0.0.1/",
    "tab": "http://127.0.\t0.1/",
    "line feed": "http://example.com/\nHost: 127.0.0.1",
    "carriage return": "http://example.com/\r\nX: y",
    "nul": "http://example.com\x00.127.0.0.1/",
    "space": "http://example.com /",
    "no-break space": "http://example.com\xa0/",
    "leading space": " http://example.com/",
    "octal": "http://0177.0.0.1/",
    "hex": "http://0x7f.0.0.1/",
    "hex number": "http://0x7f000001/",
    "decimal number": "http://2130706433/",
    "octal number": "http://017700000001/",
    "two numbers": "http://127.1/",
    "three numbers": "http://127.0.1/",
    "leading zeros": "http://127.000.000.001/",
    "overflow": "http://127.0.0.257/",
    "five numbers": "http://127.0.0.0.1/",
    "mixed bases": "http://169.0xfe.0251.254/",
    "hex without digits": "http://127.0.0.0x/",
    "ends in a number": "http://example.1/",
    "fullwidth digits": "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "circled digits": "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "superscript digits": "http://\u00b9\u00b2\u2077.0.0.1/",
    "ideographic full stops": "http://127\u30020\u30020\u30021/",
    "fullwidth full stops": "http://127\uff0e0\uff0e0\uff0e1/",
    "fullwidth slash": "http://example.com\uff0f.evil.example/",
    "fullwidth at sign": "http://example.com\uff20127.0.0.1/",
    "soft hyphen among digits": "http://127.0.0.\u00ad1/",
    "sharp s": "http://stra\u00dfe.example/",
    "joiner": "http://a\u200db.example/",
    "zone id": "http://[fe80::1%25eth0]/",
    "bare zone id": "http://[fe80::1%eth0]/",
    "no bracket": "http://::1/",
    "open bracket": "http://[::1/",
    "text after a bracket": "http://[::1]example.com/",
    "IPv4 in brackets": "http://[127.0.0.1]/",
    "future address": "http://[v1.fe80::a]/",
    "port zero": "http://example.com:0/",
    "port too large": "http://example.com:65536/",
    "port wraps to 80": "http://example.com:65616/",
    "port with a sign": "http://example.com:+80/",
    "port in other digits": "http://example.com:\u0668\u0660/",
    "empty port": "http://example.com:/",
    "two ports": "http://example.com:80:22/",
    "long label": f"http://{'a' * 64}.example/",
    "long name": f"http://{'a.' * 127}example/",
    "long": "http://example.com/" + "a" * 9000,
    "half a character": "http://example.com/\ud800",
    "wildcard": "http://*.example.com/",
    "sub-delims in the host": "http://example.com,127.0.0.1/",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_be_read_in_two_ways_is_refused(url: str) -> None:
    """A spelling that some reader takes for another host is no address, and the refusal does not repeat it."""
    with pytest.raises(ValueError, match="URL") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)
    assert "127" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_url_is_text() -> None:
    """Bytes and None are the caller's mistake."""
    with pytest.raises(TypeError, match="a URL is a str, not bytes"):
        parse_url(b"https://example.com/")  # type: ignore[arg-type]  # the point of the test


@given(st.text(max_size=30), st.sampled_from(["http://{}", "https://{}/a", "http://example.com{}", "{}"]))
def test_any_text_is_an_address_or_refused(text: str, form: str) -> None:
    """Whatever is given: one spelling that reads back as itself and is sendable ASCII, or ValueError."""
    try:
        address = parse_url(form.format(text))
    except ValueError:
        return
    assert parse_url(address.url) == address
    assert address.url.isascii()
    assert not set(address.url) & set(" \r\n\t\\")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b.png", "https://example.com/b.png"),
        ("b.png?c", "https://example.com/a/b.png?c"),
        ("//other.example/b", "https://other.example/b"),
        ("http://other.example:81/b", "http://other.example:81/b"),
        ("?page=2", "https://example.com/a/?page=2"),
    ],
)
def test_redirects_may_be_relative(location: str, url: str) -> None:
    """What a server names is read from where it was found."""
    assert join_url(parse_url("https://example.com/a/?page=1"), location).url == url


@pytest.mark.parametrize(
    "location", ["", "\x00", "/a b", "http:\\\\127.0.0.1", "file:///etc/passwd", "http://a@b/", "a" * 9000]
)
def test_redirects_are_read_as_strictly(location: str) -> None:
    """A redirect gets no more benefit of the doubt than the caller; an empty one is its own page for ever."""
    base = parse_url("https://example.com/a")
    if not location:
        assert join_url(base, location) == base
        return
    with pytest.raises(ValueError, match="URL"):
        join_url(base, location)


def test_what_is_shown_holds_no_secret() -> None:
    """The origin of a signed address is fit for a log; its name for a document is the last piece of the path."""
    address = parse_url("https://files.example.com:8443/token-1/My%20report.pdf?signature=abc")
    assert address.origin == "https://files.example.com:8443"
    assert address.file_name == "My report.pdf"
    assert parse_url("http://[2606::1]:8080/").origin == "http://[2606::1]:8080"
