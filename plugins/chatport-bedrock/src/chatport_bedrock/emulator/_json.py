"""JSON values whose type is not known before one looks."""

import json
from typing import Any, cast


def as_object(value: Any) -> dict[str, Any] | None:
    """The value if it is a JSON object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    """The value if it is a JSON array, else None."""
    return value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType] - anything may be inside


def encode_json(value: Any) -> bytes:
    """JSON as the service writes it: without spaces, members in alphabetical order, text as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
