"""The first request reads files, builds a TLS context and looks a host up: none of it holds up the event loop."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from bedrock_support.answers import MODEL, stream, unary
from bedrock_support.loopback import LoopbackServer

_CERTIFICATE = Path(__file__).parent / "bedrock_support" / "localhost.pem"

# In an interpreter of its own nothing is loaded or cached yet. Python tells of whatever opens a file, lists a folder,
# imports, starts a program, sleeps or looks a name up; what happens in the loop's thread while it runs is blocking.
_PROGRAM = """
import json, socket, sys, threading
import anyio
{imports}

seen, loop_thread = [], None

def listen(event, arguments):
    if threading.get_ident() != loop_thread:
        return
    if event in {{"open", "os.listdir", "os.scandir", "import", "subprocess.Popen", "time.sleep"}}:
        seen.append(f"{{event}} {{arguments[0]!r}}")
    if event == "socket.getaddrinfo" and sys._getframe(2).f_globals["__name__"] != "trio._socket":
        # trio asks on the loop whether a host is a number, which looks nothing up; names it looks up in a thread.
        seen.append(f"{{event}} {{arguments[0]!r}}")

async def main():
    import chatport
    global loop_thread
    # What Python, anyio and the loops load when they are first used is theirs.
    await anyio.to_thread.run_sync(int)
    await anyio.getaddrinfo("localhost".encode("idna"), 1)
    loop_thread = threading.get_ident()
    async with chatport.open_session(sys.argv[1], backend_options=json.loads(sys.argv[2])) as session:
        reply = await session.ask("hi")
        async with session.stream("hi") as reading:
            text = [piece async for piece in reading.text]
    loop_thread = None
    print(json.dumps([reply.text, text, seen]))

sys.addaudithook(listen)
anyio.run(main, backend={loop!r})
"""


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_nothing_blocks_the_event_loop(loop: str, tmp_path: Path) -> None:
    """With a profile, a CA bundle and a host name: files and names are read in worker threads."""
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-1\n")
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = id\naws_secret_access_key = secret\n")
    environment = os.environ | {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CA_BUNDLE": str(_CERTIFICATE),
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    with LoopbackServer(tls=context) as server:
        server.answer(unary())
        server.answer(stream("Hel", "lo"))
        options = {"profile": "work", "endpoint_url": f"https://localhost:{server.port}"}
        imports = "import trio" if loop == "trio" else "import asyncio"
        finished = subprocess.run(
            [
                *(sys.executable, "-W", "error", "-c", _PROGRAM.format(loop=loop, imports=imports)),
                *(f"bedrock:{MODEL}", json.dumps(options)),
            ],
            capture_output=True,
            check=False,
            env=environment,
            text=True,
            timeout=60,
        )
    assert finished.returncode == 0, finished.stderr
    text, pieces, blocking = json.loads(finished.stdout)
    assert (text, pieces) == ("Hello!", ["Hel", "lo"])
    assert not blocking, "\n".join(blocking)
