"""A `ChatRequest` as the body of Converse and ConverseStream, and what had to be adjusted for it.

Pure: values in, values out, nothing of AWS imported, the same bytes for the same request in every process. Members and
limits are those of `ConverseRequest` in the service model of Bedrock Runtime.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatport.backend import Adjustment, ChatRequest, Message, Opaque, Part, Settings, ToolResult, deep_merge
from chatport_bedrock._blocks import is_blank, part_blocks
from chatport_bedrock._document_names import DocumentNames
from chatport_bedrock._json_values import is_object
from chatport_bedrock._models import capabilities, model_family
from chatport_bedrock._scope import BACKEND, Block, Scope
from chatport_bedrock._tool_config import tool_config
from chatport_bedrock._turns import translate_messages

__all__ = ["Translation", "translate"]


@dataclass(frozen=True, slots=True)
class Translation:
    """A request in the service's words.

    Attributes:
        model: The model id, as the caller gave it; it belongs into the path.
        body: The body: JSON values, media and redacted reasoning as `bytes`. It shares values with the request: do
            not change it. `encode_body` makes bytes of it, `plain_body` JSON to look at.
        adjustments: Everything that was adjusted, what is lossless too, in the caller's terms.
    """

    model: str
    body: dict[str, Any] = field(hash=False)
    adjustments: tuple[Adjustment, ...] = ()


def translate(request: ChatRequest) -> Translation:
    """Return a request in the service's words. The request is not changed.

    Args:
        request: The request. `strict` and `streaming` are the caller's business.

    Raises:
        UnsupportedError: Something in it cannot be said to this service; the message says where.
        ValueError: `tool_choice` cannot be met by the tools on offer.
        TypeError: `settings.extra["bedrock"]` is no dict.
    """
    extra = _own_extra(request.settings)
    scope = Scope(
        model_family(request.model),
        DocumentNames(_reserved_names(request.messages)),
        capabilities(request.model),
    )
    start = next((i for i, message in enumerate(request.messages) if message.role != "system"), len(request.messages))
    system = _system_blocks(request, start, scope)
    turns = translate_messages(request.messages, start, scope)
    members: dict[str, Any] = {
        "messages": turns,
        "system": system,
        "inferenceConfig": _inference_config(request.settings),
        "toolConfig": tool_config(request, turns, scope, more_tools=_has_tools(extra)),
        "additionalModelRequestFields": _model_fields(request, scope),
    }
    body = deep_merge({name: value for name, value in members.items() if value}, extra)
    return Translation(request.model, body, tuple(scope.adjustments))


# --- the system prompt -----------------------------------------------------------------------------------------------


def _system_blocks(request: ChatRequest, start: int, scope: Scope) -> list[Block]:
    """The system prompt, and after it the system messages that begin the conversation."""
    blocks: list[Block] = []
    for path, part in _system_parts(request, start):
        found = part_blocks(part, "system", path, scope)
        if is_blank(part, found):
            scope.note("lossless", "blank-text-omitted", path, "Bedrock refuses text without a visible character")
        else:
            blocks += found
    for index in range(start):
        why = "a system message that begins the conversation goes into the system prompt"
        scope.note("lossless", "system-message-moved", f"messages[{index}]", why)
    return blocks


def _system_parts(request: ChatRequest, start: int) -> Iterator[tuple[str, Part]]:
    for index, part in enumerate(request.system):
        yield f"system[{index}]", part
    for number, message in enumerate(request.messages[:start]):
        for index, part in enumerate(message.parts):
            yield f"messages[{number}].parts[{index}]", part


# --- settings --------------------------------------------------------------------------------------------------------


def _inference_config(settings: Settings) -> dict[str, Any]:
    values = {
        "maxTokens": settings.max_tokens,
        "temperature": settings.temperature,
        "topP": settings.top_p,
        "stopSequences": None if settings.stop_sequences is None else list(settings.stop_sequences),
    }
    return {name: value for name, value in values.items() if value is not None}


def _model_fields(request: ChatRequest, scope: Scope) -> dict[str, Any]:
    """What goes past the common settings to the model itself, in the words of its maker."""
    top_k = request.settings.top_k
    if top_k is None:
        return {}
    path = scope.capabilities.top_k
    if path:
        value: Any = top_k
        for name in reversed(path):
            value = {name: value}
        fields: dict[str, Any] = value
        return fields
    why = "left out: Converse has no top_k, and how this model takes it is not known; settings.extra can say it"
    scope.note("dropped", "setting-dropped", "settings.top_k", why)
    return {}


def _own_extra(settings: Settings) -> dict[str, Any]:
    extra: object = settings.extra.get(BACKEND, {})
    if not is_object(extra):
        raise TypeError(f"settings.extra[{BACKEND!r}] must be a dict, not {type(extra).__name__}")
    return extra


def _has_tools(extra: dict[str, Any]) -> bool:
    config = extra.get("toolConfig")
    return is_object(config) and bool(config.get("tools"))


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
