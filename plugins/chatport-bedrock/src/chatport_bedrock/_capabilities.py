"""What a model can be asked, as a value.

The defaults are neutral: of a model that nobody has described everything is allowed, nothing is rewritten, and the
service has the last word. `_model_table` says where models differ from that.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = [
    "CACHE_ORDER",
    "MAX_CACHE_POINTS",
    "STRICT_MAX_MIN_ITEMS",
    "STRICT_MAX_OPTIONAL",
    "STRICT_MAX_TOOLS",
    "STRICT_MAX_UNIONS",
    "STRICT_REFUSED_KEYWORDS",
    "TOOL_NAME",
    "CacheSupport",
    "Capabilities",
    "MediaKind",
    "ReasoningKind",
    "ReasoningOff",
    "ReasoningSupport",
    "Sampling",
    "ToolChoiceKind",
]

# --- the same for every model ----------------------------------------------------------------------------------------

MAX_CACHE_POINTS: Final = 4
"""The most cache points in one request. Rule 49."""
CACHE_ORDER: Final = ("tools", "system", "messages")
"""The order in which the service caches. A point with a longer life never follows one with a shorter one. Rule 53."""
STRICT_MAX_TOOLS: Final = 20
"""The most strict tools in one request. Rule 45."""
STRICT_MAX_UNIONS: Final = 16
"""The most parameters that are a union of types, over all strict tools of a request. Rule 45."""
STRICT_MAX_OPTIONAL: Final = 24
"""The most properties that may be absent, over all strict schemas of a request. Documented for Claude."""
STRICT_MAX_MIN_ITEMS: Final = 1
"""The highest `minItems` that a strict schema may have. Rule 46."""
STRICT_REFUSED_KEYWORDS: Final = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maxItems", "maximum", "minimum", "multipleOf"}
)
"""Keywords that a strict schema may not have; lengths of strings are accepted, against the documentation. Rule 46."""
TOOL_NAME: Final = r"[a-zA-Z0-9_-]{1,64}"
"""The names that tools may have. Source: `ToolSpecification` in the service model. Rule 31."""

# --- words -----------------------------------------------------------------------------------------------------------

ToolChoiceKind: TypeAlias = Literal["auto", "any", "tool"]
"""The members of `toolChoice`."""
MediaKind: TypeAlias = Literal["audio", "document", "image", "video"]
"""The content blocks that carry media."""
Sampling: TypeAlias = Literal["temperature", "top_k", "top_p"]
"""Settings that say how freely to choose, by their neutral names."""
ReasoningKind: TypeAlias = Literal[
    "unknown", "none", "fixed", "budget", "adaptive", "nova-effort", "effort", "effort-object", "qwen-effort"
]
"""How reasoning is asked for, in `additionalModelRequestFields`.

`unknown`: not known. `none`: the model does not reason. `fixed`: it always does, and nothing is asked.
`budget`: `{"thinking": {"type": "enabled", "budget_tokens": N}}`. `adaptive`: `{"thinking": {"type": "adaptive"}}`,
the level in `{"output_config": {"effort": …}}`. `nova-effort`: `{"reasoningConfig": {"type": "enabled",
"maxReasoningEffort": …}}`. `effort`: `{"reasoning_effort": …}`. `effort-object`: `{"reasoning": {"effort": …}}`.
`qwen-effort`: `{"reasoning_config": …}`.
"""
ReasoningOff: TypeAlias = Literal["omit", "disabled", "between-tools", "none", "impossible"]
"""How reasoning is switched off.

`omit`: by asking for none. `disabled`, `between-tools`: by that type of `thinking`. `none`: by that level.
`impossible`: it is not; the lowest level comes nearest.
"""

_EVERY_CHOICE: Final[frozenset[ToolChoiceKind]] = frozenset({"auto", "any", "tool"})
_EVERY_MEDIUM: Final[frozenset[MediaKind]] = frozenset({"audio", "document", "image", "video"})
_EVERY_BLOCK: Final = frozenset({"audio", "document", "image", "text", "video"})
_NO_SETTING: Final[frozenset[Sampling]] = frozenset()

# --- values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSupport:
    """What a model does with cache points.

    Attributes:
        supported: Whether it caches where a point says so.
        ttls: The lives that a point may name; where one is not in it, `ttl` is left out and the model's own holds.
        in_tools: Whether a point may stand among the tools.
        beside_tool_blocks: Whether a point may stand in a message that has a tool call or result.
        never_after: Blocks, by their names on the wire, that a point may not follow directly.
    """

    supported: bool = True
    ttls: frozenset[str] = frozenset({"5m", "1h"})
    in_tools: bool = True
    beside_tool_blocks: bool = True
    never_after: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningSupport:
    """How a model reasons and how that is asked for.

    Attributes:
        kinds: The ways to ask for it, the best one first.
        levels: The efforts it takes, in the service's words, the lowest first; those that are accepted without effect
            are not among them.
        on_by_default: Whether it reasons unless told not to.
        off: How it is told not to.
        minimum_budget: The fewest tokens that a budget may have.
        refuses: Settings that are refused while it reasons.
        bare_levels: Levels that are refused together with `maxTokens` or any sampling setting.
        refuses_forced_choice: The ways of reasoning with which a forced tool (`any`, `tool`) is refused.
        replays_unsigned: Whether reasoning that came without a signature may be sent back to it.
        forgets_reasoning: Whether the model does not read reasoning of earlier answers anyway, because its own template
            leaves it out: then nothing is lost where it is not sent back.
    """

    kinds: tuple[ReasoningKind, ...] = ("unknown",)
    levels: tuple[str, ...] = ()
    on_by_default: bool = False
    off: ReasoningOff = "omit"
    minimum_budget: int | None = None
    refuses: frozenset[Sampling] = _NO_SETTING
    bare_levels: frozenset[str] = frozenset()
    refuses_forced_choice: frozenset[ReasoningKind] = frozenset()
    replays_unsigned: bool = True
    forgets_reasoning: bool = False

    @property
    def kind(self) -> ReasoningKind:
        """The best way to ask for it."""
        return self.kinds[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can be asked, and how.

    Attributes:
        known: Whether any row of the table speaks of the model. Where none does, what follows is hope, not knowledge:
            what is only worth doing if it works (a cache point nobody asked for) is better left.
        streaming: Whether ConverseStream serves it.
        tools: Whether it can be offered tools.
        streaming_tools: Whether ConverseStream serves it with tools.
        tool_choices: The members of `toolChoice` it takes; `auto` is what it does without one.
        none_choice: Whether `{"tool_choice": {"type": "none"}}` in `additionalModelRequestFields` forbids calls, sent
            instead of a `toolChoice`.
        forces_system_tools: Whether `any` and `tool` are taken where only tools of the service's own are on offer.
        system: Whether it takes a system prompt.
        leading_assistant: Whether a conversation may begin with a message of the assistant.
        prefill: Whether a conversation may end with one, which the model then goes on writing.
        prefill_trailing_space: Whether that one may end in white space.
        media: What it takes in a user's message.
        assistant_media: What may stand in a message of its own.
        object_store: Whether media may be named by their place in S3.
        citations: Whether documents may ask for citations.
        result_media: Media it takes inside a tool's result.
        result_documents: Formats of documents it takes there; None is any.
        beside_results: Kinds of blocks that may stand in one message with tool results.
        text_beside_calls: Whether text and a tool call may stand in one message of the assistant.
        result_status: Whether a tool's result may have a `status`.
        tool_id: A pattern that the ids of calls must match as a whole, besides the service's own; None is no other.
        advised_tool_name: A narrower pattern for names of tools. The service takes other names too, but calls are
            reported to fail; None is no advice.
        inline_definitions: Whether `$defs` in a schema should be written out where they are used.
        json_schema_output: Whether `outputConfig.textFormat` takes a JSON schema.
        strict_tools: Whether a tool may be `strict`.
        strict_refused_keywords: Keywords that a strict schema may not have.
        top_k: Where `top_k` stands inside `additionalModelRequestFields`; empty where that is not known.
        refused_settings: Settings it refuses.
        exclusive_settings: Settings of which a request may have only one.
        cache: What it does with cache points.
        reasoning: How it reasons.
        signs_reasoning: Whether its reasoning has signatures; None is not known.
    """

    known: bool = False
    streaming: bool = True
    tools: bool = True
    streaming_tools: bool = True
    tool_choices: frozenset[ToolChoiceKind] = _EVERY_CHOICE
    none_choice: bool = False
    forces_system_tools: bool = True
    system: bool = True
    leading_assistant: bool = True
    prefill: bool = True
    prefill_trailing_space: bool = True
    media: frozenset[MediaKind] = _EVERY_MEDIUM
    assistant_media: frozenset[MediaKind] = _EVERY_MEDIUM
    object_store: bool = True
    citations: bool = True
    result_media: frozenset[MediaKind] = _EVERY_MEDIUM
    result_documents: frozenset[str] | None = None
    beside_results: frozenset[str] = _EVERY_BLOCK
    text_beside_calls: bool = True
    result_status: bool = True
    tool_id: str | None = None
    advised_tool_name: str | None = None
    inline_definitions: bool = False
    json_schema_output: bool = True
    strict_tools: bool = True
    strict_refused_keywords: frozenset[str] = STRICT_REFUSED_KEYWORDS
    top_k: tuple[str, ...] = ()
    refused_settings: frozenset[Sampling] = _NO_SETTING
    exclusive_settings: frozenset[Sampling] = _NO_SETTING
    cache: CacheSupport = field(default_factory=CacheSupport)
    reasoning: ReasoningSupport = field(default_factory=ReasoningSupport)
    signs_reasoning: bool | None = None

    @property
    def results_alone(self) -> bool:
        """Whether a message with tool results may hold nothing else."""
        return not self.beside_results
