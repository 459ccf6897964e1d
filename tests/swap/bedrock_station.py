"""Bedrock as a station: the emulator with all its rules, and botocore's own model of a request."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, assert_never

from botocore.validate import ParamValidator
from tests.swap.speech import Answer, Body, Call, Cited, Said, Sealed, ServerRun, Stop, Thought, Unknown, Words
from tests.swap.station import Station, Visit, WireCall, WireResult

import chatport
from chatport.backend import Adjustment, Backend, BackendError, ChatRequest
from chatport_bedrock._body import plain_body
from chatport_bedrock._translate import translate
from chatport_bedrock.emulator import Answer as EmulatorAnswer
from chatport_bedrock.emulator import Emulator
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._rules import RULES
from chatport_bedrock.emulator._shapes import describe, find_violations, input_shape
from chatport_bedrock.emulator._signatures import sign

_STOPS: Final[Mapping[Stop, str]] = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens"}
_USAGE: Final = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


class BedrockVisit(Visit):
    """A backend that asks an emulator."""

    def __init__(self, station: "BedrockStation", emulator: Emulator, backend: Backend) -> None:
        """Take both, open."""
        self._station = station
        self._emulator = emulator
        self.backend = backend

    def enqueue(self, answer: Answer) -> None:
        """See `Visit.enqueue`."""
        self._emulator.enqueue(self._station.wire_answer(answer))

    @property
    def bodies(self) -> list[Body]:
        """See `Visit.bodies`."""
        return [request.body for request in self._emulator.requests]


@dataclass(frozen=True)
class BedrockStation(Station):
    """A family of models on Bedrock.

    Attributes:
        says: What its models can say beside words and calls.
        signs: Whether they sign their reasoning.
        streams_calls: Whether they stream with tools on offer.
    """

    says: frozenset[type[Said]] = frozenset()
    signs: bool = False
    streams_calls: bool = True

    backend_name: ClassVar[str] = "bedrock"

    def can_say(self, said: Said) -> bool:
        """See `Station.can_say`."""
        return isinstance(said, Words | Call) or type(said) in self.says

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Visit]:
        """See `Station.open`."""
        with Emulator(api_key="made-up") as emulator:
            options = {"endpoint_url": emulator.url, "region": "us-east-1", "api_key": "made-up"}
            async with chatport.open_backend("bedrock", **options) as backend:
                yield BedrockVisit(self, emulator, backend)

    def plan(self, request: ChatRequest) -> tuple[Body, Sequence[Adjustment]]:
        """See `Station.plan`."""
        translation = translate(request)
        return plain_body(translation.body), translation.adjustments

    def violations(self, body: Body) -> Iterator[str]:
        """What botocore, the emulator's shapes and the emulator's rules say against it."""
        shape = input_shape("Converse")
        report = ParamValidator().validate({"modelId": self.model, **body}, shape)
        if report.has_errors():
            yield report.generate_report()
        if found := list(find_violations(body, shape)):
            yield describe(found)
        conversation = Conversation(self.model, body)
        for rule in RULES:
            message = rule.find(conversation) if rule.applies_to(conversation) else None
            if message is not None:
                yield f"{rule.name}: {message}"

    def calls(self, body: Body) -> Iterator[WireCall]:
        """See `Station.calls`."""
        for number, turn in enumerate(body["messages"]):
            for block in turn["content"]:
                if "toolUse" in block and "type" not in block["toolUse"]:
                    yield WireCall(block["toolUse"]["toolUseId"], block["toolUse"]["name"], number)

    def results(self, body: Body) -> Iterator[WireResult]:
        """See `Station.results`."""
        for number, turn in enumerate(body["messages"]):
            for block in turn["content"]:
                if "toolResult" in block and turn["role"] == "user":
                    result = block["toolResult"]
                    yield WireResult(result["toolUseId"], result.get("status") == "error", number, result["content"])

    def refused_medium(self, error: BackendError) -> str | None:
        """See `Station.refused_medium`."""
        found = re.search(r"doesn't support the (\w+) content block that you provided", str(error))
        return None if found is None else found[1]

    def wire_answer(self, answer: Answer) -> EmulatorAnswer:
        """Return an answer in the service's words."""
        blocks = [block for said in answer.said for block in self._blocks(said)]
        broken = [block for block in blocks if isinstance(block.get("toolUse", {}).get("input"), str)]
        if broken and answer.streaming and self.streams_calls:
            return EmulatorAnswer(events=_events(blocks, answer.stop))
        return EmulatorAnswer(
            body={
                "output": {"message": {"role": "assistant", "content": blocks}},
                "stopReason": _STOPS[answer.stop],
                "usage": _USAGE,
                "metrics": {"latencyMs": 7},
            }
        )

    def _blocks(self, said: Said) -> Iterator[dict[str, Any]]:
        match said:
            case Words(text):
                yield {"text": text}
            case Thought(text):
                signature = {"signature": sign(text)} if self.signs else {}
                yield {"reasoningContent": {"reasoningText": {"text": text, **signature}}}
            case Sealed(data):
                yield {"reasoningContent": {"redactedContent": b64encode(data).decode()}}
            case Call(call_id, name, arguments):
                yield {"toolUse": {"toolUseId": call_id, "name": name, "input": _parsed(arguments)}}
            case Cited(text, title, quote):
                location = {"documentChar": {"documentIndex": 0, "start": 0, "end": len(quote)}}
                citation = {"title": title, "sourceContent": [{"text": quote}], "location": location}
                yield {"citationsContent": {"content": [{"text": text}], "citations": [citation]}}
            case ServerRun(call_id, query, found):
                call = {"toolUseId": call_id, "name": "nova_grounding", "input": {"query": query}}
                yield {"toolUse": {**call, "type": "server_tool_use"}}
                result = {"toolUseId": call_id, "content": [{"json": {"found": found}}], "status": "success"}
                yield {"toolResult": {**result, "type": "nova_grounding_result"}}
            case Unknown(text):
                yield {"guardContent": {"text": {"text": text, "qualifiers": ["grounding_source"]}}}
            case _:
                assert_never(said)


def _parsed(arguments: str) -> Any:
    """The arguments; what is cut stays the text that it is."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _events(blocks: list[dict[str, Any]], stop: Stop) -> list[dict[str, Any]]:
    """A stream of words and calls, of which one may be cut: only events can say that."""
    events: list[dict[str, Any]] = [{"messageStart": {"role": "assistant"}}]
    for index, block in enumerate(blocks):
        place = {"contentBlockIndex": index}
        if "toolUse" in block:
            call = block["toolUse"]
            start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
            events.append({"contentBlockStart": {**place, "start": start}})
            text = call["input"] if isinstance(call["input"], str) else json.dumps(call["input"])
            delta: dict[str, Any] = {"toolUse": {"input": text}}
        else:
            delta = block
        events += [{"contentBlockDelta": {**place, "delta": delta}}, {"contentBlockStop": place}]
    metadata = {"usage": _USAGE, "metrics": {"latencyMs": 7}}
    return [*events, {"messageStop": {"stopReason": _STOPS[stop]}}, {"metadata": metadata}]
