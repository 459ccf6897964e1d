"""How the tools of a turn are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatport._approval import Approve
from chatport._timeouts import checked_tool_timeout
from chatport._tool_context import UNSET


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """How the tools of a turn are run.

    Attributes:
        approve: Who is asked before a call is run; None runs all of them.
        timeout: How long a call may take, in seconds, where its tool says nothing of its own; None sets no limit.
        max_parallel: How many run at once; None sets no limit.
        state: What tools find in their context.
    """

    approve: Approve | None = None
    timeout: float | None = None
    max_parallel: int | None = None
    state: object = UNSET

    def merged(self, options: Mapping[str, Any]) -> ToolPolicy:
        """Return this policy with the options of a session or a turn laid over it; None keeps what there is.

        Raises:
            TypeError: An option is of the wrong type.
            ValueError: A limit makes no sense.
        """
        changes: dict[str, Any] = {}
        if (approve := options.get("approve")) is not None:
            if not callable(approve):
                message = f"approve must be an async function of a call, not a {type(approve).__name__}"
                raise TypeError(message)
            changes["approve"] = approve
        if (timeout := options.get("tool_timeout")) is not None:
            changes["timeout"] = checked_tool_timeout(timeout)
        if (number := options.get("max_parallel_tools")) is not None:
            changes["max_parallel"] = _checked_number(number)
        if "state" in options:
            changes["state"] = options["state"]
        return replace(self, **changes) if changes else self


DEFAULT_TOOL_POLICY = ToolPolicy()


def _checked_number(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        message = f"max_parallel_tools is a whole number, not {number!r}"
        raise TypeError(message)
    if number < 1:
        message = f"max_parallel_tools must be at least 1, not {number}"
        raise ValueError(message)
    return number
