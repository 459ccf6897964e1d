"""What translating one request has to know and to remember, and the words for its places."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias

from chatport.backend.translation import TranslationScope
from chatport_bedrock._capabilities import Capabilities
from chatport_bedrock._document_names import DocumentNames
from chatport_bedrock._limits import Limits

__all__ = ["BACKEND", "Block", "Scope"]

BACKEND: Final = "bedrock"
"""The key of our metadata, and the name that an `Opaque` of ours carries."""

Block: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope(TranslationScope):
    """What translating one request has to know, besides what every scope remembers.

    Attributes:
        family: Whose model is asked: reasoning goes back only to the family that wrote it.
        names: The names of the documents so far.
        capabilities: What the requested model takes.
        limits: How many media there may be and how large; None leaves that to the service.
    """

    name_rule: ClassVar[str] = "Bedrock takes letters, digits, '_' and '-', at most 64 of them"
    id_rule: ClassVar[str] = "this model refuses it"

    family: str
    names: DocumentNames = field(default_factory=DocumentNames)
    capabilities: Capabilities = field(default_factory=Capabilities)
    limits: Limits | None = None
