"""The command as a process: what a shell, a pipe and a keyboard see of it."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from tests.cli.support import SECONDS, Result, run_process, run_program

from chatport.cli import main
from chatport.cli._picture import draw_picture

# A backend that says a few words and then waits for ever, or goes on for ever; it says when it is closed.
HELD = """
import signal, sys
import anyio
import chatport
from chatport.backend import MessageStart, TextDelta
from chatport.cli import main

class Held:
    name = "held"

    async def stream(self, request):
        try:
            print("asked", file=sys.stderr)
            yield MessageStart(request.model)
            yield TextDelta(0, "The beginning")
            while request.model == "endless":
                await anyio.lowlevel.checkpoint()
                yield TextDelta(0, " and so on" * 100)
            while True:  # a loop with nothing to do may miss a signal that comes just as it falls asleep
                await anyio.sleep(0.2)
        finally:
            print("the connection is closed", file=sys.stderr)

    async def aclose(self):
        print("the backend is closed", file=sys.stderr)

# A shell starts what runs in the background with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
chatport.register_backend("held", Held)
sys.exit(main(sys.argv[1:]))
"""

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


@contextmanager
def started(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """The command with the backend above, to be asked as `held:…`, once it has been asked."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HELD, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        while process.stderr.readline() != "asked\n":
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read standard output as far as these words: they came out while the answer was still under way."""
    assert process.stdout is not None
    assert process.stdout.read(len(words)) == words


def end(process: subprocess.Popen[str]) -> Result:
    """Wait for the process and return what it left."""
    output, errors = process.communicate(timeout=SECONDS)
    return Result(process.returncode, output, errors)


@posix_only
@pytest.mark.parametrize("more", [[], ["--debug"]], ids=["plain", "debug"])
def test_an_interrupt_leaves_the_text_and_ends_quietly(more: list[str]) -> None:
    """Ctrl-C: what came stays, the line ends, the connection and the backend are closed, exit code 130, no trace."""
    with started("-m", "held:m", "Hi", *more) as process:
        read_until(process, "The beginning")
        process.send_signal(signal.SIGINT)
        result = end(process)
    assert (result.code, result.output) == (130, "\n")
    assert result.lines == ["the connection is closed", "the backend is closed"]


@posix_only
def test_an_interrupt_of_json_leaves_nothing() -> None:
    """With --json an interrupted turn leaves no half object."""
    with started("-m", "held:m", "--json", "Hi") as process:
        process.send_signal(signal.SIGINT)
        result = end(process)
    assert (result.code, result.output) == (130, "")
    assert "Traceback" not in result.errors


@posix_only
def test_a_reader_that_leaves_ends_the_answer() -> None:
    """`chatport … | head`: the connection is closed, no traceback, the exit code of SIGPIPE."""
    with started("-m", "held:endless", "Hi") as process:
        read_until(process, "The beginning and so on")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(SECONDS) == 141
        assert process.stderr.read().splitlines() == ["the connection is closed", "the backend is closed"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device without room")
def test_a_full_device_is_one_line() -> None:
    """The interpreter's own complaint at its end is not added."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "chatport.cli", "-m", "echo:any", "Hi"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "chatport: error: cannot write to standard output: No space left on device\n"


@posix_only
def test_a_terminal_is_recognised() -> None:
    """On a real terminal standard input is left alone, and no words at all give the help."""
    import pty

    ours, theirs = pty.openpty()
    try:
        for arguments, expected in ((["-m", "echo:any", "Hi"], "Hi\n"), ([], "usage: chatport")):
            command = [sys.executable, "-m", "chatport.cli", *arguments]
            done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False, timeout=SECONDS)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith(expected)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.slow
def test_a_picture_is_asked_about_without_a_model_or_an_account(tmp_path: Path) -> None:
    """What a newcomer tries first: the emulator looks at the picture, through the real plugin."""
    (tmp_path / "cat.png").write_bytes(draw_picture())
    result = run_process(
        "What is in this picture?", "-a", str(tmp_path / "cat.png"), "--usage", CHATPORT_DEMO="bedrock"
    )
    assert result.code == 0, result.errors
    assert re.search(r"PNG of 64 \S 48 pixels", result.output)
    notice, usage = result.lines
    assert "emulator on http://127.0.0.1:" in notice
    assert "request " in usage


@pytest.mark.slow
def test_the_two_operations_of_the_real_backend_agree() -> None:
    """Streamed or in one piece, as text or as JSON: the same answer."""
    counted = ", ".join(map(str, range(1, 31))) + "."
    for more in ([], ["--no-stream"]):
        assert run_process("Count to 30.", *more, CHATPORT_DEMO="bedrock").output == f"{counted}\n"
        said = run_process("--json", *more, piped="Count to 30.\n", CHATPORT_DEMO="bedrock").output
        assert json.loads(said)["text"] == counted


def test_what_is_piped_in_is_asked() -> None:
    """A real pipe is read to its end."""
    assert run_process("-m", "echo:any", "and this?", piped="this\n").output == "this\n\nand this?\n"


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_help_and_version_load_nothing_heavy(argument: str) -> None:
    """They come at once: no pydantic, no plugin, nothing of a vendor is imported for them."""
    result = run_program(
        textwrap.dedent(f"""
            import json, sys
            from chatport.cli import main
            code = main([{argument!r}])
            print(json.dumps({{"code": code, "modules": sorted(sys.modules)}}))
        """)
    )
    seen = json.loads(result.output.splitlines()[-1])
    assert seen["code"] == 0
    loaded = {name.split(".")[0] for name in seen["modules"]}
    assert not loaded.intersection({"pydantic", "aiobotocore", "aiohttp", "chatport_bedrock", "chatport_echo", "trio"})


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """`chatport --version` names the installed core."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"chatport {version('chatport')}\n"


def test_the_script_is_installed() -> None:
    """The distribution brings a script `chatport` that runs `main`."""
    (script,) = {entry.load() for entry in entry_points(group="console_scripts", name="chatport")}
    assert script is main


def test_the_library_does_not_load_the_command() -> None:
    """`import chatport` leaves argparse and the command alone."""
    result = run_program("import chatport, sys; print('argparse' in sys.modules, 'chatport.cli' in sys.modules)")
    assert result.output == "False False\n"
