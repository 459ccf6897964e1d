"""What the decoder has decided about each member of the service's answers: read, or not and why."""

from chatport.backend import (
    Audio,
    CachePoint,
    Document,
    Image,
    Json,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)

# Every structure of an answer: which of its members the decoder reads.
READ: dict[str, set[str]] = {
    "ConverseResponse": {"output", "stopReason", "usage", "metrics"},
    "ConverseOutput": {"message"},
    "Message": {"role", "content"},
    "ConverseStreamResponse": {"stream"},
    "ConverseStreamOutput": {
        *{"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"},
        *{"internalServerException", "modelStreamErrorException", "serviceUnavailableException"},
        *{"throttlingException", "validationException"},
    },
    "MessageStartEvent": {"role"},
    "ContentBlockStartEvent": {"start", "contentBlockIndex"},
    "ContentBlockDeltaEvent": {"delta", "contentBlockIndex"},
    "ContentBlockStopEvent": {"contentBlockIndex"},
    "MessageStopEvent": {"stopReason"},
    "ConverseStreamMetadataEvent": {"usage", "metrics"},
    "ConverseMetrics": {"latencyMs"},
    "ConverseStreamMetrics": {"latencyMs"},
    "TokenUsage": {"inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens"},
    "ContentBlockStart": {"toolUse", "toolResult", "image"},
    "ToolUseBlockStart": {"toolUseId", "name", "type"},
    "ToolResultBlockStart": {"toolUseId", "type", "status"},
    "ImageBlockStart": {"format"},
    "ContentBlockDelta": {"text", "toolUse", "toolResult", "reasoningContent", "citation", "image"},
    "ToolUseBlockDelta": {"input"},
    "ToolResultBlockDelta": {"text", "json"},
    "ReasoningContentBlockDelta": {"text", "redactedContent", "signature"},
    "CitationsDelta": {"title", "source", "sourceContent", "location"},
    "CitationSourceContentDelta": {"text"},
    "ImageBlockDelta": {"source"},
    "ContentBlock": {
        *{"text", "image", "document", "video", "audio", "toolUse", "toolResult", "cachePoint", "reasoningContent"},
        "citationsContent",
    },
    "ToolUseBlock": {"toolUseId", "name", "input", "type"},
    "ToolResultBlock": {"toolUseId", "content", "status", "type"},
    "ToolResultContentBlock": {"json", "text", "image", "document", "video"},
    "CachePointBlock": {"type", "ttl"},
    "ReasoningContentBlock": {"reasoningText", "redactedContent"},
    "ReasoningTextBlock": {"text", "signature"},
    "CitationsContentBlock": {"content", "citations"},
    "CitationGeneratedContent": {"text"},
    "Citation": {"title", "source", "sourceContent", "location"},
    "CitationSourceContent": {"text"},
    "CitationLocation": {"web"},
    "WebLocation": {"url"},
    "ImageBlock": {"format", "source"},
    "AudioBlock": {"format", "source"},
    "VideoBlock": {"format", "source"},
    "DocumentBlock": {"format", "name", "source", "context", "citations"},
    "CitationsConfig": {"enabled"},
    "ImageSource": {"bytes", "s3Location"},
    "AudioSource": {"bytes", "s3Location"},
    "VideoSource": {"bytes", "s3Location"},
    "DocumentSource": {"bytes", "s3Location"},
    "S3Location": {"uri", "bucketOwner"},
    "InternalServerException": {"message"},
    "ModelStreamErrorException": {"message", "originalStatusCode", "originalMessage"},
    "ServiceUnavailableException": {"message"},
    "ThrottlingException": {"message"},
    "ValidationException": {"message"},
}

FACT = "a fact about the answer: kept word for word in the metadata of MessageEnd"
PLACE = "where in a source: kept word for word in the metadata of the citation"
REQUEST = "said in requests; in an answer it stays an Opaque"
# … and which it does not read, and why.
NOT_READ: dict[str, str] = {
    "ConverseResponse.additionalModelResponseFields": FACT,
    "ConverseResponse.trace": FACT,
    "ConverseResponse.performanceConfig": FACT,
    "ConverseResponse.serviceTier": FACT,
    "MessageStopEvent.additionalModelResponseFields": FACT,
    "ConverseStreamMetadataEvent.trace": FACT,
    "ConverseStreamMetadataEvent.performanceConfig": FACT,
    "ConverseStreamMetadataEvent.serviceTier": FACT,
    "TokenUsage.cacheDetails": "no neutral figure says it: kept in Usage.raw",
    "ContentBlock.guardContent": REQUEST,
    "ContentBlock.searchResult": REQUEST,
    "ContentBlock.toolAddition": REQUEST,
    "ContentBlock.toolRemoval": REQUEST,
    "ToolResultContentBlock.searchResult": "no part says it: an Opaque among the parts of the result",
    "CitationLocation.documentChar": PLACE,
    "CitationLocation.documentPage": PLACE,
    "CitationLocation.documentChunk": PLACE,
    "CitationLocation.searchResultLocation": PLACE,
    "WebLocation.domain": PLACE,
    "ImageBlock.error": "an image that failed is none: an Opaque",
    "ImageBlockDelta.error": "an image that failed is none: an Opaque",
    "AudioBlock.error": "a recording that failed is none: an Opaque",
    "DocumentSource.text": "a document of words instead of bytes is an Opaque",
    "DocumentSource.content": "a document of blocks instead of bytes is an Opaque",
}

# What each block of a whole answer becomes, and each delta of a stream.
BLOCKS: dict[str, type[Part]] = {
    "text": Text,
    "image": Image,
    "document": Document,
    "video": Video,
    "audio": Audio,
    "toolUse": ToolCall,
    "toolResult": ToolResult,
    "cachePoint": CachePoint,
    "reasoningContent": Reasoning,
    "citationsContent": Text,
}
DELTAS: dict[str, type[Part]] = {
    "text": Text,
    "toolUse": ToolCall,
    "toolResult": ToolResult,
    "reasoningContent": Reasoning,
    "citation": Text,
    "image": Image,
}
RESULTS: dict[str, type[Part]] = {"json": Json, "text": Text, "image": Image, "document": Document, "video": Video}

# Formats of media whose media type leads back to another of the service's names: these blocks stay word for word.
SYNONYMS = {"AudioFormat": {"mkv", "mpeg", "mpga"}, "VideoFormat": {"mpg"}}
