"""Which names of tools and ids of calls the service takes: it names both patterns where it refuses one."""

import re
from collections.abc import Iterable
from typing import Final

from chatport.backend.translation import SentCallIds, ToolNames

__all__ = ["call_ids", "is_plain_id", "tool_names"]

_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")


def is_plain_id(call_id: str) -> bool:
    """Whether the id of a call goes as it is, whoever issued it."""
    return _CALL_ID.fullmatch(call_id) is not None


def tool_names(names: Iterable[str] = ()) -> ToolNames:
    """Start the names of a request."""
    return ToolNames(names, max_length=128)


def call_ids(ids: Iterable[str] = (), own: Iterable[str] = ()) -> SentCallIds:
    """Start the ids of a request, with those that the service issued among them."""
    return SentCallIds(ids, own, is_plain=is_plain_id, prefix="toolu_")
