"""What an answer says besides its content: why it stopped, what it cost, and what else the server tells of it."""

from collections.abc import Mapping
from typing import Any, Final

from chatport.backend import StopReason, Usage
from chatport.backend.translation import UnknownContent, is_array, is_object

__all__ = ["Facts", "stop_reason_of", "usage_of"]

_STOP: Final = frozenset({"stop", "eos", "end_turn", "stop_sequence", "complete", "completed"})
_LENGTH: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_CALLS: Final = frozenset({"tool_calls", "tool_call", "function_call", "tool_use"})
_FILTER: Final = frozenset({"content_filter", "content_filtered", "refusal", "safety", "moderation", "sensitive"})
_WINDOW: Final = frozenset({"context_window", "model_context_window_exceeded", "context_length_exceeded"})

# Where servers say how much of the input came from a cache; the first that is there counts.
_CACHED: Final = (
    "cached_tokens",  # Together, Hugging Face
    "num_cached_tokens",  # Mistral
    "prompt_cache_hit_tokens",  # DeepSeek, beside the details
    "cache_read_input_tokens",  # Databricks, Doubleword, Venice
)
_WRITTEN: Final = ("cache_creation_input_tokens", "cache_write_tokens")

# Members that say nothing: they pad, or repeat what stands elsewhere.
_NOISE: Final = frozenset({"choices", "object", "obfuscation", "p", "padding", "token_id", "token_ids", "usage"})
_CHOICE_NOISE: Final = _NOISE | {"delta", "finish_reason", "index", "logprobs", "message"}


def stop_reason_of(raw: str | None, native: object, *, has_calls: bool, refused: bool) -> StopReason:
    """Return why a model stopped.

    The calls decide, not the word: servers say "stop" beside calls wherever the choice of a tool is forced, and some
    say nothing. A word that tells of a cut counts more, also the one that a router passes on from behind it.

    Args:
        raw: `finish_reason`; None or "" where the server does not say.
        native: OpenRouter's `native_finish_reason`: the word of the server behind it.
        has_calls: Whether the message has calls for the caller to run.
        refused: Whether the model refused to answer.
    """
    word = (raw or "").lower()
    if word in _LENGTH or (isinstance(native, str) and native.lower() in _LENGTH):
        return "length"
    if word in _FILTER:
        return "content_filter"
    if word in _WINDOW:
        return "context_window"
    if has_calls and (not word or word in _STOP or word in _CALLS):
        return "tool_calls"
    if refused:
        return "content_filter"
    return "stop" if word in _STOP else "other"


def usage_of(usage: object, *, reasoning_beside: bool = False) -> Usage:
    """Return what an exchange cost. Nothing is computed from the total, which servers make up in different ways.

    Args:
        usage: The wire's `usage`.
        reasoning_beside: Whether the server counts reasoning beside `completion_tokens` instead of in it.
    """
    if not is_object(usage):
        return Usage(complete=False)
    inputs, outputs = _object(usage, "prompt_tokens_details"), _object(usage, "completion_tokens_details")
    prompt, output = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    reasoning = _first(_count(outputs, "reasoning_tokens"), _count(usage, "reasoning_tokens"))
    if reasoning_beside and output is not None and reasoning is not None:
        output += reasoning
    return Usage(
        input_tokens=prompt,
        output_tokens=output,
        cache_read_tokens=_within(prompt, _first(_count(inputs, "cached_tokens"), *_counts(usage, _CACHED))),
        cache_write_tokens=_within(prompt, _first(_count(inputs, "cache_write_tokens"), *_counts(usage, _WRITTEN))),
        reasoning_tokens=reasoning,
        total_tokens=_count(usage, "total_tokens"),
        complete=prompt is not None and output is not None,
        raw=usage,
    )


def _within(whole: int | None, part: int | None) -> int | None:
    """A part of the input is never more than all of it; one server was seen to say so."""
    return part if part is None or whole is None else min(part, whole)


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    return value if is_object(value) else {}


def _count(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _counts(members: Mapping[str, Any], names: tuple[str, ...]) -> tuple[int | None, ...]:
    return tuple(_count(members, name) for name in names)


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


class Facts:
    """Collects what a server says of its answer, for `MessageEnd.metadata`.

    Of what comes with every chunk, the last counts; log probabilities are put together.
    """

    __slots__ = ("_facts", "_logprobs", "_message", "unknown", "usage")

    def __init__(self) -> None:
        self.usage: dict[str, Any] | None = None
        self._facts: dict[str, Any] = {}
        self._logprobs: dict[str, list[Any]] = {}
        self._message: dict[str, Any] = {}
        self.unknown = UnknownContent()

    def take_top(self, members: Mapping[str, Any]) -> None:
        """Take the members of a chunk, or of a whole answer."""
        usage = members.get("usage")
        if is_object(usage):
            self.usage = usage
        for name, value in members.items():
            if name not in _NOISE and value not in (None, "", [], {}):
                self._facts[name] = value

    def take_choice(self, choice: Mapping[str, Any]) -> None:
        """Take what a choice says besides its content."""
        logprobs = choice.get("logprobs")
        if is_object(logprobs):
            for name, values in logprobs.items():
                if is_array(values):
                    self._logprobs.setdefault(name, []).extend(values)
                elif values is not None:
                    self._facts.setdefault("logprobs", {})[name] = values
        for name, value in choice.items():
            if name not in _CHOICE_NOISE and value not in (None, "", [], {}):
                self._facts[name] = value

    def take_message(self, name: str, value: object) -> None:
        """Take a member of the message that has no part of its own; the last counts."""
        self._message[name] = value

    @property
    def native_finish_reason(self) -> object:
        """The word of the server behind a router."""
        return self._facts.get("native_finish_reason")

    @property
    def seed(self) -> str:
        """What tells this answer from others, as far as the server says."""
        return repr([self._facts.get(name) for name in ("id", "created", "model")])

    def usage_found(self) -> object:
        """Return the usage, which Groq may say in a member of its own only."""
        if self.usage is not None:
            return self.usage
        own = self._facts.get("x_groq")
        return own.get("usage") if is_object(own) else None

    def metadata(self) -> dict[str, Any]:
        """Return all of it, as JSON values."""
        found = dict(self._facts)
        if self._logprobs:
            found["logprobs"] = {**found.get("logprobs", {}), **self._logprobs}
        if self._message:
            found["message"] = self._message
        return found | self.unknown.metadata()
