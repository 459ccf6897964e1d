"""A `ChatRequest` as the body of Converse and ConverseStream, and what had to be adjusted for it.

Pure: values in, values out, nothing of AWS imported, the same bytes for the same request in every process. Members and
limits are those of `ConverseRequest` in the service model of Bedrock Runtime.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatport.backend import (
    Adjustment,
    ChatRequest,
    Message,
    Opaque,
    Part,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedError,
    deep_merge,
)
from chatport.backend.translation import Restorer, SentCallIds, is_object
from chatport_bedrock._automatic_cache import with_cache_points
from chatport_bedrock._call_names import call_ids, tool_names
from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._document_names import DocumentNames
from chatport_bedrock._json_limits import check_json
from chatport_bedrock._limits import Limits, limits_of
from chatport_bedrock._models import capabilities, model_family, parse_model
from chatport_bedrock._output_config import OutputPlan, asks_for_citations, plan_output
from chatport_bedrock._own_tools import offers_tools, own_names, with_own_tools
from chatport_bedrock._plain_words import plain_body_of
from chatport_bedrock._reasoning import AskedReasoning, asked_reasoning, reasoning_fields
from chatport_bedrock._request_limits import check_model, check_settings, check_tools
from chatport_bedrock._request_options import MEMBERS
from chatport_bedrock._scope import BACKEND, Block, Scope
from chatport_bedrock._settings import inference_members
from chatport_bedrock._stored_prompts import fit_stored_prompt
from chatport_bedrock._strict_schemas import StrictRoom
from chatport_bedrock._system_prompt import moved_to_user, system_prompt
from chatport_bedrock._tool_config import choice_fields, tool_config
from chatport_bedrock._turns import has_tool_blocks, translate_messages

__all__ = ["Translation", "translate"]


@dataclass(frozen=True, slots=True)
class Translation:
    """A request in the service's words.

    Attributes:
        model: The model id, as the caller gave it; it belongs into the path.
        body: The body: JSON values, media and redacted reasoning as `bytes`. It shares values with the request: do
            not change it. `encode_body` makes bytes of it, `plain_body` JSON to look at.
        adjustments: Everything that was adjusted, what is lossless too, in the caller's terms.
        tool_names: The caller's names of tools by those on the wire, where they differ.
        output: How JSON is asked for, where it is.
        ids: The ids of its calls.
    """

    model: str
    body: dict[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()
    tool_names: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    output: OutputPlan | None = None
    ids: SentCallIds = field(default_factory=call_ids, compare=False, repr=False)

    def restorer(self) -> Restorer:
        """Return what makes the events of one answer those that the caller asked for."""
        plan = self.output
        return Restorer(
            self.tool_names,
            backend=BACKEND,
            answer_tool=None if plan is None else plan.tool_name,
            way=None if plan is None else plan.way,
            is_plain_id=self.ids.is_plain,
        )


def translate(
    request: ChatRequest, *, can: Capabilities | None = None, check_limits: bool = True, base: str | None = None
) -> Translation:
    """Return a request in the service's words. The request is not changed.

    Args:
        request: The request. Losses are noted where it is `strict` too: to refuse them is the caller's business, and so
            is `streaming`.
        can: What its model can be asked; None for what the table of models says.
        check_limits: Whether media that are too many or too large by what is documented are refused here; what the
            service model rules out is refused in any case.
        base: The base model behind an id that hides it, where that is known: the request is made for what it can.

    Raises:
        UnsupportedError: Something in it cannot be said to this service; the message says where.
        ValueError: `tool_choice` cannot be met by the tools on offer.
        TypeError: `settings.extra["bedrock"]` is no dict, or what belongs into it stands beside it.
    """
    can = capabilities(base or request.model) if can is None else can
    plain = plain_body_of(request, can)
    if plain is not None:
        return Translation(request.model, plain, ids=call_ids(pattern=can.tool_id))
    extra = _own_extra(request.settings)
    check_model(request.model)
    check_settings(request.settings)
    check_tools(request.tools)
    if request.output_schema:
        check_json(request.output_schema, "output_schema")
    if extra:
        check_json(extra, f'settings.extra["{BACKEND}"]', tuples=True, blobs=True)
    own_tools = _tools_of(extra)
    only_words = _has_only_words(request)
    scope = _scope(
        request,
        () if only_words else request.messages,  # words have no names and no ids
        can,
        limits_of(base or request.model) if check_limits else None,
    )
    system, start = system_prompt(request, scope)
    turns = translate_messages(
        request.messages,
        start,
        scope,
        system=system,
        tools=own_tools,
        may_be_empty=_is_stored(request),
        only_words=only_words,
    )
    _check_conversation(request, turns, extra)
    if system and not can.system and "messages" not in extra:
        system, turns = [], moved_to_user(system, turns, scope)
    members, output = _members(request, [block for _, block in system], turns, scope, extra=extra)
    body = deep_merge({name: value for name, value in members.items() if value}, extra)
    body = with_own_tools(body, members["toolConfig"], own_tools, scope)
    body = with_cache_points(body, request.settings.cache, scope)
    body = fit_stored_prompt(request.model, body, extra, scope)
    return Translation(request.model, body, tuple(scope.adjustments), scope.tools.given_names(), output, scope.ids)


def _scope(request: ChatRequest, spoken: Sequence[Message], can: Capabilities, limits: Limits | None) -> Scope:
    """What is known, and kept, while the request is translated."""
    return Scope(
        model_family(request.model),
        DocumentNames(_reserved_names(spoken)),
        can,
        limits,
        tools=tool_names(_tool_names(request.tools, spoken)),
        ids=call_ids(_call_ids(spoken), _own_call_ids(spoken), can.tool_id),
    )


def _planned_output(
    request: ChatRequest, turns: list[dict[str, Any]], asked: AskedReasoning, scope: Scope, *, own_tools: object
) -> tuple[OutputPlan | None, StrictRoom]:
    """How JSON is asked for, and what that leaves of the limits of strict schemas."""
    room = StrictRoom()
    if request.output_schema is None:
        return None, room
    plan = plan_output(
        request,
        scope,
        room,
        taken=(*_tool_names(request.tools, request.messages), *own_names(own_tools)),
        refuses_force=asked.kind in scope.capabilities.reasoning.refuses_forced_choice,
        cites=asks_for_citations(turns),
    )
    return plan, room


def _check_conversation(request: ChatRequest, turns: Sequence[dict[str, Any]], extra: dict[str, Any]) -> None:
    """Refuse a conversation in which nothing is said: only a stored prompt speaks for itself."""
    if turns or extra.get("messages") or _is_stored(request):
        return
    raise UnsupportedError("messages: nothing is said in them, and Bedrock refuses a conversation without a message")


def _has_only_words(request: ChatRequest) -> bool:
    """Whether nothing but text stands in it, so that most of what a request may need is not needed."""
    said = (request.system, *[message.parts for message in request.messages])
    return all(type(part) is Text for parts in said for part in parts)


def _is_stored(request: ChatRequest) -> bool:
    return parse_model(request.model).kind == "prompt"


def _members(
    request: ChatRequest, system: list[Block], turns: list[dict[str, Any]], scope: Scope, *, extra: dict[str, Any]
) -> tuple[dict[str, Any], OutputPlan | None]:
    """The members of the body, of which empty ones are not to be sent, and how JSON is asked for."""
    settings = request.settings
    own_tools = _tools_of(extra)
    # A stored prompt brings its own tools, so that calls of them need none from here.
    more_tools = offers_tools(own_tools) or _is_stored(request)
    with_tools = (bool(request.tools) or more_tools) and request.tool_choice != "none"
    own_fields = _own_model_fields(extra)
    reasoning = _without_other_forms(reasoning_fields(settings.reasoning, scope, with_tools=with_tools), own_fields)
    # What the caller says in the model's own words counts as well: it is sent, and overrides what is made here.
    asked = asked_reasoning(deep_merge(reasoning, own_fields), scope.capabilities.reasoning)
    output, room = _planned_output(request, turns, asked, scope, own_tools=own_tools)
    called = request if output is None else output.request_for_tools(request, has_tool_blocks=has_tool_blocks(turns))
    config = tool_config(called, turns, scope, more_tools=more_tools, reasoning=asked, room=room)
    forbidden = choice_fields(called, scope, has_tools=bool(config) or more_tools)
    inference, model_fields = inference_members(settings, asked, scope)
    members: dict[str, Any] = {
        "messages": turns,
        "system": system,
        "inferenceConfig": inference,
        "toolConfig": config,
        "additionalModelRequestFields": {**model_fields, **reasoning, **forbidden},
    }
    if output is not None:
        members["outputConfig"] = output.output_config()
        members["toolConfig"] = output.with_tool(config, request, scope, more_tools=more_tools)
        may_call = request.tool_choice != "none" and (bool(config) or more_tools)
        _instruct(members, output.instruction(has_tools=may_call), request, scope)
    if "toolChoice" in _object(extra, "toolConfig"):
        members["toolConfig"] = {name: value for name, value in members["toolConfig"].items() if name != "toolChoice"}
    return members, output


def _without_other_forms(fields: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Members without those that the caller says in another form: the two forms merged would be neither."""
    return {
        name: value
        for name, value in fields.items()
        if not (is_object(value) and _object(own, name).get("type", value.get("type")) != value.get("type"))
    }


def _instruct(members: dict[str, Any], instruction: str | None, request: ChatRequest, scope: Scope) -> None:
    """Put an instruction behind the system prompt; where there can be none, behind what the user says last."""
    if instruction is None:
        return
    block = {"text": instruction}
    turns: list[dict[str, Any]] = members["messages"]
    if scope.capabilities.system and not _is_stored(request):
        members["system"] = [*members["system"], block]
        return
    last = next((index for index in reversed(range(len(turns))) if turns[index]["role"] == "user"), None)
    if last is None:
        raise UnsupportedError("output_schema: the model is told of it in a message of the user, and there is none")
    said = {**turns[last], "content": [*turns[last]["content"], block]}
    members["messages"] = [*turns[:last], said, *turns[last + 1 :]]


# --- settings --------------------------------------------------------------------------------------------------------


def _own_extra(settings: Settings) -> dict[str, Any]:
    if misplaced := sorted(MEMBERS & settings.extra.keys()):
        wanted = f"settings.extra = {{{BACKEND!r}: …}}"
        raise TypeError(f"settings.extra: {', '.join(misplaced)} would say nothing there; write it into {wanted}")
    extra: object = settings.extra.get(BACKEND, {})
    if not is_object(extra):
        raise TypeError(f"settings.extra[{BACKEND!r}] must be a dict, not {type(extra).__name__}")
    return extra


def _own_model_fields(extra: dict[str, Any]) -> dict[str, Any]:
    return _object(extra, "additionalModelRequestFields")


def _tools_of(extra: dict[str, Any]) -> object:
    return _object(extra, "toolConfig").get("tools")


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if is_object(value) else {}


# --- documents -------------------------------------------------------------------------------------------------------


def _reserved_names(messages: Sequence[Message]) -> Iterator[str]:
    """The names of documents that go out as they stand, so that no other document gets one of them."""
    for message in messages:
        for part in _with_results(message.parts):
            match part:
                case Opaque(backend=found, data={"document": {"name": str(name)}}) if found == BACKEND:
                    yield name
                case _:
                    pass


def _with_results(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from part.content


# --- names of tools and ids of calls ---------------------------------------------------------------------------------


def _tool_names(tools: Iterable[Tool], messages: Iterable[Message]) -> Iterator[str]:
    yield from (tool.name for tool in tools)
    for message in messages:
        for part in message.parts:
            match part:
                case ToolCall(name=name):
                    yield name
                case Opaque(backend=found, data={"toolUse": {"name": str(name)}}) if found == BACKEND:
                    yield name
                case _:
                    pass


def _call_ids(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield from (part.id for part in message.parts if isinstance(part, (ToolCall, ToolResult)))
    yield from _own_call_ids(messages)


def _own_call_ids(messages: Iterable[Message]) -> Iterator[str]:
    """The ids that the service is known to have issued: of calls that bear our mark, or stand in its own words."""
    for message in messages:
        for part in message.parts:
            match part:
                case ToolCall(id=str(call_id), metadata=marks) if BACKEND in marks:
                    yield call_id
                case Opaque(backend=found, data={"toolUse": {"toolUseId": str(call_id)}}) if found == BACKEND:
                    yield call_id
                case _:
                    pass
