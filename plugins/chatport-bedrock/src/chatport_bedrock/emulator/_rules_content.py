"""Rules about what stands inside the blocks: texts, documents, images, tools, reasoning.

Each function returns the message of the service, or of the model, if the request breaks its rule, else None.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatport_bedrock._image_header import read_image
from chatport_bedrock.emulator._conversation import Conversation, decode_base64
from chatport_bedrock.emulator._json import as_object

_MAX_DOCUMENTS: Final = 5
_MAX_IMAGES: Final = 20
_MAX_ENCODED_IMAGE: Final = 5 * 1024 * 1024  # of base64, which is 3.75 MiB of image
_MAX_DOCUMENT_BYTES: Final = 4_500_000
_MAX_VIDEO_BYTES: Final = 25_000_000
_MAX_PIXELS: Final = 8000
_MANY_IMAGES: Final = 20
_MAX_PIXELS_OF_MANY: Final = 2000

# The reference says nothing of underscores; they are accepted in practice.
_DOCUMENT_NAME: Final = re.compile(r"[A-Za-z0-9_\-()\[\]]+(?: [A-Za-z0-9_\-()\[\]]+)*")
_JSON_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


def blank_text(conversation: Conversation) -> str | None:
    """A text block says something; beside reasoning a blank one may stay, because such a turn goes back as it came."""
    reasoned = {placed.message for placed in conversation.of_kind("reasoningContent")}
    for placed in conversation.of_kind("text"):
        if not placed.block["text"].strip() and placed.message not in reasoned:
            return (
                f"The text field in the ContentBlock object at {placed.place} is blank. "
                "Add text to the text field, and try again."
            )
    return None


def result_json_is_no_object(conversation: Conversation) -> str | None:
    """A tool result's `json` is an object, whatever its type says."""
    for placed in conversation.of_kind("toolResult"):
        for index, entry in enumerate(placed.block["toolResult"]["content"]):
            if "json" in entry and not isinstance(entry["json"], dict):
                return _no_object(f"{placed.place}.toolResult.content.{index}.json")
    return None


def tool_input_is_no_object(conversation: Conversation) -> str | None:
    """A tool's input is an object: JSON that did not parse cannot go back as a string."""
    for placed in conversation.of_kind("toolUse"):
        if not isinstance(placed.block["toolUse"]["input"], dict):
            return _no_object(f"{placed.place}.toolUse.input")
    return None


def _no_object(place: str) -> str:
    return f"The format of the value at {place} is invalid. Provide a json object for the field and try again."


def empty_error_result(conversation: Conversation) -> str | None:
    """An error says what went wrong."""
    for placed in conversation.of_kind("toolResult"):
        result: Mapping[str, Any] = placed.block["toolResult"]
        if result.get("status") == "error" and not result["content"]:
            return f"The content field at {placed.place}.toolResult cannot be empty when status value is error."
    return None


def tool_schema_is_no_object(conversation: Conversation) -> str | None:
    """The input of a tool is described as an object."""
    for place, spec in _tool_specs(conversation):
        schema = as_object(spec["inputSchema"].get("json")) or {}
        if schema.get("type") != "object":
            return f"The value at {place}.inputSchema.json.type must be one of the following: object."
    return None


def duplicate_tool_names(conversation: Conversation) -> str | None:
    """Tools are told apart by name."""
    names = [spec["name"] for _, spec in _tool_specs(conversation)]
    return "tools: Tool names must be unique." if len(names) > len(set(names)) else None


def chosen_tool_is_not_offered(conversation: Conversation) -> str | None:
    """Only a tool on offer can be asked for."""
    choice: Mapping[str, Any] = (conversation.body.get("toolConfig") or {}).get("toolChoice") or {}
    if "tool" not in choice or choice["tool"]["name"] in conversation.tools:
        return None
    return f"Tool '{choice['tool']['name']}' not found in provided tools"


def _tool_specs(conversation: Conversation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    config: Mapping[str, Any] = conversation.body.get("toolConfig") or {}
    for index, tool in enumerate(config.get("tools") or ()):
        if "toolSpec" in tool:
            yield f"toolConfig.tools.{index}.toolSpec", tool["toolSpec"]


def document_name(conversation: Conversation) -> str | None:
    """A document's name has few characters to choose from."""
    for _, document in conversation.media("document"):
        if not _DOCUMENT_NAME.fullmatch(document["name"]):
            return (
                "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
                "parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
                "character. Check that the file name conforms to these restrictions and retry your request."
            )
    return None


def duplicate_document_names(conversation: Conversation) -> str | None:
    """Names are unique in the whole request."""
    names = [document["name"] for _, document in conversation.media("document")]
    if len(names) == len(set(names)):
        return None
    return "Messages can't contain duplicate document names. Rename the document and retry your request."


def document_without_text(conversation: Conversation) -> str | None:
    """A message with a document says in words what to do with it."""
    for message in conversation.messages:
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and "text" not in kinds:
            return "A text block must be included when using documents. Add a text block and retry your request."
    return None


def too_many_documents(conversation: Conversation) -> str | None:
    """Five documents are enough."""
    if sum(1 for _ in conversation.media("document")) <= _MAX_DOCUMENTS:
        return None
    return (
        f"You can't include more than {_MAX_DOCUMENTS} documents in a request. "
        "Reduce the number of documents and retry your request."
    )


def too_many_images(conversation: Conversation) -> str | None:
    """So are twenty images in a message."""
    for message in conversation.messages:
        if sum(1 for block in message["content"] if "image" in block) > _MAX_IMAGES:
            return f"You can't include more than {_MAX_IMAGES} images in a message."
    return None


def too_much_to_see(conversation: Conversation) -> str | None:
    """Claude counts images and documents of the whole request."""
    most = conversation.traits.images
    images, documents = (sum(1 for _ in conversation.media(kind)) for kind in ("image", "document"))
    if most is None or images + documents <= most:
        return None
    return f"too many images and documents: {images} + {documents} > {most}"


def output_schema(conversation: Conversation) -> str | None:
    """A schema for the answer is JSON inside a string."""
    text_format: Mapping[str, Any] = (conversation.body.get("outputConfig") or {}).get("textFormat") or {}
    if not text_format or conversation.answer_schema is not None:
        return None
    return _no_object("outputConfig.textFormat.structure.jsonSchema.schema")


def response_field_path(conversation: Conversation) -> str | None:
    """Paths are JSON Pointers (RFC 6901) to something inside the answer."""
    for path in conversation.body.get("additionalModelResponseFieldPaths") or ():
        if not _JSON_POINTER.fullmatch(path):
            return f"The value {path!r} in additionalModelResponseFieldPaths is not a valid JSON Pointer."
    return None


def document_size(conversation: Conversation) -> str | None:
    """Documents that come as bytes are small, but where a model reads the pages of a format itself."""
    for _, document in conversation.media("document"):
        if _size(document) > _MAX_DOCUMENT_BYTES and document.get("format") not in conversation.traits.large_documents:
            return "The maximum document size is 4.5 MB. Reduce the size of your document and retry your request."
    return None


def video_size(conversation: Conversation) -> str | None:
    """So are films."""
    for place, video in conversation.media("video"):
        if _size(video) > _MAX_VIDEO_BYTES:
            return f"The video at {place} exceeds the maximum of {_MAX_VIDEO_BYTES} bytes. Use an S3 location instead."
    return None


def image_size(conversation: Conversation) -> str | None:
    """Images are measured as they travel."""
    for place, image in conversation.media("image"):
        size = len((image.get("source") or {}).get("bytes") or "")
        if size > _MAX_ENCODED_IMAGE:
            return f"{place}.source: image exceeds 5 MB maximum: {size} bytes > {_MAX_ENCODED_IMAGE} bytes"
    return None


def _size(media: Mapping[str, Any]) -> int:
    """How many bytes a medium has that comes as bytes, by the length of its base64."""
    encoded: str = (media.get("source") or {}).get("bytes") or ""
    return len(encoded) // 4 * 3 - encoded[-2:].count("=")


def assistant_media(conversation: Conversation) -> str | None:
    """Only the user shows pictures and papers."""
    for number, message in enumerate(conversation.messages):
        for kind in (kind for block in message["content"] for kind in block):
            if message["role"] == "assistant" and kind in {"image", "document"}:
                return f"messages.{number}.content: '{kind}' blocks are not permitted within assistant turns."
    return None


def document_bytes(conversation: Conversation) -> str | None:
    """A PDF is one; base64 text that was encoded once more is none."""
    for place, document in conversation.media("document"):
        encoded = (document.get("source") or {}).get("bytes")
        if document.get("format") == "pdf" and encoded and not decode_base64(encoded[:8]).startswith(b"%PDF-"):
            return f"{place}.source.bytes: The PDF specified was not valid."
    return None


def image_pixels(conversation: Conversation) -> str | None:
    """No side of an image is too long."""
    return _long_side(conversation, _MAX_PIXELS, "")


def pixels_of_many(conversation: Conversation) -> str | None:
    """Where there are many images, documents counted, they are small."""
    count = sum(1 for kind in ("image", "document") for _ in conversation.media(kind))
    return _long_side(conversation, _MAX_PIXELS_OF_MANY, " for many-image requests") if count > _MANY_IMAGES else None


def _long_side(conversation: Conversation, limit: int, where: str) -> str | None:
    for place, _, data in _images(conversation):
        found = read_image(data)
        if found is not None and max(found.width or 0, found.height or 0) > limit:
            return f"{place}: At least one of the image dimensions exceed max allowed size{where}: {limit} pixels"
    return None


def image_bytes(conversation: Conversation) -> str | None:
    """An image is one of the four kinds of image that the service takes."""
    for place, declared, data in _images(conversation):
        if read_image(data) is not None:
            continue
        if conversation.family == "amazon":
            return _detected("text/plain" if _is_text(data) else "application/octet-stream", declared)
        if conversation.family == "anthropic":
            return f"{place}.source.bytes: Could not process image"
        return "The provided image does not match the specified image format."
    return None


def image_format(conversation: Conversation) -> str | None:
    """An image is of the kind that its format says; each family of models has its own words for it."""
    for place, declared, data in _images(conversation):
        found = read_image(data)
        if found is None or f"image/{found.format}" == declared:
            continue
        if conversation.family == "amazon":
            return _detected(f"image/{found.format}", declared)
        if conversation.family == "anthropic":
            return (
                f"{place}.source.bytes: The image was specified using the {declared} media type, "
                f"but the image appears to be a image/{found.format} image"
            )
        return "The provided image does not match the specified image format."
    return None


def _images(conversation: Conversation) -> Iterator[tuple[str, str, bytes]]:
    """The images that come as bytes: place, declared type, content."""
    for place, image in conversation.media("image"):
        encoded = (image.get("source") or {}).get("bytes")
        if encoded is not None:
            yield place, f"image/{image['format']}", decode_base64(encoded)


def _detected(actual: str, declared: str) -> str:
    return (
        f"The detected file MIME type {actual} does not match the expected type {declared}. "
        "Reformat your input and try again."
    )


def _is_text(data: bytes) -> bool:
    try:
        return "\x00" not in data.decode()
    except UnicodeDecodeError:
        return False
