"""How programs end while the engine works: in time, without a crash, without a word, and with the code they chose."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_support.real import needs_model

import chatport
from chatport_local._engine import ENGINES, EngineSettings
from chatport_local._models import find_model
from chatport_local._options import LocalOptions
from chatport_local.backend import LocalBackend

pytestmark = [needs_model, pytest.mark.slow]

_no_threads_at_the_end = pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="Python 3.12 starts no thread once the main thread has ended"
)
_LIMIT = 60  # seconds on the wall, for machines that do much else: what hangs does so for ever
_HEAD = """
import os, sys, threading
import anyio
from chatport import Settings, open_session

LOOP = sys.argv[1]
ENDLESS = Settings(max_tokens=4000, temperature=0, extra={"local": {"ignore_eos": True}})

async def ask(settings, heard=threading.Event()):
    async with open_session("local:smollm2", settings=settings) as session:
        async with session.stream("Tell me of the sea.") as stream:
            async for piece in stream.text:
                heard.set()
        return stream.reply
"""
_WORKER = """
def work():
    reply = anyio.run(ask, Settings(max_tokens=60, temperature=0, extra={"local": {"ignore_eos": True}}), backend=LOOP)
    print(reply.stop_reason, reply.usage.output_tokens, flush=True)

threading.Thread(target=work, daemon=DAEMON).start()
"""
_DAEMON = """
heard = threading.Event()
threading.Thread(target=lambda: anyio.run(ask, ENDLESS, heard, backend=LOOP), daemon=True).start()
heard.wait()
"""
_LEFT = """
async def main():
    async with open_session("local:smollm2", settings=ENDLESS) as session:
        stream = session.stream("Hello.")
        await stream.__aenter__()
        await anext(aiter(stream.text))
        sys.exit(3)

anyio.run(main, backend=LOOP)
"""
_LOADING = """
import chatport_local._engine as engine

async def main():
    begun = threading.Event()
    load = engine.ENGINES._load

    def watched(settings):
        begun.set()
        return load(settings)

    engine.ENGINES._load = watched
    async with open_session("local:smollm2") as session, anyio.create_task_group() as group:
        group.start_soon(session.ask, "Hello.")
        while not begun.is_set():
            await anyio.sleep(0)
        group.cancel_scope.cancel()

anyio.run(main, backend=LOOP)
"""
_FORKED = """
import warnings

# From 3.12 on Python says so of every fork beside a thread.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
anyio.run(ask, Settings(max_tokens=1), backend=LOOP)
child = os.fork()
if not child:
    if LOOP == "trio":  # the child may ask as well
        anyio.run(ask, Settings(max_tokens=1), backend=LOOP)
    sys.exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) - 3)
"""


def run(program: str, loop: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program, with a folder of its own for what is temporary."""
    return subprocess.run(
        [sys.executable, "-c", _HEAD + program, loop],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        pytest.param(
            _WORKER.replace("DAEMON", "False"),
            0,
            "length 60\n",
            id="a-loop-beside-the-main-thread",
            marks=_no_threads_at_the_end,
        ),
        pytest.param(_DAEMON, 0, "", id="a-daemon-asks"),
        pytest.param(_LEFT, 3, "", id="a-stream-is-left-open"),
        pytest.param(_LOADING, 0, "", id="while-it-loads"),
        pytest.param(
            _FORKED, 4, "", id="a-fork", marks=pytest.mark.skipif(sys.platform != "linux", reason="glibc has the way")
        ),
    ],
)
def test_a_program_ends_as_it_chose(loop: str, program: str, code: int, said: str, tmp_path: Path) -> None:
    """Nothing is said on standard error, nothing is left behind, and a loop that still reads gets its whole answer."""
    done = run(program, loop, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, said, "")
    assert not list(tmp_path.iterdir())


@_no_threads_at_the_end
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_daemon_is_answered_as_long_as_the_program_goes_on(loop: str, tmp_path: Path) -> None:
    """The main thread may have ended: another one keeps the program."""
    keeper = "kept = threading.Event()\nthreading.Thread(target=lambda: kept.wait(60)).start()\n"
    program = _WORKER.replace("DAEMON", "True").replace("flush=True)", "flush=True)\n    kept.set()")
    done = run(keeper + program, loop, tmp_path)
    assert (done.returncode, done.stdout) == (0, "length 60\n")


def test_a_folder_for_temporary_files_with_a_long_name(tmp_path: Path) -> None:
    """The address of a socket is short: it stands elsewhere then."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    done = run("anyio.run(ask, Settings(max_tokens=1), backend=LOOP)", "asyncio", folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_odd_schemas_are_met_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """What only the looser grammar can be asked is asked without a word on standard error."""
    from chatport_local._grammar import output_form

    engine = ENGINES.get(EngineSettings.of(find_model("smollm2"), LocalOptions()))
    for limits in ({"pattern": "^(?!a).{3}$"}, {"minLength": 5000, "format": "of-mars"}):
        form = output_form({"type": "string", **limits}, is_bounded=False)
        assert not engine.holds_grammar(form.grammar)
        assert form.loose_schema is not None
        assert engine.accepts_schema(form.loose_schema)
    assert capfd.readouterr() == ("", "")


def test_the_engine_remembers_some_grammars_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes up a grammar for each request does not fill the memory with what was found out of them."""
    from chatport_local import _engine
    from chatport_local._grammar import output_form

    monkeypatch.setattr(_engine, "_REMEMBERED", 2)
    engine = ENGINES.get(EngineSettings.of(find_model("smollm2"), LocalOptions()))
    for number in range(5):
        assert engine.holds_grammar(output_form({"const": number}, is_bounded=False).grammar)
    assert len(engine._held) <= 2


def test_a_model_that_thinks_first_is_found_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word that shows that a grammar is not kept may come as a thought."""
    engine = ENGINES.get(EngineSettings.of(find_model("smollm2"), LocalOptions()))

    def complete(_: object, on_chunk: object) -> None:
        assert callable(on_chunk)
        on_chunk({"choices": [{"delta": {"reasoning_content": "Q"}}]})

    monkeypatch.setattr(engine, "complete", complete)
    assert not engine.holds_grammar("a grammar of this test")


@pytest.mark.anyio
async def test_a_body_that_is_no_json_is_refused() -> None:
    """As is everything else that the engine cannot read: by name."""
    for member in (object(), {1}, float("nan")):
        settings = chatport.Settings(max_tokens=1, extra={"local": {"seed": member}})
        with pytest.raises(chatport.InvalidRequestError, match="the engine refuses the request"):
            await chatport.Session(LocalBackend(), "smollm2", settings=settings).ask("Hello.")


# --- an interrupt ----------------------------------------------------------------------------------------------------

_READING = """
import time

FEW = Settings(max_tokens=1)

async def main():
    async with open_session("local:smollm2") as session:
        await session.ask("Hello.", settings=FEW)
        begun = time.process_time()
        await session.fork().ask("mountains and hills and woods " * 50, settings=FEW)
        print(time.process_time() - begun, flush=True)
        await session.fork().ask("rivers and lakes and seas " * 500)

anyio.run(main, backend=LOOP)
"""


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_program_that_is_interrupted_while_the_prompt_is_read(loop: str) -> None:
    """SIGINT ends it within a second: nobody waits for a prompt of three thousand tokens.

    The second is one of its own clock, as other processes may have the cores. Where a core is slow it may take longer,
    but no longer than a twentieth of the prompt, which the program measures first with a tenth of it.
    """
    before = _cpu_seconds_of_children()
    with subprocess.Popen(
        [sys.executable, "-c", _HEAD + _READING, loop], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            tenth = float(running.stdout.readline())
            used = _cpu_seconds(running.pid)
            while _cpu_seconds(running.pid) - used < tenth / 4:  # it reads: the clock of its own is what tells
                time.sleep(0.02)  # noqa: TID251 - nothing else can be waited for from outside
            used = _cpu_seconds(running.pid)
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=_LIMIT)
            took = _cpu_seconds_of_children() - before - used
        finally:
            running.kill()
    assert "KeyboardInterrupt" in errors
    assert took < max(1.0, tenth / 2), f"it took {took:.2f} s, and a tenth of the prompt {tenth:.2f} s"


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
