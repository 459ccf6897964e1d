"""One model of a service's catalog as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that a service offers, in neutral words. What the service does not say is None or empty.

    Attributes:
        id: What goes behind the colon of a model string.
        name: What people call it.
        provider: Who made it, as the service writes it.
        input: What it reads, in lower case: `"text"`, `"image"` …
        output: What it writes, in lower case: `"text"`, `"image"`, `"embedding"` …
        streaming: Whether it can answer piece by piece.
        status: `"active"` or `"legacy"`; a service may have other words.
        metadata: What else the service says, by backend name.
    """

    id: str
    name: str
    provider: str | None = None
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    streaming: bool | None = None
    status: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], hash=False, repr=False)

    def matches(
        self,
        *,
        output: str | None = None,
        input: str | None = None,  # noqa: A002 - the name of the member, which the contract fixes
        status: str | None = None,
        provider: str | None = None,
    ) -> bool:
        """Whether a model is what is looked for. What is None is not looked at; case does not count.

        A model of which the service does not say what is asked for does not match.

        Args:
            output: What it has to write.
            input: What it has to read.
            status: What its status has to be.
            provider: Who has to have made it.
        """
        return (
            (output is None or output.casefold() in self.output)
            and (input is None or input.casefold() in self.input)
            and (status is None or status.casefold() == self.status)
            and (provider is None or provider.casefold() == (self.provider or "").casefold())
        )
