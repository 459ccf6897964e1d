"""An engine that says what it is told to, in place of xllamacpp, behind the same interface."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from chatport_local._engine import Chunk, Engine, EngineError, Engines, EngineSettings, OnChunk
from chatport_local._slots import Slots
from chatport_local.backend import LocalBackend

Answer: TypeAlias = Callable[[Mapping[str, Any]], Iterator[Chunk | EngineError]]
"""What says the pieces of an answer to a body; an error among them is raised."""

_PAUSE = 0.002  # seconds between two looks of an engine that is silent, as it would read one batch after the other


def words(*pieces: str, finish: str | None = "stop", usage: Mapping[str, Any] | None = None) -> Answer:
    """Say words, and how they end."""

    def say(_: Mapping[str, Any]) -> Iterator[Chunk]:
        yield progress()
        yield delta({"role": "assistant", "content": None})
        for piece in pieces:
            yield delta({"content": piece})
        if finish is not None:
            yield delta({}, finish)
            yield {"id": "chatcmpl-1", "choices": [], "usage": dict(usage or figures(11, 7))}

    return say


def failing(message: str, kind: str, **details: Any) -> Answer:
    """Refuse, or fail."""

    def say(_: Mapping[str, Any]) -> Iterator[Chunk | EngineError]:
        yield EngineError(message, kind, details)

    return say


def delta(members: Mapping[str, Any], finish: str | None = None) -> Chunk:
    """Return a piece as the engine has it."""
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": members, "finish_reason": finish}]}


def progress(total: int = 11) -> Chunk:
    """Return the progress of reading a prompt."""
    at_all = {"total": total, "cache": 0, "processed": 0, "time_ms": 0}
    return {**delta({"role": "assistant", "content": None}), "prompt_progress": at_all}


def figures(prompt: int, written: int, cached: int | None = None) -> dict[str, Any]:
    """Return what an answer cost, as the engine has it."""
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written, **details}


class FakeEngine:
    """An engine that says what is in its script.

    Attributes:
        requests: The bodies that it was asked with, those that hold a speculative call left out.
        speculations: Those.
        left_at: When somebody gave up an answer, by the monotonic clock.
        uncompilable: The words of schemas that its grammar does not know.
        unknown: Those that it does not know at all.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Begin with an empty script."""
        self.settings = settings
        self.slots = Slots(settings.slots)
        self.script: deque[Answer] = deque()
        self.speculative: deque[Answer] = deque()
        self.requests: list[bytes] = []
        self.speculations: list[Mapping[str, Any]] = []
        self.left_at: list[float] = []
        self.held = 0
        self.uncompilable: tuple[str, ...] = ()
        self.unknown: tuple[str, ...] = ()
        self.changed = threading.Condition()
        self._released = threading.Event()

    def complete(self, body: Mapping[str, Any], on_chunk: OnChunk) -> None:
        """Say the next answer of the script."""
        with self.changed:
            is_speculative = "tools. To call a tool" in str(body["messages"][0]) and body.get("max_tokens") == 256
            if is_speculative:
                self.speculations.append(body)
                answer = self.speculative.popleft() if self.speculative else words("{")
            else:
                self.requests.append(json.dumps(body, ensure_ascii=False).encode())
                answer = self.script.popleft() if self.script else words("Nothing is said of this.")
        for chunk in answer(body):
            if isinstance(chunk, EngineError):
                raise chunk
            if on_chunk(chunk):
                with self.changed:
                    self.left_at.append(time.monotonic())
                    self.changed.notify_all()
                return

    def silence(self) -> Iterator[Chunk]:
        """Say nothing but that the prompt is being read, until `release`."""
        with self.changed:
            self.held += 1
            self.changed.notify_all()
        while not self._released.wait(_PAUSE):
            yield progress()

    def release(self) -> None:
        """Let the silent ones go on."""
        self._released.set()

    def holds_grammar(self, grammar: str) -> bool:
        """Whether it would keep to a grammar."""
        return not any(word in grammar for word in self.uncompilable)

    def accepts_schema(self, schema: Mapping[str, Any]) -> bool:
        """Whether it would take a schema."""
        return not any(word in json.dumps(schema) for word in self.unknown)

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        with self.changed:
            assert self.changed.wait_for(happened, timeout=10)


class FakeSetUp:
    """A backend over a fake engine.

    Attributes:
        model: The model id: the path of a file that looks like a model.
        backend: The backend.
    """

    def __init__(self, folder: Path, *, projector: bool = False, **options: Any) -> None:
        """Put a file there that looks like a model."""
        path = folder / "fake.gguf"
        path.write_bytes(b"GGUF and nothing else")
        if projector:
            (folder / "mmproj-fake.gguf").write_bytes(b"GGUF and nothing else")
        self.model = str(path)
        self.loaded: list[FakeEngine] = []
        self.engines = Engines(load=cast("Callable[[EngineSettings], Engine]", self._load))
        self.backend = self.make(**options)

    @property
    def engine(self) -> FakeEngine:
        """The engine, loaded."""
        if not self.loaded:
            self.engines.get(self.settings)
        return self.loaded[-1]

    def make(self, **options: Any) -> LocalBackend:
        """Return a backend over the engines of this."""
        backend = LocalBackend(**options)
        backend._engines = self.engines
        from chatport_local._models import find_model

        self.settings = EngineSettings.of(find_model(self.model, backend._options.mmproj), backend._options)
        return backend

    def say(self, *answers: Answer) -> None:
        """Put answers into the script."""
        self.engine.script.extend(answers)

    def bodies(self) -> Sequence[Any]:
        """The bodies that the engine was asked with."""
        return [json.loads(request) for request in self.engine.requests]

    def _load(self, settings: EngineSettings) -> FakeEngine:
        self.loaded.append(FakeEngine(settings))
        return self.loaded[-1]
