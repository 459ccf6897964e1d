"""What translating one request has to know and to remember, and the words for its places."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias

from chatport.backend.translation import PART_PLACES, PartPlace, TranslationScope
from chatport_openai._dialects import Dialect
from chatport_openai._models import ModelFacts

__all__ = ["BACKEND", "PLACES", "Block", "Scope"]

BACKEND: Final = "openai"
"""The key of our metadata, and the name that an `Opaque` of ours carries."""

Block: TypeAlias = dict[str, Any]
PLACES: Final[Mapping[PartPlace, str]] = {**PART_PLACES, "system": "in instructions"}
"""Where a part stands, for messages to people, in the words of this API."""


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
