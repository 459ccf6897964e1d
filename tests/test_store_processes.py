"""Several processes at one SQLite store: killed while they write, and two that answer one session at once."""

import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import pytest

from chatport import SqliteStore

_ROOT = Path(__file__).resolve().parents[1]

_ASKS = """
    import sys
    import anyio
    from chatport import ConflictError, SqliteStore, open_session

    async def main(path, word):
        async with SqliteStore(path) as store, open_session("echo:any", store=store, id="a") as session:
            print("read", len(session.messages), flush=True)
            sys.stdin.readline()
            try:
                await session.ask(word)
                print("won", flush=True)
            except ConflictError as error:
                print("lost", error.reply.text, flush=True)
                sys.stdin.readline()
                await session.reload()
                session.keep(error.partial)
                await session.save()
                print("landed", flush=True)

    anyio.run(main, *sys.argv[1:])
"""

_PAYS = """
    import sys
    import anyio
    from chatport import Pause, Session, SqliteStore, ToolCall, tool
    from chatport.testing import ScriptedBackend

    @tool
    def pay(amount: int) -> str:
        'Pay.'
        print("paid", amount)
        return f"paid {amount}"

    async def wait(call):
        return Pause()

    async def main(path, task):
        calls = [ToolCall("1", "pay", {"amount": 5}), ToolCall("2", "pay", {"amount": 6})]
        backend = ScriptedBackend(calls) if task == "ask" else ScriptedBackend("done")
        async with SqliteStore(path) as store, Session(backend, "m", tools=[pay], store=store, id="a") as session:
            print("waiting", [call.arguments["amount"] for call in session.pending_calls])
            if task == "ask":
                reply = await session.ask("Pay.", approve=wait)
            else:
                reply = await session.resume()
                roles = [message.role for message in backend.requests[0].messages]
                print("asked", roles, [part.id for part in backend.requests[0].messages[-1].parts])
            print("left", len(reply.pending_calls), repr(reply.text), len(session.messages))

    anyio.run(main, *sys.argv[1:])
"""

_RUNS = """
    import sys
    import anyio
    from chatport import ConflictError, Session, SqliteStore, tool
    from chatport.testing import ScriptedBackend

    @tool
    def pay(amount: int) -> str:
        'Pay.'
        print("pays", amount, flush=True)
        sys.stdin.readline()
        return f"paid {amount}"

    async def main(path, worker, claimed):
        backend = ScriptedBackend("done")
        async with (
            SqliteStore(path) as store,
            Session(backend, "m", tools=[pay], store=store, id="a", worker=worker, max_parallel_tools=1) as session,
        ):
            try:
                reply = await session.resume(claimed=claimed)
            except ConflictError as error:
                print("refused", error.claim.worker, error.claim.calls, len(session.pending_calls))
            else:
                print("left", [part.error_kind for part in reply.messages[0].parts], repr(reply.text))

    anyio.run(main, *sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork and no SIGKILL")
def test_processes_that_are_killed_lose_no_answered_turn() -> None:
    """Fifty are killed at random moments; each file is sound, and has every change that they were told is stored."""
    command = [
        sys.executable,
        str(_ROOT / ".ci" / "crash_stores.py"),
        "--kills",
        "50",
        "--seconds",
        "90",
        "--seed",
        "7",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=_ROOT)
    assert result.returncode == 0, result.stderr
    assert "50 processes killed" in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork and no SIGKILL")
def test_fewer_kills_than_asked_for_are_a_failure() -> None:
    """Who has no time for all of them has not shown what was to be shown."""
    command = [sys.executable, str(_ROOT / ".ci" / "crash_stores.py"), "--kills", "10000", "--seconds", "3"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=_ROOT)
    assert result.returncode == 1
    assert "no time for more than" in result.stderr


@pytest.mark.slow
def test_of_two_processes_that_ask_at_once_one_wins(tmp_path: Path) -> None:
    """Both have read the same history; the other one learns of it, has its reply, and puts it behind."""
    path = tmp_path / "chats.db"
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(_ASKS), str(path)]
    processes = [
        subprocess.Popen([*command, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for word in ("one", "two")
    ]
    try:
        for process in processes:
            assert _line(process) == "read 0"
        for process in processes:  # both are inside their sessions now
            _answer(process)
        ends = sorted(((_line(process), process) for process in processes), key=lambda row: row[0])
        (lost, loser), (won, _) = ends
        assert (lost, won) in {("lost one", "won"), ("lost two", "won")}
        _answer(loser)
        assert _line(loser) == "landed"
        for process in processes:
            assert process.wait(30) == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()

    async def texts() -> list[str]:
        async with SqliteStore(path) as store:
            found = await store.load("a")
            assert found is not None
            assert found.usage.total_tokens == 4
            return [message.text for message in found.messages]

    second = lost.removeprefix("lost ")
    first = "two" if second == "one" else "one"
    assert anyio.run(texts) == [first, first, second, second]


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _answer(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
def test_a_turn_is_paused_in_one_process_and_resumed_in_another(tmp_path: Path) -> None:
    """The file of the store is all that they share: the first runs no tool and ends, the second runs both."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(_PAYS), str(tmp_path / "chats.db")]
    said = []
    for task in ("ask", "resume"):
        result = subprocess.run([*command, task], capture_output=True, text=True, check=False, timeout=60)
        assert (result.returncode, result.stderr) == (0, "")
        said.append(result.stdout.splitlines())
    assert said[0] == ["waiting []", "left 2 '' 2"]
    first, *paid, asked, left = said[1]
    assert first == "waiting [5, 6]"
    assert sorted(paid) == ["paid 5", "paid 6"]
    assert asked == "asked ['user', 'assistant', 'tool'] ['1', '2']"
    assert left == "left 0 'done' 4"
    again = subprocess.run([*command, "resume"], capture_output=True, text=True, check=False, timeout=60)
    assert again.returncode == 1
    assert "no call waits at the end of this history" in again.stderr
    assert "paid" not in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claimed", "payments", "end"),
    [("close", [], "left ['interrupted', 'interrupted'] 'done'"), ("run", ["pays"] * 2, "left [None, None] 'done'")],
)
def test_calls_that_another_process_runs_are_run_once(
    tmp_path: Path, claimed: str, payments: list[str], end: str
) -> None:
    """Who opens the session meanwhile is refused, also when the other one was killed: somebody has to decide."""
    path = str(tmp_path / "chats.db")
    python = [sys.executable, "-W", "error", "-c"]
    subprocess.run([*python, textwrap.dedent(_PAYS), path, "ask"], check=True, capture_output=True, timeout=60)
    command = [*python, textwrap.dedent(_RUNS), path]

    def opened(worker: str, claimed: str) -> list[str]:
        result = subprocess.run(
            [*command, worker, claimed], input="\n\n", capture_output=True, text=True, check=False, timeout=60
        )
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout.splitlines()

    first = subprocess.Popen(
        [*command, "one", "refuse"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert _line(first).startswith("pays")
        assert opened("two", "refuse") == ["refused one ('1', '2') 2"]
    finally:
        first.kill()
        first.communicate()
    assert opened("two", "refuse") == ["refused one ('1', '2') 2"]
    *paid, left = opened("two", claimed)
    assert ([line.split()[0] for line in paid], left) == (payments, end)
