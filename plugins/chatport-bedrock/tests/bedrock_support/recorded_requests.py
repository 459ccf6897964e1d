"""Recorded requests and what the real service said to them, with their media put back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bedrock_support.recordings import FOLDER

_REFERENCE = "$blob:sha256:"
_LEFT_OUT = base64.b64encode(b"This was left out of the recording.").decode()


@dataclass(frozen=True)
class RecordedRequest:
    """One request of Converse or ConverseStream.

    Attributes:
        name: The file, and which exchange in it.
        streaming: Whether the answer was asked for as a stream.
        model: The model id.
        body: The body, JSON.
        answer: The answer as text, if it was JSON.
        is_complete: Whether all its media are there; in the place of others stand bytes that mean nothing.
    """

    name: str
    streaming: bool
    model: str
    body: dict[str, Any]
    answer: str
    is_complete: bool


def recorded_requests(status: int = 200) -> Iterator[RecordedRequest]:
    """Yield every recorded request that got this status and whose body was recorded."""
    for path in sorted(FOLDER.glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text(encoding="utf-8"))["exchanges"]):
            operation, body, response = exchange["operation"], exchange["request"].get("body"), exchange["response"]
            if operation in {"converse", "converse-stream"} and response["status"] == status and body:
                whole = with_media(body)
                yield RecordedRequest(
                    f"{path.stem}[{number}]",
                    operation == "converse-stream",
                    exchange["model"],
                    whole,
                    json.dumps(response.get("body_json"), ensure_ascii=False),
                    _LEFT_OUT not in json.dumps(whole),
                )


def with_media(value: Any) -> Any:
    """A copy with large media in place; what was left out of the recording becomes bytes that mean nothing."""
    if isinstance(value, dict):
        return {name: with_media(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_media(item) for item in value]
    if not isinstance(value, str) or not value.startswith(_REFERENCE):
        return value
    kept = FOLDER / "media" / value.removeprefix(_REFERENCE)
    return base64.b64encode(kept.read_bytes()).decode() if kept.is_file() else _LEFT_OUT
