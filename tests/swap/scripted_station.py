"""The scripted backend as a station: a backend that nobody knows, whose model says everything that parts can say."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, assert_never

from tests.swap.speech import Answer, Body, Call, Cited, Said, Sealed, ServerRun, Thought, Unknown, Words
from tests.swap.station import Station, Visit, WireCall, WireResult

from chatport import Citation, Json, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult, dump_messages
from chatport.backend import Adjustment, ChatRequest
from chatport.testing import Answer as ScriptedAnswer
from chatport.testing import ScriptedBackend

_NAME = "scripted"


class ScriptedVisit(Visit):
    """A scripted backend whose script is written while it is asked."""

    def __init__(self) -> None:
        """Begin with an empty script."""
        self._answers: list[ScriptedAnswer] = []
        self._scripted = ScriptedBackend(*[lambda _request: self._answers.pop(0)] * 40, name=_NAME)
        self.backend = self._scripted

    def enqueue(self, answer: Answer) -> None:
        """See `Visit.enqueue`."""
        parts = tuple(part for said in answer.said for part in parts_of(said))
        self._answers.append(ScriptedAnswer(Message("assistant", parts), answer.stop))

    @property
    def bodies(self) -> list[Body]:
        """The requests, as histories are stored: nothing is left out."""
        return [json.loads(dump_messages(request.messages)) for request in self._scripted.requests]


class ScriptedStation(Station):
    """A backend that nobody knows."""

    backend_name: ClassVar[str] = _NAME

    def can_say(self, said: Said) -> bool:
        """See `Station.can_say`: everything."""
        del said
        return True

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Visit]:
        """See `Station.open`."""
        visit = ScriptedVisit()
        yield visit
        await visit.backend.aclose()

    def calls(self, body: Body) -> Iterator[WireCall]:
        """See `Station.calls`: nobody looks for them here."""
        del body
        yield from ()

    def results(self, body: Body) -> Iterator[WireResult]:
        """See `Station.results`."""
        del body
        yield from ()

    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """See `Station.plan`."""
        return json.loads(dump_messages(request.messages)), ()

    def violations(self, body: Body) -> Iterator[str]:
        """See `Station.violations`: it takes everything."""
        del body
        yield from ()

    def tool_name(self, name: str) -> str:
        """See `Station.tool_name`: not every service takes a name like this one."""
        return f"{name}.größe" if name == "look_up" else name


def parts_of(said: Said) -> Iterator[Part]:
    """Yield what is said as parts that bear this backend's mark, as every backend leaves one."""
    mark: dict[str, Any] = {_NAME: {"mark": 1}}
    match said:
        case Words(text):
            yield Text(text)
        case Thought(text):
            yield Reasoning(text, f"signature of {text}", metadata=mark)
        case Sealed(data):
            yield Reasoning(redacted=data, metadata=mark)
        case Call(call_id, name, arguments):
            try:
                yield ToolCall(call_id, name, json.loads(arguments), metadata=mark)
            except ValueError:
                yield ToolCall(call_id, name, {}, arguments, metadata=mark)
        case Cited(text, title, quote):
            citation = Citation(title, "https://example.org/source", (quote,), metadata={_NAME: {"at": 1}})
            yield Text(text, (citation,))
        case ServerRun(call_id, query, found):
            yield ToolCall(call_id, "web_search", {"query": query}, executed_by="server", metadata=mark)
            yield ToolResult(call_id, (Json({"found": found}),), metadata=mark)
        case Unknown(text):
            yield Opaque(_NAME, {"something": {"new": text}})
        case _:
            assert_never(said)
