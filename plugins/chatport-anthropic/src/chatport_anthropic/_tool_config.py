"""Tools and the choice among them as members of the body."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chatport.backend import ChatRequest, Tool, UnsupportedError
from chatport.backend.translation import check_tool_choice, is_array, is_object
from chatport_anthropic._json_values import check_json, check_text
from chatport_anthropic._schemas import LooseSchemaError, StrictRoom, note_loosened
from chatport_anthropic._scope import Scope
from chatport_anthropic._thinking import AskedThinking
from chatport_anthropic._turns import call_names, has_tool_blocks

__all__ = ["can_force", "check_tools", "tool_members", "tool_names_of", "with_own_tools"]

_FREE: Final = frozenset({None, "auto", "none"})


def check_tools(request: ChatRequest, *, more_tools: bool) -> None:
    """Refuse tools that every model refuses, and a choice that cannot be met.

    Args:
        request: The request.
        more_tools: Whether the caller adds tools in the service's own words.

    Raises:
        UnsupportedError: Two have one name, or a schema is no JSON or describes something else than an object.
        ValueError: The choice names no tool on offer, or asks for any where there is none.
    """
    seen: dict[str, int] = {}
    for index, tool in enumerate(request.tools):
        path = f"tools[{index}]"
        first = seen.setdefault(tool.name, index)
        if first != index:
            raise UnsupportedError(f"{path}.name: {tool.name!r} is the name of tools[{first}] too")
        check_text(tool.description, f"{path}.description")
        check_json(tool.schema, f"{path}.schema")
        kind: object = tool.schema.get("type", "object")
        if kind != "object":
            raise UnsupportedError(f"{path}.schema.type: a tool takes an object, not {kind!r}")
    check_tool_choice(request.tool_choice, seen, more_tools=more_tools)


def can_force(thinking: AskedThinking, scope: Scope) -> bool:
    """Whether the model takes it here that a tool has to be called."""
    can = scope.capabilities
    return can.forced_choice and (thinking.kind != "budget" or can.forced_while_budget)


def tool_members(
    request: ChatRequest,
    turns: Sequence[dict[str, Any]],
    scope: Scope,
    *,
    thinking: AskedThinking,
    room: StrictRoom,
    more_tools: bool = False,
) -> dict[str, Any]:
    """Return `tools` and `tool_choice`, empty where there is nothing to send.

    A conversation that has calls or results in it wants their tools named. They are offered again where the caller
    offers none, and calling them is forbidden.

    Args:
        request: The request.
        turns: Its translated turns.
        scope: The request's scope; adjustments are noted there.
        thinking: How the request asks its model to think.
        room: What is left of the limits of strict schemas.
        more_tools: Whether the caller adds tools in the service's own words.
    """
    choice = request.tool_choice
    tools = [_tool_spec(tool, f"tools[{index}]", scope, room) for index, tool in enumerate(request.tools)]
    if not tools and not more_tools:
        names = call_names(turns) if has_tool_blocks(turns) else ()
        if not names:
            return {}
        why = f"offered again, because calls of them stand in the conversation, and forbidden: {', '.join(names)}"
        scope.note("lossless", "tools-from-history", "tools", why)
        again = [{"name": name, "input_schema": {"type": "object"}} for name in names]
        return {"tools": again, "tool_choice": {"type": "none"}}
    members: dict[str, Any] = {"tools": tools} if tools else {}
    if choice is None:
        return members
    if choice not in _FREE and not can_force(thinking, scope):
        kept = "while it thinks within a budget " if scope.capabilities.forced_choice else ""
        why = f"the model chooses freely: {kept}it refuses that a tool has to be called"
        scope.note("changed", "tool-choice-not-forced", "tool_choice", why)
        return {**members, "tool_choice": {"type": "auto"}}
    if choice in {"auto", "any", "none"}:
        return {**members, "tool_choice": {"type": choice}}
    return {**members, "tool_choice": {"type": "tool", "name": scope.tools.sent(choice)}}


def _tool_spec(tool: Tool, path: str, scope: Scope, room: StrictRoom) -> dict[str, Any]:
    # A description may be left out, but what is there must have a visible character.
    description = {"description": tool.description} if tool.description.strip() else {}
    schema, is_strict = _tool_schema(tool, path, scope, room)
    strict = {"strict": True} if is_strict else {}
    return {"name": scope.tool_name(tool.name, path), **description, "input_schema": schema, **strict}


def _tool_schema(tool: Tool, path: str, scope: Scope, room: StrictRoom) -> tuple[dict[str, Any], bool]:
    schema = tool.schema
    if "type" not in schema:
        why = "the service wants a schema to say that the arguments are an object, which they always are"
        scope.note("lossless", "schema-type-added", f"{path}.schema", why)
        schema = {"type": "object", **schema}
    if not tool.strict:
        return schema, False
    if not scope.capabilities.structured:
        why = "not strict: this model has no strict tools; the arguments may not fit the schema"
        scope.note("changed", "tool-not-strict", f"{path}.strict", why)
        return schema, False
    try:
        made = room.take(schema)
    except LooseSchemaError as reason:
        scope.note("changed", "tool-not-strict", f"{path}.strict", f"not strict, as it cannot be: {reason}")
        return schema, False
    note_loosened(made, f"{path}.schema", scope)
    return made.schema, True


# --- tools in the service's own words --------------------------------------------------------------------------------


def tool_names_of(own: object) -> tuple[str, ...]:
    """Return what the tools among the caller's own entries are called, as far as they have names here."""
    return tuple(name for entry in own if (name := _name(entry)) is not None) if is_array(own) else ()


def with_own_tools(planned: Iterable[dict[str, Any]], own: object) -> list[Any]:
    """Return all tools on offer: the planned ones, and behind them the caller's own entries.

    An entry without an `input_schema` and a type of its own, but with the name of a planned tool, says more about that
    one, such as `eager_input_streaming` or `defer_loading`: it is laid over it. Any other entry of its name takes its
    place.

    Args:
        planned: The tools of the request in the service's words.
        own: The entries of `tools` in `extra`, as the caller wrote them.
    """
    entries = {_name(entry): entry for entry in own} if is_array(own) else {}
    tools: list[Any] = []
    used: set[str] = set()
    for tool in planned:
        entry = entries.get(tool["name"])
        if is_object(entry):
            used.add(tool["name"])
            tool = {**tool, **entry}  # noqa: PLW2901 - the tool with what is said of it besides
        tools.append(tool)
    tools += (entry for entry in (own if is_array(own) else ()) if _name(entry) not in used)
    return tools


def _name(entry: object) -> str | None:
    name = entry.get("name") if is_object(entry) else None
    return name if isinstance(name, str) else None
