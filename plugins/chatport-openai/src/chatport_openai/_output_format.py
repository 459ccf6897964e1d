"""How the model is brought to answer with JSON of a schema: the best way that server and model are known to take.

Three ways, the best first: `json_schema`, by which the server lets nothing else through; `json_object` with the schema
in the instructions; and the instructions alone. Whatever the way, the text of the answer is the JSON.
"""

from dataclasses import dataclass
from typing import Any, Final

from chatport.backend import ChatRequest
from chatport.backend.translation import answer_instruction
from chatport_openai._blocks import json_text
from chatport_openai._models import OutputWay
from chatport_openai._schemas import LooseSchemaError, StrictSchema, strict_schema
from chatport_openai._scope import Scope

__all__ = ["OutputPlan", "note_strict", "plan_output"]

_PATH: Final = "output_schema"
_WAYS: Final[tuple[OutputWay, ...]] = ("json_schema", "json_object", "prompt")


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """How one request asks for JSON.

    Attributes:
        way: Which of the ways.
        members: What the body says.
        instruction: What the instructions say; None where nothing needs saying.
    """

    way: OutputWay
    members: dict[str, Any]
    instruction: str | None = None


def plan_output(request: ChatRequest, scope: Scope) -> OutputPlan | None:
    """Decide how a request asks for JSON; None where it does not.

    Args:
        request: The request.
        scope: The request's scope; adjustments are noted there.
    """
    schema = request.output_schema
    if schema is None:
        return None
    way = _WAYS[max(_WAYS.index(scope.dialect.output), _WAYS.index(scope.model.output))]
    if way == "json_schema":
        return OutputPlan(way, {"response_format": {"type": way, way: _json_schema(request, schema, scope)}})
    words = answer_instruction(json_text(schema, _PATH))
    who = scope.server if scope.dialect.output == way else "this model"
    why = f"asked for in words, which the model may not heed: {who} does not hold answers to a schema"
    scope.note("changed", "output-prompted", _PATH, why)
    members = {"response_format": {"type": way}} if way == "json_object" else {}
    return OutputPlan(way, members, words)


def _json_schema(request: ChatRequest, schema: dict[str, Any], scope: Scope) -> dict[str, Any]:
    described = schema.get("description")
    words = {"description": described} if isinstance(described, str) and described.strip() else {}
    try:
        made = strict_schema(schema)
    except LooseSchemaError as reason:
        why = f"the schema is not enforced to the letter, as it cannot be: {reason}"
        scope.note("lossless", "output-not-strict", _PATH, why)
        return {"name": request.output_name, **words, "schema": schema, "strict": False}
    if request.strict and made.loosened:
        why = "the schema is not enforced to the letter: strict mode would change it, and nothing may be lost"
        scope.note("lossless", "output-not-strict", _PATH, why)
        return {"name": request.output_name, **words, "schema": schema, "strict": False}
    note_strict(made, _PATH, scope)
    return {"name": request.output_name, **words, "schema": made.schema, "strict": True}


def note_strict(made: StrictSchema, path: str, scope: Scope) -> None:
    """Report what a strict schema says otherwise than the one that was given."""
    for place, keyword in made.loosened:
        why = f"strict mode has no {keyword}: said in the description, and not enforced by the server"
        scope.note("changed", "schema-loosened", f"{path}{place}", why)
    for place in made.tightened:
        # What fits still fits what was given: a value that might have been left out is there.
        why = "strict mode has no properties that may be absent: the model always gives this one"
        scope.note("lossless", "schema-tightened", f"{path}{place}", why)
