"""A request as one call of the service: which of the two operations, with which body. Pure."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from chatport.backend import (
    Adjustment,
    BackendError,
    ChatRequest,
    InvalidRequestError,
    PermissionDeniedError,
    refuse_losses,
)
from chatport_bedrock._calls import ChatOperation
from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._learned import ModelMemory, learned
from chatport_bedrock._operation_members import fit_operation
from chatport_bedrock._translate import Translation, translate

__all__ = ["Plan", "Planner"]

_CONVERSE: Final = "converse"
_CONVERSE_STREAM: Final = "converse-stream"


@dataclass(frozen=True, slots=True)
class Plan:
    """One call.

    Attributes:
        operation: The operation, as the path has it.
        translation: The body, and what was adjusted for it.
        can: What the model can be asked, as far as was known.
        base: The base model behind an id that hides it, where that is known.
    """

    operation: ChatOperation
    translation: Translation
    can: Capabilities
    base: str | None = None

    def sends_the_same(self, other: "Plan") -> bool:
        """Whether the service would see no difference."""
        return self.operation == other.operation and self.translation.body == other.translation.body


class Planner:
    """Plans requests, and learns from what the service refuses."""

    def __init__(self, *, streaming: Literal["auto", "always", "never"], check_limits: bool) -> None:
        """Begin with nothing learned.

        Args:
            streaming: Whether answers stream: as the caller wants, always or never.
            check_limits: Whether what is over documented limits is refused here.
        """
        self._streaming = streaming
        self._check_limits = check_limits
        self._memory = ModelMemory()

    def plan(self, request: ChatRequest, *, base: str | None = None) -> Plan:
        """Return the call for a request.

        Args:
            request: The request.
            base: The base model behind an id that hides it, where that is known: the call is made for what it can.

        Raises:
            UnsupportedError: Converse cannot say the request, or not without loss and the request is strict.
        """
        plan = self._plan(request, self._memory.capabilities(base or request.model), base)
        if request.strict:
            refuse_losses(plan.translation.adjustments)
        return plan

    def learn(self, error: BackendError, request: ChatRequest, refused: Plan) -> None:
        """Take a refusal for a lesson where it is one: the error then asks to be repeated at once.

        It is one only where the next request would be another than the refused one: nothing is repeated in vain, and
        never without end.

        Args:
            error: What the service said; it is changed.
            request: The request that was refused.
            refused: Its plan.
        """
        if not isinstance(error, InvalidRequestError | PermissionDeniedError):
            return
        model = refused.base or request.model
        known = self._memory.capabilities(model)
        can = learned(error.message, known)
        # Others may have learned since this was planned; then there is something new in it without a lesson of its own.
        if can == refused.can or self._plan(request, can, refused.base).sends_the_same(refused):
            return
        if can != known:
            self._memory.remember(model, can)
        error.retryable, error.retry_after = True, 0.0
        lesson = "This is remembered for the model: sent again, the request goes in another way."
        error.args = (f"{error.message} {lesson}", *error.args[1:])

    def _plan(self, request: ChatRequest, can: Capabilities, base: str | None) -> Plan:
        translation = translate(request, can=can, check_limits=self._check_limits, base=base)
        streams, why = self._streams(request, can, has_tools="toolConfig" in translation.body)
        translation = fit_operation(translation, streams=streams)
        if why is not None:
            # Nothing is lost but time, so a strict request is not refused; but a reader has to know what happened.
            told = Adjustment("renamed", "answered-whole", "streaming", f"{why}: its answer comes whole, from Converse")
            translation = replace(translation, adjustments=(*translation.adjustments, told))
        return Plan(_CONVERSE_STREAM if streams else _CONVERSE, translation, can, base)

    def _streams(self, request: ChatRequest, can: Capabilities, *, has_tools: bool) -> tuple[bool, str | None]:
        """Whether the answer streams; and, where the caller wanted that and cannot have it, why."""
        if self._streaming != "auto" or not request.streaming:
            return self._streaming == "always", None
        if not can.streaming:
            return False, "this model does not stream"
        if has_tools and not can.streaming_tools:
            return False, "this model does not stream with tools on offer"
        return True, None
