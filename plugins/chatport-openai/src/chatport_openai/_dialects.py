"""What servers that speak Chat Completions take and give: the form of the table; the table is `_dialect_table`.

A difference between servers is a value here, never a branch on a server's name somewhere else.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from chatport_openai._models import OutputWay

__all__ = ["Dialect", "DocumentForm", "Knob", "ReasoningKnob"]

Knob: TypeAlias = Literal["effort", "object", "thinking", "enable-thinking", "template", "none", "fixed", "unknown"]
"""The member by which a model is told how much to think.

`"effort"`: `reasoning_effort`. `"object"`: `reasoning`, with `effort`, `max_tokens` or `enabled`. `"thinking"`:
`thinking`, with a `type`. `"enable-thinking"`: `enable_thinking` and `thinking_budget`. `"template"`:
`chat_template_kwargs`, with `enable_thinking`.
`"none"`: it does not think. `"fixed"`: it does, and cannot be told how much. `"unknown"`: nobody knows.
"""

DocumentForm: TypeAlias = Literal["file", "document_url", "file_url"]
"""The content part that carries a PDF."""

LEVELS: Final = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningKnob:
    """How a model is told how much to think.

    Attributes:
        kind: By which member.
        levels: The levels that it takes, the lowest first; empty where it is on or off.
        off: What switches it off: the level `"none"`, a member of its own (`"disabled"`), nothing to be said
            (`"omit"`), or nothing that there is (`"impossible"`).
        budgets: Whether it takes a number of tokens.
    """

    kind: Knob
    levels: tuple[str, ...] = ()
    off: Literal["none", "disabled", "omit", "impossible"] = "impossible"
    budgets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server takes and gives.

    Attributes:
        name: Its name, for the option `dialect`.
        hosts: The ends of the names of its hosts.
        paths: What the path of its addresses holds, where the host does not tell.
        base_url: Where it is, for who names the dialect only.
        key_variables: Environment variables that hold its key.
        needs_key: Whether it answers nobody without one.
        key_header: The header that carries the key; None: `Authorization: Bearer`.
        local: Whether each server has its own address, which is who it is.
        openai_models: Whether the names of OpenAI's models mean those models here.
        limit_member: The member that limits the tokens of the answer.
        developer: Whether instructions may be those of a developer.
        any_choice: How it is said that some tool has to be called; None where it cannot be.
        named_choice: Whether it can be said which tool has to be called.
        forced_thinking: Whether a tool may be forced while the model thinks.
        strict_tools: Whether the arguments of tools can be held to their schemas.
        output: The best way to a JSON answer.
        include_usage: Whether usage has to be asked for in a stream, and may be.
        max_stops: The most stop sequences.
        top_k: Whether it takes `top_k`.
        reasoning: How models are told how much to think, by patterns of their names; the first that fits counts.
        replayed: The members in which reasoning goes back.
        forgets: Whether it does not read the reasoning of earlier answers.
        images: The kinds of images that it takes; empty for none, None for any.
        image_urls: Whether it fetches images itself.
        audio: The formats of audio that it takes.
        video: Whether it takes video, as `video_url`.
        documents: How it takes a PDF; None where it does not.
        document_urls: Whether it fetches documents itself.
        result_media: Whether results of tools may hold images.
        result_lists: Whether the content of a result may be a list.
        free_arguments: Whether the arguments of a call may be text that is no JSON object.
        call_id: What an id of a call has to match.
        alternates: Whether turns of users are to be put together.
        prefix: The member that marks an answer that has been begun, as the last message.
        cache: `"automatic"`: it keeps what requests begin with by itself. `"control"`: it is told by `cache_control`.
        usage_beside: Whether it counts reasoning beside the output instead of in it.
    """

    name: str
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    base_url: str | None = None
    key_variables: tuple[str, ...] = ()
    needs_key: bool = True
    key_header: str | None = None
    local: bool = False
    openai_models: bool = False
    limit_member: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    developer: bool = False
    any_choice: Literal["required", "any"] | None = "required"
    named_choice: bool = True
    forced_thinking: bool = True
    strict_tools: bool = False
    output: OutputWay = "json_schema"
    include_usage: bool = True
    max_stops: int | None = None
    top_k: bool = False
    reasoning: tuple[tuple[str, ReasoningKnob], ...] = ()
    replayed: frozenset[str] = field(default_factory=frozenset[str])
    forgets: bool = True
    images: frozenset[str] | None = None
    image_urls: bool = False
    audio: frozenset[str] = field(default_factory=frozenset[str])
    video: bool = False
    documents: DocumentForm | None = None
    document_urls: bool = False
    result_media: bool = False
    result_lists: bool = False
    free_arguments: bool = False
    call_id: str | None = None
    alternates: bool = False
    prefix: str | None = None
    cache: Literal["automatic", "control", "unknown"] = "unknown"
    usage_beside: bool = False

    def knob(self, model: str) -> ReasoningKnob:
        """Return how a model is told how much to think."""
        name = model.lower()
        return next((knob for pattern, knob in self.reasoning if re.search(pattern, name)), _UNKNOWN)


_UNKNOWN: Final = ReasoningKnob(kind="unknown")
