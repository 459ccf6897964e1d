"""From a request that asks no model to its answer: the catalog, and the counting of tokens. No I/O."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from chatport_bedrock.emulator._auth import signed_region
from chatport_bedrock.emulator._brain import count_input_tokens
from chatport_bedrock.emulator._catalog import answer_catalog
from chatport_bedrock.emulator._conversation import Conversation, decode_base64
from chatport_bedrock.emulator._journal import RecordedRequest
from chatport_bedrock.emulator._json import as_object
from chatport_bedrock.emulator._operations import CATALOG_OPERATIONS
from chatport_bedrock.emulator._refusal import RefusedError, validation_error
from chatport_bedrock.emulator._rules import check_rules
from chatport_bedrock.emulator._shapes import describe, find_violations, input_shape

DEFAULT_REGION: Final = "us-east-1"
"""The region of requests that do not say which they mean: those with a bearer key."""


def look_up(request: RecordedRequest, body: Mapping[str, Any], *, check_requests: bool) -> dict[str, Any]:
    """The body of the answer to a request whose sender is known.

    Raises:
        RefusedError: The request is not as the service wants it, or asks for what there is not.
    """
    if request.operation == "CountTokens":
        return {"inputTokens": _count_tokens(request.model, body, check_requests=check_requests)}
    for operation in CATALOG_OPERATIONS:
        if operation == request.operation:
            parameters = _read_parameters(request, input_shape(operation))
            region = signed_region(request) or DEFAULT_REGION
            return answer_catalog(operation, request.model, parameters, region=region)
    raise ValueError(f"{request.operation} is no operation that is looked up")


def _read_parameters(request: RecordedRequest, shape: Any) -> dict[str, Any]:
    """The parameters of address and query, checked along the service's model; unknown ones are left out."""
    query = dict(parse_qsl(request.path.partition("?")[2], keep_blank_values=True))
    parameters: dict[str, Any] = {}
    violations: list[Any] = []
    for name, member in shape.members.items():
        location, key = member.serialization["location"], member.serialization["name"]
        value: Any = request.model if location == "uri" else query.get(key)
        if value is None:
            continue
        if member.type_name == "integer" and value.removeprefix("-").isdecimal():
            value = int(value)
        violations.extend(find_violations(value, member, (name,)))
        parameters[key] = value
    if violations:
        raise RefusedError(validation_error(describe(violations)))
    return parameters


def _count_tokens(model: str, body: Mapping[str, Any], *, check_requests: bool) -> int:
    if check_requests:
        violations = list(find_violations(body, input_shape("CountTokens")))
        if violations:
            raise RefusedError(validation_error(describe(violations)))
    counted = as_object(body.get("input")) or {}
    converse = as_object(counted.get("converse"))
    conversation = Conversation(model, _native_request(counted) if converse is None else converse, "CountTokens")
    if check_requests:
        check_rules(conversation)
    return count_input_tokens(conversation)


def _native_request(counted: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a request in a model's own format, as one message: that is all that counting needs."""
    encoded = (as_object(counted.get("invokeModel")) or {}).get("body", "")
    try:
        native = as_object(json.loads(decode_base64(encoded)))
    except ValueError:
        native = None
    if native is None:
        raise RefusedError(validation_error("The body of the request to count is no JSON object."))
    texts = [native.get("system"), native.get("messages"), native.get("tools"), native.get("prompt")]
    words = json.dumps([text for text in texts if text], ensure_ascii=False)
    return {"messages": [{"role": "user", "content": [{"text": words}]}]}
