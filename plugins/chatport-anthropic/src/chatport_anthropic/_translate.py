"""A `ChatRequest` as the body of `POST /v1/messages`, and what had to be adjusted for it.

Pure: values in, values out, the same bytes for the same request in every process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatport.backend import (
    Adjustment,
    CachePoint,
    ChatRequest,
    Message,
    Opaque,
    Part,
    Settings,
    ToolCall,
    ToolResult,
    UnsupportedError,
    deep_merge,
)
from chatport.backend.translation import Restorer, is_array, is_object, system_prompt_parts
from chatport_anthropic._blocks import part_blocks
from chatport_anthropic._cache_marks import fit_cache_marks, mark_before, with_cache_marks
from chatport_anthropic._call_names import call_ids, is_plain_id, tool_names
from chatport_anthropic._json_values import check_json
from chatport_anthropic._models import capabilities, model_family
from chatport_anthropic._output_plan import OutputPlan, plan_output
from chatport_anthropic._schemas import StrictRoom
from chatport_anthropic._scope import BACKEND, Block, Scope
from chatport_anthropic._settings import check_settings, settings_members
from chatport_anthropic._thinking import asked_thinking, can_begin, thinking_members
from chatport_anthropic._tool_config import can_force, check_tools, tool_members, tool_names_of, with_own_tools
from chatport_anthropic._turn import is_tool_change
from chatport_anthropic._turns import has_tool_blocks, translate_messages

__all__ = ["MEMBERS", "Translation", "translate"]

MEMBERS: Final = frozenset(
    {
        *{"betas", "cache_control", "container", "context_management", "inference_geo", "max_tokens", "mcp_servers"},
        *{"messages", "metadata", "output_config", "service_tier", "speed", "stop_sequences", "system", "temperature"},
        *{"thinking", "tool_choice", "tools", "top_k", "top_p"},
    }
)
"""Members of the body, and `betas`, which goes into a header: what belongs into `settings.extra["anthropic"]`."""
_ORDER: Final = ("model", "max_tokens", "tools", "system", "messages")


@dataclass(frozen=True, slots=True)
class Translation:
    """A request in the service's words.

    Attributes:
        model: The model id, as the caller gave it.
        body: The body: JSON values, media as leaves of `chatport.backend.http`. It shares values with the request: do
            not change it. Whether it streams is not said in it.
        adjustments: Everything that was adjusted, what is lossless too, in the caller's terms.
        betas: What the request has to say in `anthropic-beta`.
        tool_names: The caller's names of tools by those on the wire, where they differ.
        output: How JSON is asked for, where it is.
    """

    model: str
    body: dict[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()
    betas: tuple[str, ...] = ()
    tool_names: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    output: OutputPlan | None = None

    def restorer(self) -> Restorer:
        """Return what makes the events of one answer those that the caller asked for."""
        plan = self.output
        return Restorer(
            self.tool_names,
            backend=BACKEND,
            answer_tool=None if plan is None else plan.tool_name,
            way=None if plan is None else plan.way,
            is_plain_id=is_plain_id,
        )


def translate(request: ChatRequest, *, whole: bool = False) -> Translation:
    """Return a request in the service's words. The request is not changed.

    Args:
        request: The request. Losses are noted where it is `strict` too: to refuse them is the caller's business, and so
            is `streaming`.
        whole: Whether the answer is to come as a whole, for which less is asked for where the caller sets no limit.

    Raises:
        UnsupportedError: Something in it cannot be said to this service; the message says where.
        ValueError: `tool_choice` cannot be met by the tools on offer.
        TypeError: `settings.extra["anthropic"]` is no dict, or what belongs into it stands beside it.
    """
    if not request.model or not request.model.isprintable():
        raise UnsupportedError(f"model: an id has visible characters, and not {request.model[:80]!r}")
    extra = _own_extra(request.settings)
    own_tools = extra.pop("tools", None)
    betas = _betas(extra.pop("betas", ()))
    check_settings(request.settings)
    check_tools(request, more_tools=bool(own_tools))
    scope = _scope(request)
    system, start = _system_prompt(request, scope)
    turns = translate_messages(request.messages, start, scope)
    system_blocks = [block for _, block in system]
    members, output = _members(request, system_blocks, turns, scope, extra=extra, own_tools=own_tools, whole=whole)
    body = deep_merge({name: value for name, value in members.items() if value not in ([], {})}, extra)
    if "tools" in members or own_tools is not None:
        body["tools"] = with_own_tools(members.get("tools", ()), own_tools)
    body = _with_container(_with_whole_choice(body, scope), request.messages[-1])
    body = fit_cache_marks(with_cache_marks(body, request.settings.cache, scope), scope)
    named = (*betas, *(beta for beta in scope.betas if beta not in betas))
    return Translation(
        request.model, _ordered(body), tuple(scope.adjustments), named, scope.tools.given_names(), output
    )


def _with_whole_choice(body: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """The body with a choice that says of which kind it is, and with none where there is nothing to choose from."""
    choice = body.get("tool_choice")
    if is_object(choice) and not body.get("tools") and not body.get("mcp_servers"):
        why = "left out: there are no tools to choose from"
        scope.note("lossless", "tool-choice-omitted", f'settings.extra["{BACKEND}"].tool_choice', why)
        return {name: value for name, value in body.items() if name != "tool_choice"}
    if is_object(choice) and "type" not in choice:
        # Such as {"disable_parallel_tool_use": True} alone: what it says of is the choice that nobody has made.
        return {**body, "tool_choice": {"type": "auto", **choice}}
    return body


def _with_container(body: dict[str, Any], last: Message) -> dict[str, Any]:
    """The body with the container in which a paused answer goes on; its turn notes there what the service said."""
    said = last.metadata.get(BACKEND)
    container = _object(said, "container").get("id") if last.role == "assistant" and is_object(said) else None
    given = body.get("container", {})
    if not isinstance(container, str) or not is_object(given) or "id" in given:
        return body
    return {**body, "container": {**given, "id": container} if given else container}


def _ordered(body: dict[str, Any]) -> dict[str, Any]:
    """The body as people read it, and as the service caches it."""
    return {**{name: body[name] for name in _ORDER if name in body}, **body}


def _members(
    request: ChatRequest,
    system: list[Block],
    turns: list[dict[str, Any]],
    scope: Scope,
    *,
    extra: Mapping[str, Any],
    own_tools: object,
    whole: bool,
) -> tuple[dict[str, Any], OutputPlan | None]:
    """The members of the body, of which empty ones are not to be sent, and how JSON is asked for."""
    settings = request.settings
    with_tools = (bool(request.tools) or bool(own_tools)) and request.tool_choice != "none"
    thoughts = thinking_members(settings.reasoning, scope, with_tools=with_tools)
    if _kind_of(extra, "thinking") not in {None, _kind_of(thoughts, "thinking")}:
        thoughts.pop("thinking", None)  # the two forms merged would be neither
    elif _kind_of(thoughts, "thinking") == "enabled" and not can_begin(turns):
        why = "left out: the calls that are answered here were made without signed thoughts before them"
        scope.note("dropped", "setting-dropped", "settings.reasoning", why)
        thoughts = {}
    # What the caller says in the service's own words counts as well: it is sent, and overrides what is made here.
    thinking = asked_thinking(deep_merge(thoughts, extra), scope.capabilities.thinking)
    room = StrictRoom()
    output = plan_output(
        request,
        scope,
        room,
        taken=(*_tool_names(request), *tool_names_of(own_tools)),
        can_force=can_force(thinking, scope),
        cites=_asks_for_citations(turns),
        has_tool_blocks=has_tool_blocks(turns),
    )
    tools = tool_members(request, turns, scope, thinking=thinking, room=room, more_tools=bool(own_tools))
    if output is not None:
        tools = output.with_tool(tools, request, scope)
        instruction = output.instruction(has_tools=with_tools)
        if instruction is not None:
            system = [*system, {"type": "text", "text": instruction}]
        thoughts = deep_merge(thoughts, output.format_members())
    members: dict[str, Any] = {
        "model": request.model,
        **settings_members(settings, thinking, scope, whole=whole),
        **tools,
        "system": system,
        "messages": turns,
        **thoughts,
    }
    if "type" in _object(extra, "tool_choice"):
        members.pop("tool_choice", None)
    return members, output


def _kind_of(members: Mapping[str, Any], name: str) -> object:
    return _object(members, name).get("type")


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if is_object(value) else {}


def _asks_for_citations(turns: Iterable[dict[str, Any]]) -> bool:
    blocks = [block for turn in turns for block in turn["content"]]
    nested = [inner for block in blocks if is_array(block.get("content")) for inner in block["content"]]
    return any(is_object(each) and _object(each, "citations").get("enabled") is True for each in (*blocks, *nested))


# --- extra -----------------------------------------------------------------------------------------------------------


def _own_extra(settings: Settings) -> dict[str, Any]:
    if misplaced := sorted(MEMBERS & settings.extra.keys()):
        wanted = f"settings.extra = {{{BACKEND!r}: …}}"
        raise TypeError(f"settings.extra: {', '.join(misplaced)} would say nothing there; write it into {wanted}")
    extra: object = settings.extra.get(BACKEND, {})
    if not is_object(extra):
        raise TypeError(f"settings.extra[{BACKEND!r}] must be a dict, not {type(extra).__name__}")
    check_json(extra, f'settings.extra["{BACKEND}"]')
    return dict(extra)


def _betas(given: object) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else given
    if not is_array(names) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"settings.extra[{BACKEND!r}]['betas'] must be a list of str, not {given!r}")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


# --- the system prompt -----------------------------------------------------------------------------------------------


def _system_prompt(request: ChatRequest, scope: Scope) -> tuple[list[tuple[str, Block]], int]:
    """The blocks of the system prompt with their paths, and where the conversation begins behind it."""
    parts, start = system_prompt_parts(request, scope, stays=_changes_tools)
    blocks: list[tuple[str, Block]] = []
    for path, part in parts:
        if isinstance(part, CachePoint):
            mark_before(blocks, part, path, scope)
        else:
            blocks += ((path, block) for block in part_blocks(part, "system", path, scope))
    return blocks, start


def _changes_tools(part: Part) -> bool:
    return isinstance(part, Opaque) and is_tool_change(part.data)


# --- names of tools and ids of calls ---------------------------------------------------------------------------------


def _scope(request: ChatRequest) -> Scope:
    return Scope(
        model_family(request.model),
        capabilities(request.model),
        tools=tool_names(_tool_names(request)),
        ids=call_ids(_call_ids(request.messages), _own_call_ids(request.messages)),
    )


def _tool_names(request: ChatRequest) -> Iterator[str]:
    yield from (tool.name for tool in request.tools)
    for message in request.messages:
        yield from (part.name for part in message.parts if isinstance(part, ToolCall))


def _call_ids(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield from (part.id for part in message.parts if isinstance(part, (ToolCall, ToolResult)))


def _own_call_ids(messages: Iterable[Message]) -> Iterator[str]:
    """The ids that the service is known to have issued: of calls that bear our mark."""
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCall) and BACKEND in part.metadata:
                yield part.id
