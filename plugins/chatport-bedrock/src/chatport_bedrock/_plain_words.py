"""The most frequent request, user and model in turns with nothing but words, by the short way.

`translate` finds a place for everything that a conversation may hold; words need none of it. What is returned here is
what it would return, which a test holds against it. Wherever anything would have to be adjusted, refused
or looked at twice, nothing is returned, and `translate` goes the long way.
"""

from collections.abc import Sequence
from typing import Any, Final

from chatport.backend import ChatRequest, Message, Part, Settings, Text
from chatport_bedrock._call_names import call_ids, tool_names
from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._models import parse_model
from chatport_bedrock._reasoning import asked_reasoning
from chatport_bedrock._request_limits import check_model, check_settings
from chatport_bedrock._scope import Scope
from chatport_bedrock._settings import inference_members

__all__ = ["plain_body_of"]

_ROLES: Final = ("user", "assistant")
_NOTHING_SET: Final = (None,) * 5


def plain_body_of(request: ChatRequest, can: Capabilities) -> dict[str, Any] | None:
    """Return the body of a plain request, for which nothing is to be adjusted; None where a request is not plain.

    Args:
        request: The request.
        can: What its model can be asked.

    Raises:
        UnsupportedError: The model's id, or a setting, is none.
    """
    if request.tools or request.tool_choice is not None or request.output_schema is not None:
        return None
    if request.system and not can.system:
        return None
    messages = _turns(request.messages)
    system = _texts(request.system)
    if not messages or system is None or parse_model(request.model).kind == "prompt":
        return None
    check_model(request.model)
    inference = _inference(request.settings, can)
    if inference is None:
        return None
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    if inference:
        body["inferenceConfig"] = inference
    return body


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]] | None:
    """The messages, if user and model take turns and the user has the first and the last."""
    if not len(messages) % 2:
        return None
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        role = _ROLES[index % 2]
        blocks = _texts(message.parts) if message.role == role else None
        if not blocks:
            return None
        turns.append({"role": role, "content": blocks})
    return turns


def _texts(parts: Sequence[Part]) -> list[dict[str, Any]] | None:
    """Parts as blocks, if all of them are words and nothing else."""
    blocks: list[dict[str, Any]] = []
    for part in parts:
        if type(part) is not Text or part.citations or part.metadata or not _is_plain(part.text):
            return None
        blocks.append({"text": part.text})
    return blocks


def _is_plain(text: object) -> bool:
    if type(text) is not str or not text or text.isspace():
        return False
    return text.isascii() or _is_unicode(text)


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can say it, which it cannot of halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inference(settings: Settings, can: Capabilities) -> dict[str, Any] | None:
    """The settings as the service takes them, if all of them are taken as they are."""
    if settings.extra or settings.reasoning is not None or settings.cache is not None:
        return None
    given = (settings.max_tokens, settings.temperature, settings.top_p, settings.top_k, settings.stop_sequences)
    if given == _NOTHING_SET:
        return {}
    check_settings(settings)
    scope = Scope("", capabilities=can, tools=tool_names(), ids=call_ids())
    inference, model_fields = inference_members(settings, asked_reasoning({}, can.reasoning), scope)
    return None if scope.adjustments or model_fields else inference
