"""What a model can be asked, as a value. `_models` says where models differ from the defaults.

The defaults are neutral: of a model that nobody has described everything is allowed, nothing is rewritten, and the
service has the last word. Others than Anthropic speak this protocol, with models of their own.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "MAX_CACHE_MARKS",
    "STRICT_MAX_OPTIONAL",
    "STRICT_MAX_TOOLS",
    "STRICT_MAX_UNIONS",
    "Capabilities",
    "Sampling",
    "ThinkingKind",
    "ThinkingOff",
    "ThinkingSupport",
]

DEFAULT_MAX_TOKENS: Final = 8192
"""What a model may write that no row describes: enough for an answer, and accepted by the servers that we know."""
MAX_CACHE_MARKS: Final = 4
"""The most blocks of one request that may bear `cache_control`. Documented."""
STRICT_MAX_TOOLS: Final = 20
"""The most strict tools in one request. Recorded."""
STRICT_MAX_UNIONS: Final = 16
"""The most parameters that are a union of types, over all strict schemas of a request. Recorded."""
STRICT_MAX_OPTIONAL: Final = 24
"""The most properties that may be absent, over all strict schemas of a request. Recorded."""

Sampling: TypeAlias = Literal["temperature", "top_k", "top_p"]
"""Settings that say how freely to choose."""
ThinkingKind: TypeAlias = Literal["unknown", "none", "budget", "adaptive"]
"""How thinking is asked for: `{"type": "enabled", "budget_tokens": N}`, or `{"type": "adaptive"}` and an effort."""
ThinkingOff: TypeAlias = Literal["omit", "disabled", "between-tools", "impossible"]
"""How thinking is switched off: by asking for none, by that type, or not at all."""

_NO_SETTING: Final[frozenset[Sampling]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingSupport:
    """How a model thinks and how that is asked for.

    Attributes:
        kinds: The ways to ask for it, the best one first.
        levels: The efforts it takes, the lowest first.
        on_by_default: Whether it thinks unless told not to.
        off: How it is told not to.
    """

    kinds: tuple[ThinkingKind, ...] = ("unknown",)
    levels: tuple[str, ...] = ()
    on_by_default: bool = False
    off: ThinkingOff = "omit"

    @property
    def kind(self) -> ThinkingKind:
        """The best way to ask for it."""
        return self.kinds[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model can be asked, and how.

    Attributes:
        known: Whether any row speaks of the model.
        max_tokens: The most tokens it writes; what is asked for where the caller sets no limit, as the service wants
            one.
        thinking: How it thinks.
        signs_thinking: Whether its thinking has signatures, without which it is not taken back; None is not known.
        refused_settings: Settings that it refuses.
        exclusive_settings: Settings of which a request may have only one.
        prefill: Whether a conversation may end with a message of the model, which it then goes on writing.
        forced_choice: Whether it can be told that it has to call a tool.
        forced_while_budget: Whether it can be told so while it thinks within a budget.
        system_messages: Whether a system message may stand inside the conversation.
        structured: Whether it takes a schema for its answer, and strict tools.
        caches: Whether it keeps what a request begins with where a block says so.
        media_urls: Whether it fetches images and PDF documents by their URL.
    """

    known: bool = False
    max_tokens: int = DEFAULT_MAX_TOKENS
    thinking: ThinkingSupport = field(default_factory=ThinkingSupport)
    signs_thinking: bool | None = None
    refused_settings: frozenset[Sampling] = _NO_SETTING
    exclusive_settings: frozenset[Sampling] = _NO_SETTING
    prefill: bool = True
    forced_choice: bool = True
    forced_while_budget: bool = True
    system_messages: bool = False
    structured: bool = True
    caches: bool = True
    media_urls: bool = False
