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
_MAX_IMAGE_BYTES: Final = 3_932_160  # 3.75 MiB
_MAX_DOCUMENT_BYTES: Final = 4_718_592  # 4.5 MiB
_MAX_PIXELS: Final = 8000

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
    return f"You can't include more than {_MAX_DOCUMENTS} documents in a request."


def too_many_images(conversation: Conversation) -> str | None:
    """So are twenty images in a message."""
    for message in conversation.messages:
        if sum(1 for block in message["content"] if "image" in block) > _MAX_IMAGES:
            return f"You can't include more than {_MAX_IMAGES} images in a message."
    return None


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


def media_size(conversation: Conversation) -> str | None:
    """Images and documents that come as bytes are small."""
    for kind, limit in (("image", _MAX_IMAGE_BYTES), ("document", _MAX_DOCUMENT_BYTES)):
        for place, media in conversation.media(kind):
            encoded: str = (media.get("source") or {}).get("bytes") or ""
            size = len(encoded) // 4 * 3 - encoded[-2:].count("=")
            if size > limit:
                return (
                    f"The {kind} at {place} has {size} bytes, which exceeds the maximum of {limit} bytes. "
                    f"Provide a smaller {kind} and try again."
                )
    return None


def image_pixels(conversation: Conversation) -> str | None:
    """No side of an image is too long."""
    for place, _, data in _images(conversation):
        found = read_image(data)
        if found is not None and max(found.width or 0, found.height or 0) > _MAX_PIXELS:
            return f"{place}: At least one of the image dimensions exceed max allowed size: {_MAX_PIXELS} pixels"
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
