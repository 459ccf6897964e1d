"""How the model is brought to answer with JSON of a schema: the best way that it is known to take.

Three ways, the best first: `output_config.format`, by which the service lets nothing else through; a tool that the
model has to call; words in the system prompt. Whatever the way, the text of the answer is the JSON: `Restorer` makes
 text of the tool's call.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from chatport.backend import ChatRequest
from chatport.backend.translation import ANSWER_TOOL_DESCRIPTION, answer_instruction, answer_tool_name
from chatport_anthropic._json_values import json_text
from chatport_anthropic._schemas import LooseSchemaError, StrictRoom, note_loosened
from chatport_anthropic._scope import Scope

__all__ = ["OutputPlan", "OutputWay", "plan_output"]

OutputWay: TypeAlias = Literal["native", "forced-tool", "prompt"]

_PATH: Final = "output_schema"


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """How one request asks for JSON.

    Attributes:
        way: Which of the ways.
        schema: The schema as it is sent.
        name: What the tool is called whose call is the answer, where that is the way.
    """

    way: OutputWay
    schema: dict[str, Any]
    name: str = ""

    @property
    def tool_name(self) -> str | None:
        """What the tool is called whose call is the answer; None where there is none."""
        return self.name if self.way == "forced-tool" else None

    def format_members(self) -> dict[str, Any]:
        """Return the member `output_config`, nothing for other ways."""
        if self.way != "native":
            return {}
        return {"output_config": {"format": {"type": "json_schema", "schema": self.schema}}}

    def instruction(self, *, has_tools: bool) -> str | None:
        """Return what the system prompt has to say, None for other ways."""
        if self.way != "prompt":
            return None
        return answer_instruction(json_text(self.schema, _PATH), has_tools=has_tools)

    def with_tool(self, members: dict[str, Any], request: ChatRequest, scope: Scope) -> dict[str, Any]:
        """Return members with the tool whose call is the answer, last, so that those before it stay cached."""
        if self.tool_name is None:
            return members
        tools = [] if request.tool_choice == "none" else list(members.get("tools", ()))
        spec = {"name": self.name, "description": ANSWER_TOOL_DESCRIPTION, "input_schema": self.schema}
        choice: dict[str, Any] = {"type": "any"} if tools else {"type": "tool", "name": self.name}
        asked: dict[str, Any] = members.get("tool_choice", {})
        if asked.get("type") == "tool":
            choice = asked
        elif asked.get("type") == "any" and tools:
            why = "the answer is a call too: the model may give it before it calls another tool"
            scope.note("changed", "tool-choice-any", "tool_choice", why)
        return {**members, "tools": [*tools, spec], "tool_choice": choice}


def plan_output(
    request: ChatRequest,
    scope: Scope,
    room: StrictRoom,
    *,
    taken: Iterable[str],
    can_force: bool,
    cites: bool,
    has_tool_blocks: bool,
) -> OutputPlan | None:
    """Decide how a request asks for JSON; None where it does not.

    Args:
        request: The request.
        scope: The request's scope; adjustments are noted there.
        room: The limits of strict schemas.
        taken: All names of tools in the request, which the tool for the answer must not have.
        can_force: Whether the model takes it here that a tool has to be called.
        cites: Whether documents ask for citations, which stand between the words of an answer: documented not to go
            together with a schema for them.
        has_tool_blocks: Whether calls stand in the conversation, whose tools have to stay on offer.
    """
    schema = request.output_schema
    if schema is None:
        return None
    can = scope.capabilities
    # Where the caller forbids calls and they are needed in the conversation, a forced call would be one of theirs.
    forced = can.known and can_force and not (request.tool_choice == "none" and has_tool_blocks)
    if can.known and can.structured and not cites:
        try:
            made = room.take(schema, is_tool=False)
        except LooseSchemaError as error:
            reason = f"the schema cannot be enforced: {error}"
        else:
            # Who wants no loss is better served by a tool that has to be called: its schema goes out whole.
            if not (request.strict and made.loosened and forced):
                note_loosened(made, _PATH, scope)
                return OutputPlan("native", made.schema)
            reason = "strict mode refuses keywords of the schema, and nothing may be lost"
    elif cites:
        reason = "documents ask for citations, which the service does not give together with a schema"
    else:
        reason = "this model does not enforce schemas" if can.known else "nothing is known of this model"
    if forced:
        scope.note("lossless", "output-not-strict", _PATH, f"asked for as the input of a tool: {reason}")
        return OutputPlan("forced-tool", schema, answer_tool_name(taken))
    scope.note("changed", "output-prompted", _PATH, f"asked for in words, which the model may not heed: {reason}")
    return OutputPlan("prompt", schema)
