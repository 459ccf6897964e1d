"""Tools of tests, and their running."""

import contextvars
import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import date
from enum import Enum
from typing import Any

import anyio
from pydantic import BaseModel

from chatport._messages import Json, Text, ToolCall, ToolResult
from chatport._request import Tool
from chatport._tool_runs import run_tools
from chatport._tools import ToolLike, as_tools

TOO_LONG = 5.0  # seconds until a test that hangs is broken off


CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("CONTEXT", default="nothing")


def by_name(*values: ToolLike) -> Mapping[str, Tool]:
    """Tools as a run wants them."""
    return {made.name: made for made in as_tools(values)}


async def run(function: ToolLike, arguments: dict[str, Any] | None = None) -> ToolResult:
    """The result of one call."""
    tools = by_name(function)
    (name,) = tools
    with anyio.fail_after(TOO_LONG):
        (result,) = await run_tools(tools, [ToolCall("id", name, arguments or {})])
    assert result.id == "id"
    return result


async def good(function: ToolLike, arguments: dict[str, Any] | None = None) -> Any:
    """What one call that succeeds gives."""
    result = await run(function, arguments)
    assert not result.is_error, result.text
    (part,) = result.content
    return part.value if isinstance(part, Json) else part.text if isinstance(part, Text) else part


async def bad(function: ToolLike, arguments: dict[str, Any] | None = None) -> str:
    """What the model is told of one call that fails."""
    result = await run(function, arguments)
    assert result.is_error
    return result.text


class City(BaseModel):
    name: str
    founded: date | None = None


class Unit(Enum):
    CELSIUS = "celsius"


@contextmanager
def log_records() -> Generator[list[logging.LogRecord]]:
    """What chatport logs meanwhile, from DEBUG upwards."""
    records: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("chatport"), Collector()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
