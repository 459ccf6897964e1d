"""The emulator and its clients: who may ask, what is remembered of them, how they leave, how they are kept waiting."""

import json
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest
from bedrock_support.emulation import AUTHORIZATION, CLAUDE, converse, post, raw_request, read_events, user

from chatport_bedrock.emulator import Answer, Credentials, Disconnect, Emulator, Hold, RecordedRequest
from chatport_bedrock.emulator._journal import Journal

HELLO = {"messages": [user("Hello!")]}
STORY = {"messages": [user("Tell me a story.")]}
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/bedrock/aws4_request, "
    f"SignedHeaders=content-type;host;x-amz-date, Signature={'a' * 64}"
)

KEYS = Credentials("AKIDEXAMPLE", "not-a-secret", "a-token")


# --- who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "settings", "code"),
    [
        ({}, {}, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer "}, {}, "MissingAuthenticationTokenException"),
        ({"authorization": "Basic YTpi"}, {}, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer any"}, {}, None),
        ({"authorization": "bearer right"}, {"api_key": "right"}, None),
        ({"authorization": "Bearer wrong"}, {"api_key": "right"}, "AccessDeniedException"),
        ({"authorization": "Bearer any"}, {"credentials": KEYS}, "AccessDeniedException"),
        ({"authorization": SIGNED}, {}, "IncompleteSignatureException"),
        ({"authorization": SIGNED[:-1], "x-amz-date": "x"}, {}, "IncompleteSignatureException"),
        ({"authorization": SIGNED, "x-amz-date": "x"}, {}, None),
        ({"authorization": SIGNED, "x-amz-date": "x"}, {"api_key": "right"}, "UnrecognizedClientException"),
        ({"authorization": SIGNED.replace("/bedrock/", "/s3/"), "x-amz-date": "x"}, {}, "InvalidSignatureException"),
    ],
)
def test_authentication(headers: dict[str, str], settings: dict[str, Any], code: str | None) -> None:
    """A bearer key or a signature is needed; where a key is given, the other kind is refused; else it is a 403."""
    with Emulator(**settings) as emulator:
        status, answered, body = post(emulator, HELLO, headers=headers)
        assert status == (200 if code is None else 403)
        if code is not None:
            assert answered["x-amzn-errortype"].partition(":")[0] == code
            assert json.loads(body)["message"]


def test_keys_are_in_no_repr() -> None:
    """What belongs to the test itself is not printed: neither key nor token."""
    assert "not-a-secret" not in repr(KEYS)
    assert "a-token" not in repr(KEYS)
    with Emulator() as emulator:
        post(emulator, HELLO, headers={"authorization": "Bearer secret-key"})
        assert "secret-key" not in repr(emulator.requests[0])


# --- what it remembers -----------------------------------------------------------------------------------------------


def test_requests_are_recorded() -> None:
    """Operation, model, headers and body can be looked at, of refused requests too."""
    with Emulator() as emulator:
        post(emulator, HELLO, model=CLAUDE, operation="converse-stream")
        post(emulator, b"{", headers={"X-Custom": "yes"})
        first, second = emulator.requests
        assert (first.operation, first.model, first.method) == ("ConverseStream", CLAUDE, "POST")
        assert first.body == HELLO
        assert first.headers["authorization"] == AUTHORIZATION
        assert (second.raw_body, second.headers["x-custom"]) == (b"{", "yes")
        assert first.received_at < second.received_at <= time.monotonic()


def test_memory_is_bounded_in_number() -> None:
    """Only the newest requests are kept; all are counted."""
    with Emulator(max_requests=3) as emulator:
        for number in range(10):
            converse(emulator, user(f"Hello {number}"))
        assert [request.body["messages"][0]["content"][0]["text"] for request in emulator.requests] == [
            "Hello 7",
            "Hello 8",
            "Hello 9",
        ]
        assert emulator.request_count == 10


def test_memory_is_bounded_in_bytes() -> None:
    """Large bodies push old ones out; the newest is kept whatever its size; a journal of nothing is refused."""
    journal = Journal(max_requests=10, max_bytes=100)
    for size in (40, 50, 20, 500):
        journal.add_request(RecordedRequest("Converse", "m", "POST", "/", {}, bytes(size), 0.0))
        kept = [len(request.raw_body) for request in journal.requests]
        assert kept == {40: [40], 50: [40, 50], 20: [50, 20], 500: [500]}[size]
    assert journal.request_count == 4
    with pytest.raises(ValueError, match="at least one request"):
        Journal(max_requests=0, max_bytes=100)


def test_waiting_ends_with_an_error() -> None:
    """Who waits for what does not happen is told so after the time that he gave it."""
    with Emulator() as emulator:
        with pytest.raises(TimeoutError, match="0 of 1 requests have arrived"):
            emulator.wait_for_requests(timeout=0.01)
        converse(emulator, user("Hello!"))
        emulator.wait_for_requests()


# --- clients that leave ----------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_a_client_that_leaves_is_noticed(operation: str) -> None:
    """While an answer is held, the end of its connection is noticed at once, with how much had been sent."""
    hold = Hold(after_events=3) if operation == "converse-stream" else Hold()
    async with Emulator([Answer(hold=hold)]) as emulator:
        address = urlsplit(emulator.url)
        assert address.hostname is not None
        assert address.port is not None
        client = await anyio.connect_tcp(address.hostname, address.port)
        await client.send(raw_request(emulator, STORY, operation=operation))
        await anyio.to_thread.run_sync(emulator.wait_for_holds)
        left = time.monotonic()
        await client.aclose()
        await anyio.to_thread.run_sync(emulator.wait_for_disconnects)
        (disconnect,) = emulator.disconnects
        assert isinstance(disconnect, Disconnect)
        assert disconnect.at - left < 1  # a busy machine is late
        assert disconnect.parts_sent == (3 if operation == "converse-stream" else 0)
        assert disconnect.request == emulator.requests[0]


def test_a_client_that_does_not_read_and_leaves_is_noticed() -> None:
    """An answer too large for the buffers stops being written, and its client's end is noticed too."""
    words = " ".join("long" * 2000 for _ in range(4000))  # more than the buffers of both sides together take
    body = {"output": {"message": {"content": [{"text": words}]}}, "stopReason": "end_turn", "usage": {}, "metrics": {}}
    with Emulator([Answer(body=body)]) as emulator:
        address = urlsplit(emulator.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            client.sendall(raw_request(emulator, STORY, operation="converse-stream"))
            assert client.recv(1)
        emulator.wait_for_disconnects()
        assert 0 < emulator.disconnects[0].parts_sent < 4000


def test_a_client_that_has_read_everything_is_none_that_left() -> None:
    """Closing the connection behind a complete answer is no disconnect."""
    with Emulator() as emulator:
        for _ in range(20):
            post(emulator, STORY, operation="converse-stream")
    assert emulator.disconnects == ()


# --- holding, waiting ------------------------------------------------------------------------------------------------


def test_a_hold_waits_for_its_release() -> None:
    """Nothing comes before the release; a release that comes first is not lost."""
    with Emulator([Answer(hold=Hold()), Answer(hold=Hold(after_events=0))]) as emulator:
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(post(emulator, HELLO)[0]))
        asking.start()
        emulator.wait_for_holds()
        assert answers == []
        emulator.release(2)
        asking.join()
        assert answers == [200]
        assert post(emulator, HELLO, operation="converse-stream")[0] == 200
        emulator.wait_for_holds(2)


def test_answers_can_take_their_time() -> None:
    """`delay` comes once, `pace` before each event; without them a stream takes none."""
    with Emulator([Answer(delay=0.05), Answer(pace=0.001)]) as emulator:
        before = time.monotonic()
        post(emulator, HELLO)
        assert time.monotonic() - before >= 0.05
        before = time.monotonic()
        _, _, body = post(emulator, STORY, operation="converse-stream")
        assert time.monotonic() - before >= 0.001 * len(read_events(body))
