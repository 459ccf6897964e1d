"""`chatport models` and `chatport doctor`: what a backend offers, and how it is set up."""

import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest
from tests.cli.support import Command, Result, Scripted, run_process

import chatport
from chatport import AuthenticationError, ModelInfo
from chatport.backend import BackendEvent, ChatRequest
from chatport_bedrock.emulator import Emulator, HttpError

LITE = ModelInfo(id="lite:1", name="Lite", provider="Maker", input=("text", "image"), output=("text",), streaming=True)
BARE = ModelInfo(id="bare", name="Bare\x1b[31m one", status="legacy", metadata={"small": {"a": 1}})


class SmallBackend:
    """A backend that lists two models, or fails to, and says two things of itself."""

    name = "small"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = 0

    def stream(self, request: ChatRequest) -> AsyncGenerator[BackendEvent, None]:
        raise AssertionError("nobody is to be asked")

    async def models(self, **filters: Any) -> tuple[ModelInfo, ...]:
        if self.error is not None:
            raise self.error
        return tuple(model for model in (LITE, BARE) if model.matches(**filters))

    async def describe(self) -> dict[str, str]:
        return {"region": "here", "credentials": "none: nobody\ngave any"}

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def small() -> Callable[..., Any]:
    """What registers a small backend."""

    @contextmanager
    def register(error: Exception | None = None) -> Generator[SmallBackend]:
        backend = SmallBackend(error)
        with chatport.register_backend("small", lambda: backend):
            yield backend

    return register


def _options(emulator: Emulator) -> list[str]:
    return ["-o", f"endpoint_url={emulator.url}", "-o", "region=us-east-1", "-o", "api_key=hush-key"]


# --- models ----------------------------------------------------------------------------------------------------------


def test_models_are_a_table(chat: Command, small: Callable[..., Any]) -> None:
    """A line each, what is not known is a dash, control characters obey nobody; the backend is closed."""
    with small() as backend:
        result = chat("models", "small")
    assert (result.code, result.errors, backend.closed) == (0, "", 1)
    assert result.output.splitlines() == [
        "ID      PROVIDER  INPUT        OUTPUT  STREAMS  STATUS  NAME",
        "lite:1  Maker     text, image  text    yes      -       Lite",
        "bare    -         -            -       -        legacy  Bare\\x1b[31m one",
    ]


def test_models_are_json(chat: Command, small: Callable[..., Any]) -> None:
    """The members of `ModelInfo`, the service's own facts among them, on one line."""
    with small():
        output = chat("models", "small", "--json").output
    assert output.count("\n") == 1
    first, second = json.loads(output)
    assert first == json.loads(json.dumps(asdict(LITE)))
    assert second["metadata"] == {"small": {"a": 1}}


def test_models_are_filtered(chat: Command, small: Callable[..., Any]) -> None:
    """Each filter reaches the backend; nothing found is a sentence, and an empty array for programs."""
    with small():
        lite = ["--output", "text", "--input", "image", "--provider", "MAKER"]
        assert [row["id"] for row in json.loads(chat("models", "small", "--json", *lite).output)] == ["lite:1"]
        assert [row["id"] for row in json.loads(chat("models", "small", "--json", "--status", "legacy").output)] == [
            "bare"
        ]
        none = chat("models", "small", "--output", "film")
        assert (none.code, none.output) == (0, "no model is like that\n")
        assert chat("models", "small", "--output", "film", "--json").output == "[]\n"


def test_the_environment_names_the_backend(
    chat: Command, small: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of `CHATPORT_MODEL`, where the command line names none."""
    monkeypatch.setenv("CHATPORT_MODEL", "small:lite:1")
    with small():
        assert len(json.loads(chat("models", "--json").output)) == 2


def test_the_demo_lists_its_models() -> None:
    """Without a backend and a model, the built-in demo answers, in a process of its own without a warning."""
    result = run_process("models", "--output", "text", "--json", CHATPORT_DEMO="bedrock")
    assert result.code == 0
    assert len(result.lines) == 1
    assert "no model chosen (a backend's name or CHATPORT_MODEL)" in result.errors
    assert "amazon.nova-lite-v1:0" in [row["id"] for row in json.loads(result.output)]


def test_a_backend_without_a_list(chat: Command, scripted: Scripted) -> None:
    """It is told as that; an unknown one as unknown."""
    scripted("unused")
    result = chat("models", "scripted")
    assert (result.code, result.output) == (1, "")
    assert result.errors == "chatport: error: the backend 'scripted' lists no models\n"
    assert "chatport backends" in chat("models", "nobody").errors


def test_a_service_that_refuses(chat: Command) -> None:
    """One line, no list, and the exit code of an error."""
    with Emulator(api_key="hush-key") as emulator:
        emulator.enqueue_error("ListFoundationModels", HttpError(429, "ThrottlingException", "Slowly."))
        result = chat("models", "bedrock", *_options(emulator))
    assert (result.code, result.output, len(result.lines)) == (1, "", 1)
    assert "Slowly." in result.errors


# --- doctor ----------------------------------------------------------------------------------------------------------


def _facts(result: Result) -> dict[str, str]:
    return {name: value for line in result.output.splitlines() for name, _, value in [line.partition("  ")]}


def test_the_doctor_describes_and_probes(chat: Command) -> None:
    """Region, address, where the key comes from, versions, and that the service answers; never the key."""
    with Emulator(api_key="hush-key") as emulator:
        result = chat("doctor", "bedrock", *_options(emulator))
        assert [request.operation for request in emulator.requests] == [
            "ListFoundationModels",
            "ListInferenceProfiles",
        ]
    facts = {name: value.strip() for name, value in _facts(result).items()}
    assert (result.code, result.errors) == (0, "")
    assert facts["backend"] == "bedrock"
    assert (facts["region"], facts["region from"]) == ("us-east-1", "the option region")
    assert (facts["endpoint"], facts["endpoint from"]) == (emulator.url, "the option endpoint_url")
    assert facts["credentials"] == "an API key: the option api_key"
    assert facts["chatport"]
    assert facts["python"]
    assert facts["aiobotocore"]
    assert facts["probe"].startswith("ok: ")
    assert "hush" not in result.output + result.errors


def test_the_doctor_can_leave_the_service_alone(chat: Command) -> None:
    """With --no-probe nothing is sent, so that nothing fails."""
    with Emulator(api_key="hush-key") as emulator:
        result = chat("doctor", "bedrock", "--no-probe", "--json", *_options(emulator))
        assert not emulator.requests
    found = json.loads(result.output)
    assert (result.code, found["probe"]) == (0, {"ok": None, "result": "not asked (--no-probe)", "hint": None})
    assert found["facts"]["region"] == "us-east-1"


def test_a_probe_that_fails(chat: Command, small: Callable[..., Any]) -> None:
    """What is known is shown all the same, each fact on one line; the exit code says that something is wrong."""
    with small(AuthenticationError("who are you?", backend="small")) as backend:
        result = chat("doctor", "small")
        record = chat("doctor", "small", "--json")
    assert backend.closed == 2
    assert result.code == record.code == 1
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == ["chatport", "python", "backend", "region", "credentials", "probe"]
    assert lines[4].endswith("none: nobody gave any")
    assert lines[5].endswith("failed: who are you? (backend=small)")
    assert result.errors.startswith("chatport: hint: ")
    assert json.loads(record.output)["probe"]["ok"] is False


def test_a_backend_that_says_nothing(chat: Command, scripted: Scripted) -> None:
    """A backend need not describe itself, nor have something to ask that costs nothing: that is no failure."""
    backend = scripted("unused")
    result = chat("doctor", "scripted")
    assert result.code == 0
    assert result.output.splitlines()[-1].startswith("probe     none: ")
    assert not backend.requests


def test_what_is_missing_is_said(chat: Command) -> None:
    """Without region and credentials the doctor says so, place by place, and fails."""
    result = chat("doctor", "bedrock")
    assert result.code == 1
    assert "no AWS region: looked at" in result.output
    assert "no AWS credentials: looked at" in result.output
