"""Long requests: they arrive whole, hold nothing up, and are left as quickly as short ones."""

import base64
import gc
import json
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from bedrock_support.answers import MODEL, REQUEST_ID, stream, unary
from bedrock_support.http_bytes import whole
from bedrock_support.loopback import PATIENCE, End, LoopbackServer

import chatport
from chatport import InvalidRequestError, TransportError
from chatport_bedrock import _wire
from chatport_bedrock._signature import sign
from chatport_bedrock.emulator import Credentials, Emulator

pytestmark = pytest.mark.anyio

# More than the buffers of two sockets hold.
_LONG = 20_000_000
_SIZES = [2**16 - 200, 2**16 + 1, 2**20 + 1, _LONG]


@pytest.mark.parametrize("size", _SIZES)
async def test_a_long_request_arrives_whole(size: int, server: LoopbackServer, options: dict[str, Any]) -> None:
    """As one body with its length, over a connection that is used again; nothing warns about its size."""
    words = "".join(chr(97 + number % 26) for number in range(26)) * (size // 26)
    server.answer(unary())
    server.answer(stream("Hello"))
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        await session.ask(words)
        async with session.stream("hi") as reading:
            await reading.finish()
    first = server.requests[0]
    assert json.loads(first.body)["messages"][0]["content"] == [{"text": words}]
    assert first.headers["content-length"] == str(len(first.body))
    assert "transfer-encoding" not in first.headers
    assert len(server.connections) == 1


async def test_a_long_request_is_signed_as_it_is_sent(server: LoopbackServer, options: dict[str, Any]) -> None:
    """With keys in place of a token the body is hashed first; it goes out the same."""
    server.answer(unary())
    options = {**options, "api_key": None, "access_key_id": "id", "secret_access_key": "secret"}
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        await session.ask("x" * 3_000_000)
    assert len(server.requests[0].body) > 3_000_000
    assert server.requests[0].headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


@pytest.mark.parametrize("size", [100_000, 1_500_000])
async def test_images_arrive_as_they_are(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed, and base64 in pieces; what takes long for a large one is done in a thread, for a small one in place."""
    keys = Credentials("AKIDEXAMPLE", "not-a-secret")
    image = b"\x89PNG\r\n\x1a\n" + bytes(16) + bytes(number % 253 for number in range(size))
    threads: list[int] = []

    def noting_sign(*arguments: Any, **members: Any) -> dict[str, str]:
        threads.append(threading.get_ident())
        return sign(*arguments, **members)

    monkeypatch.setattr(_wire, "sign", noting_sign)
    with Emulator(credentials=keys) as emulator:
        options = {"endpoint_url": emulator.url, "region": "us-east-1", "access_key_id": keys.access_key_id}
        options["secret_access_key"] = keys.secret_access_key
        async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
            await session.ask("What is it?", chatport.Image.from_bytes(image))
        body = emulator.requests[0].body
    assert base64.b64decode(body["messages"][0]["content"][1]["image"]["source"]["bytes"]) == image
    assert [thread == threading.get_ident() for thread in threads] == [size < 2**18]


async def test_others_run_meanwhile(server: LoopbackServer, options: dict[str, Any]) -> None:
    """While a long request is written to a server that takes its time, the event loop has time for other tasks."""
    server.reads_bodies = False
    hold = server.hold()
    server.answer(hold, End.DRAIN)
    turns = 0

    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(session.ask, "x" * _LONG)
                await hold.until_reached()
                with anyio.move_on_after(0.1):
                    while True:
                        await anyio.lowlevel.checkpoint()
                        turns += 1
                scope.cancel()
        hold.release()
        await server.connections[0].until_closed()
    assert turns > 100


async def test_leaving_while_the_server_takes_its_time(server: LoopbackServer, options: dict[str, Any]) -> None:
    """What is not written yet is never written: the connection is closed at once, and leaves nothing behind."""
    server.reads_bodies = False
    hold = server.hold()
    server.answer(hold, End.DRAIN)
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        async with anyio.create_task_group() as group:
            group.start_soon(session.ask, "x" * _LONG)
            await hold.until_reached()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        hold.release()
        released = time.monotonic()
        assert await server.connections[0].until_closed() - released <= 1  # a busy machine is late
        assert server.connections[0].drained < _LONG
        assert session.messages == ()
    gc.collect()


async def test_a_refusal_before_the_request_was_read(server: LoopbackServer, options: dict[str, Any]) -> None:
    """A proxy that finds a request too large says so without reading it: that is the error, not a broken pipe."""
    server.reads_bodies = False
    headers = {"x-amzn-RequestId": REQUEST_ID, "Connection": "close"}
    server.answer(whole(b'{"message":"too large"}', status="413 Payload Too Large", headers=headers), End.DRAIN)
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session:
        with pytest.raises(InvalidRequestError, match="too large") as caught:
            await session.ask("x" * _LONG)
        await server.connections[0].until_closed()
    assert (caught.value.status, caught.value.request_id) == (413, REQUEST_ID)


async def test_a_connection_that_breaks_while_it_is_written_to(server: LoopbackServer, options: dict[str, Any]) -> None:
    """It is a failure of the transport that may be tried again."""
    server.reads_bodies = False
    server.answer(End.RST)
    async with chatport.open_session(f"bedrock:{MODEL}", backend_options=options, retry=None) as session:
        with pytest.raises(TransportError, match="before an answer came") as caught:
            await session.ask("x" * _LONG)
    assert type(caught.value) is TransportError
    assert (caught.value.phase, caught.value.retryable) == ("request", True)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_loop_ends_while_the_server_takes_its_time(
    loop: str, server: LoopbackServer, options: dict[str, Any]
) -> None:
    """A request left half written does not outlive its event loop, though the server has not taken a byte."""
    server.reads_bodies = False
    hold = server.hold()
    server.answer(hold, End.DRAIN)

    async def leave() -> None:
        async with (
            chatport.open_session(f"bedrock:{MODEL}", backend_options=options) as session,
            anyio.create_task_group() as group,
        ):
            group.start_soon(session.ask, "x" * _LONG)
            await hold.until_reached()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    anyio.run(leave, backend=loop)
    gc.collect()
    hold.release()
    assert server.connections[0].closed.wait(PATIENCE)
