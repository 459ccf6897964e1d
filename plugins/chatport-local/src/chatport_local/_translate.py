"""A request as the engine takes it: a body, the form of the answer, and what could not be said as asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatport.backend import (
    Adjustment,
    ChatRequest,
    InvalidRequestError,
    Message,
    Text,
    Tool,
    UnsupportedError,
    deep_merge,
    refuse_losses,
)
from chatport_local._grammar import Form, call_form, output_form
from chatport_local._grounding import told_numbers
from chatport_local._models import ALIASES, BACKEND, DEFAULTS, GREEDY
from chatport_local._schemas import BOUNDS, Schema, find_mistake
from chatport_local._turns import Scope, chat_messages, system_text

# What a model needs to write a call; more would be rambling.
SPECULATIVE_TOKENS: Final = 256

# Members by which the engine is told what an answer looks like.
_GRAMMARS: Final = ("grammar", "json_schema", "response_format")

_AUTO: Final = (
    "a model of this size cannot tell whether a tool is wanted: it is made to write a call, which counts where all it "
    "says occurs in the user's last words; name a tool, or say 'any', to be sure of a call"
)
_AFTER_RESULTS: Final = "behind the results of tools a local model answers in words, and calls nothing unless it has to"


@dataclass(frozen=True, slots=True)
class Speculation:
    """How to find out whether the model would call a tool.

    Attributes:
        body: The body of the request, without a grammar.
        forms: What the call has to look like, in a first attempt, and in a second one where the first is no good.
        said: What the user said last, on which the call has to rest.
    """

    body: dict[str, Any] = field(hash=False)
    forms: tuple[Form, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Translation:
    """A request as the engine takes it.

    Attributes:
        model: The model id, as the caller gave it.
        body: The body of the request, without a grammar.
        adjustments: What could not be said as asked.
        form: What the answer has to look like; None for words.
        speculation: What comes first where the model may call a tool, but need not.
    """

    model: str
    body: dict[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()
    form: Form | None = None
    speculation: Speculation | None = None


def translate(request: ChatRequest, *, sees_images: bool, bounded_schemas: bool) -> Translation:
    """Return a request as the engine takes it.

    Args:
        request: The request.
        sees_images: Whether the model has a projector.
        bounded_schemas: Whether what a schema leaves open gets an end; not where the request is strict.

    Raises:
        UnsupportedError: It cannot be said, or not without loss and the request is strict.
        InvalidRequestError: It makes no sense.
    """
    scope = Scope(sees_images)
    system = system_text(request.system, scope)
    messages = chat_messages(request.messages, scope)
    is_bounded = bounded_schemas and not request.strict
    _check_schemas(request)
    settings = _settings(request, scope)
    choice, offered = _choice(request)
    form: Form | None = None
    speculation: Speculation | None = None
    if choice == "auto":
        speculation = _speculation(request, messages=messages, system=system, scope=scope)
    elif offered:
        form = call_form(offered, is_bounded=is_bounded)
        system = _tools_text(system, offered, choice)
    if form is None and request.output_schema is not None:
        form = output_form(request.output_schema, is_bounded=is_bounded)
        system = _output_text(system, request.output_schema)
    if form is not None and is_bounded and form.is_bounded:
        scope.note("changed", "schema-bounded", form.path, BOUNDS)
    is_free = form is None and request.messages[-1].role != "tool"
    defaults = (DEFAULTS if is_free else GREEDY) if request.model.casefold() in ALIASES else {}
    body = {"messages": _with_system(messages, system), **defaults, **settings}
    adjustments = tuple(scope.adjustments)
    if request.strict:
        refuse_losses(adjustments)
    extra = request.settings.extra.get(BACKEND)
    whole = deep_merge(body, extra) if extra else body
    _check_count(whole, request.model)
    if form is not None and extra:
        _check_grammars(extra, form, request.model)
    return Translation(
        request.model,
        whole,
        adjustments,
        form,
        speculation,
    )


def _speculation(
    request: ChatRequest, *, messages: list[dict[str, Any]], system: str, scope: Scope
) -> Speculation | None:
    """Return how to find out whether a tool is wanted; None where results have just come."""
    follows_results = request.messages[-1].role == "tool"
    scope.note("changed", "tool-choice-approximate", "tool_choice", _AFTER_RESULTS if follows_results else _AUTO)
    if follows_results:
        return None
    body = {
        "messages": _with_system(messages, _tools_text(system, request.tools, None)),
        "max_tokens": min(request.settings.max_tokens or SPECULATIVE_TOKENS, SPECULATIVE_TOKENS),
        "temperature": 0,
    }
    said = _last_words(request.messages)
    attempts = [request.tools, told_numbers(request.tools, said)]
    forms = tuple(call_form(tools, is_bounded=True, least_length=1) for tools in attempts if tools)
    return Speculation(body, forms, said)


def _choice(request: ChatRequest) -> tuple[str | None, tuple[Tool, ...]]:
    """Return what is to be done about tools, and with which of them: None is nothing."""
    choice = request.tool_choice or "auto"
    if not request.tools or choice == "none":
        return None, ()
    if choice in {"auto", "any"}:
        return choice, request.tools
    named = tuple(tool for tool in request.tools if tool.name == choice)
    if not named:
        raise InvalidRequestError(f"tool_choice: there is no tool {choice!r}", backend=BACKEND, model=request.model)
    return choice, named


def _check_schemas(request: ChatRequest) -> None:
    schemas: list[tuple[str, Schema]] = [
        (f"tools[{number}].schema", tool.schema) for number, tool in enumerate(request.tools)
    ]
    if request.output_schema is not None:
        schemas.append(("output_schema", request.output_schema))
    for path, schema in schemas:
        mistake = find_mistake(schema)
        if mistake is not None:
            raise UnsupportedError(f"{path} is no JSON schema: {mistake}")


def _check_count(body: Mapping[str, Any], model: str) -> None:
    """Refuse several answers at a time, which would come as one, piece by piece in turn."""
    for name in ("n", "n_cmpl"):
        if body.get(name, 1) not in (None, 1):
            message = f"settings.extra: there is one answer to a request, and {name} is {body[name]!r}"
            raise InvalidRequestError(message, backend=BACKEND, model=model)


def _check_grammars(extra: Mapping[str, Any], form: Form, model: str) -> None:
    """Refuse a second grammar: an answer is held to one, and the caller's would go in silence."""
    for name in _GRAMMARS:
        if name in extra:
            message = f"settings.extra: an answer is held to one grammar; {name} and {form.path} ask for one each"
            raise InvalidRequestError(message, backend=BACKEND, model=model)


def _settings(request: ChatRequest, scope: Scope) -> dict[str, Any]:
    """Return what was set, in the engine's words."""
    settings = request.settings
    if settings.max_tokens is not None and settings.max_tokens < 1:
        message = f"settings.max_tokens: a local model writes at least one token, and not {settings.max_tokens}"
        raise InvalidRequestError(message, backend=BACKEND, model=request.model)
    if settings.reasoning not in {None, "off"}:
        why = "how much a local model thinks is up to its template; settings.extra can say it"
        scope.note("dropped", "reasoning-dropped", "settings.reasoning", why)
    if settings.cache in {"5m", "1h"}:
        why = "what stands in a slot is kept until the slot is needed, and for no set time"
        scope.note("dropped", "cache-ttl-dropped", "settings.cache", why)
    stop = None if settings.stop_sequences is None else list(settings.stop_sequences)
    named = {
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "stop": stop,
    }
    return {name: value for name, value in named.items() if value is not None}


def _with_system(messages: Sequence[dict[str, Any]], system: str) -> list[dict[str, Any]]:
    return [*([{"role": "system", "content": system}] if system else []), *messages]


def _tools_text(system: str, tools: Sequence[Tool], choice: str | None) -> str:
    """Return the system prompt with the tools in it, as the engine's template knows none."""
    told = [
        json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.schema}, ensure_ascii=False)
        for tool in tools
    ]
    how = 'To call a tool, answer with JSON: {"name": ..., "arguments": {...}}.'
    which = f" Call {choice}." if choice not in {None, "any"} else ""
    return "\n".join([*([system] if system else []), f"You have these tools. {how}{which}", *told])


def _output_text(system: str, schema: Schema) -> str:
    told = f"Answer with JSON that fits this JSON schema: {json.dumps(schema, ensure_ascii=False)}"
    return f"{system}\n{told}" if system else told


def _last_words(messages: Sequence[Message]) -> str:
    """Return what the user said last, in words."""
    for message in reversed(messages):
        if message.role == "user":
            return "\n".join(part.text for part in message.parts if isinstance(part, Text))
    return ""
