"""What the emulator refuses, and what it must not refuse: the service's model, its rules, and recorded requests."""

from typing import Any

import pytest
from bedrock_support.emulated_families import EXAMPLES as FAMILY_EXAMPLES
from bedrock_support.emulation import (
    CLAUDE,
    LLAMA,
    NOVA,
    OLD_CLAUDE,
    PROMPT_ARN,
    TIME,
    TOOLS,
    WEATHER,
    assistant,
    broken_shape,
    document,
    gif,
    image,
    jpeg,
    png,
    talk,
    tool_result,
    tool_use,
    user,
    webp_lossy,
)

from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._refusal import RefusedError
from chatport_bedrock.emulator._rules import RULES, check_rules

HELLO = user("Hello!")
LLAMA_4 = "us.meta.llama4-maverick-17b-instruct-v1:0"
CALL = assistant(tool_use("a"))
TWO_CALLS = assistant(tool_use("a"), tool_use("b", "get_time"))
WORDS = {"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "string"}}}}
REDACTED = {"reasoningContent": {"redactedContent": "AAEC"}}


def broken_rule(body: dict[str, Any], model: str) -> str | None:
    """What the rules say against a request whose structure is right."""
    assert broken_shape(body) is None
    try:
        check_rules(Conversation(model, body))
    except RefusedError as refused:
        return refused.error.message
    return None


# --- the rules -------------------------------------------------------------------------------------------------------

MODEL_SAYS = "The model returned the following errors: "
MISSING = "Expected toolResult blocks at messages.{}.content for the following Ids: {}"
NO_OBJECT = "The format of the value at {} is invalid. Provide a json object for the field and try again."
TOO_MANY = [user("And this?", document(f"report {number}")) for number in range(6)]

REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("prompt-fields", PROMPT_ARN, {"system": []}, "The system field can't be set when the modelId is a prompt."),
    ("no-messages", NOVA, {}, "The messages field is empty."),
    ("no-messages", NOVA, talk(), "The messages field is empty."),
    ("empty-message", NOVA, talk(user()), "The content field in the Message object at messages.0 is empty."),
    ("first-message", NOVA, talk(assistant("Well?"), HELLO), "A conversation must start with a user message."),
    (
        "blank-text",
        NOVA,
        talk(user("Hi", " \n")),
        "The text field in the ContentBlock object at messages.0.content.1 is blank. Add text",
    ),
    (
        "json-result",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a", {"json": [1]})), toolConfig=TOOLS),
        NO_OBJECT.format("messages.2.content.0.toolResult.content.0.json"),
    ),
    (
        "tool-input",
        NOVA,
        talk(HELLO, assistant({"toolUse": {"toolUseId": "a", "name": "b", "input": "{"}}), toolConfig=TOOLS),
        NO_OBJECT.format("messages.1.content.0.toolUse.input"),
    ),
    (
        "empty-error-result",
        NOVA,
        talk(
            HELLO,
            CALL,
            user({"toolResult": {"toolUseId": "a", "content": [], "status": "error"}}),
            toolConfig=TOOLS,
        ),
        "The content field at messages.2.content.0.toolResult cannot be empty when status value is error.",
    ),
    (
        "tool-schema",
        NOVA,
        talk(HELLO, toolConfig={"tools": [WEATHER, WORDS]}),
        "The value at toolConfig.tools.1.toolSpec.inputSchema.json.type must be one of the following: object.",
    ),
    (
        "tool-config",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a"))),
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
    ),
    (
        "duplicate-tool-use",
        NOVA,
        talk(HELLO, assistant(tool_use("a"), tool_use("a")), user(tool_result("a")), toolConfig=TOOLS),
        "The toolUse blocks at messages.1.content contain duplicate Ids: a",
    ),
    (
        "duplicate-tool-result",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a"), tool_result("a")), toolConfig=TOOLS),
        "The toolResult blocks at messages.2.content contain duplicate Ids: a",
    ),
    (
        "orphan-tool-result",
        NOVA,
        talk(user(tool_result("a")), toolConfig=TOOLS),
        "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous turn.",
    ),
    (
        "orphan-tool-result",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a"), tool_result("b")), toolConfig=TOOLS),
        "The number of toolResult blocks at messages.2.content exceeds the number of toolUse blocks of previous turn.",
    ),
    ("missing-tool-result", NOVA, talk(HELLO, TWO_CALLS, HELLO, toolConfig=TOOLS), MISSING.format(2, "a, b")),
    (
        "missing-tool-result",
        NOVA,
        talk(HELLO, TWO_CALLS, user(tool_result("b")), toolConfig=TOOLS),
        MISSING.format(2, "a"),
    ),
    (
        "missing-tool-result",
        NOVA,
        talk(HELLO, CALL, user(tool_result("other")), toolConfig=TOOLS),
        MISSING.format(2, "a"),
    ),
    ("missing-tool-result", NOVA, talk(HELLO, CALL, toolConfig=TOOLS), MISSING.format(2, "a")),
    ("document-name", NOVA, talk(user("Read.", document("report.pdf"))), "The document file name can only contain"),
    ("document-name", NOVA, talk(user("Read.", document("two  spaces"))), "The document file name can only contain"),
    (
        "duplicate-document",
        NOVA,
        talk(user("Read.", document("a")), assistant("Yes."), user("Again.", document("a"))),
        "Messages can't contain duplicate document names. Rename the document and retry your request.",
    ),
    (
        "duplicate-document",
        NOVA,
        talk(user("Read.", document("a")), CALL, user(tool_result("a", document("a"))), toolConfig=TOOLS),
        "Messages can't contain duplicate document names. Rename the document and retry your request.",
    ),
    (
        "document-without-text",
        NOVA,
        talk(user(document("a"))),
        "A text block must be included when using documents. Add a text block and retry your request.",
    ),
    ("document-count", NOVA, talk(*TOO_MANY), "You can't include more than 5 documents in a request."),
    ("image-count", LLAMA_4, talk(user(*[image(png())] * 21)), "You can't include more than 20 images in a message."),
    (
        "output-schema",
        NOVA,
        talk(HELLO, outputConfig={"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}),
        NO_OBJECT.format("outputConfig.textFormat.structure.jsonSchema.schema"),
    ),
    (
        "response-field-path",
        NOVA,
        talk(HELLO, additionalModelResponseFieldPaths=["/fine", "wrong"]),
        "The value 'wrong' in additionalModelResponseFieldPaths is not a valid JSON Pointer.",
    ),
    (
        "results-first",
        NOVA,
        talk(HELLO, CALL, user("Here:", tool_result("a")), toolConfig=TOOLS),
        f"{MODEL_SAYS}messages.2: Did not find 1 `tool_result` block(s) at the beginning of this message.",
    ),
    (
        "results-first",
        NOVA,
        talk(HELLO, CALL, user("Wait:"), user(tool_result("a")), toolConfig=TOOLS),
        f"{MODEL_SAYS}messages.2: Did not find 1 `tool_result` block(s) at the beginning of this message.",
    ),
    (
        "tool-names",
        NOVA,
        talk(HELLO, toolConfig={"tools": [TIME, TIME]}),
        f"{MODEL_SAYS}tools: Tool names must be unique.",
    ),
    (
        "tool-choice",
        NOVA,
        talk(HELLO, toolConfig={**TOOLS, "toolChoice": {"tool": {"name": "fly"}}}),
        f"{MODEL_SAYS}Tool 'fly' not found in provided tools",
    ),
    (
        "image-bytes",
        NOVA,
        talk(user(image(b"no image"))),
        f"{MODEL_SAYS}The detected file MIME type text/plain does not match the expected type image/png.",
    ),
    (
        "image-bytes",
        NOVA,
        talk(user(image(b"\xff\x00"))),
        f"{MODEL_SAYS}The detected file MIME type application/octet-stream does not match the expected type image/png.",
    ),
    (
        "image-bytes",
        CLAUDE,
        talk(user(image(b"no image"))),
        f"{MODEL_SAYS}messages.0.content.0.image.source.bytes: Could not process image",
    ),
    (
        "image-bytes",
        LLAMA_4,
        talk(user(image(b"no image"))),
        f"{MODEL_SAYS}The provided image does not match the specified image format.",
    ),
    (
        "image-format",
        CLAUDE,
        talk(user(image(png(), "jpeg"))),
        (
            f"{MODEL_SAYS}messages.0.content.0.image.source.bytes: The image was specified using the image/jpeg media "
            "type, but the image appears to be a image/png image"
        ),
    ),
    (
        "image-format",
        NOVA,
        talk(user(image(gif(), "webp"))),
        f"{MODEL_SAYS}The detected file MIME type image/gif does not match the expected type image/webp.",
    ),
    (
        "image-format",
        LLAMA_4,
        talk(HELLO, CALL, user(tool_result("a", image(jpeg()))), toolConfig=TOOLS),
        f"{MODEL_SAYS}The provided image does not match the specified image format.",
    ),
    (
        "reasoning-budget",
        CLAUDE,
        talk(HELLO, additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 1000}}),
        f"{MODEL_SAYS}thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    (
        "reasoning-budget",
        CLAUDE,
        talk(
            HELLO,
            inferenceConfig={"maxTokens": 2000},
            additionalModelRequestFields={"reasoning_config": {"type": "enabled", "budget_tokens": 2000}},
        ),
        f"{MODEL_SAYS}`max_tokens` must be greater than `thinking.budget_tokens`.",
    ),
    (
        "reasoning-signature",
        CLAUDE,
        talk(
            HELLO,
            assistant({"reasoningContent": {"reasoningText": {"text": "Well", "signature": "bm8="}}}, "Hi"),
            HELLO,
        ),
        f"{MODEL_SAYS}messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    (
        "reasoning-signature",
        CLAUDE,
        talk(HELLO, assistant({"reasoningContent": {"reasoningText": {"text": "Well"}}}, "Hi"), HELLO),
        f"{MODEL_SAYS}messages.1.content.0.thinking.signature: Field required",
    ),
]


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [each[1:] for each in REFUSED],
    ids=[f"{i}-{each[0]}" for i, each in enumerate(REFUSED)],
)
def test_what_breaks_a_rule_is_refused(model: str, body: dict[str, Any], message: str) -> None:
    """Each rule of the table refuses what it is there for, in the words of the service."""
    found = broken_rule(body, model)
    assert found is not None
    assert found.startswith(message)


def test_each_refusal_comes_from_its_own_rule() -> None:
    """Without the rule that an example is named after, the example is not refused with that message."""
    for name, model, body, message in REFUSED:
        others = [rule for rule in RULES if rule.name != name]
        conversation = Conversation(model, body)
        said = [rule.find(conversation) or "" for rule in others if rule.applies_to(conversation)]
        assert not any(message.removeprefix(MODEL_SAYS) in text for text in said), name


def test_every_rule_has_an_example_and_a_source() -> None:
    """No rule is untested; none is without a reason; the service speaks before the model."""
    assert {rule.name for rule in RULES} == {each[0] for each in REFUSED} | {each.rule for each in FAMILY_EXAMPLES}
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.source for rule in RULES)
    authors = [rule.author for rule in RULES]
    assert authors == sorted(authors, key=["service", "model"].index)


ACCEPTED: list[tuple[str, str, dict[str, Any]]] = [
    ("a prompt needs no messages", PROMPT_ARN, {"promptVariables": {"name": {"text": "x"}}}),
    ("empty settings", NOVA, talk(HELLO, system=[], inferenceConfig={})),
    ("two user messages in a row", NOVA, talk(HELLO, HELLO)),
    ("the assistant last", NOVA, talk(HELLO, assistant("Well,"))),
    ("the assistant first, for Claude", CLAUDE, talk(assistant("Well?"), HELLO)),
    (
        "a small budget, for others",
        LLAMA,
        talk(HELLO, additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 1}}),
    ),
    ("a blank text of the user, for Claude 4.5", CLAUDE, talk(user(" "))),
    ("a blank text beside reasoning", OLD_CLAUDE, talk(HELLO, assistant(REDACTED, " "), HELLO)),
    ("more behind results", NOVA, talk(HELLO, CALL, user(tool_result("a"), "See:", document("a")), toolConfig=TOOLS)),
    (
        "results of one turn in two messages",
        NOVA,
        talk(HELLO, TWO_CALLS, user(tool_result("b")), user(tool_result("a")), toolConfig=TOOLS),
    ),
    (
        "a cache point between results",
        CLAUDE,
        talk(
            HELLO,
            TWO_CALLS,
            user(tool_result("a"), {"cachePoint": {"type": "default"}}, tool_result("b")),
            toolConfig=TOOLS,
        ),
    ),
    (
        "a tool of the service",
        NOVA,
        talk(
            HELLO,
            assistant(
                {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
                tool_result("s", {"json": {}}, type="nova_grounding_result"),
                "Found.",
            ),
            HELLO,
            toolConfig={"tools": [{"systemTool": {"name": "nova_grounding"}}]},
        ),
    ),
    (
        "ids of other makers",
        NOVA,
        talk(HELLO, assistant(tool_use("functions.f:0")), user(tool_result("functions.f:0")), toolConfig=TOOLS),
    ),
    ("names of documents", NOVA, talk(user("Read.", document("My_file (2) [new]-a")))),
    ("a document of text", NOVA, talk(user("Read.", {"document": {"name": "a", "source": {"text": "b"}}}))),
    (
        "a document inside a result alone",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a", document("a"))), toolConfig=TOOLS),
    ),
    (
        "every format of image",
        NOVA,
        talk(user(image(png()), image(jpeg(), "jpeg"), image(gif(), "gif"), image(webp_lossy(), "webp"))),
    ),
    (
        "an image elsewhere",
        NOVA,
        talk(user({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a"}}}})),
    ),
    (
        "reasoning without signature, where there is none",
        "openai.gpt-oss-20b-1:0",
        talk(HELLO, assistant({"reasoningContent": {"reasoningText": {"text": "Well"}}}), HELLO),
    ),
    (
        "anything in a result's object",
        NOVA,
        talk(HELLO, CALL, user(tool_result("a", {"json": {"a": [None, 1.5, {}]}})), toolConfig=TOOLS),
    ),
    (
        "a message that changes the tools",
        NOVA,
        talk({"role": "system", "content": [{"toolAddition": {"tool": {"name": "a"}}}]}, HELLO),
    ),
]


@pytest.mark.parametrize(("model", "body"), [each[1:] for each in ACCEPTED], ids=[each[0] for each in ACCEPTED])
def test_what_the_service_accepts_is_accepted(model: str, body: dict[str, Any]) -> None:
    """Odd but accepted: most of it recorded of the real service."""
    assert broken_rule(body, model) is None
