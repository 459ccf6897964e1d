"""Recorded exchanges of the Messages API, and what they say, read by code of its own: the expectation of tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "recordings-anthropic"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and its answer."""

    name: str
    operation: str
    model: str
    status: int
    headers: dict[str, str]
    body: bytes
    request: dict[str, Any] | None
    pieces: tuple[int, ...]

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return self.operation == "messages-stream"


@dataclass(slots=True)
class Reading:
    """What an answer says."""

    blocks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    stop_reason: str | None = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None

    def joined(self, kind: str, member: str) -> str:
        """The words of all blocks of a kind."""
        return "".join(block[member] for block in self.blocks if block["type"] == kind)

    @property
    def calls(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The calls that the caller has to run."""
        return [(block["id"], block["name"], block["input"]) for block in self.blocks if block["type"] == "tool_use"]

    def tokens(self, name: str) -> int | None:
        """A figure of the usage; null is the same as none."""
        found = self.usage.get(name)
        return found if isinstance(found, int) else None


def recorded() -> Iterator[Exchange]:
    """Every recorded exchange that is there."""
    for path in sorted(FOLDER.glob("*.json")):
        for number, found in enumerate(_loader().load(path)):
            yield Exchange(
                f"{path.stem}[{number}]",
                found.operation,
                found.model,
                found.status,
                dict(found.headers),
                found.body,
                found.request,
                tuple(found.chunks or ()),
            )


def events_of(body: bytes) -> Iterator[dict[str, Any]]:
    """The JSON of each event of a stream, in order."""
    for line in body.decode().splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            yield json.loads(line[5:])


def read_answer(exchange: Exchange) -> Reading:
    """What an answer says, streamed or whole."""
    if not exchange.streams:
        body = json.loads(exchange.body)
        return Reading(body["content"], body["stop_reason"], body["usage"], body["model"])
    reading = Reading()
    inputs: dict[int, str] = {}
    for event in events_of(exchange.body):
        match event["type"]:
            case "message_start":
                reading.usage = dict(event["message"]["usage"])
                reading.model = event["message"]["model"]
            case "content_block_start":
                assert event["index"] == len(reading.blocks)
                reading.blocks.append(dict(event["content_block"]))
            case "content_block_delta":
                _read_delta(reading.blocks[event["index"]], event["delta"], event["index"], inputs)
            case "message_delta":
                reading.stop_reason = event["delta"]["stop_reason"]
                known = {name: value for name, value in event["usage"].items() if value is not None}
                reading.usage = {**dict.fromkeys(event["usage"]), **reading.usage, **known}
            case _:
                pass
    for index, text in inputs.items():
        if text:
            reading.blocks[index]["input"] = json.loads(text)
    return reading


def _read_delta(block: dict[str, Any], delta: dict[str, Any], index: int, inputs: dict[int, str]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta["partial_json"]
        case "compaction_delta":
            block.update({name: value for name, value in delta.items() if name != "type"})
        case _:
            raise AssertionError(delta)


@lru_cache(maxsize=1)
def _loader() -> ModuleType:
    spec = spec_from_file_location("recordings_anthropic_load", FOLDER / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
