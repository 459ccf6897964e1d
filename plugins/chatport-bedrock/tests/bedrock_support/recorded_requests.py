"""Recorded requests that the real service answered, with their media put back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bedrock_support.recordings import FOLDER

_REFERENCE = "$blob:sha256:"


@dataclass(frozen=True)
class RecordedRequest:
    """One request of Converse or ConverseStream that got status 200.

    Attributes:
        name: The file, and which exchange in it.
        streaming: Whether the answer was asked for as a stream.
        model: The model id.
        body: The body, JSON.
    """

    name: str
    streaming: bool
    model: str
    body: dict[str, Any]


def answered_requests() -> Iterator[RecordedRequest]:
    """Yield every recorded request that got status 200 and whose body was recorded."""
    for path in sorted(FOLDER.glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text(encoding="utf-8"))["exchanges"]):
            operation, body = exchange["operation"], exchange["request"].get("body")
            if operation in {"converse", "converse-stream"} and exchange["response"]["status"] == 200 and body:
                name = f"{path.stem}[{number}]"
                yield RecordedRequest(name, operation == "converse-stream", exchange["model"], _with_media(body))


def _with_media(value: Any) -> Any:
    """A copy with large media in place; what was left out of the recording becomes bytes that mean nothing."""
    if isinstance(value, dict):
        return {name: _with_media(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_media(item) for item in value]
    if not isinstance(value, str) or not value.startswith(_REFERENCE):
        return value
    kept = FOLDER / "media" / value.removeprefix(_REFERENCE)
    return base64.b64encode(kept.read_bytes() if kept.is_file() else b"left out").decode()
