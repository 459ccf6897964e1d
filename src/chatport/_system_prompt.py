"""What belongs to the system prompt, for services that have one apart from the conversation."""

from collections.abc import Callable

from chatport._messages import Part
from chatport._request import ChatRequest
from chatport._translation_scope import TranslationScope


def system_prompt_parts(
    request: ChatRequest, scope: TranslationScope, *, stays: Callable[[Part], bool] | None = None
) -> tuple[list[tuple[str, Part]], int]:
    """Return the parts of the system prompt, each with its place, and where the conversation begins behind it.

    System messages that begin the conversation belong to it, which is noted.

    Args:
        request: The request.
        scope: The request's scope.
        stays: Whether a part has its place in the conversation only: a message with one ends the prompt before it. None
            where no part has.
    """
    messages = request.messages

    def is_prompt(index: int) -> bool:
        message = messages[index]
        return message.role == "system" and (stays is None or not any(map(stays, message.parts)))

    start = next((index for index in range(len(messages)) if not is_prompt(index)), len(messages))
    parts = [(f"system[{index}]", part) for index, part in enumerate(request.system)]
    for number, message in enumerate(messages[:start]):
        why = "a system message that begins the conversation goes into the system prompt"
        scope.note("lossless", "system-message-moved", f"messages[{number}]", why)
        parts += [(f"messages[{number}].parts[{index}]", part) for index, part in enumerate(message.parts)]
    return parts, start
