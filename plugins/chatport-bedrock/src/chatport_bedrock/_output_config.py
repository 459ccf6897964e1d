"""How the model is brought to answer with JSON of a schema: the best way that it is known to take.

Four ways, the best first: `outputConfig`, by which the service lets nothing else through; a strict tool that the model
has to call; a tool that it has to call; words in the system prompt. Whatever the way, the text of the answer is the
JSON: `Restorer` makes text of the tool's call.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from chatport.backend import ChatRequest
from chatport.backend.translation import ANSWER_TOOL_DESCRIPTION, answer_instruction, answer_tool_name, is_object
from chatport_bedrock._json_limits import json_text
from chatport_bedrock._schemas import LooseSchemaError
from chatport_bedrock._scope import Scope
from chatport_bedrock._strict_schemas import StrictRoom, note_loosened, readable_schema

__all__ = ["OutputPlan", "OutputWay", "asks_for_citations", "plan_output"]

OutputWay: TypeAlias = Literal["native", "strict-tool", "forced-tool", "prompt"]

_PATH: Final = "output_schema"


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """How one request asks for JSON.

    Attributes:
        way: Which of the ways.
        schema: The schema as it is sent.
        name: The tool's name on the wire, or the schema's.
        can_choose: The members of `toolChoice` that may be used.
    """

    way: OutputWay
    schema: dict[str, Any]
    name: str
    can_choose: frozenset[str] = frozenset()

    @property
    def tool_name(self) -> str | None:
        """What the tool is called whose call is the answer; None where there is none."""
        return self.name if self.way in {"strict-tool", "forced-tool"} else None

    def output_config(self) -> dict[str, Any]:
        """Return the request's `outputConfig`, empty for other ways."""
        if self.way != "native":
            return {}
        described = self.schema.get("description")
        definition = {
            # A string with JSON in it, by the service model.
            "schema": json_text(self.schema, _PATH),
            "name": self.name,
            **({"description": described} if isinstance(described, str) and described.strip() else {}),
        }
        return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}

    def instruction(self, *, has_tools: bool) -> str | None:
        """Return what the system prompt has to say, None for other ways."""
        if self.way != "prompt":
            return None
        return answer_instruction(json_text(self.schema, _PATH), has_tools=has_tools)

    def request_for_tools(self, request: ChatRequest, *, has_tool_blocks: bool) -> ChatRequest:
        """Return the request as the caller's own tools are to be read from it.

        Where the answer is a call, "none" forbids the caller's tools only: they are withheld, if nothing in the
        conversation needs them.
        """
        if self.tool_name is None or request.tool_choice not in {"none", "auto"}:
            return request
        withheld = request.tool_choice == "none" and not has_tool_blocks
        return replace(request, tool_choice=None, tools=() if withheld else request.tools)

    def with_tool(
        self, config: dict[str, Any], request: ChatRequest, scope: Scope, *, more_tools: bool = False
    ) -> dict[str, Any]:
        """Return a `toolConfig` with the tool whose call is the answer, last, so that those before it stay cached."""
        if self.tool_name is None:
            return config
        spec = {
            "name": self.name,
            "description": ANSWER_TOOL_DESCRIPTION,
            "inputSchema": {"json": self.schema},
            **({"strict": True} if self.way == "strict-tool" else {}),
        }
        choice = self._choice(config, request, scope, has_tools=bool(request.tools) or more_tools)
        return {**config, "tools": [*config.get("tools", ()), {"toolSpec": spec}], "toolChoice": choice}

    def _choice(self, config: dict[str, Any], request: ChatRequest, scope: Scope, *, has_tools: bool) -> dict[str, Any]:
        this = {"tool": {"name": self.name}} if "tool" in self.can_choose else {"any": {}}
        asked = request.tool_choice
        if not has_tools or asked == "none":
            if has_tools and "tool" not in this and config.get("tools"):
                why = "this model cannot be told which tool to call: it may call another one before it answers"
                scope.note("changed", "tool-choice-none", "tool_choice", why)
            return this
        if asked in {None, "auto"}:
            return {"any": {}} if "any" in self.can_choose else this
        sent: dict[str, Any] = config.get("toolChoice") or {}
        if "tool" in sent:
            return sent
        if asked == "any" and len(request.tools) == 1 and "tool" in self.can_choose:
            return {"tool": {"name": scope.tools.sent(request.tools[0].name)}}
        why = "the answer is a call too: the model may give it before it calls another tool"
        scope.note("changed", "tool-choice-any", "tool_choice", why)
        return sent or {"any": {}}


def plan_output(
    request: ChatRequest, scope: Scope, room: StrictRoom, *, taken: Iterable[str], refuses_force: bool, cites: bool
) -> OutputPlan | None:
    """Decide how a request asks for JSON; None where it does not.

    Args:
        request: The request.
        scope: The request's scope; adjustments are noted there.
        room: The limits of strict schemas.
        taken: All names of tools in the request, which the tool for the answer must not have.
        refuses_force: Whether the model refuses here that a tool has to be called, because it reasons.
        cites: Whether documents ask for citations, which stand between the words of an answer: documented not to go
            together with a schema for them.
    """
    if request.output_schema is None:
        return None
    can = scope.capabilities
    schema = readable_schema(request.output_schema, _PATH, scope)
    has_tools = can.known and can.tools
    forced = can.tool_choices & {"any", "tool"} if has_tools and not refuses_force else frozenset[str]()
    # What is enforced is trusted only where somebody knows that the model takes it: elsewhere it would be refused, and
    # words are never refused.
    enforced: OutputWay | None = None
    if can.known and can.json_schema_output and not cites:
        enforced = "native"
    elif can.known and can.strict_tools and forced:
        enforced = "strict-tool"
    name = request.output_name if enforced == "native" else answer_tool_name(taken)
    if enforced is not None:
        try:
            made = room.take(schema, can.strict_refused_keywords, is_tool=enforced == "strict-tool")
        except LooseSchemaError as error:
            reason = f"the schema cannot be enforced: {error}"
        else:
            # Who wants no loss is better served by a tool that has to be called: its schema goes out whole.
            if not (request.strict and made.loosened and forced):
                note_loosened(made, _PATH, scope)
                return OutputPlan(enforced, made.schema, name, frozenset(forced))
            room.give_back(made, is_tool=enforced == "strict-tool")
            reason = "strict mode refuses keywords of the schema, and nothing may be lost"
    else:
        reason = "this model does not enforce schemas here" if can.known else "nothing is known of this model"
    if forced:
        scope.note("lossless", "output-not-strict", _PATH, f"asked for as the input of a tool: {reason}")
        return OutputPlan("forced-tool", schema, answer_tool_name(taken), frozenset(forced))
    if has_tools:
        reason += ", and it cannot be told here that it has to call a tool"
    scope.note("changed", "output-prompted", _PATH, f"asked for in words, which the model may not heed: {reason}")
    return OutputPlan("prompt", schema, request.output_name)


def asks_for_citations(turns: Iterable[dict[str, Any]]) -> bool:
    """Whether a document in translated turns asks for citations."""
    documents = (block.get("document") for turn in turns for block in turn["content"])
    asked = (document.get("citations") for document in documents if is_object(document))
    return any(is_object(citations) and citations.get("enabled") is True for citations in asked)
