"""What the HTTP wire sends, what it hands out, and that it keeps connections that may be kept."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.http_exchanges import KEY, a_request, a_wire, whole

from chatport.backend import (
    ConfigurationError,
    Load,
    ProtocolError,
    StreamInterruptedError,
    Timeouts,
    TransportError,
)
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


async def test_the_end_of_a_stream_saves_the_connection() -> None:
    """Who stops at the last event reads the end, and the next request has the same connection; else it is another."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"data: [DONE]\n\n",), write_size=1000))
        wire = a_wire()
        for _ in range(2):
            async with await wire.send(a_request(service)) as response:
                assert await response.read(has_begun=True) == b"data: [DONE]\n\n"
                assert await response.read_end() == b""
        assert len(service.connections) == 1
        service.reply(HttpReply(body=(b"data: [DONE]\n\n", HttpStep.HOLD)))
        async with await wire.send(a_request(service)) as response:
            assert await response.read(has_begun=True)
        assert await whole(wire, a_request(service))
        assert len(service.connections) == 2
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


async def test_idle_connections_that_the_service_closed_are_not_used() -> None:
    """A kept connection that has ended meanwhile is replaced without a word: nothing was sent on it."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        for number in range(1, 4):
            service.reply(
                HttpReply(body=(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", HttpStep.CLOSE), framing="raw")
            )
            assert await whole(wire, a_request(service)) == b"a"
            await service.until_closed(service.connections[-1])
            assert len(service.connections) == number
        await wire.aclose()


async def test_connections_of_a_burst_are_used_again() -> None:
    """The connection that was used last is taken first; a burst has as many as it needs."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD, b"b")))
        wire = a_wire()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(whole, wire, a_request(service))
            await service.until_held(10)
            assert wire.load() == Load(10, 0, 1000)
            service.release()
        for _ in range(10):
            await whole(wire, a_request(service))
        assert len(service.connections) == 10
        await wire.aclose()


async def test_places_are_given_in_order() -> None:
    """No more connections than there may be; who waits is counted, and served in the order of coming."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = a_wire(max_connections=1)
        order: list[int] = []

        async def ask(number: int) -> None:
            await whole(wire, a_request(service, f"/{number}"))
            order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(ask, number)
                while sum((wire.load().in_flight, wire.load().waiting)) <= number:
                    await anyio.lowlevel.checkpoint()
            await service.until_held()
            assert wire.load() == Load(1, 5, 1)
            service.release()
        assert order == list(range(6))
        assert [request.target for request in service.requests] == [f"/{number}" for number in range(6)]
        assert len(service.connections) == 1
        assert wire.load() == Load(0, 0, 1)
        await wire.aclose()


async def test_closing_twice_and_asking_again() -> None:
    """Closing ends kept connections and may be repeated; who asks afterwards gets new ones."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        await wire.aclose()
        for number in range(1, 3):
            assert await whole(wire, a_request(service)) == b"a"
            await wire.aclose()
            await wire.aclose()
            await service.until_closed(service.connections[-1])
            assert len(service.connections) == number


async def test_closing_in_the_middle() -> None:
    """Closing ends streams that are being read, and who waits for a place is told."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=(b"a", HttpStep.HOLD)))
        wire = a_wire(max_connections=1)
        errors: list[Exception] = []

        async def wait_for_place() -> None:
            try:
                await whole(wire, a_request(service))
            except TransportError as error:
                errors.append(error)

        async with anyio.create_task_group() as group, await wire.send(a_request(service)) as response:
            assert await response.read(has_begun=False) == b"a"
            group.start_soon(wait_for_place)
            while not wire.load().waiting:
                await anyio.lowlevel.checkpoint()
            await wire.aclose()
            with pytest.raises(StreamInterruptedError, match="was closed while somebody waited") as caught:
                await response.read(has_begun=True)
            assert not caught.value.retryable
        assert "closed while the request waited" in str(errors[0])
        await service.until_left()
        assert wire.load().in_flight == 0


@pytest.mark.parametrize("before", [HttpStep.HOLD, None])
async def test_closing_while_an_answer_is_awaited(before: HttpStep | None) -> None:
    """Before its head, or in its body: who waits is told, and not to ask again, over connections that nobody closes."""
    with HttpService() as service:
        service.reply(HttpReply(body=(b"a", HttpStep.HOLD), before=before))
        wire = a_wire()
        errors: list[TransportError] = []

        async def ask() -> None:
            with pytest.raises(TransportError, match="was closed while somebody waited") as caught:
                await whole(wire, a_request(service))
            errors.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await service.until_held()
            await anyio.wait_all_tasks_blocked()
            await wire.aclose()
        assert [(error.retryable, error.phase) for error in errors] == [(False, "request")]
        assert wire.load().in_flight == 0


async def test_an_answer_that_nobody_closes_is_told() -> None:
    """It keeps its place for ever, which nobody would find."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        await whole(wire, a_request(service))
        response = await wire.send(a_request(service))
        with pytest.warns(ResourceWarning, match="'tested' was dropped: use it in `async with`"):
            del response
            gc.collect()
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


async def test_a_burst_on_a_new_wire_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come first together wait for one thread, which loads the library once."""
    with HttpService() as service:
        service.reply_always(HttpReply(body=b"a"))
        wire = a_wire()
        loads: list[int] = []
        load = wire._pool._load_library

        def note() -> Any:
            loads.append(1)
            return load()

        monkeypatch.setattr(wire._pool, "_load_library", note)
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(whole, wire, a_request(service))
        assert (loads, len(service.requests)) == ([1], 20)
        await wire.aclose()
