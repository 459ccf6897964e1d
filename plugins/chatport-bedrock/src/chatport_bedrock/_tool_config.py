"""Tools and the choice among them as the service's `toolConfig`."""

from typing import Any

from chatport.backend import ChatRequest, Tool
from chatport.backend.translation import check_tool_choice
from chatport_bedrock._reasoning import AskedReasoning
from chatport_bedrock._request_limits import argument_schema
from chatport_bedrock._scope import Scope
from chatport_bedrock._strict_schemas import StrictRoom, tool_schema
from chatport_bedrock._turns import call_names, has_tool_blocks

__all__ = ["choice_fields", "tool_config"]


def tool_config(
    request: ChatRequest,
    turns: list[dict[str, Any]],
    scope: Scope,
    *,
    more_tools: bool = False,
    reasoning: AskedReasoning | None = None,
    room: StrictRoom | None = None,
) -> dict[str, Any]:
    """Return the `toolConfig` of a request, empty where there is none to send.

    The service knows no choice "none": without tools the model cannot call one, so they are withheld. But a
    conversation that has calls or results in it is refused without a `toolConfig`; then the tools stay, and
    `choice_fields` says it where the model can be told.

    Args:
        request: The request.
        turns: Its translated turns.
        scope: The request's scope; adjustments are noted there.
        more_tools: Whether the caller adds tools of the service's own to what is returned here.
        reasoning: How the request asks its model to reason.
        room: What is left of the limits of strict schemas.

    Raises:
        ValueError: The choice cannot be met: it names no tool on offer, or asks for any where there is none.
    """
    choice = request.tool_choice
    check_tool_choice(request.tool_choice, [tool.name for tool in request.tools], more_tools=more_tools)
    tool_blocks = has_tool_blocks(turns)
    if choice == "none" and not tool_blocks and not more_tools:
        if request.tools:
            scope.note("lossless", "tools-withheld", "tool_choice", "no tool may be called, so none is offered")
        return {}
    room = room or StrictRoom()
    tools = [_tool_spec(tool, f"tools[{index}]", scope, room) for index, tool in enumerate(request.tools)]
    if tool_blocks and not tools and not more_tools:
        tools = _tools_from_history(turns, scope)
    if choice == "none" and (tools or more_tools) and not scope.capabilities.none_choice:
        why = "Bedrock cannot forbid calls while calls stand in the conversation; the model may still call a tool"
        scope.note("changed", "tool-choice-none", "tool_choice", why)
    config: dict[str, Any] = {"tools": tools} if tools else {}
    if choice is not None and choice != "none" and (tools or more_tools):
        sent = _sent_choice(choice, request, scope, reasoning or AskedReasoning())
        config |= {"toolChoice": sent} if sent else {}
    return config


def choice_fields(request: ChatRequest, scope: Scope, *, has_tools: bool) -> dict[str, Any]:
    """Return the member of `additionalModelRequestFields` that forbids calls while tools stay in the request.

    Converse has no such choice, and Claude's own words for it get past Converse.

    Args:
        request: The request.
        scope: The request's scope.
        has_tools: Whether tools are sent.
    """
    forbids = request.tool_choice == "none" and has_tools and scope.capabilities.none_choice
    return {"tool_choice": {"type": "none"}} if forbids else {}


def _sent_choice(choice: str, request: ChatRequest, scope: Scope, reasoning: AskedReasoning) -> dict[str, Any]:
    """The choice as the model takes it; empty where it goes without one, which is "auto"."""
    taken = scope.capabilities.tool_choices
    auto: dict[str, Any] = {"auto": {}} if "auto" in taken else {}
    if choice == "auto":
        if not auto:
            why = "left out: this model takes no toolChoice, and chooses freely without one"
            scope.note("lossless", "tool-choice-omitted", "tool_choice", why)
        return auto
    refusal = _refusal_to_force(request, scope, reasoning)
    if refusal is not None:
        scope.note("changed", "tool-choice-not-forced", "tool_choice", f"the model chooses freely: {refusal}")
        return auto
    if choice != "any" and "tool" in taken:
        return {"tool": {"name": scope.tools.sent(choice)}}
    if "any" in taken:
        if choice != "any" and len(request.tools) > 1:
            why = f"this model cannot be told which tool to call: it has to call one, not {choice!r} alone"
            scope.note("changed", "tool-choice-any", "tool_choice", why)
        return {"any": {}}
    why = "the model chooses freely: it cannot be told that it has to call a tool"
    scope.note("changed", "tool-choice-not-forced", "tool_choice", why)
    return auto


def _refusal_to_force(request: ChatRequest, scope: Scope, reasoning: AskedReasoning) -> str | None:
    """Why a model that takes forced calls refuses them here."""
    can = scope.capabilities
    if not request.tools and not can.forces_system_tools:
        return "where only tools of the service's own are on offer, this model refuses that one has to be called"
    if reasoning.kind in can.reasoning.refuses_forced_choice:
        return "while it reasons, this model refuses that a tool has to be called"
    return None


def _tool_spec(tool: Tool, path: str, scope: Scope, room: StrictRoom) -> dict[str, Any]:
    # A description may be left out, but what is there must have a visible character.
    description = {"description": tool.description} if tool.description.strip() else {}
    name = scope.tool_name(tool.name, path)
    schema, is_strict = tool_schema(tool, path, scope, room, schema=argument_schema(tool, path, scope))
    strict = {"strict": True} if is_strict else {}
    return {"toolSpec": {"name": name, **description, "inputSchema": {"json": schema}, **strict}}


def _tools_from_history(turns: list[dict[str, Any]], scope: Scope) -> list[dict[str, Any]]:
    names = call_names(turns)
    if names:
        why = (
            "Bedrock refuses calls and results in a conversation where no tools are offered; "
            f"offered again, without description: {', '.join(names)}"
        )
        scope.note("changed", "tools-from-history", "tools", why)
    return [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in names]
