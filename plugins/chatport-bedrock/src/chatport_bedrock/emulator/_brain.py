"""The scripted brain: a request in, an answer out. Pure, and the same for the same request.

It has no knowledge. It reads the structure of what it is sent, and says so in words that a person can check: which
image, how large; which tools, with which arguments; what they returned. The limits of the request are kept as a model
would keep them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatport_bedrock._image_header import read_image
from chatport_bedrock.emulator._arguments import fill_value
from chatport_bedrock.emulator._calling import choose_calls
from chatport_bedrock.emulator._conversation import Block, Conversation, decode_base64
from chatport_bedrock.emulator._json import as_list, as_object
from chatport_bedrock.emulator._signatures import sign
from chatport_bedrock.emulator._speech import compose, last_prompt, last_turn, think
from chatport_bedrock.emulator._structured import asked_schema, material
from chatport_bedrock.emulator._tokens import count_tokens, cut_to_tokens

# Recorded: newer Claude models name the type of a tool call, older ones and other families do not.
_TYPED_CALLS: Final = re.compile(r"claude-(?:opus-4-[1-9]|(?:haiku|sonnet)-4-[5-9]|(?:opus|haiku|sonnet|fable)-[5-9])")
_REASONING_FIELDS: Final = ("thinking", "reasoning_config", "reasoningConfig", "reasoning")

# What an image costs, roughly, in tokens: its pixels divided by this (documented for Claude); a document by its bytes.
_PIXELS_PER_TOKEN: Final = 750
_BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer before it is put on the wire.

    Attributes:
        content: The blocks of the message, as the wire has them.
        stop_reason: As the wire says it.
        input_tokens: What the request counts.
        output_tokens: What the answer counts.
        cut_input: The beginning of the last tool call's JSON, where the token limit cut it short: a stream sends that
            much of it. None for a call that is whole.
        stop_sequence: The stop sequence that was met, if any.
    """

    content: tuple[Block, ...]
    stop_reason: str
    input_tokens: int
    output_tokens: int
    cut_input: str | None = None
    stop_sequence: str | None = None


def plan_answer(conversation: Conversation) -> Plan:
    """Decide what to answer to a request that was found right."""
    prompt = last_prompt(conversation)
    turn = last_turn(conversation)
    answered = turn is not None and bool(turn.of_kind("toolResult"))
    calls = choose_calls(conversation, prompt, answered=answered)
    blocks: list[dict[str, Any]] = []
    if conversation.traits.reasoning and _reasoning_is_on(conversation):
        blocks.append(_reasoning(conversation, think(conversation, calls)))
    text = _text(conversation, calls)
    if text:
        blocks.append({"text": text})
    blocks.extend(_typed(calls) if _TYPED_CALLS.search(conversation.model) else calls)
    return _limit(conversation, blocks, "tool_use" if calls else "end_turn")


def _text(conversation: Conversation, calls: list[dict[str, Any]]) -> str:
    choice: Mapping[str, Any] = (conversation.body.get("toolConfig") or {}).get("toolChoice") or {}
    if calls:
        forced = choice.get("any") is not None or choice.get("tool") is not None
        # Models that see either words or tools in a turn could not be sent back what they would say here.
        silent = forced or conversation.traits.results_alone
        return "" if silent else f"Let me look that up with {calls[0]['toolUse']['name']}."
    schema = asked_schema(conversation)
    if schema is not None:
        return json.dumps(fill_value(schema, material(conversation)), ensure_ascii=False)
    return compose(conversation)


def _typed(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"toolUse": {**call["toolUse"], "type": "tool_use"}} for call in calls]


def _reasoning_is_on(conversation: Conversation) -> bool:
    fields = as_object(conversation.body.get("additionalModelRequestFields")) or {}
    asked = [as_object(fields.get(name)) or {} for name in _REASONING_FIELDS]
    efforts = [fields.get("reasoning_effort"), fields.get("reasoning_config"), asked[-1].get("effort")]
    return any(value.get("type") in {"enabled", "adaptive"} for value in asked) or any(
        isinstance(effort, str) and effort != "none" for effort in efforts
    )


def _reasoning(conversation: Conversation, text: str) -> dict[str, Any]:
    signed = {"signature": sign(text)} if conversation.traits.signatures else {}
    return {"reasoningContent": {"reasoningText": {"text": text, **signed}}}


def _limit(conversation: Conversation, blocks: list[dict[str, Any]], stop_reason: str) -> Plan:
    """Keep the request's stop sequences and its token limit."""
    inference: Mapping[str, Any] = conversation.body.get("inferenceConfig") or {}
    sequence = _stop(blocks, inference.get("stopSequences") or (), keep=conversation.family == "amazon")
    if sequence is not None:
        # Recorded: Nova includes the sequence in its text and says end_turn.
        stop_reason = "end_turn" if conversation.family == "amazon" else "stop_sequence"
    budget: int | None = inference.get("maxTokens")
    kept: list[Block] = []
    cut_input: str | None = None
    spent = 0
    for block in blocks:
        if budget is not None and spent + block_tokens(block) > budget:
            shortened, cut_input = _cut(block, budget - spent)
            kept.extend([shortened] if shortened is not None else [])
            spent, stop_reason = budget, "max_tokens"
            break
        kept.append(block)
        spent += block_tokens(block)
    return Plan(tuple(kept), stop_reason, count_input_tokens(conversation), spent, cut_input, sequence)


def _stop(blocks: list[dict[str, Any]], sequences: tuple[str, ...] | list[str], *, keep: bool) -> str | None:
    """End the answer where the first of these sequences begins, or behind it; returns the sequence that was met."""
    for index, block in enumerate(blocks):
        text: str = block.get("text") or ""
        met = [(text.index(sequence), sequence) for sequence in sequences if sequence in text]
        if met:
            position, sequence = min(met)
            end = position + len(sequence) if keep else position
            blocks[index:] = [{"text": text[:end]}] if end else []
            return sequence
    return None


def _cut(block: Mapping[str, Any], tokens: int) -> tuple[dict[str, Any] | None, str | None]:
    """The part of a block that the token limit leaves: the block, and for a tool call the beginning of its JSON."""
    if "text" in block:
        text = cut_to_tokens(block["text"], tokens)
        return ({"text": text} if text else None), None
    if "reasoningContent" in block:
        # Cut before its end it has no signature: that is made of the whole.
        text = cut_to_tokens(block["reasoningContent"]["reasoningText"]["text"], tokens)
        return ({"reasoningContent": {"reasoningText": {"text": text}}} if text else None), None
    if tokens == 0:
        return None, None
    whole = json.dumps(block["toolUse"]["input"], ensure_ascii=False)
    return {"toolUse": {**block["toolUse"], "input": {}}}, cut_to_tokens(whole, tokens)


def block_tokens(block: Mapping[str, Any]) -> int:
    """What a block of an answer counts."""
    if "text" in block:
        return count_tokens(block["text"])
    if "reasoningContent" in block:
        return count_tokens(block["reasoningContent"]["reasoningText"]["text"])
    return count_tokens(json.dumps(block["toolUse"]["input"], ensure_ascii=False))


def count_input_tokens(conversation: Conversation) -> int:
    """What a request counts."""
    read = [
        conversation.system_text,
        conversation.body.get("toolConfig"),
        [placed.block for placed in conversation.blocks],
    ]
    media = sum(_image_tokens(image) for _, image in conversation.media("image"))
    media += sum(_document_tokens(document) for _, document in conversation.media("document"))
    return max(1, sum(count_tokens(text) for text in _texts(read)) + media)


def _texts(value: Any) -> Iterator[str]:
    """Every text inside a part of a request but encoded bytes and signatures."""
    entries, items = as_object(value), as_list(value)
    if entries is not None:
        for key, item in entries.items():
            if key not in {"bytes", "redactedContent", "signature"}:
                yield from _texts(item)
    elif items is not None:
        for item in items:
            yield from _texts(item)
    elif value is not None:
        yield str(value)


def _image_tokens(image: Mapping[str, Any]) -> int:
    encoded = (image.get("source") or {}).get("bytes")
    info = read_image(decode_base64(encoded)) if encoded else None
    if info is None or info.width is None or info.height is None:
        return 1
    return max(1, info.width * info.height // _PIXELS_PER_TOKEN)


def _document_tokens(document: Mapping[str, Any]) -> int:
    encoded = (document.get("source") or {}).get("bytes")
    return len(decode_base64(encoded)) // _BYTES_PER_TOKEN if encoded else 0
