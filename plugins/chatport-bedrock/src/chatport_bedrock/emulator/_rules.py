"""What the service and its models refuse, beyond the shape of a request: one table, and the loop that goes through it.

A rule is a name, a function that looks at a request, and where it is known from. Rules of one family of models name the
family; exemptions name the models and the reason.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chatport_bedrock.emulator import _rules_cache as caching
from chatport_bedrock.emulator import _rules_content as content
from chatport_bedrock.emulator import _rules_models as models
from chatport_bedrock.emulator import _rules_reasoning as reasoning
from chatport_bedrock.emulator import _rules_turns as turns
from chatport_bedrock.emulator._conversation import Conversation
from chatport_bedrock.emulator._refusal import Author, HttpError, RefusedError, validation_error

_MODEL_ERRORS: Final = "The model returned the following errors: "

# Where the rules come from.
_DOCUMENTED: Final = "the service's API reference"
_RECORDED: Final = "recorded traffic"
_REPORTED: Final = "the service's message, quoted in public bug reports"
_OWN_WORDS: Final = "documented or reported without the service's message, which is put in our own words"

_CLAUDE: Final = frozenset({"anthropic"})
_NOVA: Final = frozenset({"amazon"})


def _access_denied(message: str) -> HttpError:
    return HttpError(403, "AccessDeniedException", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One reason to refuse a request.

    Attributes:
        name: What the rule is called in tests and tables.
        find: Returns the message if the request breaks the rule, else None.
        source: Where the rule, and if possible its wording, is known from.
        author: Who says it. What the model says comes after everything that the service says, and with a preface.
        families: The families of models that have the rule; None for all.
        exempt: Models without the rule: a pattern to find in the model id, and how that is known.
        error: The error that the message is sent as.
    """

    name: str
    find: Callable[[Conversation], str | None]
    source: str
    author: Author = "service"
    families: frozenset[str] | None = None
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    error: Callable[[str], HttpError] = validation_error

    def applies_to(self, conversation: Conversation) -> bool:
        """Whether the model of this request has the rule."""
        if self.families is not None and conversation.family not in self.families:
            return False
        return not any(re.search(pattern, conversation.model) for pattern in self.exempt)


RULES: Final[tuple[Rule, ...]] = (
    Rule(name="model-id", find=models.unknown_model, source=_RECORDED),
    Rule(name="on-demand", find=models.on_demand, source=_RECORDED),
    Rule(name="count-tokens", find=models.cannot_count, source=_RECORDED),
    Rule(name="prompt-fields", find=turns.fields_beside_prompt, source=_DOCUMENTED),
    Rule(name="no-messages", find=turns.no_messages, source=_REPORTED),
    Rule(name="empty-message", find=turns.empty_message, source=_REPORTED),
    Rule(
        name="first-message",
        find=turns.first_message_is_not_user,
        source=_REPORTED,
        # Others are recorded (Claude) or reported (Qwen, GLM, Kimi) to take it, or not known to refuse it.
        families=frozenset({"ai21", "amazon", "cohere", "meta", "mistral", "writer"}),
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
    Rule(name="system", find=models.system_prompt, source=_REPORTED),
    Rule(name="tools", find=models.tools_at_all, source=_REPORTED),
    Rule(name="model-tool-choice", find=models.tool_choice, source=_REPORTED),
    Rule(name="result-status", find=models.result_status, source=_REPORTED),
    Rule(name="mixed-turns", find=models.mixed_turns, source=_REPORTED),
    Rule(name="media", find=models.unsupported_media, source=_RECORDED),
    Rule(name="remote-media", find=models.remote_media, source=_RECORDED),
    Rule(name="document-size", find=content.document_size, source=_REPORTED),
    Rule(name="video-size", find=content.video_size, source=_OWN_WORDS),
    Rule(name="reasoning", find=reasoning.reasoning_block, source=_OWN_WORDS),
    Rule(name="signature-field", find=reasoning.signature_field, source=_REPORTED),
    Rule(name="caching", find=caching.no_caching, source=_REPORTED, error=_access_denied),
    Rule(name="cache-point-after", find=caching.point_after, source=_REPORTED),
    Rule(name="document-name", find=content.document_name, source=_REPORTED),
    Rule(name="duplicate-document", find=content.duplicate_document_names, source=_REPORTED),
    Rule(name="document-without-text", find=content.document_without_text, source=_REPORTED),
    Rule(name="document-count", find=content.too_many_documents, source=_REPORTED),
    Rule(
        name="image-count",
        find=content.too_many_images,
        source=_DOCUMENTED,
        exempt={
            r"\bamazon\.nova": "reported: more images are answered",
            r"\banthropic\.": "Claude counts in its own way",
        },
    ),
    Rule(name="output-schema", find=content.output_schema, source=_DOCUMENTED),
    Rule(name="structured-answer", find=models.structured_answer, source=_OWN_WORDS),
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
    Rule(name="media-count", find=content.too_much_to_see, source=_REPORTED, author="model", families=_CLAUDE),
    Rule(name="image-size", find=content.image_size, source=_REPORTED, author="model", families=_CLAUDE),
    Rule(name="pdf-bytes", find=content.document_bytes, source=_REPORTED, author="model", families=_CLAUDE),
    Rule(name="assistant-media", find=content.assistant_media, source=_REPORTED, author="model", families=_CLAUDE),
    Rule(name="many-image-pixels", find=content.pixels_of_many, source=_REPORTED, author="model", families=_CLAUDE),
    Rule(name="image-pixels", find=content.image_pixels, source=_REPORTED, author="model", families=_CLAUDE),
    Rule(name="result-media", find=models.unsupported_result_media, source=_RECORDED, author="model", families=_NOVA),
    Rule(name="remote-document", find=models.remote_document, source=_RECORDED, author="model"),
    Rule(name="prefill", find=models.assistant_last, source=_REPORTED, author="model"),
    Rule(name="trailing-space", find=models.trailing_space, source=_REPORTED, author="model"),
    Rule(name="cache-points", find=caching.too_many_points, source=_REPORTED, author="model"),
    Rule(name="cache-point-order", find=caching.point_ttl_order, source=_REPORTED, author="model"),
    Rule(name="cache-point-place", find=caching.point_place, source=_OWN_WORDS, author="model"),
    Rule(name="cache-point-ttl", find=caching.point_ttl, source=_OWN_WORDS, author="model"),
    Rule(name="strict-tools", find=models.strict_tools, source=_REPORTED, author="model"),
    Rule(name="strict-answer", find=models.strict_answer, source=_REPORTED, author="model"),
    Rule(
        name="reasoning-budget",
        find=reasoning.reasoning_budget,
        source=_REPORTED,
        author="model",
        families=_CLAUDE,
    ),
    Rule(
        name="reasoning-manner",
        find=reasoning.reasoning_manner,
        source=_OWN_WORDS,
        author="model",
        families=_CLAUDE,
    ),
    Rule(name="reasoning-effort", find=reasoning.reasoning_effort, source=_OWN_WORDS, author="model"),
    Rule(
        name="reasoning-sampling",
        find=reasoning.reasoning_sampling,
        source=_REPORTED,
        author="model",
        families=_CLAUDE,
    ),
    Rule(
        name="reasoning-choice",
        find=reasoning.reasoning_choice,
        source=_REPORTED,
        author="model",
        families=_CLAUDE,
    ),
    Rule(name="sampling", find=reasoning.sampling, source=_REPORTED, author="model"),
    Rule(name="effort-limits", find=reasoning.effort_and_limits, source=_OWN_WORDS, author="model", families=_NOVA),
    Rule(name="reasoning-signature", find=reasoning.reasoning_signature, source=_REPORTED, author="model"),
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
            raise RefusedError(rule.error(text), author=rule.author)
