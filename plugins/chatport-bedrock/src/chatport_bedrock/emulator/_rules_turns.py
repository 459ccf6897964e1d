"""Rules about the order of things: who speaks first, and which tool results answer which tool uses.

Each function returns the message of the service if the request breaks its rule, else None. Tool calls are compared by
turn, because the service merges neighbouring messages of one role first.
"""

from collections.abc import Iterator
from typing import Final

from chatport_bedrock.emulator._conversation import Conversation, Turn, is_prompt

_PROMPT_FIELDS: Final = ("additionalModelRequestFields", "inferenceConfig", "system", "toolConfig")


def fields_beside_prompt(conversation: Conversation) -> str | None:
    """A stored prompt brings its own settings: four fields must not be sent beside it."""
    if not is_prompt(conversation.model):
        return None
    sent = [name for name in _PROMPT_FIELDS if name in conversation.body]
    if not sent:
        return None
    return f"The {sent[0]} field can't be set when the modelId is a prompt. Remove {sent[0]} and try again."


def no_messages(conversation: Conversation) -> str | None:
    """Something has to be said, unless a stored prompt says it."""
    if conversation.messages or is_prompt(conversation.model):
        return None
    return "The messages field is empty. Add a Message object to the messages field and try again."


def empty_message(conversation: Conversation) -> str | None:
    """Every message has content."""
    for number, message in enumerate(conversation.messages):
        if not message["content"]:
            return (
                f"The content field in the Message object at messages.{number} is empty. "
                "Add a ContentBlock object to the content field and try again."
            )
    return None


def first_message_is_not_user(conversation: Conversation) -> str | None:
    """The user begins; system messages, which change the tools, may stand before."""
    role = next((turn.role for turn in conversation.turns if turn.role != "system"), "user")
    if role == "user":
        return None
    return (
        "A conversation must start with a user message. Try again with a conversation that starts with a user message."
    )


def tool_config_missing(conversation: Conversation) -> str | None:
    """Tool calls in the history need tools, in the request or in a stored prompt; what the service ran itself does not.

    Of a stored prompt the documentation says that it brings its tools; that they count here is concluded from that.
    """
    if "toolConfig" in conversation.body or is_prompt(conversation.model):
        return None
    if not any(_ids(turn, kind) for turn in conversation.turns for kind in ("toolUse", "toolResult")):
        return None
    return "The toolConfig field must be defined when using toolUse and toolResult content blocks."


def duplicate_tool_uses(conversation: Conversation) -> str | None:
    """Calls of one turn have different ids."""
    return _duplicates(conversation, "toolUse")


def duplicate_tool_results(conversation: Conversation) -> str | None:
    """One call has one result."""
    return _duplicates(conversation, "toolResult")


def tool_results_without_uses(conversation: Conversation) -> str | None:
    """There are no more results than calls in the turn before."""
    for before, turn in _neighbours(conversation):
        uses = _ids(before, "toolUse") if before else []
        results = _ids(turn, "toolResult")
        if turn.role == "user" and len(results) > len(uses):
            return (
                f"The number of toolResult blocks at messages.{turn.first_message}.content exceeds the number of "
                "toolUse blocks of previous turn."
            )
    return None


def tool_uses_without_results(conversation: Conversation) -> str | None:
    """Every call is answered in the next turn."""
    for turn, after in _followers(conversation):
        if turn.role != "assistant":
            continue
        answered = set(_ids(after, "toolResult")) if after else set[str]()
        missing = [identifier for identifier in _ids(turn, "toolUse") if identifier not in answered]
        if missing:
            number = after.first_message if after else len(conversation.messages)
            return (
                f"Expected toolResult blocks at messages.{number}.content for the following Ids: {', '.join(missing)}"
            )
    return None


def tool_results_are_not_first(conversation: Conversation) -> str | None:
    """The results of a turn stand before everything else that the user says; cache points do not count."""
    for turn in conversation.turns:
        if turn.role != "user":
            continue
        seen_other = False
        for placed in turn.blocks:
            if placed.kind == "toolResult" and seen_other:
                count = len(turn.of_kind("toolResult"))
                return (
                    f"messages.{turn.first_message}: Did not find {count} `tool_result` block(s) at the beginning of "
                    "this message. Messages following `tool_use` blocks must begin with a matching number of "
                    "`tool_result` blocks."
                )
            seen_other = seen_other or placed.kind not in {"toolResult", "cachePoint"}
    return None


def _duplicates(conversation: Conversation, kind: str) -> str | None:
    for turn in conversation.turns:
        identifiers = _ids(turn, kind)
        twice = sorted({identifier for identifier in identifiers if identifiers.count(identifier) > 1})
        if twice:
            return (
                f"The {kind} blocks at messages.{turn.first_message}.content contain duplicate Ids: {', '.join(twice)}"
            )
    return None


def _ids(turn: Turn, kind: str) -> list[str]:
    """The ids of calls that the client runs, or of their results; the service's own leave both halves in one turn."""
    if kind == "toolResult" and turn.role == "assistant":
        return []
    blocks = (placed.block[kind] for placed in turn.of_kind(kind))
    return [block["toolUseId"] for block in blocks if kind == "toolResult" or block.get("type") != "server_tool_use"]


def _neighbours(conversation: Conversation) -> Iterator[tuple[Turn | None, Turn]]:
    spoken = _spoken(conversation)
    return zip([None, *spoken], spoken, strict=False)


def _followers(conversation: Conversation) -> Iterator[tuple[Turn, Turn | None]]:
    spoken = _spoken(conversation)
    return zip(spoken, [*spoken[1:], None], strict=False)


def _spoken(conversation: Conversation) -> list[Turn]:
    """The turns of user and assistant."""
    return [turn for turn in conversation.turns if turn.role != "system"]
