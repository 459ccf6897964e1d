"""Whether a call may run: what whoever is asked can say."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, get_args

from chatport._json import parse_json
from chatport._messages import ToolCall


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may run.

    Attributes:
        arguments: What it is to run with in place of the model's arguments; None for those as they are. They are
            checked as the model's are. The model's call stays in the history as it was made: its result says what it
            was run with, to the model as well.
    """

    arguments: dict[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        """Take a plain copy, so that what the caller changes later does not change the history."""
        if self.arguments is None:
            return
        given: object = self.arguments
        if not isinstance(given, dict):
            message = f"arguments must be a dict of JSON values, not a {type(given).__name__}"
            raise TypeError(message)
        try:
            plain = parse_json(json.dumps(self.arguments, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            message = f"arguments must be a dict of JSON values: {error}"
            raise TypeError(message) from error
        object.__setattr__(self, "arguments", plain)


@dataclass(frozen=True, slots=True)
class Deny:
    """The call is not run; the model reads that in an error result.

    Attributes:
        reason: Why, for the model; what to do in its place is worth saying, too.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody can say yet: the turn ends at the calls of this step, and none of them is run.

    They wait in the history, which can be saved; `Session.resume` goes on from there, in another process too.
    """


Decision: TypeAlias = Allow | Deny | Pause
"""What can be said of a call."""

Approve: TypeAlias = Callable[[ToolCall], Awaitable[Decision]]
"""What `approve=` takes: an async function of a call."""

_DECISIONS: tuple[type, ...] = get_args(Decision)


def checked_decision(decision: object, call: ToolCall) -> Decision:
    """Return what was said of a call, if it is something that can be said.

    Raises:
        TypeError: It is something else, such as a bool, which would leave room for doubt.
    """
    if isinstance(decision, _DECISIONS):
        return decision  # type: ignore[return-value]  # isinstance over a tuple of types does not narrow a union
    message = f"approve= has to give Allow, Deny or Pause for the call of {call.name!r}, not {decision!r}"
    raise TypeError(message)
