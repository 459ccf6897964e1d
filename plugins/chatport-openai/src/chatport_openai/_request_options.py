"""What a request can ask of Chat Completions and of no other API, typed: the members without a neutral name.

Names are those of OpenAI's documentation. Members of other servers stand beside them as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

__all__ = ["OpenAIOptions", "ServiceTier", "Verbosity"]

ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority"]
Verbosity: TypeAlias = Literal["low", "medium", "high"]
_MAX_ALTERNATIVES = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenAIOptions(Mapping[str, Any]):
    """The typed form of `Settings.extra["openai"]`: what only Chat Completions have.

        Settings(extra={"openai": OpenAIOptions(seed=7, logprobs=True, service_tier="flex")})

    It is a mapping, of the API's members by their names on the wire. So it stands where a dict would, merges with the
    `extra` of other settings, and can be put together with members that it does not know:
    `{**OpenAIOptions(...), "top_a": 0.5}`.

    Attributes:
        seed: A number that makes answers repeat as far as the server can.
        frequency_penalty: How much to avoid what was said often, from -2 to 2.
        presence_penalty: How much to avoid what was said at all, from -2 to 2.
        logit_bias: How likely single tokens are, by their numbers, from -100 to 100.
        logprobs: Whether the answer tells how likely each of its tokens was: `metadata["openai"]["logprobs"]`.
        top_logprobs: For how many alternatives it tells the same, up to 20.
        parallel_tool_calls: Whether several tools may be called in one answer.
        service_tier: Which tier serves and bills the request.
        verbosity: How wordy the answer is to be.
        user: Who asks, for the server's own watch over abuse; OpenAI has `safety_identifier` in its place.
        safety_identifier: The same, as a hash.
        prompt_cache_key: What requests have in common that begin alike.
        prompt_cache_retention: How long OpenAI keeps what a request begins with, such as `"24h"`.
        store: Whether OpenAI keeps the answer.
        metadata: Up to 16 names and values to find a stored answer by.
        modalities: What the answer is made of, such as `("text", "audio")`.
        audio: Voice and format of a spoken answer.
        prediction: What the answer is expected to be, in the API's own form.
        web_search_options: How a model that searches the web does it.
        tools: Tools in the server's own words, offered behind those of the request.
    """

    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    service_tier: ServiceTier | None = None
    verbosity: Verbosity | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    store: bool | None = None
    metadata: Mapping[str, str] | None = None
    modalities: Sequence[str] | None = None
    audio: Mapping[str, str] | None = None
    prediction: Mapping[str, Any] | None = None
    web_search_options: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        """Refuse what no server takes.

        Raises:
            ValueError: A number is out of its range.
        """
        for name in ("frequency_penalty", "presence_penalty"):
            value = getattr(self, name)
            if value is not None and not -2 <= value <= 2:  # noqa: PLR2004 - the range that is documented
                raise ValueError(f"{name} is from -2 to 2, not {value}")
        if self.top_logprobs is not None and not 0 <= self.top_logprobs <= _MAX_ALTERNATIVES:
            raise ValueError(f"top_logprobs is from 0 to {_MAX_ALTERNATIVES}, not {self.top_logprobs}")

    def __getitem__(self, name: str) -> Any:
        """Return a member as it goes over the wire."""
        return self._members()[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the members that are set."""
        return iter(self._members())

    def __len__(self) -> int:
        """Count the members that are set."""
        return len(self._members())

    def _members(self) -> dict[str, Any]:
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        members = {name: _plain(value) for name, value in found.items() if value is not None}
        if self.top_logprobs is not None:
            members.setdefault("logprobs", True)  # refused without it
        return members


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
