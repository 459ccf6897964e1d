"""What the HTTP wire sends, and what it hands out."""

from __future__ import annotations

import pytest
from tests.http_exchanges import KEY, a_request, a_wire, whole

from chatport.backend import ConfigurationError, Load, ProtocolError, StreamInterruptedError, Timeouts, TransportError
from chatport.backend.http import EventReader, HttpOptions, HttpRequest, HttpWire
from chatport.testing import HttpReply, HttpService, HttpStep

pytestmark = pytest.mark.anyio


async def test_what_is_sent() -> None:
    """The request line as it is written, the headers of request and options, and those that the wire knows itself."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"{}"))
        wire = a_wire(headers={"X-Team": "7", "authorization": "Bearer other"})
        request = HttpRequest(
            "POST", f"{service.url}/v1/%7Ea%2fb?q=%20", (("Authorization", "x"), ("X-One", "1")), b"{}"
        )
        assert await whole(wire, request) == b"{}"
        assert await whole(wire, HttpRequest("GET", service.url)) == b"{}"
        assert await whole(a_wire(headers={"Host": "api.test", "User-Agent": "mine"}), request) == b"{}"
        first, second, third = service.requests
        assert (first.method, first.target, first.body) == ("POST", "/v1/%7Ea%2fb?q=%20", b"{}")
        agent = first.headers["user-agent"]
        assert agent.startswith("chatport/")
        assert first.header_lines == (
            ("Host", f"127.0.0.1:{service.port}"),
            ("X-One", "1"),
            ("X-Team", "7"),
            ("authorization", "Bearer other"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", agent),
            ("Content-Length", "2"),
        )
        assert (second.method, second.target, second.body) == ("GET", "/", b"")
        assert "content-length" not in second.headers
        assert (third.headers["host"], third.headers["user-agent"]) == ("api.test", "mine")
        await wire.aclose()


async def test_a_stream_comes_as_it_is_sent() -> None:
    """Events are there as soon as their bytes are, while the service still holds the rest."""
    with HttpService() as service:
        events = (b"data: one\n\n", b"data: two\n\nda", HttpStep.HOLD, b"ta: three\n\n")
        service.reply(HttpReply(body=events, headers={"X-Request-Id": "r-1", "X-Two": "a"}))
        wire = a_wire()
        reader = EventReader()
        found: list[str] = []
        async with await wire.send(a_request(service), model="a-model") as response:
            assert (response.status, response.request_id, response.headers["x-two"]) == (200, "r-1", "a")
            while len(found) < 2:
                found += [event.data for event in reader.feed(await response.read(has_begun=True))]
            assert wire.load() == Load(1, 0, 1000)
            service.release()
            while piece := await response.read(has_begun=True):
                found += [event.data for event in reader.feed(piece)]
            assert await response.read(has_begun=True) == b""
        assert found == ["one", "two", "three"]
        assert wire.load() == Load(0, 0, 1000)
        await wire.aclose()


async def test_a_service_has_a_name_of_its_own_for_the_request() -> None:
    """A wire that is told the header has it in answers and in its own errors; the usual ones count after it."""
    wire = HttpWire(HttpOptions(), backend="tested", request_id_headers=["X-Zebra-Trace"])
    with HttpService() as service:
        both = {"x-zebra-trace": "zebra-1", "x-request-id": "r-1"}
        service.reply(
            HttpReply(body=(b"data: one\n\n", HttpStep.CLOSE), headers=both),
            HttpReply(headers={"x-request-id": "r-1"}),
        )
        async with await wire.send(a_request(service)) as response:
            assert response.request_id == "zebra-1"
            with pytest.raises(StreamInterruptedError) as caught:
                while await response.read(has_begun=True):
                    pass
        assert (caught.value.request_id, caught.value.status) == ("zebra-1", 200)
        async with await wire.send(a_request(service)) as response:
            assert response.request_id == "r-1"
        await wire.aclose()


@pytest.mark.parametrize("size", [1, 2, 3, 7, None])
@pytest.mark.parametrize("framing", ["chunks", "length", "end"])
async def test_bodies_come_whole_however_they_are_cut(framing: str, size: int | None) -> None:
    """Chunks, a length, or up to the end of the connection; heads and bodies in writes of a few bytes."""
    with HttpService() as service:
        parts = (b"a" * 10, b"\r\n0\r\n\r\n", b"b" * 17)
        service.reply_always(HttpReply(body=parts, framing=framing, write_size=size))  # type: ignore[arg-type] # a text of three
        wire = a_wire()
        for _ in range(3):
            assert await whole(wire, a_request(service)) == b"".join(parts)
        assert len(service.connections) == (3 if framing == "end" else 1)
        await wire.aclose()


async def test_other_statuses_are_answers() -> None:
    """An error and a redirect come back as they are; nothing is followed, and cookies are not kept."""
    with HttpService() as service:
        elsewhere = {"Location": f"{service.url}/elsewhere", "Set-Cookie": "a=b"}
        service.reply(HttpReply(status=307, headers=elsewhere, body=b"there"))
        service.reply(HttpReply(status=429, headers={"Retry-After": "3"}, body=b"slow"))
        service.reply(HttpReply(body=(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",), framing="raw"))
        service.reply(
            HttpReply(
                body=(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx"),
                framing="raw",
            )
        )
        wire = a_wire()
        async with await wire.send(a_request(service)) as response:
            assert (response.status, await response.read_error()) == (307, b"there")
        async with await wire.send(a_request(service)) as response:
            assert (response.status, await response.read_error(limit=2)) == (429, b"sl")
        async with await wire.send(a_request(service)) as response:
            assert (response.status, await response.read_all()) == (204, b"")
        assert await whole(wire, a_request(service)) == b"x"
        assert [request.target for request in service.requests] == ["/v1/answers?a=b"] * 4
        assert "cookie" not in service.requests[-1].headers
        assert len(service.connections) == 1
        await wire.aclose()


async def test_large_requests_and_answers() -> None:
    """Megabytes go up and come down, over one connection."""
    with HttpService() as service:
        service.reply_always(lambda request: HttpReply(body=request.body))
        wire = a_wire()
        for size in (1, 16_000, 70_000, 5_000_000):
            assert len(await whole(wire, a_request(service, body=b"a" * size))) == size
        assert [len(request.body) for request in service.requests] == [1, 16_000, 70_000, 5_000_000]
        assert len(service.connections) == 1
        await wire.aclose()


async def test_what_is_read_has_a_limit() -> None:
    """A whole body stops at its limit, an error's body is cut, and what follows a stream is read up to a bound."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a" * 1_000_000))
        wire = a_wire()
        async with await wire.send(a_request(service)) as response:
            with pytest.raises(ProtocolError, match="longer than 1000 bytes"):
                await response.read_all(limit=1000)
        async with await wire.send(a_request(service)) as response:
            assert len(await response.read_error()) == 64 * 1024
        async with await wire.send(a_request(service)) as response:
            assert len(await response.read_end()) == 64 * 1024
        await service.until_closed(service.connections[-1])
        assert wire.load().in_flight == 0
        await wire.aclose()


async def test_compressed_answers_are_refused() -> None:
    """Nobody asked for them, and a few bytes could become gigabytes."""
    with HttpService() as service:
        wire = a_wire()
        for encoding in ("gzip", "br, identity"):
            service.reply(HttpReply(body=b"1234", headers={"Content-Encoding": encoding}))
            with pytest.raises(ProtocolError, match=f"compressed .'{encoding}'"):
                await whole(wire, a_request(service))
        service.reply(HttpReply(body=b"1234", headers={"Content-Encoding": "identity"}))
        assert await whole(wire, a_request(service)) == b"1234"
        await wire.aclose()


@pytest.mark.parametrize(
    "extra",
    [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake"],
    ids=["a byte", "an answer"],
)
@pytest.mark.parametrize("chunked", [True, False])
async def test_what_follows_an_answer_is_no_answer(extra: bytes, chunked: bool) -> None:
    """A connection that has more than was asked for has no other request."""
    with HttpService() as service:
        head = b"HTTP/1.1 200 OK\r\n" + (
            b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: 4\r\n\r\n"
        )
        body = b"4\r\nreal\r\n0\r\n\r\n" if chunked else b"real"
        service.reply(HttpReply(body=(head + body + extra,), framing="raw"), HttpReply(body=b"next"))
        wire = a_wire()
        assert await whole(wire, a_request(service)) == b"real"
        assert await whole(wire, a_request(service)) == b"next"
        assert len(service.connections) == 2
        await wire.aclose()


async def test_unusual_chunks_are_read() -> None:
    """Extensions and trailers are left to httpcore2, which knows them; only the connection is not kept for them."""
    with HttpService() as service:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        service.reply(
            HttpReply(body=(head, b"3\r\none\r\n", b"3;a=b\r\ntwo\r\n", b"0\r\nX-Sum: 1\r\n\r\n"), framing="raw")
        )
        service.reply(
            HttpReply(body=(head + b"3\r\none\r\n3;a", b"=b\r\ntwo\r\n" * 3000, HttpStep.CLOSE), framing="raw")
        )
        wire = a_wire()
        assert await whole(wire, a_request(service)) == b"onetwo"
        with pytest.raises(TransportError):
            await whole(wire, a_request(service))
        assert len(service.connections) == 2
        await wire.aclose()


async def test_requests_that_cannot_be_sent() -> None:
    """An address or a header that HTTP does not allow: the error shows neither, and nothing is sent."""
    with HttpService() as service:
        wire = a_wire()
        for url in ("ftp://a/b", "nothing", "http://h\u00e9/", "http://a:b/", f"{service.url}/\u00e9"):
            with pytest.raises(ConfigurationError, match="address") as caught:
                await wire.send(HttpRequest("POST", url))
            assert url not in str(caught.value)
        for value in (f"{KEY}\nX: y", f"{KEY}\0"):
            with pytest.raises(ConfigurationError, match="not what HTTP allows") as caught:
                await wire.send(HttpRequest("POST", service.url, (("Authorization", value),)))
            assert KEY not in repr(caught.value)
        assert not service.requests
        assert wire.load().in_flight == 0
        await wire.aclose()


async def test_the_limits_of_a_request_lie_over_those_of_the_options() -> None:
    """What is given with a request counts before what the wire was made with."""
    with HttpService() as service:
        service.reply_always(HttpReply(before=HttpStep.HOLD))
        wire = a_wire(timeouts=Timeouts(first_event=50))
        with pytest.raises(TransportError, match=r"within 0\.05 seconds"):
            await wire.send(a_request(service), Timeouts(first_event=0.05))
        await wire.aclose()
