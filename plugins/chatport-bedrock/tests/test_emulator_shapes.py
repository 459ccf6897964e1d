"""Requests that do not fit the service's own model are refused, with the place and in the words of the service."""

import json
from typing import Any

import pytest
from bedrock_support.emulation import TOOLS, WEATHER, assistant, broken_shape, image, png, post, talk, tool_use, user

from chatport_bedrock.emulator import Emulator

HELLO = user("Hello!")
MALFORMED = "Malformed input request: #"
REFORMAT = ", please reformat your input and try again."
DETECTED = "1 validation error detected: "
FAILED = "failed to satisfy constraint: Member must"

SHAPES: list[tuple[str, dict[str, Any], str]] = [
    ("unknown key", {"message": []}, f"{MALFORMED}: extraneous key [message] is not permitted{REFORMAT}"),
    (
        "unknown setting",
        talk(HELLO, inferenceConfig={"topK": 5}),
        f"{MALFORMED}/inferenceConfig: extraneous key [topK] is not permitted{REFORMAT}",
    ),
    (
        "wrong type",
        talk(user(5)),
        f"{MALFORMED}/messages/0/content/0: expected type: JSONObject, found: Integer{REFORMAT}",
    ),
    ("text for a list", {"messages": "Hi"}, f"{MALFORMED}/messages: expected type: JSONArray, found: String{REFORMAT}"),
    (
        "number for a text",
        talk(user({"text": 1.5})),
        f"{MALFORMED}/messages/0/content/0/text: expected type: String, found: Double{REFORMAT}",
    ),
    (
        "text for a number",
        talk(HELLO, inferenceConfig={"temperature": "0"}),
        f"{MALFORMED}/inferenceConfig/temperature: expected type: Number, found: String{REFORMAT}",
    ),
    (
        "truth for a number",
        talk(HELLO, inferenceConfig={"maxTokens": True}),
        f"{MALFORMED}/inferenceConfig/maxTokens: expected type: Integer, found: Boolean{REFORMAT}",
    ),
    (
        "text for a truth",
        talk(HELLO, toolConfig={"tools": [{"toolSpec": {**WEATHER["toolSpec"], "strict": "yes"}}]}),
        f"{MALFORMED}/toolConfig/tools/0/toolSpec/strict: expected type: Boolean, found: String{REFORMAT}",
    ),
    (
        "list for a map",
        talk(HELLO, requestMetadata=[]),
        f"{MALFORMED}/requestMetadata: expected type: JSONObject, found: JSONArray{REFORMAT}",
    ),
    (
        "no base64",
        talk(user({"image": {"format": "png", "source": {"bytes": "?"}}})),
        f"{MALFORMED}/messages/0/content/0/image/source/bytes: the value is not valid base64{REFORMAT}",
    ),
    (
        "number for bytes",
        talk(user({"image": {"format": "png", "source": {"bytes": 5}}})),
        f"{MALFORMED}/messages/0/content/0/image/source/bytes: expected type: String, found: Integer{REFORMAT}",
    ),
    (
        "union of none",
        talk(user({})),
        "The ContentBlock object at messages.0.content.0 must set one of the following keys: text, ",
    ),
    (
        "union of null",
        talk(user({"text": None})),
        "The ContentBlock object at messages.0.content.0 must set one of the following keys: text, ",
    ),
    (
        "union of two",
        talk(HELLO, toolConfig={**TOOLS, "toolChoice": {"auto": {}, "any": {}}}),
        "The ToolChoice object at toolConfig.toolChoice must set only one of the following keys: auto, any, tool.",
    ),
    (
        "unknown block",
        talk(user({"hologram": {}})),
        f"{MALFORMED}/messages/0/content/0: extraneous key [hologram] is not permitted{REFORMAT}",
    ),
    (
        "missing member",
        talk({"role": "user"}),
        f"{DETECTED}Value null at 'messages.1.member.content' {FAILED} not be null",
    ),
    (
        "null in a list",
        talk(HELLO, inferenceConfig={"stopSequences": [None]}),
        f"{DETECTED}Value null at 'inferenceConfig.stopSequences.1.member' {FAILED} not be null",
    ),
    (
        "enum",
        talk({"role": "tool", "content": []}),
        f"{DETECTED}Value 'tool' at 'messages.1.member.role' {FAILED} satisfy enum value set: [user, assistant",
    ),
    (
        "enum of images",
        talk(user(image(png(), "jpg"))),
        f"{DETECTED}Value 'jpg' at 'messages.1.member.content.1.member.image.format' {FAILED} satisfy enum value set: ",
    ),
    (
        "type of a call",
        talk(HELLO, assistant({"toolUse": {"toolUseId": "a", "name": "b", "input": {}, "type": "tool_use"}})),
        f"{DETECTED}Value 'tool_use' at 'messages.2.member.content.1.member.toolUse.type' {FAILED} satisfy enum",
    ),
    (
        "long wrong enum",
        talk({"role": "x" * 100, "content": []}),
        f"{DETECTED}Value at 'messages.1.member.role' {FAILED} satisfy enum",
    ),
    (
        "too short",
        talk(HELLO, toolConfig={"tools": []}),
        f"{DETECTED}Value at 'toolConfig.tools' {FAILED} have length greater than or equal to 1",
    ),
    (
        "too long",
        talk(HELLO, assistant(tool_use("a", "n" * 65))),
        f"{DETECTED}Value at 'messages.2.member.content.1.member.toolUse.name' {FAILED} have length less than",
    ),
    (
        "empty image",
        talk(user(image(b""))),
        f"{DETECTED}Value at 'messages.1.member.content.1.member.image.source.bytes' {FAILED} have length greater",
    ),
    (
        "too small",
        talk(HELLO, inferenceConfig={"maxTokens": 0}),
        f"{DETECTED}Value at 'inferenceConfig.maxTokens' {FAILED} have value greater than or equal to 1",
    ),
    (
        "too large",
        talk(HELLO, inferenceConfig={"temperature": 2.0}),
        f"{DETECTED}Value at 'inferenceConfig.temperature' {FAILED} have value less than or equal to 1",
    ),
    (
        "pattern",
        talk(HELLO, assistant(tool_use("a|b"))),
        f"{DETECTED}Value at 'messages.2.member.content.1.member.toolUse.toolUseId' {FAILED} satisfy regular",
    ),
    (
        "pattern of a key",
        talk(HELLO, requestMetadata={"a;b": "c"}),
        f"{DETECTED}Value at 'requestMetadata.a;b' {FAILED} satisfy regular expression pattern: ",
    ),
    (
        "several",
        talk({"role": "tool", "content": []}, inferenceConfig={"maxTokens": 0}),
        "2 validation errors detected: Value 'tool' at 'messages.1.member.role' failed to satisfy constraint: ",
    ),
]


@pytest.mark.parametrize(("body", "message"), [each[1:] for each in SHAPES], ids=[each[0] for each in SHAPES])
def test_what_does_not_fit_the_services_model_is_named(body: dict[str, Any], message: str) -> None:
    """Each kind of mistake is found, with its place, in the words of the service."""
    found = broken_shape(body)
    assert found is not None
    assert found.startswith(message)


def test_the_operations_have_models_of_their_own() -> None:
    """The streaming operation has a member more: refused by the one, accepted by the other."""
    body = talk(HELLO, guardrailConfig={"streamProcessingMode": "async"})
    assert "streamProcessingMode" in str(broken_shape(body))
    assert broken_shape(body, "ConverseStream") is None


def test_the_model_id_is_checked() -> None:
    """An id that no model can have is refused like any other value."""
    with Emulator() as emulator:
        status, _, body = post(emulator, talk(HELLO), path="/model/no%20model%21/converse")
    assert status == 400
    assert json.loads(body)["message"].startswith(f"{DETECTED}Value at 'modelId' {FAILED} satisfy regular expression")
