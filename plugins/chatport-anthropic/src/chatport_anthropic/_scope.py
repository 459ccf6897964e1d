"""What translating one request has to know and to remember, and the words for its places."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeAlias

from chatport.backend.translation import TranslationScope
from chatport_anthropic._capabilities import Capabilities

__all__ = ["BACKEND", "FILES_BETA", "Block", "Scope"]

BACKEND: Final = "anthropic"
"""The key of our metadata, and the name that an `Opaque` of ours carries."""
FILES_BETA: Final = "files-api-2025-04-14"
"""What a request says in `anthropic-beta` that names a file of the Files API. Recorded."""

Block: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope(TranslationScope):
    """What translating one request has to know, besides what every scope remembers.

    Attributes:
        family: Whose model is asked: reasoning goes back only to the family that wrote it.
        capabilities: What the requested model takes.
        betas: What has to be said in `anthropic-beta` for what stands in the request.
    """

    name_rule: ClassVar[str] = "the service takes letters, digits, '_' and '-', at most 128"
    id_rule: ClassVar[str] = "the service takes letters, digits, '_' and '-'"

    family: str
    capabilities: Capabilities = field(default_factory=Capabilities)
    betas: dict[str, None] = field(default_factory=dict[str, None])
