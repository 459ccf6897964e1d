"""Chat Completions as stations: servers on loopback, the vendor's own types, and the rules of turns and calls."""

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, Literal

import pytest
from pydantic import TypeAdapter
from tests.swap.http_visit import HttpVisit, type_faults
from tests.swap.speech import Answer, Body, Call, Cited, Said, Sealed, Stop, Thought, Words
from tests.swap.station import Station, Visit, WireCall, WireResult

import chatport
from chatport.backend import Adjustment, ChatRequest
from chatport.backend.http import plain_json
from chatport.testing import HttpService
from chatport_openai._dialect_table import dialect_named
from chatport_openai._translate import translate

_STOPS: Final[Mapping[Stop, str]] = {"stop": "stop", "tool_calls": "tool_calls", "length": "length"}
_USAGE: Final = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FAILED: Final = "The tool failed:"


@cache
def _type() -> TypeAdapter[Any]:
    module = pytest.importorskip("openai.types.chat.completion_create_params")
    return TypeAdapter(module.CompletionCreateParams)


@dataclass(frozen=True)
class OpenAIStation(Station):
    """A server that speaks Chat Completions.

    Attributes:
        dialect: What the backend calls its kind.
        thinks: The member in which it gives its reasoning.
        cites: Whether it says what an answer rests on.
        beyond: Members that it takes beyond the vendor's own type.
        id_pattern: What ids of calls have to match.
        result_lists: Whether the content of a result may be a list.
        result_media: Whether it takes films, and images in results.
    """

    dialect: str = "openai"
    thinks: Literal["nowhere", "reasoning_content", "reasoning_details"] = "nowhere"
    cites: bool = False
    beyond: frozenset[str] = frozenset()
    id_pattern: str = r"(?s).{1,40}"
    result_lists: bool = True
    result_media: bool = False

    backend_name: ClassVar[str] = "openai"

    def can_say(self, said: Said) -> bool:
        """See `Station.can_say`."""
        match said:
            case Words() | Call():
                return True
            case Thought():
                return self.thinks != "nowhere"
            case Sealed():
                return self.thinks == "reasoning_details"
            case Cited():
                return self.cites
            case _:
                return False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Visit]:
        """See `Station.open`."""
        with HttpService() as service:
            options = {"base_url": f"{service.url}/v1", "api_key": "made-up", "dialect": self.dialect}
            async with chatport.open_backend("openai", **options) as backend:
                yield HttpVisit(service, backend, self._render)

    def calls(self, body: Body) -> Iterator[WireCall]:
        """See `Station.calls`."""
        for number, turn in enumerate(body["messages"]):
            for call in turn.get("tool_calls", ()):
                yield WireCall(call["id"], call["function"]["name"], number)

    def results(self, body: Body) -> Iterator[WireResult]:
        """See `Station.results`. The wire has no place for a failure but the words of the result."""
        for number, turn in enumerate(body["messages"]):
            if turn["role"] == "tool":
                content = turn["content"]
                said = content if isinstance(content, str) else content[0].get("text", "")
                yield WireResult(turn["tool_call_id"], said.startswith(_FAILED), number, content)

    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """See `Station.plan`."""
        translation = translate(request, dialect=dialect_named(self.dialect))
        return plain_json(translation.body), translation.adjustments

    def violations(self, body: Body) -> Iterator[str]:
        """What the vendor's types say against it, and the rules that servers are known to enforce."""
        yield from type_faults(_type(), self._within_type(body), beyond=self.beyond)
        asked: list[str] = []
        for number, turn in enumerate(body["messages"]):
            place = f"messages[{number}]"
            if turn["role"] == "tool":
                if turn["tool_call_id"] not in asked:
                    yield f"{place}: a tool message must be a response to a preceding message with 'tool_calls'"
                else:
                    asked.remove(turn["tool_call_id"])
                if not self.result_lists and not isinstance(turn["content"], str):
                    yield f"{place}: the content of a result has to be text"
            elif asked:
                yield f"{place}: calls must be followed by tool messages: {asked} have none"
                asked = []
            yield from self._message_faults(turn, place)
            asked += [call["id"] for call in turn.get("tool_calls", ())]
            if len(set(asked)) != len(asked):
                yield f"{place}: an id stands twice"
        if asked:
            yield f"calls without results: {asked}"

    def _within_type(self, body: Body) -> Body:
        """A body without the media that the vendor does not take where others do."""
        if not self.result_media:
            return body
        turns = []
        for turn in body["messages"]:
            content = turn["content"]
            beyond = {"video_url", *(("image_url",) if turn["role"] == "tool" else ())}
            kept = (
                content if not isinstance(content, list) else [item for item in content if item["type"] not in beyond]
            )
            turns.append({**turn, "content": kept})
        return {**body, "messages": turns}

    def _message_faults(self, turn: dict[str, Any], place: str) -> Iterator[str]:
        content = turn.get("content")
        if turn["role"] in {"user", "tool", "system"} and not content:
            yield f"{place}: it has no content"
        if turn["role"] == "assistant" and content is None and not turn.get("tool_calls") and "audio" not in turn:
            yield f"{place}: content or tool_calls must be set"
        for call in turn.get("tool_calls", ()):
            if not re.fullmatch(self.id_pattern, call["id"]):
                yield f"{place}: the id {call['id']!r} does not match {self.id_pattern}"
            if not _NAME.fullmatch(call["function"]["name"]):
                yield f"{place}: the name {call['function']['name']!r} does not match {_NAME.pattern}"

    # --- answers -----------------------------------------------------------------------------------------------------

    def _render(self, answer: Answer, body: Body) -> dict[str, Any] | list[tuple[str, dict[str, Any] | str]]:
        message = self._message(answer)
        head = {"id": "chatcmpl-1", "created": 1, "model": self.model}
        stop = _STOPS[answer.stop]
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": stop, "logprobs": None}
            return {**head, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
        chunks: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
        chunks += [{"delta": delta, "finish_reason": None} for delta in _deltas(message)]
        chunks.append({"delta": {}, "finish_reason": stop})
        head = {**head, "object": "chat.completion.chunk"}
        events = [("", {**head, "choices": [{"index": 0, **chunk}]}) for chunk in chunks]
        return [*events, ("", {**head, "choices": [], "usage": _USAGE}), ("", "[DONE]")]

    def _message(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        calls: list[dict[str, Any]] = []
        for said in answer.said:
            match said:
                case Words(text):
                    message["content"] = (message["content"] or "") + text
                case Cited(text, title, _):
                    message["content"] = (message["content"] or "") + text
                    cited = {"title": title, "url": "https://example.org/source", "start_index": 0, "end_index": 1}
                    message["annotations"] = [{"type": "url_citation", "url_citation": cited}]
                case Thought() | Sealed():
                    self._think(said, message)
                case Call(call_id, name, arguments):
                    function = {"name": name, "arguments": arguments}
                    calls.append({"id": call_id, "type": "function", "function": function})
                case _:
                    raise AssertionError(f"{self.name} cannot say {said}")
        return {**message, **({"tool_calls": calls} if calls else {})}

    def _think(self, said: Thought | Sealed, message: dict[str, Any]) -> None:
        if self.thinks == "reasoning_content":
            assert isinstance(said, Thought)
            message["reasoning_content"] = said.text
            return
        details: list[dict[str, Any]] = message.setdefault("reasoning_details", [])
        entry = {"id": f"reasoning-{len(details)}", "format": "anthropic-claude-v1", "index": len(details)}
        if isinstance(said, Thought):
            message["reasoning"] = said.text
            signature = b64encode(f"signed: {said.text}".encode()).decode()
            details.append({"type": "reasoning.text", "text": said.text, "signature": signature, **entry})
        else:
            details.append({"type": "reasoning.encrypted", "data": b64encode(said.data).decode(), **entry})


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pieces of a message, as they were recorded of OpenAI, and of others where they differ."""
    # Who writes a thought into two members does so in one delta.
    for names in (("reasoning_content", "reasoning", "reasoning_details"), ("content",), ("annotations",)):
        if found := {name: message[name] for name in names if message.get(name) is not None}:
            yield found
    for index, call in enumerate(message.get("tool_calls", ())):
        text = call["function"]["arguments"]
        begun = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [begun]}
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
