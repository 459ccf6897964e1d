"""A `ChatRequest` as the body of a chat completion, and what had to be adjusted for it.

Pure: values in, values out, the same body for the same request in every process. Members are those of OpenAI's
documentation; where servers differ, `_dialect_table` says it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatport.backend import (
    Adjustment,
    ChatRequest,
    Message,
    Settings,
    ToolCall,
    ToolResult,
    UnsupportedError,
    deep_merge,
)
from chatport.backend.translation import is_object, own_metadata
from chatport_openai._call_names import call_ids, tool_names
from chatport_openai._dialects import Dialect
from chatport_openai._models import ModelFacts, model_facts, model_family
from chatport_openai._output_format import plan_output
from chatport_openai._reasoning import reasoning_members, thinks
from chatport_openai._scope import BACKEND, Scope
from chatport_openai._settings import setting_members
from chatport_openai._tool_config import tool_members
from chatport_openai._turns import instructions, system_message, translate_messages

__all__ = ["Translation", "translate"]


@dataclass(frozen=True, slots=True)
class Translation:
    """A request in the server's words.

    Attributes:
        model: The model id, as the caller gave it.
        body: The body: JSON values, media as leaves of their own. It shares values with the request: do not change it.
        adjustments: Everything that was adjusted, what is lossless too, in the caller's terms.
        tool_names: The caller's names of tools by those on the wire, where they differ.
        family: Whose model is asked.
    """

    model: str
    body: dict[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()
    tool_names: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    family: str = ""


def translate(
    request: ChatRequest, *, dialect: Dialect, server: str | None = None, streaming: bool = False
) -> Translation:
    """Return a request in the server's words. The request is not changed.

    Args:
        request: The request. Losses are noted where it is `strict` too: to refuse them is the caller's business.
        dialect: What the server takes.
        server: Who it is, where the dialect does not tell; reasoning goes back only to the server that gave it.
        streaming: Whether the answer is to come piece by piece.

    Raises:
        UnsupportedError: Something in it cannot be said to this server; the message says where.
        ValueError: `tool_choice` cannot be met by the tools on offer.
        TypeError: `settings.extra["openai"]` is no dict.
    """
    if not request.model:
        raise UnsupportedError("model: there is none")
    extra = _own_extra(request.settings)
    scope = Scope(
        dialect,
        server or dialect.name,
        model_family(request.model),
        model_facts(request.model) if dialect.openai_models else ModelFacts(),
        tools=tool_names(_tool_names(request)),
        ids=call_ids(_call_ids(request.messages), _own_ids(request.messages, server or dialect.name), dialect.call_id),
    )
    prompt = instructions(request.system, scope)
    plan = plan_output(request, scope)
    if plan is not None and plan.instruction is not None:
        prompt = [*prompt, {"type": "text", "text": plan.instruction}]
    turns = translate_messages(request.messages, scope)
    asked = reasoning_members(request.settings.reasoning, request.model, scope)
    does_think = thinks({**asked, **extra}, request.model, scope)
    more_tools = bool(extra.get("tools"))
    members: dict[str, Any] = {
        "model": request.model,
        "messages": [*([system_message(prompt, scope)] if prompt else ()), *turns],
        **setting_members(request.settings, scope, thinks=does_think),
        **asked,
        **tool_members(request, scope, more_tools=more_tools, thinks=bool(does_think)),
        **({} if plan is None else plan.members),
        **_streaming(dialect, streaming=streaming),
    }
    body = deep_merge(members, {name: value for name, value in extra.items() if name != "tools"})
    if more_tools:
        body["tools"] = [*members.get("tools", ()), *extra["tools"]]
    return Translation(request.model, body, tuple(scope.adjustments), dict(scope.tools.given_names()), scope.family)


def _streaming(dialect: Dialect, *, streaming: bool) -> dict[str, Any]:
    if not streaming:
        return {}
    return {"stream": True, **({"stream_options": {"include_usage": True}} if dialect.include_usage else {})}


def _own_extra(settings: Settings) -> dict[str, Any]:
    """The caller's own members of the body, checked for what would change how the answer is read."""
    extra: object = settings.extra.get(BACKEND, {})
    if not is_object(extra):
        raise TypeError(f'settings.extra["{BACKEND}"] must be a dict, not a {type(extra).__name__}')
    for name in settings.extra:
        if name in {"seed", "logprobs", "user", "response_format", "frequency_penalty", "presence_penalty"}:
            raise TypeError(f'settings.extra[{name!r}] belongs into settings.extra["{BACKEND}"]')
    if extra.get("n") not in (None, 1):
        raise UnsupportedError(f'settings.extra["{BACKEND}"].n: a request gives one answer; ask several times')
    if "stream" in extra:
        message = f'settings.extra["{BACKEND}"].stream: who asks decides that; see the option `streaming`'
        raise UnsupportedError(message)
    tools: object = extra.get("tools")
    if tools is not None and not isinstance(tools, (list, tuple)):
        raise TypeError(f'settings.extra["{BACKEND}"].tools must be a list, not a {type(tools).__name__}')
    return extra


def _tool_names(request: ChatRequest) -> Iterator[str]:
    yield from (tool.name for tool in request.tools)
    yield from (part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall))


def _call_ids(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        yield from (part.id for part in message.parts if isinstance(part, (ToolCall, ToolResult)))


def _own_ids(messages: Iterable[Message], server: str) -> Iterator[str]:
    """The ids that the server issued, of calls that carry its mark: those that do not look like its ids have one."""
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCall) and part.id and own_metadata(part.metadata, BACKEND).get("server") == server:
                yield part.id
