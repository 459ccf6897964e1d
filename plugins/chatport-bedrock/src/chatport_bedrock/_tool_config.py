"""Tools and the choice among them as the service's `toolConfig`."""

from typing import Any

from chatport.backend import ChatRequest, Tool
from chatport_bedrock._capabilities import ReasoningKind, ReasoningSupport
from chatport_bedrock._json_values import is_object
from chatport_bedrock._scope import Scope
from chatport_bedrock._turns import call_names, has_tool_blocks

__all__ = ["tool_config"]


def tool_config(
    request: ChatRequest,
    turns: list[dict[str, Any]],
    scope: Scope,
    *,
    more_tools: bool = False,
    model_fields: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the `toolConfig` of a request, empty where there is none to send.

    The service knows no choice "none": without tools the model cannot call one, so they are withheld. But a
    conversation that has calls or results in it is refused without a `toolConfig`; then the tools stay.

    Args:
        request: The request.
        turns: Its translated turns.
        scope: The request's scope; adjustments are noted there.
        more_tools: Whether the caller adds tools of the service's own to what is returned here.
        model_fields: What the caller says to the model past the common settings, which may be how to reason.

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
        sent = _sent_choice(choice, request, scope, model_fields or {})
        config |= {"toolChoice": sent} if sent else {}
    return config


def _sent_choice(choice: str, request: ChatRequest, scope: Scope, model_fields: dict[str, Any]) -> dict[str, Any]:
    """The choice as the model takes it; empty where it goes without one, which is "auto"."""
    taken = scope.capabilities.tool_choices
    auto: dict[str, Any] = {"auto": {}} if "auto" in taken else {}
    if choice == "auto":
        if not auto:
            why = "left out: this model takes no toolChoice, and chooses freely without one"
            scope.note("lossless", "tool-choice-omitted", "tool_choice", why)
        return auto
    refusal = _refusal_to_force(request, scope, model_fields)
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


def _refusal_to_force(request: ChatRequest, scope: Scope, model_fields: dict[str, Any]) -> str | None:
    """Why a model that takes forced calls refuses them here."""
    can = scope.capabilities
    if not request.tools and not can.forces_system_tools:
        return "where only tools of the service's own are on offer, this model refuses that one has to be called"
    kind = _reasoning_kind(can.reasoning, model_fields)
    if kind in can.reasoning.refuses_forced_choice:
        return "while it reasons, this model refuses that a tool has to be called"
    return None


def _reasoning_kind(reasoning: ReasoningSupport, model_fields: dict[str, Any]) -> ReasoningKind | None:
    """How the model is asked to reason, as far as its fields say; None: it is not."""
    thinking = model_fields.get("thinking")
    asked = thinking.get("type") if is_object(thinking) else None
    if asked == "enabled":
        return "budget"
    if asked == "adaptive":
        return "adaptive"
    if "reasoning_effort" in model_fields:
        return None if model_fields["reasoning_effort"] == "none" else "effort"
    return reasoning.kind if reasoning.on_by_default and asked is None else None


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
