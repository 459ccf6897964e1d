"""What the service and its models refuse, beyond the shape of a request: one table, and the loop that goes through it.

A rule is a name, a function that looks at a request, and where it is known from. Rules of one family of models name the
family; exemptions name the models and the reason.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chatport_bedrock.emulator import _rules_content as content
from chatport_bedrock.emulator import _rules_turns as turns
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._refusal import Author, RefusedError, validation_error
from chatport_bedrock.emulator._signatures import UNSIGNED_FAMILIES

_MODEL_ERRORS: Final = "The model returned the following errors: "

# Where the rules come from.
_DOCUMENTED: Final = "the service's API reference"
_RECORDED: Final = "recorded traffic"
_REPORTED: Final = "the service's message, quoted in public bug reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to refuse a request.

    Attributes:
        name: What the rule is called in tests and tables.
        find: Returns the message if the request breaks the rule, else None.
        source: Where the rule, and if possible its wording, is known from.
        author: Who says it. What the model says comes after everything that the service says, and with a preface.
        families: The families of models that have the rule; None for all.
        exempt: Models without the rule: a pattern to find in the model id or family, and how that is known.
    """

    name: str
    find: Callable[[Conversation], str | None]
    source: str
    author: Author = "service"
    families: frozenset[str] | None = None
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])

    def applies_to(self, conversation: Conversation) -> bool:
        """Whether the model of this request has the rule."""
        if self.families is not None and conversation.family not in self.families:
            return False
        return not any(re.search(pattern, conversation.model) for pattern in self.exempt)


RULES: Final[tuple[Rule, ...]] = (
    Rule(name="prompt-fields", find=turns.fields_beside_prompt, source=_DOCUMENTED),
    Rule(name="no-messages", find=turns.no_messages, source=_REPORTED),
    Rule(name="empty-message", find=turns.empty_message, source=_REPORTED),
    Rule(
        name="first-message",
        find=turns.first_message_is_not_user,
        source=_REPORTED,
        exempt={
            r"\banthropic\.": "recorded: Claude 4.5 continues a conversation that it begins",
            r"\b(qwen|zai|moonshot|moonshotai)\.": "reported to accept a leading assistant message",
        },
    ),
    Rule(
        name="blank-text",
        find=content.blank_text,
        source=_REPORTED,
        exempt={r"claude-(haiku|opus|sonnet)-4-5": "recorded: a blank text of the user was answered"},
    ),
    Rule(name="json-result", find=content.result_json_is_no_object, source=_REPORTED),
    Rule(name="tool-input", find=content.tool_input_is_no_object, source=_REPORTED),
    Rule(name="empty-error-result", find=content.empty_error_result, source=_REPORTED),
    Rule(name="tool-schema", find=content.tool_schema_is_no_object, source=_REPORTED),
    Rule(name="tool-config", find=turns.tool_config_missing, source=_REPORTED),
    Rule(name="duplicate-tool-use", find=turns.duplicate_tool_uses, source=_REPORTED),
    Rule(name="duplicate-tool-result", find=turns.duplicate_tool_results, source=_REPORTED),
    Rule(name="orphan-tool-result", find=turns.tool_results_without_uses, source=_REPORTED),
    Rule(name="missing-tool-result", find=turns.tool_uses_without_results, source=_REPORTED),
    Rule(name="document-name", find=content.document_name, source=_REPORTED),
    Rule(name="duplicate-document", find=content.duplicate_document_names, source=_REPORTED),
    Rule(name="document-without-text", find=content.document_without_text, source=_REPORTED),
    Rule(name="document-count", find=content.too_many_documents, source=_REPORTED),
    Rule(name="image-count", find=content.too_many_images, source=_DOCUMENTED),
    Rule(name="output-schema", find=content.output_schema, source=_DOCUMENTED),
    Rule(name="response-field-path", find=content.response_field_path, source=_DOCUMENTED),
    Rule(name="results-first", find=turns.tool_results_are_not_first, source=_REPORTED, author="model"),
    Rule(name="tool-names", find=content.duplicate_tool_names, source=_REPORTED, author="model"),
    Rule(name="tool-choice", find=content.chosen_tool_is_not_offered, source=_REPORTED, author="model"),
    Rule(name="image-bytes", find=content.image_bytes, source=_RECORDED, author="model"),
    Rule(
        name="image-format",
        find=content.image_format,
        source=_REPORTED,
        author="model",
        exempt={r"claude-3-5-sonnet": "recorded: a PNG that says it is a JPEG was answered"},
    ),
    Rule(
        name="reasoning-budget",
        find=content.reasoning_budget,
        source=_REPORTED,
        author="model",
        families=frozenset({"anthropic"}),
    ),
    Rule(
        name="reasoning-signature",
        find=content.reasoning_signature,
        source=_REPORTED,
        author="model",
        exempt={rf"\b({'|'.join(sorted(UNSIGNED_FAMILIES))})\.": "recorded: these send reasoning without a signature"},
    ),
)


def check_rules(conversation: Conversation) -> None:
    """Refuse a request that breaks a rule of the service or of its model.

    Raises:
        RefusedError: The first rule in the table that the request breaks, with the service's message.
    """
    for rule in RULES:
        if not rule.applies_to(conversation):
            continue
        message = rule.find(conversation)
        if message is not None:
            text = f"{_MODEL_ERRORS}{message}" if rule.author == "model" else message
            raise RefusedError(validation_error(text), author=rule.author)
