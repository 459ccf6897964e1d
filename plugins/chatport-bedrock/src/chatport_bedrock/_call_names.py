"""Which names of tools and ids of calls the service takes."""

import re
from collections.abc import Iterable
from typing import Final

from chatport.backend.translation import SentCallIds, ToolNames

__all__ = ["call_ids", "tool_names"]

# `toolUseId` in the service model; 1 to 64 characters.
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_SERVICE_ID: Final = re.compile(r"tooluse_[a-zA-Z0-9_-]+")
_MAX_NAME: Final = 64


def tool_names(names: Iterable[str] = ()) -> ToolNames:
    """Start the names of a request."""
    return ToolNames(names, max_length=_MAX_NAME)


def call_ids(ids: Iterable[str] = (), own: Iterable[str] = (), pattern: str | None = None) -> SentCallIds:
    """Start the ids of a request.

    Args:
        ids: All ids in the request.
        own: Those that the service issued.
        pattern: What the model wants an id to match as a whole, besides those of the service; None for anything that
            the service takes.
    """
    wanted = None if pattern is None else re.compile(pattern)

    def is_plain(call_id: str) -> bool:
        if _SERVICE_ID.fullmatch(call_id):
            return True
        return _CALL_ID.fullmatch(call_id) is not None and (wanted is None or wanted.fullmatch(call_id) is not None)

    # Letters and digits only, and few of them: Mistral wants nine.
    return SentCallIds(ids, own, is_plain=is_plain, is_short=wanted is not None)
