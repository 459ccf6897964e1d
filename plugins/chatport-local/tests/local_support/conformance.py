"""The engine behind the backend, for the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread

from chatport import ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStart, Usage
from chatport.testing import (
    Cut,
    Damage,
    Feature,
    Hold,
    RefusalKind,
    ScriptedAnswer,
    ServiceAnswer,
    ServiceRefusal,
    StreamFailure,
    UnknownEvent,
)
from chatport_local._engine import Chunk, EngineError
from local_support.fake_engine import Answer, FakeSetUp, delta, failing, figures, progress

_IN_PROCESS = "the engine is in the process: nothing is on a wire"
_KINDS: dict[RefusalKind, str] = {
    "invalid-request": "invalid_request_error",
    "server-error": "server_error",
    "overloaded": "unavailable_error",
    "context-window": "exceed_context_size_error",
}


class EngineScript(FakeSetUp):
    """A fake engine, told what to say in the suite's words."""

    secrets: Sequence[str] = ()
    lacks: Mapping[Feature, str] = {
        "images": "the model has no projector",
        "documents": "text documents are told as words, others are left out",
        "audio": "the engine takes none",
        "video": "the engine takes none",
        "tools": "whether a tool is called is decided by the backend, which makes the ids of calls too",
        "tool-choice": "as tools",
        "parallel-calls": "the grammar has one call",
        "interleaved-parts": "as parallel-calls",
        "empty-arguments": "the grammar holds arguments to an object",
        "invalid-arguments": "as empty-arguments",
        "signatures": "nobody signs",
        "request-ids": "an engine in the process names no request that it refuses",
        "split-writes": _IN_PROCESS,
        "resets": _IN_PROCESS,
        "cuts-inside-frames": _IN_PROCESS,
        "retry-after": "the engine asks nobody to wait",
        "status-codes": _IN_PROCESS,
        "error-codes": "the engine has words for people only",
        "unauthorized": "nobody has to say who they are",
        "forbidden": "as unauthorized",
        "model-not-found": "the backend looks for the file itself",
        "throttled": "who comes when all slots are taken waits",
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, slots=8)

    @property
    def requests(self) -> Sequence[bytes]:
        return self.engine.requests

    def enqueue(self, *answers: ScriptedAnswer) -> None:
        self.say(
            *(_refusal(answer) if isinstance(answer, ServiceRefusal) else self._answer(answer) for answer in answers)
        )

    def sign(self, text: str) -> str:
        raise NotImplementedError(self.lacks["signatures"])

    def release(self) -> None:
        self.engine.release()

    async def until_held(self, count: int = 1) -> None:
        await anyio.to_thread.run_sync(self.engine.wait_for, lambda: self.engine.held >= count)

    async def until_left(self, count: int = 1) -> float:
        await anyio.to_thread.run_sync(self.engine.wait_for, lambda: len(self.engine.left_at) >= count)
        return self.engine.left_at[count - 1]

    def _answer(self, answer: ServiceAnswer) -> Answer:
        def say(_: Mapping[str, Any]) -> Iterator[Chunk | EngineError]:
            if answer.fault == Hold(after=None):
                yield from self.engine.silence()
            yield progress()
            for position in range(len(answer.events) + 1):
                if position:
                    yield _chunk(answer.events[position - 1])
                match answer.fault:
                    case Hold(after=after) if after == position:
                        yield from self.engine.silence()
                    case Cut(after=after) if after == position:
                        return
                    case Damage(after=after) if after == position:
                        yield {"choices": ["half of"]}
                    case StreamFailure(after=after, kind=kind, message=message) if after == position:
                        yield EngineError(message, _KINDS[kind])
                    case _:
                        pass
            yield delta({}, answer.raw_stop_reason or answer.reason)
            yield {"id": answer.request_id, "choices": [], **_usage(answer.usage)}

        return say


def _refusal(refusal: ServiceRefusal) -> Answer:
    return failing(refusal.message, _KINDS[refusal.kind])


def _chunk(event: object) -> Chunk:
    match event:
        case TextDelta(_, text):
            return delta({"content": text})
        case ReasoningDelta(_, text):
            return delta({"reasoning_content": text})
        case UnknownEvent():
            return {**delta({"dream": "sheep"}), "dream": {"of": "sheep"}}
        case ToolCallStart() | ToolCallDelta():
            raise AssertionError("the engine says no calls")
        case _:
            raise AssertionError(event)


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    assert usage.input_tokens is not None
    assert usage.output_tokens is not None
    return {"usage": figures(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)}
