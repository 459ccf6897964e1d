"""What translating one request has to know and to remember, and the words for its places."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from chatport.backend import Adjustment, AdjustmentKind
from chatport.backend.translation import SentCallIds, ToolNames
from chatport_openai._call_names import call_ids, tool_names
from chatport_openai._dialects import Dialect
from chatport_openai._models import ModelFacts

__all__ = ["BACKEND", "PLACES", "Block", "Place", "Scope"]

BACKEND: Final = "openai"
"""The key of our metadata, and the name that an `Opaque` of ours carries."""

Block: TypeAlias = dict[str, Any]
Place: TypeAlias = Literal["system", "user", "assistant", "tool_result"]
"""Where a part is to stand; each place takes other ones."""

PLACES: Final[dict[Place, str]] = {
    "system": "in instructions",
    "user": "in a message to the model",
    "assistant": "in a message of the model",
    "tool_result": "in a tool's result",
}
"""Where a part stands, for messages to people."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What translating one request has to know and to remember.

    Attributes:
        dialect: What the server takes.
        server: Who it is: reasoning goes back only to the server that gave it.
        family: Whose model is asked, likewise.
        model: What is known of the model.
        tools: The names of the tools.
        ids: The ids of the calls.
        adjustments: What has been adjusted so far.
    """

    dialect: Dialect
    server: str
    family: str
    model: ModelFacts = field(default_factory=ModelFacts)
    tools: ToolNames = field(default_factory=tool_names)
    ids: SentCallIds = field(default_factory=call_ids)
    adjustments: list[Adjustment] = field(default_factory=list[Adjustment])

    def note(self, kind: AdjustmentKind, code: str, path: str, message: str) -> None:
        """Remember an adjustment."""
        self.adjustments.append(Adjustment(kind, code, path, message))

    def drop_setting(self, name: str, why: str) -> None:
        """Remember that a setting is left out."""
        self.note("dropped", "setting-dropped", f"settings.{name}", f"left out: {why}")

    def tool_name(self, name: str, path: str) -> str:
        """Return what a tool is called on the wire; the first time that differs, it is noted."""
        is_new = not self.tools.has_sent(name)
        sent = self.tools.sent(name)
        if sent != name and is_new:
            why = f"the tool {name!r} goes as {sent!r}: names are letters, digits, '_' and '-', at most 64 of them"
            self.note("renamed", "tool-renamed", path, why)
        return sent

    def call_id(self, call_id: str, path: str) -> str:
        """Return the id of a call on the wire; where that differs, it is noted."""
        sent = self.ids.sent(call_id)
        if sent != call_id:
            why = f"the id {call_id!r} goes as {sent!r}: this server refuses it"
            self.note("renamed", "call-id-renamed", path, why)
        return sent
