"""Rules that depend on the model: how it can be reached, which media it takes, what it can do with tools.

Each function returns the message of the service, or of the model, if the request breaks its rule, else None.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatport_bedrock.emulator._catalog import needs_profile
from chatport_bedrock.emulator._conversation import Conversation, Turn, kind_of
from chatport_bedrock.emulator._json import as_object

_IDENTIFIER: Final = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+[a-z0-9.:-]*")
_MEDIA: Final = ("image", "document", "video", "audio")


def unknown_model(conversation: Conversation) -> str | None:
    """An id has a maker and a model, or is an ARN; ids of models that nobody has heard of yet may exist."""
    model = conversation.model
    if model.startswith("arn:") or _IDENTIFIER.fullmatch(model):
        return None
    return "The provided model identifier is invalid."


def on_demand(conversation: Conversation) -> str | None:
    """Some models are reached through an inference profile only; tokens are counted by the model's own id."""
    if conversation.operation == "CountTokens" or not needs_profile(conversation.model):
        return None
    return (
        f"Invocation of model ID {conversation.model} with on-demand throughput isn\u2019t supported. Retry your "
        "request with the ID or ARN of an inference profile that contains this model."
    )


def system_prompt(conversation: Conversation) -> str | None:
    """Some older models have no place for a system prompt."""
    if conversation.traits.system or not conversation.body.get("system"):
        return None
    return (
        "This model doesn't support system messages. Try again without a system message or use a model that supports "
        "system messages."
    )


def cannot_count(conversation: Conversation) -> str | None:
    """Tokens are counted for some models, and not under the name of an inference profile."""
    if conversation.operation != "CountTokens":
        return None
    named = conversation.model.rpartition("foundation-model/")[2]
    if conversation.traits.count_tokens and named == conversation.base:
        return None
    return "The provided model doesn't support counting tokens."


# --- media -----------------------------------------------------------------------------------------------------------


def unsupported_media(conversation: Conversation) -> str | None:
    """Not every model sees, hears or watches."""
    for placed in conversation.blocks:
        if placed.kind in _MEDIA and placed.kind not in conversation.traits.media:
            return _unsupported_block(placed.kind)
        for entry in _result_content(placed.block):
            kind = kind_of(entry)
            if kind in _MEDIA and kind not in conversation.traits.result_media and conversation.family != "amazon":
                return _unsupported_block(kind)
    return None


def unsupported_result_media(conversation: Conversation) -> str | None:
    """Nova does not know what a tool result is if it has the wrong media in it; recorded of those in S3."""
    for placed in conversation.blocks:
        for entry in _result_content(placed.block):
            kind = kind_of(entry)
            if kind not in _MEDIA:
                continue
            document = as_object(entry.get("document")) or {}
            is_binary = document.get("format") in {"pdf", "doc", "docx", "xls", "xlsx"}
            if kind not in conversation.traits.result_media or is_binary or (kind == "document" and _is_remote(entry)):
                place = f"#/messages/{placed.message}/content/{placed.index}"
                return (
                    f"Malformed input request: {place}: extraneous key [toolResult] is not permitted, please reformat "
                    "your input and try again."
                )
    return None


def remote_media(conversation: Conversation) -> str | None:
    """Some models take media from S3, some do not."""
    if conversation.traits.s3:
        return None
    if any(_is_remote({"image": image}) for _, image in conversation.media("image")):
        return "This model doesn't support the s3Uri field. Remove s3Uri and try again."
    return None


def remote_document(conversation: Conversation) -> str | None:
    """Documents from S3 come to a model that does not take them, which has other words for it than the service."""
    if conversation.traits.s3:
        return None
    for place, document in conversation.media("document"):
        if _is_remote({"document": document}):
            return f"{place}.source.type: Field required"
    return None


def _unsupported_block(kind: str) -> str:
    return (
        f"This model doesn't support the {kind} content block that you provided. Update the content block and try "
        "again."
    )


def _result_content(block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (block.get("toolResult") or {}).get("content") or []


def _is_remote(entry: Mapping[str, Any]) -> bool:
    media = as_object(entry[kind_of(entry)]) or {}
    return "s3Location" in (media.get("source") or {})


# --- turns -----------------------------------------------------------------------------------------------------------


def assistant_last(conversation: Conversation) -> str | None:
    """Newer models of Claude begin their answers themselves."""
    if conversation.traits.prefill or not conversation.turns or conversation.turns[-1].role != "assistant":
        return None
    return "This model does not support assistant message prefill. The conversation must end with a user message."


def trailing_space(conversation: Conversation) -> str | None:
    """An answer that is to be continued does not end in white space."""
    last = conversation.turns[-1] if conversation.turns else None
    if conversation.traits.trailing_space or last is None or last.role != "assistant":
        return None
    text = last.blocks[-1].block.get("text")
    if text is None or text == text.rstrip():
        return None
    return "messages: final assistant content cannot end with trailing whitespace"


def mixed_turns(conversation: Conversation) -> str | None:
    """Models of some makers see either words or tools in a turn."""
    if not conversation.traits.results_alone:
        return None
    for turn in conversation.turns:
        if _is_mixed(turn, "toolResult"):
            return "Conversation blocks and tool result blocks cannot be provided in the same turn."
        if _is_mixed(turn, "toolUse"):
            return "Conversation blocks and tool use blocks cannot be provided in the same turn."
    return None


def _is_mixed(turn: Turn, kind: str) -> bool:
    kinds = {placed.kind for placed in turn.blocks} - {"cachePoint", "reasoningContent"}
    return kind in kinds and len(kinds) > 1


# --- tools -----------------------------------------------------------------------------------------------------------


def tools_at_all(conversation: Conversation) -> str | None:
    """Some models have no idea of tools, some lose it while they stream."""
    if "toolConfig" not in conversation.body:
        return None
    if not conversation.traits.tools:
        return "This model doesn't support tool use."
    if conversation.operation == "ConverseStream" and not conversation.traits.streaming_tools:
        return "This model doesn't support tool use in streaming mode."
    return None


def tool_choice(conversation: Conversation) -> str | None:
    """Not every model can be told which tool to use."""
    choice: Mapping[str, Any] = (conversation.body.get("toolConfig") or {}).get("toolChoice") or {}
    for kind in choice:
        if kind not in conversation.traits.choices:
            field = f"toolConfig.toolChoice.{kind}"
            return f"This model doesn't support the {field} field. Remove {field} and try again."
    return None


def result_status(conversation: Conversation) -> str | None:
    """How a call went can be said to most models."""
    if conversation.traits.status:
        return None
    if any("status" in placed.block["toolResult"] for placed in conversation.of_kind("toolResult")):
        return "This model doesn't support the status field. Remove status and try again."
    return None


def strict_tools(conversation: Conversation) -> str | None:
    """Strict tools are few, and their schemas say less than others."""
    strict = [(index, spec) for index, spec in _specs(conversation) if spec.get("strict")]
    if strict and not conversation.traits.strict:
        if conversation.family != "anthropic":
            return "This model doesn't support the strict field. Remove strict and try again."
        return f"tools.{strict[0][0]}.custom.strict: Extra inputs are not permitted"
    if len(strict) > _MAX_STRICT:
        return f"Too many strict tools ({len(strict)}). The maximum number of strict tools supported is {_MAX_STRICT}."
    for index, spec in strict:
        for problem in schema_problems(spec["inputSchema"].get("json")):
            return f"tools.{index}.custom: {problem}"
    unions = sum(_count_unions(spec["inputSchema"].get("json")) for _, spec in strict)
    if unions > _MAX_UNIONS:
        return (
            f"Schemas contains too many parameters with union types ({unions} parameters with type arrays or anyOf). "
            f"This causes exponential compilation cost. Reduce the number of nullable or union-typed parameters "
            f"(limit: {_MAX_UNIONS} parameters with unions)."
        )
    return None


_MAX_STRICT: Final = 20
_MAX_UNIONS: Final = 16
_NUMBER_LIMITS: Final = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf")


def schema_problems(schema: Any) -> Iterator[str]:
    """What a strict schema must not say; the service reports the first."""
    for value in _subschemas(schema):
        kind = value.get("type")
        kinds: list[Any] = kind if isinstance(kind, list) else [kind]
        if ("object" in kinds or "properties" in value) and value.get("additionalProperties") is not False:
            yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
        for number in ("integer", "number"):
            limits = [name for name in _NUMBER_LIMITS if name in value]
            if number in kinds and limits:
                verb = "property" if len(limits) == 1 else "properties"
                listed = f"'{limits[0]}' is" if len(limits) == 1 else f"{', '.join(limits)} are"
                yield f"For '{number}' type, {verb} {listed} not supported"
        if "array" in kinds and "maxItems" in value:
            yield "For 'array' type, property 'maxItems' is not supported"
        if "array" in kinds and value.get("minItems", 0) not in {0, 1}:
            yield "For 'array' type, 'minItems' values other than 0 or 1 are not supported"


def _count_unions(schema: Any) -> int:
    """How many parameters may be of several types."""
    found = 0
    for value in _subschemas(schema):
        properties = as_object(value.get("properties")) or {}
        for each in properties.values():
            member = as_object(each) or {}
            found += isinstance(member.get("type"), list) or "anyOf" in member
    return found


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all schemas inside it; what stands where a schema stands is one, whatever its name."""
    value = as_object(schema)
    if value is None:
        return
    yield value
    for name in ("properties", "$defs", "definitions"):
        for each in (as_object(value.get(name)) or {}).values():
            yield from _subschemas(each)
    for name in ("anyOf", "allOf", "oneOf", "prefixItems"):
        for each in value.get(name) or ():
            yield from _subschemas(each)
    for name in ("items", "additionalProperties", "not"):
        yield from _subschemas(value.get(name))


def _specs(conversation: Conversation) -> Iterator[tuple[int, Mapping[str, Any]]]:
    config: Mapping[str, Any] = conversation.body.get("toolConfig") or {}
    for index, tool in enumerate(config.get("tools") or ()):
        if "toolSpec" in tool:
            yield index, tool["toolSpec"]


def structured_answer(conversation: Conversation) -> str | None:
    """Not every model's answers can be held to a schema."""
    text_format = (conversation.body.get("outputConfig") or {}).get("textFormat")
    if not text_format or conversation.traits.structured:
        return None
    field = "outputConfig.textFormat"
    return f"This model doesn't support the {field} field. Remove {field} and try again."


def strict_answer(conversation: Conversation) -> str | None:
    """The schema of an answer is as strict as that of a tool; the schema was found to be an object before."""
    schema = conversation.answer_schema
    for problem in schema_problems(schema):
        return f"output_config.format.schema: {problem}"
    return None
