"""`chatport backends`: every backend with its state; a broken one harms nothing."""

import json
from pathlib import Path

import pytest
from tests.cli.support import Command, Scripted, run_process, write_distribution

BROKEN = {
    "RuntimeError: no such licence": "raise RuntimeError('no such\\nlicence')\n",
    "SystemExit: 3": "import sys\nsys.exit(3)\n",
    "SyntaxError: ": "this is no Python\n",
}
ENTRY = "[chatport.backends]\n{name} = {module}\n"


def test_the_installed_backends_are_listed(chat: Command) -> None:
    """A table with name, version, distribution and state, on standard output."""
    result = chat("backends")
    assert (result.code, result.errors) == (0, "")
    heading, *rows = [line.split() for line in result.output.splitlines()]
    assert heading == ["NAME", "VERSION", "DISTRIBUTION", "STATE"]
    assert ["echo", "0.1.0", "chatport-echo", "(chatport_echo)", "ok"] in rows
    assert ["bedrock", "0.1.0", "chatport-bedrock", "(chatport_bedrock.plugin)", "ok"] in rows


def test_a_registered_backend_is_listed_too(chat: Command, scripted: Scripted) -> None:
    """What a program registers in process has no version."""
    scripted("ok")
    rows = {row["name"]: row for row in json.loads(chat("backends", "--json").output)}
    assert rows["scripted"]["version"] is None
    assert rows["scripted"]["state"] == "ok"


def test_json_is_one_line(chat: Command) -> None:
    """A list of objects, for programs."""
    output = chat("backends", "--json").output
    assert output.count("\n") == 1
    rows = {row["name"]: row for row in json.loads(output)}
    assert rows["echo"] == {
        "name": "echo",
        "version": "0.1.0",
        "distribution": "chatport-echo (chatport_echo)",
        "state": "ok",
        "reason": None,
    }


def test_without_backends_the_table_says_so(chat: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list is a sentence for people and an empty array for programs."""
    monkeypatch.setattr("chatport.cli._backends.backend_status", lambda: ())
    assert chat("backends").output == "no backend is installed\n"
    assert chat("backends", "--json").output == "[]\n"


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_backend_is_shown_and_harms_nothing(tmp_path: Path, reason: str) -> None:
    """Its row says why in one line, the exit code is 0, the others work, and asking it is an error."""
    write_distribution(tmp_path, "acme-chat", ENTRY.format(name="acme", module="acme_chat"), acme_chat=BROKEN[reason])
    table = run_process("backends", path=tmp_path)
    assert (table.code, table.errors) == (0, "")
    (row,) = [line for line in table.output.splitlines() if line.startswith("acme")]
    assert row.split()[:3] == ["acme", "2.5", "acme-chat"]
    assert "broken: " in row
    assert f"cannot be loaded: {reason}" in row
    assert {"bedrock", "echo"} <= {line.split()[0] for line in table.output.splitlines() if line.endswith("  ok")}
    assert run_process("-m", "echo:any", "still here", path=tmp_path).output == "still here\n"
    asked = run_process("-m", "acme:any", "Hi", path=tmp_path)
    assert (asked.code, asked.output) == (1, "")
    assert len(asked.lines) == 1
    assert asked.errors.startswith("chatport: error: the backend 'acme' from acme-chat")


def test_two_backends_with_one_name_are_both_shown(tmp_path: Path) -> None:
    """Each row names both distributions, and so does the error for whoever asks."""
    for name in ("first-chat", "second-chat"):
        module = name.replace("-", "_")
        write_distribution(tmp_path, name, ENTRY.format(name="twin", module=module), **{module: ""})
    table = run_process("backends", path=tmp_path)
    rows = [line for line in table.output.splitlines() if line.startswith("twin")]
    assert (table.code, len(rows)) == (0, 2)
    asked = run_process("-m", "twin:any", "Hi", path=tmp_path)
    assert asked.code == 1
    for text in (*rows, asked.errors):
        assert "first-chat" in text
        assert "second-chat" in text
