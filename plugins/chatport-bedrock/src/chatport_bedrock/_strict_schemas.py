"""Which schemas of a request go out strict: their number and their variety are limited for all of them together."""

from dataclasses import dataclass
from typing import Any

from chatport.backend import Tool
from chatport_bedrock._capabilities import STRICT_MAX_OPTIONAL, STRICT_MAX_TOOLS, STRICT_MAX_UNIONS
from chatport_bedrock._schemas import LooseSchemaError, StrictSchema, inline_definitions, strict_schema
from chatport_bedrock._scope import Scope

__all__ = ["StrictRoom", "readable_schema", "tool_schema"]


@dataclass(slots=True)
class StrictRoom:
    """What is left of the limits of one request."""

    tools: int = STRICT_MAX_TOOLS
    unions: int = STRICT_MAX_UNIONS
    optional: int = STRICT_MAX_OPTIONAL

    def take(self, schema: dict[str, Any], refused: frozenset[str], *, is_tool: bool = True) -> StrictSchema:
        """Return a schema as strict mode takes it, and count it.

        Args:
            schema: The schema.
            refused: The keywords that the model's strict mode refuses.
            is_tool: Whether it is a tool's; the schema of an answer counts towards the variety only.

        Raises:
            LooseSchemaError: It cannot be strict, or not beside those before it; nothing is counted.
        """
        made = strict_schema(schema, refused)
        if is_tool and self.tools < 1:
            raise LooseSchemaError(f"at most {STRICT_MAX_TOOLS} tools may be strict")
        if made.unions > self.unions:
            raise LooseSchemaError(
                f"strict schemas may have at most {STRICT_MAX_UNIONS} properties of several types, all together"
            )
        if made.optional > self.optional:
            raise LooseSchemaError(
                f"strict schemas may have at most {STRICT_MAX_OPTIONAL} properties that may be absent, all together"
            )
        self._count(made, is_tool)
        return made

    def give_back(self, made: StrictSchema, *, is_tool: bool = True) -> None:
        """Count a schema no longer that was taken and does not go out strict."""
        self._count(made, -int(is_tool), sign=-1)

    def _count(self, made: StrictSchema, tools: int, *, sign: int = 1) -> None:
        self.tools -= tools
        self.unions -= sign * made.unions
        self.optional -= sign * made.optional


def tool_schema(
    tool: Tool, path: str, scope: Scope, room: StrictRoom, *, schema: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Return a tool's schema as the model takes it, and whether it is strict.

    Args:
        tool: The tool.
        path: The place of the tool in the request.
        scope: The request's scope; adjustments are noted there.
        room: What is left of the limits of strict schemas.
        schema: The tool's schema as the service takes it.
    """
    place = f"{path}.schema"
    schema = readable_schema(schema, place, scope)
    if not tool.strict:
        return schema, False
    if not scope.capabilities.strict_tools:
        why = "not strict: this model has no strict tools; the arguments may not fit the schema"
        scope.note("changed", "tool-not-strict", f"{path}.strict", why)
        return schema, False
    try:
        made = room.take(schema, scope.capabilities.strict_refused_keywords)
    except LooseSchemaError as reason:
        scope.note("changed", "tool-not-strict", f"{path}.strict", f"not strict, as it cannot be: {reason}")
        return schema, False
    note_loosened(made, place, scope)
    return made.schema, True


def readable_schema(schema: dict[str, Any], path: str, scope: Scope) -> dict[str, Any]:
    """Return a schema with its definitions where the model sees them."""
    if not scope.capabilities.inline_definitions:
        return schema
    written, endless = inline_definitions(schema)
    if endless:
        why = f"this model may not see what stands behind references, here to {', '.join(endless)}"
        scope.note("changed", "schema-references", path, why)
    elif written is not schema:
        why = "definitions are written out where they are used: this model does not see what stands behind references"
        scope.note("lossless", "schema-inlined", path, why)
    return written


def note_loosened(made: StrictSchema, path: str, scope: Scope) -> None:
    """Report what a schema does not enforce any more."""
    for place, keywords in made.loosened:
        why = f"strict mode refuses {keywords}: said in the description, and not enforced by the service"
        scope.note("changed", "schema-loosened", f"{path}{place}", why)
