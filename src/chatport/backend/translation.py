"""The door for authors of backends that translate for a service: what translators have in common, pure throughout.

Everything here takes values and returns values, needs no event loop and does no I/O. What a service wants is said by
the backend, in the arguments.

    names = ToolNames(("files.read",), max_length=64)
    sent = names.sent("files.read")  # files_read_ and twelve hexadecimal digits
    names.given_names()[sent]  # files.read
"""

from __future__ import annotations

from chatport._answer_json import parse_answer
from chatport._answer_words import ANSWER_TOOL_DESCRIPTION, answer_instruction, answer_tool_name
from chatport._call_names import SentCallIds, ToolNames
from chatport._call_pairs import CallForm, CallPairs
from chatport._json_values import is_array, is_object
from chatport._metadata import own_metadata
from chatport._reasoning_levels import LEVEL_BUDGETS, reasoning_budget, reasoning_level
from chatport._restorer import Restorer
from chatport._system_prompt import system_prompt_parts
from chatport._tool_choice import check_tool_choice
from chatport._translation_scope import PART_PLACES, PartPlace, TranslationScope
from chatport._unknown_content import UnknownContent

__all__ = [
    "ANSWER_TOOL_DESCRIPTION",
    "LEVEL_BUDGETS",
    "PART_PLACES",
    "CallForm",
    "CallPairs",
    "PartPlace",
    "Restorer",
    "SentCallIds",
    "ToolNames",
    "TranslationScope",
    "UnknownContent",
    "answer_instruction",
    "answer_tool_name",
    "check_tool_choice",
    "is_array",
    "is_object",
    "own_metadata",
    "parse_answer",
    "reasoning_budget",
    "reasoning_level",
    "system_prompt_parts",
]
