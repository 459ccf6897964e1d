"""What translating one request has to know and to remember, and the words for its places."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from chatport.backend import Adjustment, AdjustmentKind
from chatport.backend.translation import SentCallIds, ToolNames
from chatport_anthropic._call_names import call_ids, tool_names
from chatport_anthropic._capabilities import Capabilities

__all__ = ["BACKEND", "FILES_BETA", "PLACES", "Block", "Place", "Scope"]

BACKEND: Final = "anthropic"
"""The key of our metadata, and the name that an `Opaque` of ours carries."""
FILES_BETA: Final = "files-api-2025-04-14"
"""What a request says in `anthropic-beta` that names a file of the Files API. Recorded."""

Block: TypeAlias = dict[str, Any]
Place: TypeAlias = Literal["system", "user", "assistant", "tool_result"]
"""Where a block is to stand; each place takes other blocks."""

PLACES: Final[dict[Place, str]] = {
    "system": "in the system prompt",
    "user": "in a message to the model",
    "assistant": "in a message of the model",
    "tool_result": "in a tool's result",
}
"""Where a block stands, for messages to people."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What translating one request has to know and to remember.

    Attributes:
        family: Whose model is asked: reasoning goes back only to the family that wrote it.
        capabilities: What the requested model takes.
        tools: The names of the tools.
        ids: The ids of the calls.
        adjustments: What has been adjusted so far.
        betas: What has to be said in `anthropic-beta` for what stands in the request.
    """

    family: str
    capabilities: Capabilities = field(default_factory=Capabilities)
    tools: ToolNames = field(default_factory=tool_names)
    ids: SentCallIds = field(default_factory=call_ids)
    adjustments: list[Adjustment] = field(default_factory=list[Adjustment])
    betas: dict[str, None] = field(default_factory=dict[str, None])

    def note(self, kind: AdjustmentKind, code: str, path: str, message: str) -> None:
        """Remember an adjustment."""
        self.adjustments.append(Adjustment(kind, code, path, message))

    def tool_name(self, name: str, path: str) -> str:
        """Return what a tool is called on the wire; the first time that differs, it is noted."""
        is_new = not self.tools.has_sent(name)
        sent = self.tools.sent(name)
        if sent != name and is_new:
            why = f"the tool {name!r} goes as {sent!r}: the service takes letters, digits, '_' and '-', at most 128"
            self.note("renamed", "tool-renamed", path, why)
        return sent

    def call_id(self, call_id: str, path: str) -> str:
        """Return the id of a call on the wire; where that differs, it is noted."""
        sent = self.ids.sent(call_id)
        if sent != call_id:
            why = f"the id {call_id!r} goes as {sent!r}: the service takes letters, digits, '_' and '-'"
            self.note("renamed", "call-id-renamed", path, why)
        return sent
