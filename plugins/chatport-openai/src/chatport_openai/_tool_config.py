"""Tools and the choice among them."""

from typing import Any

from chatport.backend import ChatRequest, Tool
from chatport.backend.translation import check_tool_choice
from chatport_openai._output_format import note_strict
from chatport_openai._schemas import LooseSchemaError, strict_schema
from chatport_openai._scope import Scope

__all__ = ["tool_members"]


def tool_members(request: ChatRequest, scope: Scope, *, more_tools: bool, thinks: bool) -> dict[str, Any]:
    """Return the members of a body that offer tools and choose among them.

    Args:
        request: The request.
        scope: The request's scope; adjustments are noted there.
        more_tools: Whether the caller offers tools in the server's words.
        thinks: Whether the model thinks before it answers, as far as the request says.

    Raises:
        ValueError: The choice cannot be met: it names no tool on offer, or asks for any where there is none.
    """
    check_tool_choice(request.tool_choice, [tool.name for tool in request.tools], more_tools=more_tools)
    tools = [_tool(tool, f"tools[{index}]", scope) for index, tool in enumerate(request.tools)]
    if not tools and not more_tools:
        return {}
    choice = _choice(request, scope, thinks=thinks)
    return {**({"tools": tools} if tools else {}), **({} if choice is None else {"tool_choice": choice})}


def _tool(tool: Tool, path: str, scope: Scope) -> dict[str, Any]:
    schema, strict = _parameters(tool, path, scope)
    description = {"description": tool.description} if tool.description.strip() else {}
    function = {"name": scope.tool_name(tool.name, path), **description, "parameters": schema, **strict}
    return {"type": "function", "function": function}


def _parameters(tool: Tool, path: str, scope: Scope) -> tuple[dict[str, Any], dict[str, bool]]:
    schema = tool.schema if "type" in tool.schema else {"type": "object", **tool.schema}
    if schema["type"] == "object" and "properties" not in schema:
        schema = {**schema, "properties": {}}  # OpenAI refuses an object schema without them
    if not tool.strict:
        return schema, {}
    if not scope.dialect.strict_tools:
        why = f"not strict: {scope.server} has no strict tools; the arguments may not fit the schema"
        scope.note("changed", "tool-not-strict", f"{path}.strict", why)
        return schema, {}
    try:
        made = strict_schema(schema)
    except LooseSchemaError as reason:
        scope.note("changed", "tool-not-strict", f"{path}.strict", f"not strict, as it cannot be: {reason}")
        return schema, {}
    note_strict(made, f"{path}.schema", scope)
    return made.schema, {"strict": True}


def _choice(request: ChatRequest, scope: Scope, *, thinks: bool) -> str | dict[str, Any] | None:
    """The choice as the server takes it; None where nothing is said, which is "auto"."""
    choice, dialect = request.tool_choice, scope.dialect
    if choice is None or choice in {"auto", "none"}:
        return choice
    if thinks and not dialect.forced_thinking:
        why = "the model chooses freely: while it thinks, this server refuses that a tool has to be called"
        scope.note("changed", "tool-choice-not-forced", "tool_choice", why)
        return "auto"
    if choice == "any" and len(request.tools) == 1 and dialect.any_choice is None and dialect.named_choice:
        choice = request.tools[0].name
    if choice != "any" and dialect.named_choice:
        return {"type": "function", "function": {"name": scope.tools.sent(choice)}}
    if dialect.any_choice is None:
        why = f"the model chooses freely: {scope.server} cannot be told that a tool has to be called"
        scope.note("changed", "tool-choice-not-forced", "tool_choice", why)
        return "auto"
    if choice != "any" and len(request.tools) > 1:
        why = f"{scope.server} cannot be told which tool to call: the model has to call one, not {choice!r} alone"
        scope.note("changed", "tool-choice-any", "tool_choice", why)
    return dialect.any_choice
