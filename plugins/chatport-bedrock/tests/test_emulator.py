"""The emulator as a server: its life, its addresses, what it remembers, who may ask."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import pytest
from bedrock_support.emulation import (
    CLAUDE,
    NOVA,
    assert_valid_answer,
    assert_valid_events,
    assistant,
    converse,
    image,
    post,
    raw_request,
    read_events,
    user,
)

from chatport_bedrock.emulator import Answer, Emulator, Hold, HttpError
from chatport_bedrock.emulator.__main__ import main
from chatport_bedrock.emulator.demo import demo

HELLO = {"messages": [user("Hello!")]}
STORY = {"messages": [user("Tell me a story.")]}


def emulator_threads() -> list[threading.Thread]:
    """The threads that emulators have left running."""
    return [thread for thread in threading.enumerate() if thread.name == "bedrock-emulator"]


# --- its life --------------------------------------------------------------------------------------------------------


def test_nothing_is_left_after_the_block() -> None:
    """The thread has ended and nobody listens any more; what was recorded can be read; closing again is harmless."""
    with Emulator() as emulator:
        converse(emulator, user("Hello!"))
        assert len(emulator_threads()) == 1
    assert emulator_threads() == []
    address = urlsplit(emulator.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port))
    assert len(emulator.requests) == 1
    emulator.close()


@pytest.mark.anyio
async def test_it_serves_on_both_loops() -> None:
    """`async with` works on asyncio and on trio, and the emulator answers while the loop goes on."""
    async with Emulator() as emulator:
        status, _, _ = await anyio.to_thread.run_sync(lambda: post(emulator, HELLO))
        assert status == 200
    assert emulator_threads() == []


@pytest.mark.anyio
async def test_it_stops_when_the_block_is_cancelled() -> None:
    """A cancelled block waits for the end of the server all the same."""
    with anyio.CancelScope() as scope:
        async with Emulator():
            assert len(emulator_threads()) == 1
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert emulator_threads() == []


def test_two_at_once_do_not_know_each_other() -> None:
    """Each has its port, its script and its memory."""
    with Emulator([HttpError(503, "ServiceUnavailableException", "later")]) as one, Emulator() as other:
        assert one.url != other.url
        assert post(other, HELLO)[0] == 200
        assert post(one, HELLO)[0] == 503
        assert (one.request_count, other.request_count) == (1, 1)


def test_misuse_is_told() -> None:
    """Asking where it listens, releasing, or starting it at the wrong time is a RuntimeError."""
    emulator = Emulator()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    with pytest.raises(RuntimeError, match="not running"):
        emulator.release()
    with emulator, pytest.raises(RuntimeError, match="running already"):
        emulator.start()


def test_a_taken_port_is_an_error_where_it_is_started() -> None:
    """The OSError comes out of `start`, no thread is left, and the emulator can be started on another port later."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        emulator = Emulator(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            emulator.start()
        assert emulator_threads() == []
    with emulator:
        converse(emulator, user("Hello!"))


@pytest.mark.anyio
async def test_a_taken_port_is_an_error_on_both_loops() -> None:
    """`async with` fails as `start` does, and leaves nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use"):
            async with Emulator(port=taken.getsockname()[1]):
                pytest.fail("two servers listen on one port")
        assert emulator_threads() == []


def test_closing_ends_answers_in_progress() -> None:
    """An answer that is held does not hold up the end: its client sees the connection break, which is no disconnect."""
    with Emulator([Answer(hold=Hold(after_events=1))]) as emulator:
        address = urlsplit(emulator.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as client:
            client.sendall(raw_request(emulator, STORY, operation="converse-stream"))
            emulator.wait_for_holds()
            before = time.monotonic()
            emulator.close()
            assert time.monotonic() - before < 1
            with pytest.raises(ConnectionResetError):
                _read_to_the_end(client)
    assert emulator.disconnects == ()


def _read_to_the_end(client: socket.socket) -> None:
    while client.recv(65536):
        pass


# --- addresses -------------------------------------------------------------------------------------------------------

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"


@pytest.mark.parametrize("model", [NOVA, PROFILE], ids=["id", "ARN"])
@pytest.mark.parametrize("encode", [str, quote, lambda model: quote(model, safe="")], ids=["raw", "colons", "slashes"])
def test_model_ids_come_raw_or_encoded(model: str, encode: type[str]) -> None:
    """Colons and slashes in the model id may be percent-encoded or not; the emulator sees the same id."""
    with Emulator() as emulator:
        assert post(emulator, HELLO, path=f"/model/{encode(model)}/converse")[0] == 200
        assert emulator.requests[0].model == model
        assert emulator.requests[0].operation == "Converse"


@pytest.mark.parametrize(
    "path", ["/", "/model/x/invoke", "/model/x/count", "/model//converse", "/converse", "/model/x/converse/y"]
)
def test_other_operations_are_unknown(path: str) -> None:
    """What is no operation that the emulator has gets the service's error for it, and is recorded too."""
    with Emulator() as emulator:
        status, headers, body = post(emulator, HELLO, path=path)
        assert status == 404
        assert headers["x-amzn-errortype"].startswith("UnknownOperationException:")
        assert path in json.loads(body)["message"]
        assert emulator.requests[0].operation is None


def test_an_answer_looks_like_the_services() -> None:
    """Converse: JSON of known length with a request id of its own, valid by the service's model."""
    with Emulator() as emulator:
        status, headers, body = post(emulator, HELLO)
        assert status == 200
        assert headers["content-type"] == "application/json"
        assert headers["content-length"] == str(len(body))
        assert headers["x-amzn-requestid"] != post(emulator, HELLO)[1]["x-amzn-requestid"]
        assert_valid_answer(json.loads(body))


def test_a_stream_looks_like_the_services() -> None:
    """ConverseStream: an event stream, chunked, one frame in each chunk, padded, events in the recorded order."""
    with Emulator() as emulator:
        status, headers, body = post(emulator, STORY, operation="converse-stream")
        assert status == 200
        assert headers["content-type"] == "application/vnd.amazon.eventstream"
        assert headers["transfer-encoding"] == "chunked"
        assert "content-length" not in headers
        events = read_events(body)
        assert_valid_events(events)
        assert len(events) > 50
        assert len(_chunks(emulator)) == len(events)


def _chunks(emulator: Emulator) -> list[bytes]:
    """The chunks of a streamed answer, read from the socket."""
    address = urlsplit(emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as client:
        client.sendall(raw_request(emulator, STORY, operation="converse-stream"))
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += client.recv(65536)
    rest = received.partition(b"\r\n\r\n")[2]
    chunks = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    assert chunks.pop() == b""
    return chunks


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"messages": NaN}', "SerializationException"),
        (b"\xff", "SerializationException"),
        (b'{"messages": "\xed\xa0\xbd"}', "SerializationException"),  # half of a surrogate pair
        (b"[" * 100_000, "SerializationException"),
        (b"", "ValidationException"),
    ],
    ids=["cut", "array", "NaN", "no UTF-8", "half a pair", "too deep", "empty"],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, code: str) -> None:
    """What is no JSON object gets 400 with a message, not a crash; an empty body is an empty object."""
    with Emulator() as emulator:
        status, headers, answer = post(emulator, body)
        assert status == 400
        assert headers["x-amzn-errortype"].partition(":")[0] == code
        assert json.loads(answer)["message"]


@pytest.mark.parametrize(("model", "status"), [(NOVA, 200), (CLAUDE, 400)])
def test_some_models_refuse_inside_the_stream(model: str, status: int) -> None:
    """Recorded: Nova begins a stream with status 200 and an exception for a bad image; Claude answers 400 at once."""
    with Emulator() as emulator:
        found, headers, body = post(
            emulator, {"messages": [user(image(b"no image"))]}, model=model, operation="converse-stream"
        )
    assert found == status
    if status == 200:
        assert headers["content-type"] == "application/vnd.amazon.eventstream"
        ((name, payload),) = read_events(body)[0].items()
        assert name == "validationException"
        assert payload["message"].startswith(
            "The model returned the following errors: The detected file MIME type text/plain"
        )
    else:
        assert "Could not process image" in json.loads(body)["message"]


def test_nothing_is_checked_where_nobody_wants_it() -> None:
    """Without checks the emulator answers a request that the service would refuse."""
    with Emulator(check_requests=False) as emulator:
        assert post(emulator, {"messages": [assistant("Well?"), user("Hi", " ")], "unknown": 1})[0] == 200


# --- how it is reached -----------------------------------------------------------------------------------------------


def test_it_serves_from_the_command_line() -> None:
    """`python -m` prints the address and how to use it, answers, and ends well when it is interrupted."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "chatport_bedrock.emulator",
        "--port",
        "0",
        "--api-key",
        "secret-key",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            address = urlsplit(url)
            with socket.create_connection((address.hostname, address.port), timeout=20) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert b"UnknownOperationException" in client.recv(65536)
        finally:
            process.terminate()
        rest = process.stdout.read()
    assert process.returncode == 0
    assert "boto3.client" in rest
    assert "secret-key" not in rest


def test_the_command_line_says_why_it_does_not_serve(capsys: pytest.CaptureFixture[str]) -> None:
    """A taken port is one line and exit code 1; the process handles its signals as before."""
    before = signal.getsignal(signal.SIGINT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert capsys.readouterr().err.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.anyio
async def test_the_demo_says_how_to_reach_it() -> None:
    """The demo gives a model, options with a key that only it accepts, a line for people; it ends with its block."""
    async with demo() as running:
        assert running.model.startswith("bedrock:")
        assert running.backend_options["api_key"] not in repr(running)
        assert running.backend_options["endpoint_url"] in running.description
        assert len(emulator_threads()) == 1
    assert emulator_threads() == []


def test_the_plugin_does_not_load_it() -> None:
    """Importing the plugin's package and its entry module loads no server."""
    program = "import sys, chatport_bedrock, chatport_bedrock.plugin; print('aiohttp' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "False", result.stderr
