"""Tools and the choice among them as the service's `toolConfig`."""

from typing import Any

from chatport.backend import ChatRequest, Tool
from chatport_bedrock._scope import Scope
from chatport_bedrock._turns import call_names, has_tool_blocks

__all__ = ["tool_config"]


def tool_config(
    request: ChatRequest, turns: list[dict[str, Any]], scope: Scope, *, more_tools: bool = False
) -> dict[str, Any]:
    """Return the `toolConfig` of a request, empty where there is none to send.

    The service knows no choice "none": without tools the model cannot call one, so they are withheld. But a
    conversation that has calls or results in it is refused without a `toolConfig`; then the tools stay.

    Args:
        request: The request.
        turns: Its translated turns.
        scope: The request's scope; adjustments are noted there.
        more_tools: Whether the caller adds tools of the service's own to what is returned here.

    Raises:
        ValueError: The choice cannot be met: it names no tool on offer, or asks for any where there is none.
    """
    choice = request.tool_choice
    _check_choice(request, more_tools=more_tools)
    tool_blocks = has_tool_blocks(turns)
    if choice == "none" and not tool_blocks and not more_tools:
        if request.tools:
            scope.note("lossless", "tools-withheld", "tool_choice", "no tool may be called, so none is offered")
        return {}
    tools = [_tool_spec(tool, f"tools[{index}]", scope) for index, tool in enumerate(request.tools)]
    if tool_blocks and not tools and not more_tools:
        tools = _tools_from_history(turns, scope)
    if choice == "none" and (tools or more_tools):
        why = "Bedrock cannot forbid calls while calls stand in the conversation; the model may still call a tool"
        scope.note("changed", "tool-choice-none", "tool_choice", why)
    config: dict[str, Any] = {"tools": tools} if tools else {}
    if choice is not None and choice != "none" and (tools or more_tools):
        forced = {"tool": {"name": scope.tools.sent(choice)}}
        config["toolChoice"] = {choice: {}} if choice in {"auto", "any"} else forced
    return config


def _check_choice(request: ChatRequest, *, more_tools: bool) -> None:
    choice = request.tool_choice
    names = [tool.name for tool in request.tools]
    if more_tools or choice in {None, "auto", "none", *names} or (choice == "any" and names):
        return
    on_offer = f"on offer: {', '.join(names)}" if names else "there are no tools"
    raise ValueError(f"tool_choice {choice!r} cannot be met: {on_offer}")


def _tool_spec(tool: Tool, path: str, scope: Scope) -> dict[str, Any]:
    # A description may be left out, but what is there must have a visible character.
    description = {"description": tool.description} if tool.description.strip() else {}
    name = scope.tool_name(tool.name, path)
    return {"toolSpec": {"name": name, **description, "inputSchema": {"json": tool.schema}}}


def _tools_from_history(turns: list[dict[str, Any]], scope: Scope) -> list[dict[str, Any]]:
    names = call_names(turns)
    if names:
        why = (
            "Bedrock refuses calls and results in a conversation where no tools are offered; "
            f"offered again, without description: {', '.join(names)}"
        )
        scope.note("changed", "tools-from-history", "tools", why)
    return [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in names]
