"""Which names of tools and ids of calls servers take."""

import re
from collections.abc import Iterable

from chatport.backend.translation import SentCallIds, ToolNames

__all__ = ["call_ids", "tool_names"]


def tool_names(names: Iterable[str] = ()) -> ToolNames:
    """Start the names of a request: those that OpenAI documents; servers that take more take these too."""
    return ToolNames(names, max_length=64)


def call_ids(ids: Iterable[str] = (), own: Iterable[str] = (), pattern: str | None = None) -> SentCallIds:
    """Start the ids of a request.

    Args:
        ids: All ids in the request.
        own: Those that the server issued.
        pattern: What the server wants an id to match as a whole; None for anything but an empty one.
    """
    if pattern is None:
        return SentCallIds(ids, own, is_plain=bool)
    wanted = re.compile(pattern)

    def is_plain(call_id: str) -> bool:
        return bool(call_id) and wanted.fullmatch(call_id) is not None

    # Letters and digits only, and few of them: Mistral wants nine.
    return SentCallIds(ids, own, is_plain=is_plain, is_short=not wanted.fullmatch("call_0"))
