"""What translating one request has to know and to remember, and the words for its places."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias

from chatport.backend.translation import TranslationScope
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
class Scope(TranslationScope):
    """What translating one request has to know, besides what every scope remembers.

    Attributes:
        dialect: What the server takes.
        server: Who it is: reasoning goes back only to the server that gave it.
        family: Whose model is asked, likewise.
        model: What is known of the model.
    """

    name_rule: ClassVar[str] = "names are letters, digits, '_' and '-', at most 64 of them"
    id_rule: ClassVar[str] = "this server refuses it"

    dialect: Dialect
    server: str
    family: str
    model: ModelFacts = field(default_factory=ModelFacts)
