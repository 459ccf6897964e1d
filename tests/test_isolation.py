"""The conftest keeps its word: nothing of the machine and nothing of the network gets into a test."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

_ROOT = Path(__file__).resolve().parents[1]

# Reserved for documentation: routed nowhere, so even a broken guard would reach nobody.
_OUTSIDE = "192.0.2.1"
_OUTSIDE_V6 = "2001:db8::1"


def test_no_aws_and_no_chatport_variable_is_left() -> None:
    """Only the variables that the conftest sets itself begin with AWS_; none begins with CHATPORT_."""
    found = {name for name in os.environ if name.upper().startswith(("AWS_", "CHATPORT_"))}
    assert found == {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}
    assert not Path(os.environ["AWS_CONFIG_FILE"]).exists()
    assert not Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).exists()
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"


@pytest.mark.parametrize("run", [1, 2])
def test_what_a_test_leaves_behind_is_gone_in_the_next(run: int) -> None:
    """A variable set without monkeypatch is seen by no later test."""
    assert "AWS_REGION" not in os.environ
    os.environ["AWS_REGION"] = f"set by run {run}"


@pytest.mark.parametrize("name", ["connect", "connect_ex"])
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, (_OUTSIDE, 443)), (socket.AF_INET6, (_OUTSIDE_V6, 443))],
    ids=["IPv4", "IPv6"],
)
def test_connections_to_the_outside_are_refused(
    name: str, family: socket.AddressFamily, address: tuple[str, int], network_attempts: list[str]
) -> None:
    """TCP to a public address is refused before a packet leaves, and remembered."""
    with socket.socket(family) as sock, pytest.raises(RuntimeError, match="loopback only"):
        getattr(sock, name)(address)
    assert network_attempts == [f"socket.connect to {address[0]!r}"]
    network_attempts.clear()


def test_datagrams_and_look_ups_are_refused(network_attempts: list[str]) -> None:
    """UDP and DNS count as network too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(RuntimeError, match="loopback only"):
        sock.sendto(b"ping", (_OUTSIDE, 53))
    with pytest.raises(RuntimeError, match="loopback only"):
        socket.getaddrinfo("chatport.invalid", 443)
    assert network_attempts == [f"socket.sendto to {_OUTSIDE!r}", "socket.getaddrinfo to 'chatport.invalid'"]
    network_attempts.clear()


@pytest.mark.anyio
async def test_both_event_loops_are_guarded(network_attempts: list[str]) -> None:
    """The loops' own ways to open a connection meet the same guard, whatever they wrap the refusal in."""
    with pytest.raises((RuntimeError, OSError, ExceptionGroup)):
        await anyio.connect_tcp(_OUTSIDE, 443)
    assert network_attempts, "the attempt went unseen"
    network_attempts.clear()


@pytest.mark.anyio
async def test_loopback_is_open() -> None:
    """A server on loopback can be reached by address and by name: tests need nothing else."""
    received = anyio.Event()

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            assert await stream.receive() == b"ping"
            received.set()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    with anyio.fail_after(5):
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handle)
            async with await anyio.connect_tcp("localhost", port) as client:
                await client.send(b"ping")
                await received.wait()
            tasks.cancel_scope.cancel()


def test_swallowing_the_refusal_does_not_help(tmp_path: Path) -> None:
    """A test that tries to leave the machine, and hides that it was refused, fails all the same."""
    shutil.copy(_ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(
        "import contextlib, socket\n"
        "def test_hides_it():\n"
        "    with socket.socket() as sock, contextlib.suppress(Exception):\n"
        f"        sock.connect(({_OUTSIDE!r}, 443))\n"
    )
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    result = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout + result.stderr
    assert f"the test reached for the network: socket.connect to {_OUTSIDE!r}" in result.stdout
