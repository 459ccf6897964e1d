"""What a tool may know beside its arguments: the state of its session, which no model sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

from typing_extensions import TypeVar

if TYPE_CHECKING:
    from chatport._messages import ToolCall

StateT_co = TypeVar("StateT_co", covariant=True, default=None)


class Unset:
    """The type of `UNSET`: None is a state that somebody may mean."""

    def __repr__(self) -> str:
        """Show what it stands for."""
        return "UNSET"


UNSET = Unset()
"""Stands where no state is given."""

State: TypeAlias = object
"""What `state=` takes: anything; tools say of which type they want it."""


class ToolContext(Generic[StateT_co]):
    """What a tool may know beside its arguments: annotate a parameter with it, such as `ToolContext[Database]`.

    The model does not see that parameter, and cannot say anything for it. A tool that names a type of state runs only
    where `state=` is given to the session or the turn; the value is handed over as it is, not checked and not copied.

    It is no dataclass on purpose: pydantic would offer one to the model.
    """

    __slots__ = ("_call", "_state")

    def __init__(self, state: StateT_co, call: ToolCall) -> None:
        """Put the two together, as a test of a tool does; a session makes these."""
        self._state = state
        self._call = call

    @property
    def state(self) -> StateT_co:
        """The `state=` of the turn, or of its session; None where none is given."""
        return self._state

    @property
    def call(self) -> ToolCall:
        """The call with the arguments that it is run with; its `id` tells one call from another."""
        return self._call

    def __repr__(self) -> str:
        """Show the call; what the state shows of itself is not for logs."""
        return f"<ToolContext of the call {self._call.id!r}>"


def context_for(state: object, call: ToolCall) -> ToolContext[Any]:
    """Return what a tool is given for a call."""
    return ToolContext(None if state is UNSET else cast("Any", state), call)
