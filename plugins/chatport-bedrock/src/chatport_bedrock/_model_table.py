"""What is known about models: patterns of ids, and how these models differ from the neutral defaults.

A model gets every row whose pattern matches the beginning of its base id, the later ones over the earlier ones, so rows
go from a maker to a generation to a model. A new family is one row. A number in a pattern never ends inside a longer
one: `claude-opus-4-1` does not match `claude-opus-4-10`. Generations of Claude newer than the table are taken to be
like the newest in it, because restrictions stayed once they came.

Where a row comes from: "recorded" is real traffic, "documented" the service's documentation, "reported" a failure that
users of the service or other clients describe. The numbers are those of the rules that the tests are named by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chatport_bedrock._capabilities import (
    STRICT_REFUSED_KEYWORDS,
    CacheSupport,
    MediaKind,
    ReasoningKind,
    ReasoningSupport,
    Sampling,
    ToolChoiceKind,
)
from chatport_bedrock._model_ids import MAKERS

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        beginning: What the base id begins with, a regular expression.
        differences: Fields of `Capabilities` and their values for these models.
    """

    beginning: str
    differences: Mapping[str, Any]

    def matches(self, model: str) -> bool:
        """Whether the row is about a base model; a number in the pattern is not the beginning of a longer one."""
        maker = self.beginning.partition(r"\.")[0]
        if maker.isalnum() and not model.startswith(maker):
            return False  # most rows, whose patterns need not be compiled then
        return re.match(rf"(?:{self.beginning})(?!(?<=\d)\d)", model) is not None


def _row(beginning: str, **differences: Any) -> Row:
    return Row(beginning, differences)


_ALL_SAMPLING: Final[frozenset[Sampling]] = frozenset({"temperature", "top_k", "top_p"})
_NO_CHOICE: Final[frozenset[ToolChoiceKind]] = frozenset()
_AUTO: Final[frozenset[ToolChoiceKind]] = frozenset({"auto"})
_AUTO_ANY: Final[frozenset[ToolChoiceKind]] = frozenset({"auto", "any"})
_EVERY_CHOICE: Final[frozenset[ToolChoiceKind]] = frozenset({"auto", "any", "tool"})
_NO_MEDIUM: Final[frozenset[MediaKind]] = frozenset()
_DOCUMENT: Final[frozenset[MediaKind]] = frozenset({"document"})
_IMAGE_DOCUMENT: Final[frozenset[MediaKind]] = frozenset({"document", "image"})
_UNSTRUCTURED: Final = {"json_schema_output": False, "strict_tools": False}
_STRUCTURED: Final = {"json_schema_output": True, "strict_tools": True}
_NO_CONTAINS: Final = STRICT_REFUSED_KEYWORDS | {"contains"}
_NO_REASONING: Final = ReasoningSupport(kinds=("none",))
_NO_CACHE: Final = CacheSupport(supported=False, ttls=frozenset(), in_tools=False)

# --- Claude ----------------------------------------------------------------------------------------------------------

_CLAUDE: Final = r"anthropic\.claude-[a-z]+-"
# Generations since one of 4.x. A date (`claude-opus-4-20250514`) is no generation.
_SINCE_4_5: Final = _CLAUDE + r"(?:4-(?:[5-9]|[1-9]\d(?!\d))|[5-9]|[1-9]\d)"
_SINCE_4_6: Final = _CLAUDE + r"(?:4-(?:[6-9]|[1-9]\d(?!\d))|[5-9]|[1-9]\d)"
_SINCE_4_7: Final = _CLAUDE + r"(?:4-(?:[7-9]|[1-9]\d(?!\d))|[5-9]|[1-9]\d)"
_SINCE_5: Final = _CLAUDE + r"(?:[5-9]|[1-9]\d)"

_CLAUDE_CACHE: Final = CacheSupport(
    ttls=frozenset({"5m"}),
    never_after=frozenset({"document", "reasoningContent", "video"}),  # 50, 51: reported
)
_BUDGET: Final[ReasoningKind] = "budget"
_CLAUDE_BUDGET: Final = ReasoningSupport(
    kinds=(_BUDGET,),  # recorded
    minimum_budget=1024,
    refuses=_ALL_SAMPLING,  # 64
    refuses_forced_choice=frozenset({_BUDGET}),  # 41; with adaptive reasoning a forced choice is taken
    replays_unsigned=False,  # 58
)
_CLAUDE_ADAPTIVE: Final = replace(
    _CLAUDE_BUDGET,
    kinds=("adaptive", _BUDGET),  # recorded
    levels=("low", "medium", "high", "max"),
)
_CLAUDE_ADAPTIVE_ONLY: Final = replace(
    _CLAUDE_ADAPTIVE,
    kinds=("adaptive",),  # 64: a budget is refused
    levels=("low", "medium", "high", "xhigh", "max"),
    minimum_budget=None,
    refuses_forced_choice=frozenset(),
)
_CLAUDE_BY_DEFAULT: Final = replace(_CLAUDE_ADAPTIVE_ONLY, on_by_default=True, off="disabled")  # 65

_CLAUDE_ROWS: Final = (
    _row(
        r"anthropic\.",
        leading_assistant=True,  # 3; recorded
        media=_IMAGE_DOCUMENT,  # recorded: "doesn't support the video content block"
        assistant_media=_NO_MEDIUM,  # reported: "blocks are not permitted within assistant turns"
        result_media=_IMAGE_DOCUMENT,  # 27; recorded
        beside_results=frozenset({"document", "image", "text"}),  # 7; documents: recorded, after the results
        prefill_trailing_space=False,  # 5
        none_choice=True,  # 12: reported
        strict_refused_keywords=_NO_CONTAINS,  # 46; `contains`: reported
        top_k=("top_k",),  # recorded
        cache=_CLAUDE_CACHE,
        reasoning=ReasoningSupport(replays_unsigned=False),  # 58
        signs_reasoning=True,  # 57; recorded
    ),
    _row(
        r"anthropic\.claude-(?:v\d|instant|3)",
        cache=_NO_CACHE,  # documented
        reasoning=replace(_NO_REASONING, replays_unsigned=False),
        **_UNSTRUCTURED,  # documented
    ),
    _row(
        r"anthropic\.claude-(?:v\d|instant)",
        tools=False,  # documented; 43
        streaming_tools=False,
        media=_DOCUMENT,  # recorded
    ),
    _row(r"anthropic\.claude-3-(?:5-haiku|7)", cache=_CLAUDE_CACHE),  # documented
    _row(r"anthropic\.claude-3-7", reasoning=_CLAUDE_BUDGET),  # recorded
    _row(_CLAUDE + "4", reasoning=_CLAUDE_BUDGET, **_UNSTRUCTURED),  # 45: 4 and 4.1 have no structured output
    _row(_CLAUDE + "4-1", exclusive_settings=frozenset({"temperature", "top_p"})),  # reported
    _row(
        _SINCE_4_5,
        exclusive_settings=frozenset({"temperature", "top_p"}),  # documented
        cache=replace(_CLAUDE_CACHE, ttls=frozenset({"5m", "1h"})),  # documented
        **_STRUCTURED,  # recorded for 4.5; 45: newer ones were refused at first, and are accepted since
    ),
    _row(_SINCE_4_6, prefill=False, reasoning=_CLAUDE_ADAPTIVE),  # 4; recorded
    _row(_SINCE_4_7, refused_settings=_ALL_SAMPLING, reasoning=_CLAUDE_ADAPTIVE_ONLY),  # 64
    _row(_SINCE_5, reasoning=_CLAUDE_BY_DEFAULT),  # 65
    _row(r"anthropic\.claude-fable-5", **_UNSTRUCTURED),  # 45
    _row(
        r"anthropic\.claude-(?:fable-5|mythos|opus-5-5)",
        reasoning=replace(_CLAUDE_BY_DEFAULT, off="impossible"),  # reported
    ),
    _row(r"anthropic\.claude-sonnet-5-5", reasoning=replace(_CLAUDE_BY_DEFAULT, off="between-tools")),  # reported
    _row(r"anthropic\.claude-(?:(?:fable|mythos)-5-[12]|(?:opus|sonnet)-5-5)", tool_choices=_AUTO),  # 41
)

# --- Amazon ----------------------------------------------------------------------------------------------------------

_AMAZON_ROWS: Final = (
    _row(
        r"amazon\.nova",
        media=frozenset({"document", "image", "video"}),  # recorded
        object_store=True,  # recorded, documented
        citations=False,  # reported
        result_media=_IMAGE_DOCUMENT,  # 27; recorded: a video is refused
        result_documents=frozenset({"csv", "html", "md", "txt"}),  # 27; recorded: a PDF is refused
        forces_system_tools=False,  # 42
        advised_tool_name=r"[a-zA-Z_][a-zA-Z0-9_]{0,63}",  # reported: with a hyphen the model's calls break
        inline_definitions=True,  # 47
        top_k=("inferenceConfig", "topK"),  # recorded
        cache=CacheSupport(  # 54
            ttls=frozenset(),
            in_tools=False,
            beside_tool_blocks=False,
            never_after=frozenset({"document", "reasoningContent", "video"}),  # 50, 51
        ),
        reasoning=_NO_REASONING,
        **_UNSTRUCTURED,  # documented
    ),
    _row(r"amazon\.nova-micro", media=_NO_MEDIUM, object_store=False),  # documented
    _row(
        r"amazon\.nova-2",
        reasoning=ReasoningSupport(
            kinds=("nova-effort",),  # recorded
            levels=("low", "medium", "high"),
            bare_levels=frozenset({"high"}),  # 64
        ),
    ),
    _row(
        r"amazon\.titan",
        tools=False,  # documented; 43
        streaming_tools=False,
        system=False,  # documented
        media=_DOCUMENT,  # documented
        reasoning=_NO_REASONING,
        **_UNSTRUCTURED,
    ),
)

# --- Meta, Mistral, Writer: a message with tool results holds nothing else -------------------------------------------

_MISTRAL_SINCE_2025: Final = r"(?:mistral-large-3|ministral|magistral|devstral|voxtral)"

_ALONE_ROWS: Final = (
    _row(
        r"(?:meta|mistral|writer)\.",
        beside_results=frozenset(),  # 7
        text_beside_calls=False,  # 7: reported
        streaming_tools=False,  # 43
        tool_choices=_NO_CHOICE,  # 40
        **_UNSTRUCTURED,  # documented
    ),
    _row(
        r"meta\.",
        media=_DOCUMENT,  # documented
        citations=False,  # reported
        result_media=_IMAGE_DOCUMENT,  # 27; recorded
        reasoning=_NO_REASONING,
    ),
    _row(r"meta\.llama(?:2|3-(?:8|70)b|3-2-[13]b)", tools=False),  # documented; 40
    _row(r"meta\.llama(?:3-1|3-2-(?:11|90)b|3-3|4)", tool_choices=_AUTO),  # 40
    _row(r"meta\.llama(?:3-2-(?:11|90)b|4)", media=_IMAGE_DOCUMENT),  # documented
    _row(
        r"mistral\.",
        citations=False,  # reported
        result_media=_DOCUMENT,  # 27
        tool_id=r"[a-zA-Z0-9]{9}",  # 33
    ),
    _row(r"mistral\.(?:mistral-7b|mixtral)", tools=False, system=False),  # documented
    _row(r"mistral\.mistral-large", tool_choices=_AUTO_ANY),  # 40
    _row(rf"mistral\.{_MISTRAL_SINCE_2025}", streaming_tools=True),  # 43: reported for Large 3 and Ministral
    _row(r"mistral\.(?:mistral-large-3|ministral-3|magistral-small|voxtral)", **_STRUCTURED),  # documented; recorded
    _row(r"writer\.", result_status=False),  # 30
)

# --- open weights and others -----------------------------------------------------------------------------------------

_EFFORT: Final[ReasoningKind] = "effort"
# Their own templates leave out the reasoning of earlier answers.
_FORGETFUL: Final[Mapping[str, Any]] = {"replays_unsigned": False, "forgets_reasoning": True}

_OTHER_ROWS: Final = (
    _row(
        r"(?:ai21|cohere)\.",
        tool_choices=_NO_CHOICE,  # 40
        media=_DOCUMENT,  # documented
        reasoning=_NO_REASONING,
        **_UNSTRUCTURED,  # documented
    ),
    _row(r"ai21\.j(?:amba-instruct|2)", tools=False, streaming_tools=False),  # documented; 43
    _row(r"ai21\.j2", streaming=False, system=False),  # documented
    _row(r"cohere\.command-(?:text|light)", tools=False, streaming_tools=False, system=False),  # documented; 43
    _row(
        r"deepseek\.",
        citations=False,
        reasoning=ReasoningSupport(**_FORGETFUL),  # 60
    ),
    _row(
        r"deepseek\.r1",
        tools=False,  # documented; 43
        streaming_tools=False,
        tool_choices=_NO_CHOICE,  # 40
        # Reported, 60: "User messages cannot contain reasoning content".
        reasoning=ReasoningSupport(kinds=("fixed",), on_by_default=True, off="impossible", **_FORGETFUL),
        **_UNSTRUCTURED,
    ),
    _row(
        r"deepseek\.v3",
        tool_choices=_AUTO_ANY,  # 40
        reasoning=ReasoningSupport(
            kinds=(_EFFORT,),
            levels=("high",),  # reported: the lower ones change nothing
            refuses_forced_choice=frozenset({_EFFORT}),  # 41
            **_FORGETFUL,
        ),
    ),
    _row(r"google\.gemma", strict_refused_keywords=_NO_CONTAINS),  # reported
    _row(r"(?:moonshot(?:ai)?|qwen|zai)\.", leading_assistant=True),  # 3: reported
    _row(r"moonshot(?:ai)?\.", result_media=_NO_MEDIUM),  # 27
    _row(
        r"openai\.gpt-oss",
        tool_choices=_NO_CHOICE,  # 40
        inline_definitions=True,  # reported: it does not see `$defs`
        reasoning=ReasoningSupport(
            kinds=(_EFFORT,),  # recorded
            levels=("low", "medium", "high"),
            on_by_default=True,
            off="impossible",  # 64: "none" is refused
            **_FORGETFUL,  # 58: it would leak into the answer
        ),
    ),
    _row(
        r"openai\.gpt-(?:5\.6|[6-9])",
        refused_settings=_ALL_SAMPLING,  # reported
        # Reported; whether it reasons by default is not known, so that "off" has to be said.
        reasoning=ReasoningSupport(
            kinds=("effort-object",), levels=("low", "medium", "high", "xhigh"), on_by_default=True, off="none"
        ),
    ),
    _row(
        r"openai\.gpt-6(?:-astra|\.1-sol)",
        reasoning=ReasoningSupport(
            kinds=("effort-object",), levels=("low", "medium", "high", "xhigh"), on_by_default=True, off="impossible"
        ),
    ),
    _row(
        r"qwen\.",
        tool_choices=_NO_CHOICE,  # 40
        result_media=_NO_MEDIUM,  # 27
        strict_refused_keywords=_NO_CONTAINS,  # reported
    ),
    _row(r"qwen\.qwen3", reasoning=ReasoningSupport(kinds=("qwen-effort",), levels=("low", "high"))),  # 64; recorded
    _row(r"qwen\.qwen3-coder", reasoning=_NO_REASONING),  # reported
    _row(
        r"xai\.",
        json_schema_output=False,  # documented
        refused_settings=_ALL_SAMPLING,  # reported
        reasoning=ReasoningSupport(
            kinds=("effort-object",), levels=("low", "medium", "high", "xhigh"), on_by_default=True, off="impossible"
        ),
    ),
    _row(
        r"zai\.",
        tool_choices=_AUTO_ANY,  # reported
        strict_refused_keywords=_NO_CONTAINS,  # reported
        reasoning=ReasoningSupport(kinds=(_EFFORT,), levels=("high",)),  # reported: the lower ones change nothing
    ),
    _row(
        r"zai\.glm-5\.3",
        tool_choices=_EVERY_CHOICE,
        reasoning=ReasoningSupport(
            kinds=(_EFFORT,),
            levels=("low", "medium", "high", "xhigh", "max"),
            on_by_default=True,
            off="impossible",
        ),
    ),
)

ROWS: Final[tuple[Row, ...]] = (
    _row(
        rf"(?:{'|'.join(sorted(MAKERS))})\.",
        known=True,
        leading_assistant=False,  # 3: not known of all, and a full stop before it does no harm
        media=frozenset({"audio", "document", "image"}),  # reported: a video is taken by Nova alone
        object_store=False,  # documented: places in S3 are taken by Nova alone; recorded for Claude
        cache=_NO_CACHE,  # documented: cache points are taken by Claude and Nova
        signs_reasoning=False,  # recorded of all that reason, Claude excepted
    ),
    *_CLAUDE_ROWS,
    *_AMAZON_ROWS,
    *_ALONE_ROWS,
    *_OTHER_ROWS,
)
"""The table, from the general to the special."""
