"""One message on its way to the server."""

from dataclasses import dataclass, field
from typing import Any

from chatport.backend import Role
from chatport_openai._scope import Block

__all__ = ["Turn"]


@dataclass(slots=True)
class Turn:
    """A message on its way.

    Attributes:
        role: Who speaks.
        path: Where it stands in the caller's request.
        message: A message of the model, or a result, as it is sent; empty for others.
        blocks: The content of others.
        beside: Of a result: what has to follow behind the results.
        call_paths: Of a message of the model: where each of its calls stands in the caller's request.
    """

    role: Role
    path: str
    message: Block = field(default_factory=dict[str, Any])
    blocks: list[Block] = field(default_factory=list[Block])
    beside: list[Block] = field(default_factory=list[Block])
    call_paths: list[str] = field(default_factory=list[str])
