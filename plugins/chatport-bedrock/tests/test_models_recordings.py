"""What the table says about models agrees with what the real service answered and refused."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from bedrock_support.recorded_requests import RecordedRequest, recorded_requests
from bedrock_support.recordings import FOLDER

from chatport_bedrock._models import Capabilities, capabilities

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not here")

_SAMPLING = {"temperature": "temperature", "topP": "top_p"}
_MEDIA = {"audio", "document", "image", "video"}
# What real refusals were about, where a capability speaks of it; the rest is about keys, ids, lengths and bytes.
_REFUSALS = {
    "doesn't support the video content block": "media",
    "doesn't support the s3Uri field": "object_store",
    "document.source.type: Field required": "object_store",
    "extraneous key [toolResult] is not permitted": "result_media",
}


def _objections(can: Capabilities, request: RecordedRequest) -> set[str]:
    """The fields of `Capabilities` that speak against a request."""
    body = request.body
    config = body.get("toolConfig") or {}
    streaming, tools = request.streaming, bool(config.get("tools"))
    text_format = (body.get("outputConfig") or {}).get("textFormat")
    strict = any(tool.get("toolSpec", {}).get("strict") for tool in config.get("tools") or ())
    roles = [message["role"] for message in body["messages"]]
    found = {
        "streaming": streaming and not can.streaming,
        "tools": tools and not can.tools,
        "streaming_tools": streaming and tools and not can.streaming_tools,
        "tool_choices": not set(config.get("toolChoice") or ()) <= can.tool_choices,
        "system": bool(body.get("system")) and not can.system,
        "leading_assistant": roles[0] == "assistant" and not can.leading_assistant,
        "prefill": roles[-1] == "assistant" and not can.prefill,
        "json_schema_output": bool(text_format) and not can.json_schema_output,
        "strict_tools": strict and not can.strict_tools,
        **_settings(can, body),
        **_cache(can, body),
        **_blocks(can, body),
    }
    return {name for name, objects in found.items() if objects}


def _settings(can: Capabilities, body: dict[str, Any]) -> dict[str, bool]:
    extra = body.get("additionalModelRequestFields") or {}
    given = {name for member, name in _SAMPLING.items() if member in (body.get("inferenceConfig") or {})}
    kinds = {
        "budget": (extra.get("thinking") or {}).get("type") == "enabled",
        "adaptive": (extra.get("thinking") or {}).get("type") == "adaptive",
        "nova-effort": "reasoningConfig" in extra,
        "effort": "reasoning_effort" in extra,
        "qwen-effort": isinstance(extra.get("reasoning_config"), str),
    }
    levels = (extra.get("reasoning_effort"), (extra.get("output_config") or {}).get("effort"))
    asked = {kind for kind, is_asked in kinds.items() if is_asked}
    top_k = [path for path in (("top_k",), ("inferenceConfig", "topK")) if _reach(extra, path)]
    return {
        "refused_settings": bool(given & can.refused_settings),
        "exclusive_settings": len(given & can.exclusive_settings) > 1,
        "top_k": bool(top_k) and top_k != [can.top_k],
        "reasoning.kinds": not asked <= set(can.reasoning.kinds),
        "reasoning.levels": not {level for level in levels if level} <= set(can.reasoning.levels),
        "reasoning.refuses": bool(asked and given & can.reasoning.refuses),
    }


def _reach(value: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _cache(can: Capabilities, body: dict[str, Any]) -> dict[str, bool]:
    tools = (body.get("toolConfig") or {}).get("tools") or []
    places = [tools, body.get("system") or [], *(message["content"] for message in body["messages"])]
    points = [block["cachePoint"] for place in places for block in place if "cachePoint" in block]
    before = {next(iter(first)) for place in places for first, then in pairwise(place) if "cachePoint" in then}
    kinds = [{kind for block in message["content"] for kind in block} for message in body["messages"]]
    mixed = any("cachePoint" in found and found & {"toolUse", "toolResult"} for found in kinds)
    return {
        "cache.supported": bool(points) and not can.cache.supported,
        "cache.ttls": not {point["ttl"] for point in points if "ttl" in point} <= can.cache.ttls,
        "cache.in_tools": any("cachePoint" in tool for tool in tools) and not can.cache.in_tools,
        "cache.beside_tool_blocks": mixed and not can.cache.beside_tool_blocks,
        "cache.never_after": bool(before & can.cache.never_after),
    }


def _blocks(can: Capabilities, body: dict[str, Any]) -> dict[str, bool]:
    found = Counter[str]()
    for message in body["messages"]:
        blocks = message["content"]
        kinds = {kind for block in blocks for kind in block} - {"cachePoint"}
        results = [block["toolResult"] for block in blocks if "toolResult" in block]
        inside = [part for result in results for part in result["content"]]
        parts = [*blocks, *inside]
        media = [value for part in parts for kind, value in part.items() if kind in _MEDIA]
        documents = {part["document"].get("format") for part in inside if "document" in part}
        found["media"] += not kinds & _MEDIA <= can.media
        found["object_store"] += any("s3Location" in one["source"] for one in media) and not can.object_store
        found["result_media"] += not {kind for part in inside for kind in part} & _MEDIA <= can.result_media
        found["result_documents"] += can.result_documents is not None and not documents <= can.result_documents
        found["result_status"] += any("status" in result for result in results) and not can.result_status
        found["beside_results"] += bool(results) and not kinds - {"toolResult"} <= can.beside_results
        found["text_beside_calls"] += {"text", "toolUse"} <= kinds and not can.text_beside_calls
    return {name: count > 0 for name, count in found.items()}


def test_what_was_answered_is_allowed() -> None:
    """The table speaks against none of the recorded requests that got status 200."""
    wrong: dict[str, set[str]] = {}
    seen = Counter[bool]()
    for request in recorded_requests():
        can = capabilities(request.model)
        seen[can.known] += 1
        if objections := _objections(can, request):
            wrong[request.name] = objections
    assert not wrong
    assert seen[True] > 200


def test_the_objections_are_real() -> None:
    """The same requests, put to models that they were not made for, meet objections of every kind."""
    others = ["writer.palmyra-x5-v1:0", "amazon.titan-text-express-v1", "anthropic.claude-opus-4-8", "ai21.j2-ultra-v1"]
    others += ["amazon.nova-lite-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0", "mistral.pixtral-large-2502-v1:0"]
    seen = Counter[str]()
    for request in recorded_requests():
        for other in others:
            seen.update(_objections(capabilities(other), request))
    # Not among them: no request here begins or ends with the assistant, names a `ttl`, or caches tools.
    assert {"streaming", "streaming_tools", "tools", "tool_choices", "system", "json_schema_output"} <= seen.keys()
    assert {"refused_settings", "exclusive_settings", "top_k", "reasoning.kinds", "reasoning.levels"} <= seen.keys()
    assert {"strict_tools", "cache.supported", "media", "object_store", "result_media"} <= seen.keys()
    assert {"result_documents", "result_status", "beside_results", "text_beside_calls"} <= seen.keys()


def test_what_a_model_refused_is_not_allowed() -> None:
    """Where a real refusal was about what a model can do, the table knows."""
    seen = Counter[str]()
    for request in recorded_requests(400):
        for wording, capability in _REFUSALS.items():
            if wording in request.answer:
                seen[wording] += 1
                objections = _objections(capabilities(request.model), request)
                assert objections & {capability, "result_documents"}, (request.name, objections)
    assert seen.keys() == _REFUSALS.keys()
