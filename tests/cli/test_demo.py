"""`chatport demo`, and what answers where no model is chosen."""

import re
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.support import Command, Scripted

import chatport
from chatport import Image, InvalidRequestError, Retry, ServiceError, ToolCall, UnsupportedError
from chatport.cli._demo import multiply
from chatport.testing import ScriptedBackend

CALL = ToolCall("call-1", "multiply", {"first": 2741, "second": 389})

Install = Callable[..., None]


@dataclass
class FakeDemo:
    """A demo that keeps count of what is running."""

    model: str = "scripted:demo-model"
    backend_options: dict[str, Any] = field(default_factory=dict[str, Any])
    description: str = "a demo made for this test"
    running: int = 0
    started: int = 0
    PRIORITY: int = 0
    lack: str | None = None

    def missing(self) -> str | None:
        """What it lacks."""
        return self.lack

    @asynccontextmanager
    async def demo(self) -> AsyncGenerator["FakeDemo"]:
        """Start, and stop in the end."""
        self.running += 1
        self.started += 1
        try:
            yield self
        finally:
            self.running -= 1


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """What installs demos in place of the real ones: objects by the name of their entry point."""

    def install(**demos: object) -> None:
        monkeypatch.setitem(sys.modules, "demos_of_this_test", SimpleNamespace(**demos))
        entries = [EntryPoint(name, f"demos_of_this_test:{name}", "chatport.demos") for name in demos]
        monkeypatch.setattr("chatport.cli._demos.entry_points", lambda *, group: entries if group else [])

    return install


# --- without a model -------------------------------------------------------------------------------------------------


def test_without_a_model_the_demo_answers_and_one_line_says_so(
    chat: Command, scripted: Scripted, install: Install
) -> None:
    """The demo runs while it is asked, and standard error says what answers and how to choose a model."""
    demo = FakeDemo()

    def answer(_: object) -> str:
        assert demo.running == 1
        return "Hello!"

    backend = scripted(answer)
    install(mine=demo)
    result = chat("Hi")
    assert (result.code, result.output) == (0, "Hello!\n")
    assert result.lines == [
        "chatport: no model chosen (-m backend:model or CHATPORT_MODEL), so this is a demo made for this test"
    ]
    assert backend.requests[0].model == "demo-model"
    assert (demo.started, demo.running) == (1, 0)


def test_options_are_laid_over_those_of_the_demo(chat: Command, install: Install) -> None:
    """`-o` holds for the demo's backend as well."""
    given: dict[str, object] = {}

    def factory(**options: object) -> ScriptedBackend:
        given.update(options)
        return ScriptedBackend("ok")

    install(mine=FakeDemo(backend_options={"address": "loopback", "speed": 1}))
    with chatport.register_backend("scripted", factory):
        assert chat("-o", "speed=2", "Hi").code == 0
    assert given == {"address": "loopback", "speed": 2}


def test_the_first_demo_by_name_is_taken(chat: Command, scripted: Scripted, install: Install) -> None:
    """Of several demos one is loaded and started: the first in alphabetical order."""
    scripted("ok")
    first, second = FakeDemo(), FakeDemo()
    install(zebra=second, ant=first)
    chat("Hi")
    assert (first.started, second.started) == (1, 0)


def test_the_demo_that_says_so_comes_first(chat: Command, scripted: Scripted, install: Install) -> None:
    """The highest priority is taken, and the line on standard error says how to have another."""
    scripted("ok")
    plain, better = FakeDemo(), FakeDemo(PRIORITY=2)
    install(ant=plain, zebra=better)
    (line,) = chat("Hi").lines
    assert (plain.started, better.started) == (0, 1)
    assert line.endswith("so this is a demo made for this test; CHATPORT_DEMO=ant takes another")


def test_a_demo_that_lacks_something_leaves_it_to_the_next(chat: Command, scripted: Scripted, install: Install) -> None:
    """What it lacks stands in the same line; where no other is there, it is the error."""
    scripted("ok")
    plain, better = FakeDemo(), FakeDemo(PRIORITY=2, lack="its weights are not here: fetch them")
    install(ant=plain, zebra=better)
    (line,) = chat("Hi").lines
    assert (plain.started, better.started) == (1, 0)
    assert line.endswith("; the demo 'zebra' cannot run: its weights are not here: fetch them")
    install(zebra=better)
    result = chat("Hi")
    assert result.code == 1
    assert result.lines == [
        (
            "chatport: error: the demo 'zebra' cannot run: its weights are not here: fetch them; "
            "hint: choose a model with -m backend:model or CHATPORT_MODEL"
        )
    ]


def test_a_broken_demo_is_told_of_beside_a_good_one(chat: Command, scripted: Scripted, install: Install) -> None:
    """It keeps nobody from the next one."""
    scripted("ok")
    install(ant=object(), bee=FakeDemo(), cat=SimpleNamespace(demo=print, PRIORITY="high"))
    (line,) = chat("Hi").lines
    assert "the demo 'ant' (demos_of_this_test:ant) cannot be loaded: AttributeError" in line
    assert "the demo 'cat' (demos_of_this_test:cat) is broken: its `PRIORITY` is no integer" in line


def test_a_demo_can_be_named(
    chat: Command, scripted: Scripted, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHATPORT_DEMO takes it, whatever comes first; one that is not there, or lacks something, is an error."""
    scripted("ok")
    plain, better = FakeDemo(), FakeDemo(PRIORITY=2)
    install(ant=plain, zebra=better, bare=FakeDemo(lack="no wool"))
    monkeypatch.setenv("CHATPORT_DEMO", "ant")
    (line,) = chat("Hi").lines
    assert (plain.started, better.started) == (1, 0)
    assert line.endswith("so this is a demo made for this test")
    for name, error in (
        ("yak", "CHATPORT_DEMO names the demo 'yak', but there are ant, bare, zebra"),
        ("bare", "no wool"),
    ):
        monkeypatch.setenv("CHATPORT_DEMO", name)
        result = chat("Hi")
        assert result.code == 1
        assert error in result.errors


def test_without_a_demo_the_error_says_what_to_do(chat: Command, install: Install) -> None:
    """One line: no model, no demo, which backends there are, and both ways out."""
    install()
    for arguments in (["Hi"], ["demo"]):
        result = chat(*arguments)
        assert (result.code, result.output) == (1, "")
        (line,) = result.lines
        assert line.startswith("chatport: error: no model is chosen, and no installed package brings a demo")
        assert "bedrock, echo" in line
        assert "-m backend:model or CHATPORT_MODEL, or install a backend that brings a demo" in line


@pytest.mark.parametrize("demo", [object(), SimpleNamespace(demo="no function")], ids=["nothing", "no-function"])
def test_a_broken_demo_is_an_error_of_one_line(chat: Command, install: Install, demo: object) -> None:
    """A demo without its function is named, and a model can be chosen all the same."""
    install(mine=demo)
    result = chat("Hi")
    assert result.code == 1
    (line,) = result.lines
    assert line.startswith("chatport: error: the demo 'mine' (demos_of_this_test:mine) ")
    assert line.endswith("; hint: choose a model with -m backend:model or CHATPORT_MODEL")
    assert chat("-m", "echo:any", "Hi").output == "Hi\n"


def test_a_demo_that_cannot_be_imported_is_an_error_of_one_line(chat: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one whose module is not there."""
    entry = EntryPoint("mine", "no_module_of_this_name", "chatport.demos")
    monkeypatch.setattr("chatport.cli._demos.entry_points", lambda *, group: [entry] if group else [])
    (line,) = chat("Hi").lines
    assert "cannot be loaded: ModuleNotFoundError: No module named 'no_module_of_this_name'" in line


def test_the_demo_stops_when_the_answer_fails(chat: Command, scripted: Scripted, install: Install) -> None:
    """What was started is stopped, however the turn ends."""
    demo = FakeDemo()
    scripted(ServiceError("broken", retryable=False))
    install(mine=demo)
    assert chat("Hi").code == 1
    assert (demo.started, demo.running) == (1, 0)


# --- chatport demo ---------------------------------------------------------------------------------------------------


def test_the_demo_shows_its_three_parts(chat: Command, scripted: Scripted) -> None:
    """A stream, a question about an image that goes along, and a call whose result goes back to the model."""
    backend = scripted("Once upon a time.", "A yellow disc.", ["Let me see.", CALL], "It is 1066249.")
    result = chat("demo", "-m", "scripted:some-model")
    assert (result.code, result.errors) == (0, "")
    lines = result.output.splitlines()
    assert lines[0] == "model: scripted:some-model"
    assert [line for line in lines if line.startswith("==")] == [
        "== 1. A streamed answer ==",
        "== 2. A question about an image ==",
        "== 3. A tool call and its round trip ==",
    ]
    assert "Once upon a time." in lines
    assert "A yellow disc." in lines
    assert "(a picture made just now: a yellow disc on blue, PNG, 64 x 48 pixels, 205 bytes)" in lines
    at = lines.index("Let me see.")
    assert lines[at + 1 : at + 4] == [
        "  the model calls multiply(first=2741, second=389)",
        "  the result: 1066249",
        "It is 1066249.",
    ]
    assert lines[-1].startswith("3 of 3 parts worked through scripted, ")
    assert sum("first text after" in line for line in lines) == 3
    image = backend.requests[1].messages[-1].parts[1]
    assert isinstance(image, Image)
    assert image.media_type == "image/png"
    assert [tool.name for tool in backend.requests[2].tools] == ["multiply"]
    assert backend.requests[3].messages[-1].role == "tool"
    assert backend.closed


def test_the_demo_asks_no_model_of_the_environment(
    chat: Command, scripted: Scripted, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CHATPORT_MODEL may cost money: the demo uses it only where -m names it."""
    demo = FakeDemo()
    install(mine=demo)
    backend = scripted("a", "b", CALL, "c")
    monkeypatch.setenv("CHATPORT_MODEL", "scripted:expensive")
    result = chat("demo")
    assert result.code == 0
    assert {request.model for request in backend.requests} == {"demo-model"}
    assert result.lines == ["chatport: no model chosen (-m backend:model), so this is a demo made for this test"]


def test_a_model_that_calls_no_tool_is_said_to(chat: Command, scripted: Scripted) -> None:
    """The part counts as one that did not work, and the exit code says so."""
    scripted("a", "b", "It is about a million.")
    result = chat("demo", "-m", "scripted:m")
    assert result.code == 1
    assert "(the model has not called the tool)" in result.output
    assert result.output.splitlines()[-1].startswith("2 of 3 parts worked")


def test_what_a_model_cannot_do_keeps_nobody_from_the_rest(chat: Command, scripted: Scripted) -> None:
    """A model without eyes refuses the image; the tool is shown all the same."""
    scripted("a", InvalidRequestError("this model takes no images"), CALL, "1066249")
    result = chat("demo", "-m", "scripted:m")
    assert result.code == 1
    (line,) = result.lines
    assert line.startswith("chatport: error: this model takes no images")
    assert "  the result: 1066249" in result.output.splitlines()


def test_what_a_backend_says_it_is_not_made_for_is_no_failure(chat: Command, scripted: Scripted) -> None:
    """A model that says so before anything is sent has not failed: the exit code is that of the rest."""
    scripted("a", UnsupportedError("no eyes"), CALL, "1066249")
    result = chat("demo", "-m", "scripted:m")
    assert (result.code, result.errors) == (0, "")
    assert "(not with this model: no eyes)" in result.output.splitlines()
    assert result.output.splitlines()[-1].startswith(
        "2 of 3 parts worked through scripted (1 that this model is not made for), "
    )


def test_the_next_demo_shows_what_the_first_is_not_made_for(chat: Command, install: Install) -> None:
    """A demo whose model has no eyes leaves the image to the next best one, which says that it answers."""
    best, next_best = FakeDemo(model="blind:a", PRIORITY=2), FakeDemo(model="seeing:b", description="one that sees")
    install(ant=next_best, bee=best)
    blind = ScriptedBackend("a", UnsupportedError("no eyes"), CALL, "1066249", name="blind")
    seeing = ScriptedBackend("A yellow disc.", name="seeing")
    with chatport.register_backend("blind", lambda: blind), chatport.register_backend("seeing", lambda: seeing):
        result = chat("demo")
    assert result.code == 0, result.errors
    output = result.output.splitlines()
    refused = output.index("(not with this model: no eyes)")
    assert output[refused + 1] == "(so this answers: one that sees)"
    assert "A yellow disc." in output[refused:]
    assert output[-1].startswith("3 of 3 parts worked, 2 through blind and 1 through seeing, ")
    assert (best.started, best.running, next_best.started, next_best.running) == (1, 0, 1, 0)


def test_a_demo_asked_for_by_name_shows_only_itself(
    chat: Command, install: Install, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a demo wants to see what that one can do, and what it cannot."""
    monkeypatch.setenv("CHATPORT_DEMO", "bee")
    other = FakeDemo()
    install(ant=other, bee=FakeDemo())
    scripted("a", UnsupportedError("no eyes"), CALL, "1066249")
    result = chat("demo")
    assert (result.code, other.started) == (0, 0)
    assert "(1 that this model is not made for)" in result.output.splitlines()[-1]


def test_a_service_that_fails_ends_the_demo(chat: Command, scripted: Scripted) -> None:
    """Three times the same error would help nobody."""
    error = ServiceError("down", retry_after=0)
    backend = scripted(*[error] * 9)
    result = chat("demo", "-m", "scripted:m")
    assert (result.code, len(result.lines), len(backend.requests)) == (1, 1, Retry().max_attempts)


def test_a_wrong_call_is_shown_as_an_error(chat: Command, scripted: Scripted) -> None:
    """Arguments that do not fit come back to the model as an error, and the demo shows it."""
    scripted("a", "b", ToolCall("1", "multiply", {"first": "two"}), "Sorry.")
    output = chat("demo", "-m", "scripted:m").output
    assert "  the error: Invalid arguments for multiply" in output


def test_the_tool_of_the_demo_really_multiplies() -> None:
    """What it prints is worked out, not written down."""
    assert multiply(3, -7) == -21


@pytest.mark.slow
def test_the_installed_demo_goes_through_the_real_wire(chat: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model, no account: the installed emulator answers, through the real plugin, all three parts."""
    monkeypatch.setenv("CHATPORT_DEMO", "bedrock")
    result = chat("demo")
    assert result.code == 0, result.errors
    assert len(result.lines) == 1
    assert "emulator on http://127.0.0.1:" in result.errors
    assert re.search(r"PNG of 64 \S 48 pixels", result.output)
    assert "  the model calls multiply(first=2741, second=389)\n  the result: 1066249\n" in result.output
    assert result.output.splitlines()[-1].startswith("3 of 3 parts worked through bedrock, ")
