"""Downloads: what may be reached, under which name, how much of it, and what is said when it fails."""

import gzip
import re
import sys
from collections.abc import Iterator, Sequence

import anyio
import pytest
from tests.web_server import LOOPBACK, PNG, WebServer, answer

from chatport import ConfigurationError, TransportError, UnsupportedError
from chatport._fetch import Fetcher, FetchLimits, resolve_name
from chatport._urls import MAX_BYTES, parse_url

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A server with a picture."""
    with WebServer({"/cat.png": answer(PNG, Content_Type="image/PNG; q=1", Set_Cookie="id=1")}) as running:
        yield running


async def test_a_picture_comes_as_it_is(server: WebServer) -> None:
    """The body, the claimed type, and where it was; the server learns no more than it needs."""
    fetched = await server.fetcher().fetch(parse_url(server.url("/cat.png?size=1")))
    assert (fetched.data, fetched.content_type) == (PNG, "image/png")
    assert fetched.address.target == "/cat.png?size=1"
    (asked,) = server.asked
    assert asked.target == "/cat.png?size=1"
    assert asked.headers == {
        "host": f"media.example.com:{server.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
        "user-agent": "chatport",
    }


async def test_tls_keeps_the_name() -> None:
    """The connection goes to the checked address; the certificate is asked for and checked under the host's name."""
    with WebServer({"/": answer(PNG)}, secure=True) as server:
        assert (await server.fetcher().fetch(parse_url(server.url()))).data == PNG
        assert [asked.sni for asked in server.asked] == ["media.example.com"]
        with pytest.raises(TransportError, match="certificate that is not trusted for this name") as caught:
            await server.fetcher().fetch(parse_url(server.url(host="other.example.com")))
        assert caught.value.retryable is False
        assert len(server.asked) == 1


# --- where it may go -------------------------------------------------------------------------------------------------

# What a stranger's name may lead to, by name.
NAMES = {
    "loopback.example.com": [LOOPBACK],
    "loopback6.example.com": ["::1"],
    "mixed.example.com": ["93.184.216.34", "10.0.0.1"],
    "mixed6.example.com": ["2606:2800:220:1:248:1893:25c8:1946", "fd00::1"],
    "last.example.com": [*["93.184.216.34"] * 9, "169.254.169.254"],
    "metadata.example.com": ["169.254.169.254"],
    "mapped.example.com": ["::ffff:169.254.169.254"],
    "nat64.example.com": ["64:ff9b::a9fe:a9fe"],
    "scoped.example.com": ["fe80::1%eth0"],
    "odd.example.com": ["0177.0.0.1"],
    "any.example.com": ["0.0.0.0"],  # noqa: S104 - nothing is bound
    "carrier.example.com": ["100.64.0.1"],
}
TRICKS = [
    # names that lead inside
    *[f"http://{name}/" for name in NAMES],
    # names of the inside
    *[
        "http://localhost/",
        "http://LOCALHOST./",
        "http://x.localhost/",
        "http://\uff4cocalhost/",
        "http://printer.local/",
    ],
    *["http://metadata.test.internal/latest/", "http://metadata/", "http://intranet/", "http://router.home.arpa/"],
    # literal addresses
    *["http://127.0.0.1/", "http://127.0.0.1./", "http://127.8.8.8/", "http://0.0.0.0/", "http://10.0.0.1/"],
    *["http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/", "http://169.254.0.1/"],
    *["http://224.0.0.1/", "http://240.0.0.1/", "http://255.255.255.255/", "http://198.18.0.1/", "http://192.0.2.1/"],
    # platforms' own services
    *["http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2/credentials", "http://169.254.170.23/v1/"],
    *["http://168.63.129.16/", "http://100.100.100.200/", "http://192.0.0.192/", "http://[fd00:ec2::254]/latest/"],
    *["http://[fd00:ec2::23]/", "http://[fd20:ce::254]/"],
    # IPv6, and IPv4 within
    *["http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[fe80::1]/", "http://[fc00::1]/"],
    *["http://[fec0::1]/", "http://[ff02::1]/", "http://[2001:db8::1]/", "http://[100::1]/"],
    *["http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[::7f00:1]/"],
    *["http://[2002:7f00:1::]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/"],
    *["http://[64:ff9b:1::7f00:1]/", "http://[2001:0:53aa:64c::80ff:fffe]/", "http://[2606::5efe:127.0.0.1]/"],
    *["http://[::ffff:0:127.0.0.1]/"],
    # ports of other services
    *[
        "http://93.184.216.34:22/",
        "http://93.184.216.34:6379/",
        "https://93.184.216.34:25/",
        "http://93.184.216.34:8080/",
    ],
]


_INSIDE = re.compile("is not on the public internet|has a port that is not asked")


async def _lead_inside(host: str, _: int) -> Sequence[str]:
    return NAMES[host]


@pytest.mark.parametrize("url", TRICKS)
async def test_the_inside_is_out_of_reach(url: str) -> None:
    """No spelling, name or disguise of an inner address is connected to: a connection would be a TransportError."""
    with pytest.raises(UnsupportedError, match=_INSIDE):
        await Fetcher(resolve=_lead_inside).fetch(parse_url(url))


@pytest.mark.parametrize("url", TRICKS)
async def test_no_redirect_leads_inside(server: WebServer, url: str) -> None:
    """What the caller may not name, a server may not name either."""
    server.answers["/"] = answer(status="302 Found", Location=parse_url(url).url)
    names = {name: [hosts] for name, hosts in NAMES.items()}
    with pytest.raises(UnsupportedError, match=_INSIDE):
        await server.fetcher(names, visits=1).fetch(parse_url(server.url()))
    assert len(server.asked) == 1


def test_there_are_enough_tricks() -> None:
    """The tables do not shrink unnoticed."""
    assert len(set(TRICKS)) == len(TRICKS) >= 40


@pytest.mark.parametrize(
    "location",
    [
        *["ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "data:,x", "http://a@127.0.0.1/"],
        *["http://2130706433/", "http://0x7f.1/", "http://[::1%25lo]/", "http:\\\\127.0.0.1\\", "http:///", "//@[::1]"],
    ],
)
async def test_redirects_to_no_address_are_refused(server: WebServer, location: str) -> None:
    """Other schemes, credentials and doubtful spellings end the download."""
    server.answers["/"] = answer(status="301 Moved Permanently", Location=location)
    with pytest.raises(UnsupportedError, match="redirects to what is no address"):
        await server.fetcher().fetch(parse_url(server.url()))
    assert len(server.asked) == 1


async def test_a_name_that_changes_its_mind_changes_nothing(server: WebServer) -> None:
    """A name is looked up once for a request, and the connection goes to what was checked (rebinding)."""
    fetcher = server.fetcher({"media.example.com": [[LOOPBACK], ["169.254.169.254"]]})
    assert (await fetcher.fetch(parse_url(server.url("/cat.png")))).data == PNG
    with pytest.raises(UnsupportedError, match="a cloud platform's service for its own machines"):
        await fetcher.fetch(parse_url(server.url("/cat.png")))
    assert server.connections == 1


async def test_a_redirect_to_the_same_name_is_looked_up_again(server: WebServer) -> None:
    """A checked name is not trusted for the next request."""
    server.answers["/"] = answer(status="307 Temporary Redirect", Location="/cat.png")
    fetcher = server.fetcher({"media.example.com": [[LOOPBACK], ["10.0.0.1"]]})
    with pytest.raises(UnsupportedError, match="a private network"):
        await fetcher.fetch(parse_url(server.url()))
    assert [asked.target for asked in server.asked] == ["/"]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed_with_nothing_in_hand(server: WebServer, status: str) -> None:
    """Another host gets a fresh request: no cookie that the first one set, no referrer."""
    other = server.url("/cat.png", host="cdn.example.com")
    server.answers["/"] = answer(status=status, Location=other, Set_Cookie="session=secret; Domain=example.com")
    fetched = await server.fetcher().fetch(parse_url(server.url("/?token=secret")))
    assert fetched.data == PNG
    assert fetched.address.url == other
    first, second = server.asked
    assert (first.headers["host"], second.headers["host"]) == (
        f"media.example.com:{server.port}",
        f"cdn.example.com:{server.port}",
    )
    assert first.headers.keys() == second.headers.keys()
    assert "secret" not in str(second)


@pytest.mark.parametrize("written", ["/k\u00e4tzchen.png".encode(), "/k\u00e4tzchen.png".encode("latin-1")])
async def test_redirects_may_be_written_carelessly(server: WebServer, written: bytes) -> None:
    """Letters beyond ASCII in a redirect are encoded, whichever way the server wrote them."""
    server.answers |= {
        "/": answer(status="302 Found", Location="/?").replace(b"/?", written),
        "/k%C3%A4tzchen.png": answer(PNG),
    }
    assert (await server.fetcher().fetch(parse_url(server.url()))).data == PNG


async def test_redirects_end(server: WebServer) -> None:
    """Five redirects are followed, a sixth is not; a circle is no special case."""
    for number in range(5):
        server.answers[f"/{number}"] = answer(status="302 Found", Location=f"/{number + 1}")
    server.answers["/5"] = answer(PNG)
    server.answers["/loop"] = answer(status="302 Found", Location="/0")
    assert (await server.fetcher().fetch(parse_url(server.url("/0")))).data == PNG
    with pytest.raises(UnsupportedError, match="leads through more than 5 redirects"):
        await server.fetcher().fetch(parse_url(server.url("/loop")))
    assert len(server.asked) == 6 + 6


async def test_a_secure_address_does_not_lead_to_an_open_one(server: WebServer) -> None:
    """A redirect from https to http would let anybody on the way choose the content."""
    redirect = answer(status="302 Found", Location=server.url("/cat.png"))
    refusal = pytest.raises(UnsupportedError, match=r"redirects from https to http://media\.example\.com")
    with WebServer({"/": redirect}, secure=True) as secure, refusal:
        await secure.fetcher().fetch(parse_url(secure.url()))
    assert not server.asked


async def test_proxies_of_the_environment_are_not_used(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the name itself, and the check would be for nothing."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await server.fetcher().fetch(parse_url(server.url("/cat.png")))).data == PNG


async def test_the_next_address_is_tried(server: WebServer) -> None:
    """A host with several addresses is reached when the first of them does not answer."""
    limits = FetchLimits(ports=frozenset({server.port}), connect_seconds=1)
    asked: list[str] = []

    async def look_up(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["::1", LOOPBACK]

    fetcher = Fetcher(limits, resolve=look_up, why_not=lambda _: None)
    assert (await fetcher.fetch(parse_url(server.url("/cat.png")))).data == PNG
    assert asked == ["media.example.com"]


async def test_what_was_sent_is_not_sent_to_the_next_address(server: WebServer) -> None:
    """Only a connection that cannot be made leads on; an answer that breaks off is an answer."""
    server.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    fetcher = server.fetcher({"media.example.com": [[LOOPBACK, LOOPBACK]]})
    with pytest.raises(TransportError, match="broke off the connection"):
        await fetcher.fetch(parse_url(server.url()))
    assert server.connections == 1


async def test_the_machine_s_own_resolver() -> None:
    """Names are looked up in full, and what the machine knows about itself is refused."""
    assert LOOPBACK in await resolve_name("localhost", 80)
    fetcher = Fetcher(resolve=lambda _, port: resolve_name("localhost", port))
    with pytest.raises(UnsupportedError, match="loopback"):
        await fetcher.fetch(parse_url("http://example.com/"))


# --- how much of it, and how long ------------------------------------------------------------------------------------


async def test_the_limit_is_kept_to_the_byte(server: WebServer) -> None:
    """As many bytes as allowed are read, one more is refused: by its length, or when it comes."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10\r\n" + bytes(16) + b"\r\n"
    server.answers |= {
        "/exact": answer(bytes(16)),
        "/declared": answer(bytes(17)),
        "/chunked": chunked + b"0\r\n\r\n",
        "/more": chunked + b"1\r\nx\r\n",
        "/endless": b"HTTP/1.1 200 OK\r\n\r\n" + bytes(17),
    }
    fetcher = server.fetcher(max_bytes=16)
    for path in ("/exact", "/chunked"):
        assert (await fetcher.fetch(parse_url(server.url(path)))).data == bytes(16)
    for path in ("/declared", "/more", "/endless"):
        with pytest.raises(UnsupportedError, match="limit"):
            await fetcher.fetch(parse_url(server.url(path)))
    with pytest.raises(UnsupportedError, match="limit is 8"):
        await fetcher.fetch(parse_url(server.url("/exact")), max_bytes=8)
    with pytest.raises(UnsupportedError, match="limit is 16"):
        await fetcher.fetch(parse_url(server.url("/declared")), max_bytes=99)


def test_the_limit_is_twenty_mebibytes() -> None:
    """What is not said otherwise holds."""
    assert FetchLimits().max_bytes == MAX_BYTES == 20 * 1024 * 1024
    assert FetchLimits().ports == {80, 443}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
async def test_compressed_content_is_refused(server: WebServer, encoding: str) -> None:
    """A bomb is never unpacked, and packed bytes are never taken for the content."""
    server.answers["/"] = answer(gzip.compress(bytes(100_000)), Content_Encoding=encoding)
    with pytest.raises(UnsupportedError, match="compressed"):
        await server.fetcher().fetch(parse_url(server.url()))


async def test_a_silent_server_is_left(server: WebServer) -> None:
    """Silence ends after `read_seconds`, and all of it after `total_seconds`; both may be tried again."""
    with pytest.raises(TransportError, match=r"was silent for 0\.05 seconds") as caught:
        await server.fetcher(read_seconds=0.05).fetch(parse_url(server.url("/held")))
    assert (caught.value.retryable, caught.value.code) == (True, "fetch")
    with pytest.raises(TransportError, match=r"took longer than 0\.1 seconds") as caught:
        await server.fetcher(total_seconds=0.1).fetch(parse_url(server.url("/held")))
    assert caught.value.retryable


async def test_cancelling_leaves_nothing_behind(server: WebServer) -> None:
    """A download that is not waited for any more is given up at once."""
    with anyio.fail_after(5):
        with anyio.move_on_after(0.1) as scope:
            await server.fetcher().fetch(parse_url(server.url("/held")))
    assert scope.cancelled_caught


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("204 No Content", UnsupportedError),
        ("206 Partial Content", UnsupportedError),
        ("300 Multiple Choices", UnsupportedError),
        ("304 Not Modified", UnsupportedError),
        ("401 Unauthorized", UnsupportedError),
        ("403 Forbidden", UnsupportedError),
        ("404 Not Found", UnsupportedError),
        ("429 Too Many Requests", TransportError),
        ("500 Internal Server Error", TransportError),
        ("503 Service Unavailable", TransportError),
        ("302 Found", UnsupportedError),  # without saying where
    ],
)
async def test_what_a_server_refuses(server: WebServer, status: str, kind: type[Exception]) -> None:
    """What another try will not change is UnsupportedError; what it may change is TransportError, with the status."""
    server.answers["/"] = answer(status=status)
    with pytest.raises(kind, match=f"answers with status {status[:3]}") as caught:
        await server.fetcher().fetch(parse_url(server.url()))
    if isinstance(caught.value, TransportError):
        assert (caught.value.status, caught.value.retryable) == (int(status[:3]), True)


@pytest.mark.parametrize(
    "broken",
    [b"", b"SSH-2.0-x\r\n", answer(PNG)[:-1], answer(PNG, Content_Length="-1"), answer(PNG, Transfer_Encoding="gzip")],
    ids=["empty", "other protocol", "cut", "negative length", "transfer encoding"],
)
async def test_broken_answers(server: WebServer, broken: bytes) -> None:
    """A connection that ends early or speaks something else gives no content."""
    server.answers["/"] = broken
    with pytest.raises(TransportError, match="broke off the connection") as caught:
        await server.fetcher().fetch(parse_url(server.url()))
    assert caught.value.phase == "request"


async def test_a_name_without_an_address(server: WebServer) -> None:
    """A name that cannot be looked up now may be found later."""

    async def fail(host: str, _: int) -> Sequence[str]:
        raise OSError(host)

    with pytest.raises(TransportError, match="has a name that cannot be looked up"):
        await Fetcher(resolve=fail).fetch(parse_url("http://example.com/"))
    with pytest.raises(TransportError, match="has a name without an address"):
        await server.fetcher({"media.example.com": [[]]}).fetch(parse_url(server.url()))


async def test_nobody_listens() -> None:
    """A refused connection is told as one."""
    with WebServer() as server:
        address, fetcher = parse_url(server.url()), server.fetcher()
    with pytest.raises(TransportError, match="does not accept connections"):
        await fetcher.fetch(address)


async def test_errors_show_no_more_than_the_host(server: WebServer) -> None:
    """The path and the query of a signed address are as secret as a password."""
    server.answers["/token-1/cat"] = answer(status="404 Not Found")
    for path in ("/token-1/cat?signature=2", "/token-1/held?signature=2"):
        with pytest.raises((UnsupportedError, TransportError)) as caught:
            await server.fetcher(read_seconds=0.05).fetch(parse_url(server.url(path)))
        assert "media.example.com" in str(caught.value)
        assert "token-1" not in str(caught.value)
        assert "signature" not in str(caught.value)


async def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the HTTP library the error says what to install, before anything is looked up."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'chatport\[url\]'"):
        await Fetcher().fetch(parse_url("http://example.com/"))
