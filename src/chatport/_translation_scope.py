"""What translating one request has to remember: what was adjusted, and what goes under another name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, TypeAlias

from chatport._adjustments import Adjustment, AdjustmentKind
from chatport._call_names import SentCallIds, ToolNames

PartPlace: TypeAlias = Literal["system", "user", "assistant", "tool_result"]
"""Where a part is to stand in what a service is sent; each place takes other ones."""

PART_PLACES: Final[Mapping[PartPlace, str]] = {
    "system": "in the system prompt",
    "user": "in a message to the model",
    "assistant": "in a message of the model",
    "tool_result": "in a tool's result",
}
"""Where a part stands, for messages to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationScope:
    """What translating one request has to remember; a backend's own scope extends it with what it has to know.

    One is made for each request and handed down; what is found on the way is noted in it, with the place in the
    caller's own terms.

    Attributes:
        name_rule: Which names of tools the service takes, as the end of a sentence for people; a backend says it in its
            class.
        id_rule: Which ids of calls it takes, likewise.
        tools: The names of the tools.
        ids: The ids of the calls.
        adjustments: What has been adjusted so far.
    """

    name_rule: ClassVar[str] = "the service refuses it"
    id_rule: ClassVar[str] = "the service refuses it"

    tools: ToolNames
    ids: SentCallIds
    adjustments: list[Adjustment] = field(default_factory=list[Adjustment])

    def note(self, kind: AdjustmentKind, code: str, path: str, message: str) -> None:
        """Remember an adjustment."""
        self.adjustments.append(Adjustment(kind, code, path, message))

    def drop_setting(self, name: str, why: str) -> None:
        """Remember that a setting is left out.

        Args:
            name: Its name in `Settings`.
            why: The reason, for people: it follows on "left out:".
        """
        self.note("dropped", "setting-dropped", f"settings.{name}", f"left out: {why}")

    def tool_name(self, name: str, path: str) -> str:
        """Return what a tool is called on the wire; the first time that differs, it is noted."""
        is_new = not self.tools.has_sent(name)
        sent = self.tools.sent(name)
        if sent != name and is_new:
            self.note("renamed", "tool-renamed", path, f"the tool {name!r} goes as {sent!r}: {self.name_rule}")
        return sent

    def call_id(self, call_id: str, path: str) -> str:
        """Return the id of a call on the wire; where that differs, it is noted.

        A result goes by `ids.sent`: what its id goes as was noted where the call stands.
        """
        sent = self.ids.sent(call_id)
        if sent != call_id:
            self.note("renamed", "call-id-renamed", path, f"the id {call_id!r} goes as {sent!r}: {self.id_rule}")
        return sent
