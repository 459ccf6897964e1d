"""A plan on the wire: the body of a Converse answer, the events of a ConverseStream answer, and their frames."""

import json
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from zlib import crc32

from chatport_bedrock._frames import encode_frame
from chatport_bedrock.emulator._brain import Plan
from chatport_bedrock.emulator._conversation import Block, model_family
from chatport_bedrock.emulator._json import encode_json
from chatport_bedrock.emulator._tokens import fragments, pieces

Event: TypeAlias = Mapping[str, Any]
"""One event of a stream: one member, named by its type, such as `{"messageStart": {"role": "assistant"}}`."""

_PADDING: Final = string.ascii_lowercase + string.ascii_uppercase + string.digits
_MIN_PADDING: Final = 2
_PADDING_LENGTHS: Final = 60


def response_body(plan: Plan, *, latency: float, paths: Sequence[str] = ()) -> dict[str, Any]:
    """The body of an answer to Converse.

    Args:
        plan: What to say.
        latency: How long the model took, in seconds.
        paths: The model's own fields that the request asks for, as JSON Pointers; one is known, `/stop_sequence`.
    """
    asked = plan.stop_sequence is not None and "/stop_sequence" in paths
    return _body(plan, latency, {"stop_sequence": plan.stop_sequence} if asked else {})


def plan_events(plan: Plan, *, model: str, latency: float, paths: Sequence[str] = ()) -> list[Event]:
    """The events of an answer to ConverseStream; as `response_body`, but the known path is `/delta/stop_sequence`."""
    asked = plan.stop_sequence is not None and "/delta/stop_sequence" in paths
    body = _body(plan, latency, {"delta": {"stop_sequence": plan.stop_sequence}} if asked else {})
    return body_events(body, model=model, cut_input=plan.cut_input)


def _body(plan: Plan, latency: float, model_fields: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "metrics": {"latencyMs": max(1, round(latency * 1000))},
        "output": {"message": {"content": list(plan.content), "role": "assistant"}},
        "stopReason": plan.stop_reason,
        "usage": _usage(plan),
    }
    if model_fields:
        body["additionalModelResponseFields"] = model_fields
    return body


def body_events(body: Mapping[str, Any], *, model: str, cut_input: str | None = None) -> list[Event]:
    """Say the body of a Converse answer in events: order and granularity as recorded of the real service.

    Args:
        body: The body, with any of the known kinds of block.
        model: Whose manner to follow: Nova sends the input of a tool in one piece, others in fragments.
        cut_input: The beginning of the last tool call's JSON, if that is all that was said of it.

    Raises:
        ValueError: A block of this kind has no events.
    """
    message = body["output"]["message"]
    blocks: Sequence[Block] = message["content"]
    whole = model_family(model) == "amazon"
    events: list[Event] = [{"messageStart": {"role": message.get("role", "assistant")}}]
    for index, block in enumerate(blocks):
        cut = cut_input if index == len(blocks) - 1 else None
        for event in _block_events(block, whole=whole, cut_input=cut):
            name, payload = next(iter(event.items()))
            events.append({name: {**payload, "contentBlockIndex": index}})
        events.append({"contentBlockStop": {"contentBlockIndex": index}})
    stop = {name: body[name] for name in ("stopReason", "additionalModelResponseFields") if name in body}
    events.append({"messageStop": stop})
    told = {"additionalModelResponseFields", "output", "stopReason"}
    events.append({"metadata": {name: value for name, value in body.items() if name not in told}})
    return events


def _block_events(block: Block, *, whole: bool, cut_input: str | None) -> Iterator[Event]:
    match block:
        case {"text": str(text)}:
            yield from (_delta({"text": piece}) for piece in pieces(text))
        case {"reasoningContent": {"reasoningText": reasoning}}:
            yield from (_delta({"reasoningContent": {"text": piece}}) for piece in pieces(reasoning["text"]))
            if reasoning.get("signature"):
                yield _delta({"reasoningContent": {"signature": reasoning["signature"]}})
        case {"reasoningContent": {"redactedContent": redacted}}:
            yield _delta({"reasoningContent": {"redactedContent": redacted}})
        case {"toolUse": use}:
            yield _start({"toolUse": {name: value for name, value in use.items() if name != "input"}})
            text = json.dumps(use["input"], ensure_ascii=False) if cut_input is None else cut_input
            parts = [text] if whole else ["", *fragments(text)]
            yield from (_delta({"toolUse": {"input": part}}) for part in parts)
        case {"toolResult": result}:
            yield _start({"toolResult": {name: value for name, value in result.items() if name != "content"}})
            yield _delta({"toolResult": result["content"]})
        case {"citationsContent": cited}:
            yield from (_delta({"citation": citation}) for citation in cited.get("citations") or ())
            texts = [entry["text"] for entry in cited.get("content") or ()]
            yield from (_delta({"text": piece}) for text in texts for piece in pieces(text))
        case {"image": image}:
            yield _start({"image": {"format": image["format"]}})
            yield _delta({"image": {name: value for name, value in image.items() if name != "format"}})
        case _:
            raise ValueError(f"a block of kind {', '.join(block)} cannot be streamed")


def _start(start: Mapping[str, Any]) -> Event:
    return {"contentBlockStart": {"start": start}}


def _delta(delta: Mapping[str, Any]) -> Event:
    return {"contentBlockDelta": {"delta": delta}}


def _usage(plan: Plan) -> dict[str, Any]:
    return {
        "inputTokens": plan.input_tokens,
        "outputTokens": plan.output_tokens,
        "serverToolUsage": {},  # not in the service model, but recorded in four of five answers
        "totalTokens": plan.input_tokens + plan.output_tokens,
    }


def event_frame(event: Event) -> bytes:
    """The frame of one event: padded as recorded, members in alphabetical order."""
    name, payload = next(iter(event.items()))
    plain = encode_json(payload)
    length = _MIN_PADDING + crc32(plain) % _PADDING_LENGTHS
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return encode_frame(headers, encode_json({**payload, "p": _PADDING[:length]}))


def exception_frame(name: str, payload: Mapping[str, Any]) -> bytes:
    """The frame of an error that the service model knows, in the middle of a stream; without padding, as recorded."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return encode_frame(headers, encode_json(payload))


def error_frame(code: str, message: str) -> bytes:
    """The frame of an error outside the service model, as the framing's specification has it."""
    return encode_frame({":error-code": code, ":error-message": message, ":message-type": "error"})
