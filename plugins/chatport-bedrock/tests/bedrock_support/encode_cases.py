"""Requests as callers write them, each with the members of the service's shapes that it is there for."""

from dataclasses import replace
from typing import Any

from chatport.backend import (
    Audio,
    CachePoint,
    ChatRequest,
    Citation,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from chatport_bedrock import (
    BedrockOptions,
    Guardrail,
    guard_content,
    search_result,
    text_document,
    tool_addition,
    tool_removal,
    with_bucket_owner,
)

MODEL = "newcomer.model-v1:0"
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
Medium = Image | Document | Audio | Video
OWNER = "123456789012"
HELLO = Message.user("Hello")
CLOCK = Tool("clock", "Tells the time.")


def user(*parts: Part, **members: Any) -> ChatRequest:
    """A request that says these parts."""
    return ChatRequest(MODEL, (Message.user("Look:", *parts),), **members)


def answered(*parts: Part) -> ChatRequest:
    """A request with an answer of the model in it."""
    return ChatRequest(MODEL, (HELLO, Message.assistant(*parts), Message.user("Go on.")))


def result(*content: Part, **members: Any) -> ChatRequest:
    """A request with the result of a tool."""
    call = Message.assistant(ToolCall("c1", "clock"))
    return ChatRequest(MODEL, (HELLO, call, Message("tool", (ToolResult("c1", content, **members),))), tools=(CLOCK,))


def options(**members: Any) -> ChatRequest:
    """A request with what only Bedrock has."""
    return user(settings=Settings(extra={"bedrock": BedrockOptions(**members)}))


def extra(members: dict[str, Any]) -> ChatRequest:
    """A request with members in the service's words."""
    return user(settings=Settings(extra={"bedrock": members}), tools=(CLOCK,))


def cited(location: str, **members: Any) -> ChatRequest:
    """An answer that cites, sent back."""
    raw = {"title": "T", "source": "s", "sourceContent": [{"text": "q"}], "location": {location: members}}
    return answered(Text("words", (Citation("T", "s", ("q",), metadata={"bedrock": raw}),)))


def stored(*, uri: str, kind: type[Medium]) -> ChatRequest:
    """A medium in the object store, with the owner of its bucket."""
    return user(with_bucket_owner(kind.from_uri(uri), OWNER))


def members(shape: str, *names: str) -> set[str]:
    """Members of a shape, as the tables name them."""
    return {f"{shape}.{name}" for name in names}


PLACE = {"documentIndex": 0, "start": 0, "end": 1}
JSON_SCHEMA = {"schema": "{}", "name": "n", "description": "d"}
SERVER_CALL = ToolCall("s1", "nova_grounding", {"q": 1}, executed_by="server")
SERVER_MARKS = {"bedrock": {"status": "success", "type": "nova_grounding_result"}}

# How everything is said, and what it is there for. Neutral values first, then what only Bedrock has.
CASES: dict[str, tuple[ChatRequest, set[str]]] = {
    "a message": (user(), {"*.messages", *members("Message", "role", "content"), "ContentBlock.text"}),
    "a system prompt": (
        user(system=(Text("a"), CachePoint())),
        {"*.system", *members("SystemContentBlock", "text", "cachePoint")},
    ),
    "settings": (
        user(settings=Settings(max_tokens=1, temperature=0, top_p=0, stop_sequences=["a"])),
        {"*.inferenceConfig", *members("InferenceConfiguration", "maxTokens", "temperature", "topP", "stopSequences")},
    ),
    "tools": (
        user(tools=(CLOCK,)),
        {
            *{"*.toolConfig", "ToolConfiguration.tools", "Tool.toolSpec", "ToolInputSchema.json"},
            *members("ToolSpecification", "name", "description", "inputSchema"),
        },
    ),
    "any tool": (user(tools=(CLOCK,), tool_choice="any"), {"ToolConfiguration.toolChoice", "ToolChoice.any"}),
    "a free choice": (user(tools=(CLOCK,), tool_choice="auto"), {"ToolChoice.auto"}),
    "one tool": (user(tools=(CLOCK,), tool_choice="clock"), {"ToolChoice.tool", "SpecificToolChoice.name"}),
    "an image": (
        user(Image("image/png", b"a")),
        {"ContentBlock.image", *members("ImageBlock", "format", "source"), "ImageSource.bytes"},
    ),
    "a stored image": (
        stored(uri="s3://bucket/a.png", kind=Image),
        {"ImageSource.s3Location", *members("S3Location", "uri", "bucketOwner")},
    ),
    "a document": (
        user(Document("application/pdf", b"a", name="d", context="c", citations=True)),
        {
            *{"ContentBlock.document", "DocumentSource.bytes", "CitationsConfig.enabled"},
            *members("DocumentBlock", "format", "name", "source", "context", "citations"),
        },
    ),
    "a stored document": (stored(uri="s3://bucket/a.pdf", kind=Document), {"DocumentSource.s3Location"}),
    "a film": (
        user(Video("video/mp4", b"a")),
        {"ContentBlock.video", *members("VideoBlock", "format", "source"), "VideoSource.bytes"},
    ),
    "a stored film": (stored(uri="s3://bucket/a.mp4", kind=Video), {"VideoSource.s3Location"}),
    "a sound": (
        user(Audio("audio/wav", b"a")),
        {"ContentBlock.audio", *members("AudioBlock", "format", "source"), "AudioSource.bytes"},
    ),
    "a stored sound": (stored(uri="s3://bucket/a.mp3", kind=Audio), {"AudioSource.s3Location"}),
    "a cache point": (user(CachePoint("1h")), {"ContentBlock.cachePoint", *members("CachePointBlock", "type", "ttl")}),
    "a call and its result": (
        result(Json({"a": 1}), Text("a"), is_error=True),
        {
            *{
                "ContentBlock.toolUse",
                "ContentBlock.toolResult",
                *members("ToolUseBlock", "toolUseId", "name", "input"),
            },
            *members("ToolResultBlock", "toolUseId", "content", "status"),
            *members("ToolResultContentBlock", "json", "text"),
        },
    ),
    "media in a result": (
        result(Image("image/png", b"a"), Document("application/pdf", b"a"), Video("video/mp4", b"a")),
        members("ToolResultContentBlock", "image", "document", "video"),
    ),
    "a call that the service ran": (
        answered(SERVER_CALL, ToolResult("s1", "found", metadata=SERVER_MARKS), Text("a")),
        {"ToolUseBlock.type", "ToolResultBlock.type"},
    ),
    "reasoning": (
        answered(Reasoning("a", "signature"), Text("a")),
        {
            *{"ContentBlock.reasoningContent", "ReasoningContentBlock.reasoningText"},
            *members("ReasoningTextBlock", "text", "signature"),
        },
    ),
    "redacted reasoning": (
        answered(Reasoning(redacted=b"a"), Text("a")),
        {"ReasoningContentBlock.redactedContent"},
    ),
    "a citation of the web": (
        cited("web", url="https://a", domain="a"),
        {
            *{"ContentBlock.citationsContent", *members("CitationsContentBlock", "content", "citations")},
            *{"CitationGeneratedContent.text", "CitationSourceContent.text", "CitationLocation.web"},
            *{
                *members("Citation", "title", "source", "sourceContent", "location"),
                *members("WebLocation", "url", "domain"),
            },
        },
    ),
    "a citation of characters": (
        cited("documentChar", **PLACE),
        {"CitationLocation.documentChar", *members("DocumentCharLocation", *PLACE)},
    ),
    "a citation of pages": (
        cited("documentPage", **PLACE),
        {"CitationLocation.documentPage", *members("DocumentPageLocation", *PLACE)},
    ),
    "a citation of passages": (
        cited("documentChunk", **PLACE),
        {"CitationLocation.documentChunk", *members("DocumentChunkLocation", *PLACE)},
    ),
    "a citation of a search result": (
        cited("searchResultLocation", searchResultIndex=0, start=0, end=1),
        {
            "CitationLocation.searchResultLocation",
            *members("SearchResultLocation", "searchResultIndex", "start", "end"),
        },
    ),
    "guard_content": (
        user(guard_content("a", qualifiers=["query"]), system=(guard_content("b"),)),
        {
            *{"ContentBlock.guardContent", "SystemContentBlock.guardContent", "GuardrailConverseContentBlock.text"},
            *members("GuardrailConverseTextBlock", "text", "qualifiers"),
        },
    ),
    "guard_content of an image": (
        user(guard_content(Image("image/png", b"a"))),
        {
            *{"GuardrailConverseContentBlock.image", "GuardrailConverseImageSource.bytes"},
            *members("GuardrailConverseImageBlock", "format", "source"),
        },
    ),
    "search_result": (
        user(search_result("s", "t", "a", citations=True)),
        {
            *{"ContentBlock.searchResult", "SearchResultContentBlock.text"},
            *members("SearchResultBlock", "source", "title", "content", "citations"),
        },
    ),
    "search_result in a result": (result(search_result("s", "t", "a")), {"ToolResultContentBlock.searchResult"}),
    "text_document": (user(text_document("d", "a")), {"DocumentSource.text"}),
    "text_document of passages": (
        user(text_document("d", ["a"])),
        {"DocumentSource.content", "DocumentContentBlock.text"},
    ),
    "tool_addition": (
        ChatRequest(MODEL, (HELLO, Message.system(tool_addition("a", type="t", server_name="s")), HELLO)),
        {
            "ContentBlock.toolAddition",
            "ToolAdditionBlock.tool",
            *members("ToolReference", "type", "name", "serverName"),
        },
    ),
    "tool_removal": (
        ChatRequest(MODEL, (HELLO, Message.system(tool_removal("a")), HELLO)),
        {"ContentBlock.toolRemoval", "ToolRemovalBlock.tool"},
    ),
    "media that failed, sent back": (
        answered(
            *(
                Opaque("bedrock", {kind: {"format": name, "source": {"bytes": "YQ=="}, "error": {"message": "no"}}})
                for kind, name in (("image", "png"), ("audio", "wav"))
            ),
            Text("a"),
        ),
        {"ImageBlock.error", "AudioBlock.error", "ErrorBlock.message"},
    ),
    "BedrockOptions.guardrail": (
        options(guardrail=Guardrail("a", "1", trace="enabled", stream_mode="sync")),
        {
            "*.guardrailConfig",
            *members("GuardrailConfiguration", "guardrailIdentifier", "guardrailVersion", "trace"),
            *members("GuardrailStreamConfiguration", "guardrailIdentifier", "guardrailVersion", "trace"),
            "GuardrailStreamConfiguration.streamProcessingMode",
        },
    ),
    "BedrockOptions.model_fields": (options(model_fields={"a": 1}), {"*.additionalModelRequestFields"}),
    "BedrockOptions.response_field_paths": (
        options(response_field_paths=["/a"]),
        {"*.additionalModelResponseFieldPaths"},
    ),
    "BedrockOptions.prompt_variables": (
        options(prompt_variables={"a": "b"}),
        {"*.promptVariables", "PromptVariableValues.text"},
    ),
    "BedrockOptions.request_metadata": (options(request_metadata={"a": "b"}), {"*.requestMetadata"}),
    "BedrockOptions.latency": (
        options(latency="optimized"),
        {"*.performanceConfig", "PerformanceConfiguration.latency"},
    ),
    "BedrockOptions.service_tier": (options(service_tier="flex"), {"*.serviceTier", "ServiceTier.type"}),
    "BedrockOptions.effort": (options(effort="low"), {"*.outputConfig", "OutputConfig.effort"}),
    "BedrockOptions.system_tools": (
        options(system_tools=["nova_grounding"]),
        {"Tool.systemTool", "SystemTool.name"},
    ),
    "BedrockOptions.tools_cache_point": (
        options(system_tools=["a"], tools_cache_point=CachePoint()),
        {"Tool.cachePoint"},
    ),
    "a type for the answer": (
        replace(user(output_schema={"type": "object", "properties": {}, "additionalProperties": False}), model=CLAUDE),
        {
            *{"*.outputConfig", "OutputConfig.textFormat", *members("OutputFormat", "type", "structure")},
            *{"OutputFormatStructure.jsonSchema", *members("JsonSchemaDefinition", "schema", "name")},
        },
    ),
    "extra: a schema for the answer": (
        extra({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": JSON_SCHEMA}}}}),
        {"JsonSchemaDefinition.description"},
    ),
    "extra: a strict tool": (
        extra({"toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {}}, "strict": True}}]}}),
        {"ToolSpecification.strict"},
    ),
}
