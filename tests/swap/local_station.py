"""A model in the process as a station: an engine that is scripted, and the form of chat messages that it takes."""

import itertools
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest
from tests.swap.speech import Answer, Body, Call, Said, Stop, Thought, Words
from tests.swap.station import Station, Visit, WireCall, WireResult

from chatport.backend import Adjustment, ChatRequest

if TYPE_CHECKING:
    from chatport_local._engine import EngineSettings

NO_WEIGHTS: Final = str(Path(__file__).with_name("no_weights.gguf"))
"""A file that could be a model: the engine here reads none."""
_STOPS: Final[Mapping[Stop, str]] = {"stop": "stop", "tool_calls": "stop", "length": "length"}
_USAGE: Final = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_CALL: Final = re.compile(r"^I call (\S+) with (.*)\.$", re.MULTILINE)
_RESULT: Final = re.compile(r"^(Result|Error) of (\S+):$", re.MULTILINE)


class _ScriptedEngine:
    """An engine that says what it is told to."""

    def __init__(self, settings: "EngineSettings") -> None:
        from chatport_local._slots import Slots

        self.settings = settings
        self.slots = Slots(settings.slots)
        self.bodies: list[Body] = []
        self.answers: list[Answer] = []

    def complete(self, body: Mapping[str, Any], on_chunk: Callable[[Mapping[str, Any]], bool]) -> None:
        self.bodies.append(dict(body))
        for chunk in _chunks(self.answers.pop(0)):
            if on_chunk(chunk):
                return

    def holds_grammar(self, grammar: str) -> bool:
        return bool(grammar)

    def accepts_schema(self, schema: Mapping[str, Any]) -> bool:
        return bool(schema)


class LocalVisit(Visit):
    """A backend with an engine of its own."""

    def __init__(self) -> None:
        """Load the engine that needs no weights."""
        pytest.importorskip("chatport_local.backend")  # its dependencies are large
        from chatport_local._engine import Engines
        from chatport_local.backend import LocalBackend

        self._answers: list[Answer] = []
        self._engines: list[_ScriptedEngine] = []
        local = LocalBackend()
        local._engines = Engines(self._load)  # type: ignore[arg-type]  # it does what an engine does
        self.backend = local

    def _load(self, settings: "EngineSettings") -> _ScriptedEngine:
        engine = _ScriptedEngine(settings)
        engine.answers = self._answers
        self._engines.append(engine)
        return engine

    def enqueue(self, answer: Answer) -> None:
        """See `Visit.enqueue`."""
        self._answers.append(answer)

    @property
    def bodies(self) -> list[Body]:
        """See `Visit.bodies`."""
        return [body for engine in self._engines for body in engine.bodies]


class LocalStation(Station):
    """A model in the process that cannot see."""

    backend_name: ClassVar[str] = "local"
    in_words: ClassVar[bool] = True

    def can_say(self, said: Said) -> bool:
        """See `Station.can_say`."""
        return isinstance(said, Words | Thought | Call)

    def answer(self, answer: Answer) -> Answer:
        """See `Station.answer`: a call stands alone, as it is forced by a grammar."""
        fitting = super().answer(answer)
        calls = [said for said in fitting.said if isinstance(said, Call)]
        return Answer((calls[0],), fitting.stop, fitting.streaming) if calls else fitting

    def options(self, answer: Answer) -> dict[str, Any]:
        """See `Station.options`: a call is asked for by its name, so that nobody guesses."""
        called = next((said.name for said in answer.said if isinstance(said, Call)), "none")
        return {"tool_choice": called}

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Visit]:
        """See `Station.open`."""
        visit = LocalVisit()
        yield visit
        await visit.backend.aclose()

    def calls(self, body: Body) -> Iterator[WireCall]:
        """See `Station.calls`: told in words, and numbered here; what a service ran has its result beside it."""
        numbers = itertools.count()
        for number, turn in enumerate(body["messages"]):
            text = _text(turn) if turn["role"] == "assistant" else ""
            served = {found[2] for found in _RESULT.finditer(text)}
            calls = (found[1] for found in _CALL.finditer(text) if found[1] not in served)
            yield from (WireCall(str(next(numbers)), name, number) for name in calls)

    def results(self, body: Body) -> Iterator[WireResult]:
        """See `Station.results`: those of a turn answer the calls of the turn before, in their order."""
        numbers = itertools.count()
        for number, turn in enumerate(body["messages"]):
            if turn["role"] == "user":
                text = _text(turn)
                found = list(_RESULT.finditer(text))
                ends = [*(other.start() for other in found[1:]), len(text)][: len(found)]
                for match, end in zip(found, ends, strict=True):
                    said = text[match.end() : end]
                    yield WireResult(str(next(numbers)), match[1] == "Error", number, said)

    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """See `Station.plan`."""
        found = pytest.importorskip("chatport_local._translate").translate(
            request, sees_images=False, bounded_schemas=True
        )
        return found.body, found.adjustments

    def violations(self, body: Body) -> Iterator[str]:
        """Messages are words of the system, the user and the model, nobody twice in a row, and none is empty."""
        before = None
        for number, turn in enumerate(body["messages"]):
            if set(turn) != {"role", "content"} or turn["role"] not in {"system", "user", "assistant"}:
                yield f"messages[{number}]: {turn} is no message"
            if not turn["content"] or not isinstance(turn["content"], str):
                yield f"messages[{number}]: a model that cannot see is told words"
            if turn["role"] == before:
                yield f"messages[{number}]: {before} speaks twice"
            before = turn["role"]


def _text(turn: Mapping[str, Any]) -> str:
    assert isinstance(turn["content"], str)
    return turn["content"]


def _chunks(answer: Answer) -> Iterator[dict[str, Any]]:
    """An answer as the engine passes it on."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk"}
    for said in answer.said:
        match said:
            case Words(text):
                delta = {"content": text}
            case Thought(text):
                delta = {"reasoning_content": text}
            case Call(_, name, arguments):
                end = "" if answer.stop == "length" else "}"
                delta = {"content": f'{{"name":"{name}","arguments":{arguments}{end}'}
            case _:
                raise AssertionError(f"a model in the process cannot say {said}")
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _STOPS[answer.stop]}]}
    yield {**head, "choices": [], "usage": _USAGE}
