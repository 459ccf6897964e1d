"""From a request to what is to be answered: address, authentication, checks, script or brain. No I/O."""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from chatport_bedrock.emulator._answer import (
    body_events,
    event_frame,
    exception_frame,
    plan_events,
    response_body,
)
from chatport_bedrock.emulator._auth import Access, authenticate
from chatport_bedrock.emulator._brain import plan_answer
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._journal import RecordedRequest
from chatport_bedrock.emulator._json import as_object, encode_json
from chatport_bedrock.emulator._refusal import HttpError, RefusedError, validation_error
from chatport_bedrock.emulator._rules import check_rules
from chatport_bedrock.emulator._script import Answer, Delivery, ScriptError, plan_delivery
from chatport_bedrock.emulator._shapes import describe, find_violations, input_shape

JSON_TYPE: Final = "application/json"
STREAM_TYPE: Final = "application/vnd.amazon.eventstream"


@dataclass(frozen=True, slots=True)
class Policy:
    """What an emulator accepts.

    Attributes:
        access: Who may ask.
        check_requests: Whether requests are checked beyond being JSON.
    """

    access: Access = field(default_factory=Access)
    check_requests: bool = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An answer ready to be sent.

    Attributes:
        delivery: The bytes.
        streaming: Whether these are the frames of a stream; else they are one body of known length.
        length: How long the body would be if nothing cut it, in bytes.
    """

    delivery: Delivery
    streaming: bool
    length: int


def admit(request: RecordedRequest, policy: Policy) -> dict[str, Any]:
    """Check what the service checks of every request: is there such an operation, who asks, is the body JSON.

    Returns:
        The parsed body.

    Raises:
        RefusedError: It is not accepted.
    """
    if request.operation is None:
        message = f"The requested operation is not recognized by the service: {request.method} {request.path}"
        raise RefusedError(HttpError(404, "UnknownOperationException", message))
    authenticate(request, policy.access)
    return _parse(request.raw_body)


def accept(request: RecordedRequest, body: dict[str, Any], policy: Policy) -> Conversation:
    """Check a request to a model: does it fit the model of the service, is it sensible.

    Raises:
        RefusedError: It is not accepted.
    """
    operation: Final = "Converse" if request.operation == "Converse" else "ConverseStream"
    if policy.check_requests:
        shape = input_shape(operation)
        violations = [
            *find_violations(request.model, shape.members["modelId"], ("modelId",)),
            *find_violations(body, shape),
        ]
        if violations:
            raise RefusedError(validation_error(describe(violations)))
    conversation = Conversation(request.model, body, operation)
    if policy.check_requests:
        check_rules(conversation)
    return conversation


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = as_object(json.loads((raw or b"{}").decode(), parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as error:
        message = f"The request body is no JSON document: {error}"
        raise RefusedError(HttpError(400, "SerializationException", message)) from error
    if body is None:
        raise RefusedError(HttpError(400, "SerializationException", "The request body is no JSON object."))
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def refused_stream(refused: RefusedError, conversation_family: str, *, streaming: bool) -> Outgoing | None:
    """The stream that tells of a refusal, where the model refuses only after it has begun; None for a plain error.

    Recorded of Nova and an image that is none: status 200, and an exception for a first frame.
    """
    if not streaming or refused.author != "model" or conversation_family != "amazon":
        return None
    code = refused.error.code
    frame = exception_frame(code[0].lower() + code[1:], {"message": refused.error.message})
    return Outgoing(Delivery((frame,)), streaming=True, length=len(frame))


def prepare(conversation: Conversation, answer: Answer, *, streaming: bool) -> Outgoing:
    """Turn an answer into the bytes to send.

    Raises:
        ScriptError: The script's answer does not fit this request.
    """
    parts = _frames(conversation, answer) if streaming else [_body(conversation, answer)]
    return Outgoing(plan_delivery(parts, answer.fault), streaming, sum(map(len, parts)))


def _body(conversation: Conversation, answer: Answer) -> bytes:
    if answer.events is not None:
        raise ScriptError("the script's next answer is a list of stream events, but the request was a Converse")
    if answer.body is not None:
        return encode_json(answer.body)
    started = time.monotonic()
    plan = plan_answer(conversation)
    return encode_json(response_body(plan, latency=time.monotonic() - started, paths=_paths(conversation)))


def _frames(conversation: Conversation, answer: Answer) -> list[bytes]:
    if answer.events is not None:
        return [event_frame(event) for event in answer.events]
    if answer.body is not None:
        try:
            return [event_frame(event) for event in body_events(answer.body, model=conversation.model)]
        except (KeyError, TypeError, ValueError) as error:
            raise ScriptError(f"the script's next answer cannot be said in events: {error!r}") from error
    started = time.monotonic()
    plan = plan_answer(conversation)
    latency = time.monotonic() - started
    events = plan_events(plan, model=conversation.model, latency=latency, paths=_paths(conversation))
    return [event_frame(event) for event in events]


def _paths(conversation: Conversation) -> list[str]:
    return list(conversation.body.get("additionalModelResponseFieldPaths") or ())
