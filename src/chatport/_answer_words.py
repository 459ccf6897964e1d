"""How a model is told, in words of ours, to answer with JSON of a schema where nothing makes it do so.

Either its answer is the input of a tool that was made up for it, or the instructions ask for it.
"""

from collections.abc import Iterable
from typing import Final

ANSWER_TOOL_DESCRIPTION: Final = (
    "Give the final answer. Call this once, alone, when everything that is needed for the answer is known; what stands "
    "in its input is the whole answer."
)
"""What a model is told of the tool whose call is the answer. `Restorer` makes its input the text of the answer."""

_TOOL_NAME: Final = "final_answer"
_INSTRUCTION: Final = (
    "Your final answer has to be one JSON object that fits the JSON schema below, and nothing else: no words before or "
    "after it, no code fence."
)
_BESIDE_TOOLS: Final = "Call tools first where you need them."


def answer_tool_name(taken: Iterable[str]) -> str:
    """Return what the tool is called whose call is the answer: the same name each time, unless a tool has it.

    Args:
        taken: All names of tools in the request, those of calls in its messages too.
    """
    names = frozenset(taken)
    found, number = _TOOL_NAME, 1
    while found in names:
        number += 1
        found = f"{_TOOL_NAME}_{number}"
    return found


def answer_instruction(schema: str, *, has_tools: bool = False) -> str:
    """Return what instructions say where words alone ask for JSON of a schema.

    Args:
        schema: The schema, as JSON text.
        has_tools: Whether there are tools that the model may call before it answers.
    """
    words = f"{_INSTRUCTION} {_BESIDE_TOOLS}" if has_tools else _INSTRUCTION
    return f"{words}\n{schema}"
