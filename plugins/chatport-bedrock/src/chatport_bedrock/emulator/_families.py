"""What families of models can and cannot do: a small table of the emulator's own.

It is a second opinion: nothing here is taken from the part of this package that prepares requests, so that each finds
the other's mistakes. A model that no row names is taken to be able to do everything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What one model takes.

    Attributes:
        media: Kinds of media in messages.
        result_media: Kinds of media inside tool results.
        images: How many images and documents a request may have; None where they are not counted together.
        large_documents: Formats of documents that may be larger than others.
        s3: Whether media may be named by their place in S3.
        system: Whether there may be a system prompt.
        prefill: Whether the last message may be the assistant's, to be continued.
        trailing_space: Whether such a message may end in white space.
        results_alone: Whether tool calls and their results must not share a turn with anything else.
        status: Whether tool results may say how they went.
        tools: Whether there are tools at all.
        streaming_tools: Whether there are tools in a stream.
        choices: Ways to choose a tool: `auto`, `any`, `tool`.
        strict: Whether tools may be strict.
        structured: Whether the service can hold answers to a JSON schema.
        cache: Where cache points may stand: `tools`, `system`, `messages`, `tool messages`; nowhere is no caching.
        cache_ttl: Whether a cache point may say how long.
        reasoning: Whether reasoning may go back.
        signatures: Whether reasoning has a signature; recorded of every row that says it has not, where there is any.
        budget: Whether reasoning may be given a budget in tokens.
        adaptive: Whether it may be left to the model how much to reason.
        reasoning_off: Whether a model that reasons by itself may be told not to.
        efforts: The levels of reasoning; None where any may be named.
        sampling: Whether temperature and its kind may be set.
        count_tokens: Whether the service counts tokens for it.
    """

    media: frozenset[str] = frozenset({"image", "document", "video", "audio"})
    result_media: frozenset[str] = frozenset({"image", "document", "video"})
    images: int | None = None
    large_documents: frozenset[str] = frozenset()
    s3: bool = True
    system: bool = True
    prefill: bool = True
    trailing_space: bool = True
    results_alone: bool = False
    status: bool = True
    tools: bool = True
    streaming_tools: bool = True
    choices: frozenset[str] = frozenset({"auto", "any", "tool"})
    strict: bool = True
    structured: bool = True
    cache: frozenset[str] = frozenset({"tools", "system", "messages", "tool messages"})
    cache_ttl: bool = True
    reasoning: bool = True
    signatures: bool = True
    budget: bool = True
    adaptive: bool = True
    reasoning_off: bool = True
    efforts: frozenset[str] | None = None
    sampling: bool = True
    count_tokens: bool = False


_TEXT: Final[Mapping[str, Any]] = {"media": frozenset({"document"}), "result_media": _NOTHING}
_THREE_EFFORTS: Final = frozenset({"low", "medium", "high"})
_NO_THOUGHTS: Final[Mapping[str, Any]] = {"reasoning": False, "signatures": False}

# Every row that fits counts, and later rows win. The patterns are searched in ids without geography and ARN.
_ROWS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    (
        r"^anthropic\.",
        {
            "media": frozenset({"image", "document"}),
            "result_media": frozenset({"image", "document"}),
            "s3": False,
            "trailing_space": False,
            "images": 20,
        },
    ),
    (r"claude-(opus|sonnet|haiku|fable|mythos)-[4-9](?!\d)", {"large_documents": frozenset({"pdf"})}),
    (r"claude-(opus|sonnet|haiku|fable|mythos)-(4-[5-9]|[5-9])(?!\d)", {"images": 100}),
    (r"^anthropic\.claude-(v\d|instant)", {**_TEXT, **_NO_THOUGHTS, "tools": False, "cache": _NOTHING}),
    (r"claude-3-5|claude-3-7|claude-(opus|sonnet|haiku|fable)-\d", {"count_tokens": True}),
    (r"claude-(v\d|instant|3-|fable-5)|claude-(opus|sonnet)-4-(2\d{7}|1-)", {"strict": False, "structured": False}),
    (r"claude-3-|claude-(opus|sonnet|haiku)-4-(2\d{7}|[15]-)", {"adaptive": False}),
    (r"claude-3-(?!7)", {"budget": False}),
    (
        r"claude-(opus|sonnet|haiku)-4-[6-9](?!\d)|claude-(opus|sonnet|haiku|fable|mythos)-[5-9](?!\d)",
        {"prefill": False, "efforts": _THREE_EFFORTS | {"max"}},
    ),
    (
        r"claude-opus-4-[789](?!\d)|claude-(opus|sonnet|haiku|fable|mythos)-[5-9](?!\d)",
        {"budget": False, "sampling": False, "efforts": _THREE_EFFORTS | {"max", "xhigh"}},
    ),
    (r"claude-(fable|mythos)-5|claude-opus-(4-7|5-5)", {"reasoning_off": False}),
    (
        r"^amazon\.nova",
        {
            "result_media": frozenset({"image", "document"}),
            "cache": frozenset({"system", "messages"}),
            "cache_ttl": False,
            "signatures": False,
            "large_documents": frozenset({"docx", "pdf"}),
        },
    ),
    (r"^amazon\.nova-2", {"efforts": _THREE_EFFORTS}),
    (r"^amazon\.nova-(micro|lite|pro|premier)-", {"media": frozenset({"image", "document", "video"})}),
    (r"^amazon\.nova-micro-", _TEXT),
    (r"^amazon\.titan-text", {**_TEXT, **_NO_THOUGHTS, "tools": False, "cache": _NOTHING, "system": False}),
    (
        r"^meta\.",
        {**_TEXT, **_NO_THOUGHTS, "results_alone": True, "streaming_tools": False, "choices": frozenset({"auto"})},
    ),
    (r"^meta\.llama(4|3-2-(11|90)b)", {"media": frozenset({"image", "document"})}),
    (r"^meta\.llama4", {"result_media": frozenset({"image", "document"})}),
    (r"^(meta|mistral|cohere|ai21|writer|deepseek|openai|qwen)\.", {"cache": _NOTHING}),
    (
        r"^mistral\.",
        {
            **_NO_THOUGHTS,
            "media": frozenset({"image", "document"}),
            "result_media": frozenset({"document"}),
            "results_alone": True,
            "streaming_tools": False,
            "choices": frozenset({"auto", "any"}),
        },
    ),
    (r"^mistral\.(mistral-large-3|ministral|magistral|devstral|voxtral)", {"streaming_tools": True}),
    (r"^mistral\.(mistral-7b|mixtral)", {**_TEXT, "tools": False, "system": False}),
    (r"^cohere\.", {**_TEXT, **_NO_THOUGHTS, "choices": _NOTHING}),
    (r"^cohere\.command-(light-)?text", {"tools": False, "system": False}),
    (r"^ai21\.", {**_TEXT, **_NO_THOUGHTS}),
    (r"^ai21\.j2", {"system": False}),
    (r"^ai21\.jamba-instruct", {"tools": False}),
    (
        r"^writer\.",
        {**_TEXT, "results_alone": True, "status": False, "streaming_tools": False, "signatures": False},
    ),
    (r"^deepseek\.", {**_TEXT, "signatures": False}),
    (r"^deepseek\.r1", {"streaming_tools": False, "choices": _NOTHING}),
    (r"^openai\.", {"signatures": False}),
    (r"^openai\.gpt-oss", {**_TEXT, "choices": _NOTHING, "efforts": _THREE_EFFORTS}),
    (r"^qwen\.qwen3-(?!vl)", {**_TEXT, "choices": _NOTHING, "efforts": frozenset({"low", "high"})}),
    (r"^(amazon|meta|cohere|ai21|writer|deepseek\.r1|xai)\b", {"structured": False}),
    (r"^(amazon|meta|cohere|ai21|writer|deepseek\.r1)\b", {"strict": False}),
    (r"^mistral\.(?!mistral-large-3|ministral|magistral|voxtral)", {"structured": False, "strict": False}),
    (r"^(qwen|moonshot|moonshotai|minimax)\.", {"result_media": _NOTHING, "signatures": False}),
)


@cache
def traits_of(base: str) -> Traits:
    """What a model takes, by its id without geography and ARN."""
    traits = Traits()
    for pattern, changes in _ROWS:
        if re.search(pattern, base):
            traits = replace(traits, **changes)
    return traits
